#include "harness/timing/sitting.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/proc.h"
#include "harness/confine.h"
#include "harness/timing/sitting_wire.h"
#include "harness/worker/wire.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

enum { MAX_FDS = LANE_MAX_PROGRAMS + LANE_MAX_SETS };

/* ---- the caller's side ---- */

typedef struct sitting {
    const lane_request *r;
    lane_result *out;
    wire wire[MAX_FDS];
    int fd[MAX_FDS], n;
    int cap_outputs;
    size_t output_bytes; /* of one output message */
} sitting;

static ws_status make_wires(sitting *s, ws_err *err)
{
    const lane_request *r = s->r;
    for (int i = 0; i < r->n_programs + r->n_sets; i++) {
        if (wire_new(i < r->n_programs ? &r->program[i] : &r->set[i - r->n_programs],
                     &s->wire[s->n], err))
            return err->status;
        s->fd[s->n] = s->wire[s->n].fd;
        s->n++;
    }
    for (int i = 0; i < r->program[0].n_tensors; i++)
        if (r->program[0].tensor[i].role == RUN_OUTPUT)
            s->output_bytes += r->program[0].tensor[i].bytes;
    return WS_OK;
}

static ws_status start(const sitting *s, const char *device, ws_proc *p, ws_err *err)
{
    const char *argv[] = {ws_proc_self(), "worker", "time", NULL};
    const char *driver = getenv("WARPSMITH_CUDA_DRIVER"), *set = getenv("WARPSMITH_DEVICE");
    ws_arena a = {0};
    ws_proc_options o = {.argv = argv, .inherit_fds = s->fd, .n_inherit = (size_t)s->n};
    sit_order order = {
        .rules = s->r->rules, .n_programs = s->r->n_programs, .n_sets = s->r->n_sets};
    snprintf(order.device, sizeof order.device, "%s", device ? device : set ? set : "");
    if (driver)
        o.add_env = ws_arena_printf(&a, "WARPSMITH_CUDA_DRIVER=%s", driver);
    ws_status st = ws_proc_spawn(&o, p, err);
    if (!st && (st = ws_msg_send(p->sock, SIT_ORDER, &order, sizeof order, err)))
        ws_proc_kill(p);
    ws_arena_release(&a);
    return st;
}

static ws_status take_output(sitting *s, const ws_buf *m, ws_err *err)
{
    sit_kept k;
    lane_result *o = s->out;
    if (m->n != sizeof k + s->output_bytes)
        return ws_fail(err, WS_EENV, "the sitting sent an output of %zu bytes", m->n);
    memcpy(&k, m->p, sizeof k);
    if (k.output != o->n_outputs || k.set < 0 || k.set >= s->r->n_sets)
        return ws_fail(err, WS_EENV, "the sitting sent an output of set %d", k.set);
    WS_GROW(o->output, o->n_outputs, s->cap_outputs);
    o->output[o->n_outputs++] =
        (lane_output){.set = k.set, .by = ws_calloc((size_t)s->r->n_programs, sizeof(bool))};
    return s->r->keep ? s->r->keep(s->r->ud, k.output, k.set, m->p + sizeof k, s->output_bytes, err)
                      : WS_OK;
}

static ws_status take_result(sitting *s, const ws_buf *m, ws_err *err)
{
    cJSON *o = NULL;
    ws_status st = ws_json_parse((const char *)m->p, m->n, &o, err);
    if (!st)
        st = sit_result_read(o, s->r->n_programs, s->out, err);
    if (!st && s->out->failed < 0)
        st = lane_mde(&s->r->rules, s->out, err);
    cJSON_Delete(o);
    return st;
}

static ws_status take_failure(const ws_buf *m, ws_err *err)
{
    ws_err told;
    if (m->n != sizeof told)
        return ws_fail(err, WS_EENV, "the sitting failed, in words of another version");
    memcpy(&told, m->p, sizeof told);
    told.msg[sizeof told.msg - 1] = told.hint[sizeof told.hint - 1] = '\0';
    const bool known = told.status > WS_OK && told.status <= WS_EINTR;
    return ws_fail(err, known ? told.status : WS_EENV, "%s", told.msg);
}

static ws_status listen_to(sitting *s, int sock, int64_t deadline, ws_err *err)
{
    ws_buf m = {.max = SIT_MAX_ANSWER};
    ws_status st = WS_OK;
    for (uint32_t type = SIT_OUTPUT; !st && type == SIT_OUTPUT;) {
        ws_buf_reset(&m);
        if ((st = ws_msg_recv(sock, deadline, SIT_MAX_ANSWER, &type, &m, err)))
            ws_wrap(err, "the sitting's process");
        else if (type == SIT_OUTPUT)
            st = take_output(s, &m, err);
        else if (type == SIT_DONE)
            st = take_result(s, &m, err);
        else if (type == SIT_FAILED)
            st = take_failure(&m, err);
        else
            st = ws_fail(err, WS_EENV, "the sitting said something unknown");
    }
    ws_buf_release(&m);
    return st;
}

ws_status sit_run(const lane_request *r, const char *device, double wall_seconds, lane_result *out,
                  ws_err *err)
{
    sitting *s = ws_calloc(1, sizeof *s);
    ws_proc p = {.sock = -1, .output = -1};
    s->r = r;
    s->out = out;
    *out = (lane_result){.failed = -1};
    if (r->n_programs < 2 || r->n_programs > LANE_MAX_PROGRAMS || r->n_sets < 2 ||
        r->n_sets > LANE_MAX_SETS) {
        free(s);
        return ws_fail(err, WS_EINPUT, "a sitting has 1 to %d candidates and 2 to %d sets",
                       LANE_MAX_PROGRAMS - 1, LANE_MAX_SETS);
    }
    ws_status st = make_wires(s, err);
    if (!st)
        st = start(s, device, &p, err);
    if (!st)
        st = listen_to(s, p.sock, ws_now_ns() + (int64_t)(wall_seconds * 1e9), err);
    ws_proc_kill(&p); /* it has said all that it had to say */
    for (int i = 0; i < s->n; i++)
        wire_release(&s->wire[i]);
    free(s);
    return st;
}

/* ---- the process of the sitting ---- */

static ws_status send_output(void *ud, int output, int set, const void *bytes, size_t n,
                             ws_err *err)
{
    const sit_kept k = {output, set};
    ws_buf *m = ud;
    ws_buf_reset(m);
    ws_buf_add(m, &k, sizeof k);
    ws_buf_add(m, bytes, n);
    return ws_msg_send(SIT_SOCKET, SIT_OUTPUT, m->p, m->n, err);
}

static ws_status send_result(const lane_result *r, int n_programs, ws_err *err)
{
    ws_buf text = {0};
    cJSON *o = sit_result_json(r, n_programs);
    ws_json_print(o, false, &text);
    cJSON_Delete(o);
    ws_status st = ws_msg_send(SIT_SOCKET, SIT_DONE, text.p, text.n, err);
    ws_buf_release(&text);
    return st;
}

static ws_status hold(const sit_order *order, wire *w, ws_err *err)
{
    run_request *request = ws_calloc((size_t)(order->n_programs + order->n_sets), sizeof *request);
    ws_buf message = {0};
    cu_device *d;
    lane_result result;
    for (int i = 0; i < order->n_programs + order->n_sets; i++) {
        if (wire_open(SIT_FIRST_FD + i, &w[i], err))
            return err->status;
        request[i] = w[i].request;
    }
    const lane_request r = {.rules = order->rules,
                            .program = request,
                            .n_programs = order->n_programs,
                            .set = request + order->n_programs,
                            .n_sets = order->n_sets,
                            .keep = send_output,
                            .ud = &message};
    if (cu_open(order->device[0] ? order->device : NULL, &d, err))
        return err->status;
    if (cu_is_engine(d))
        ws_confine();
    if (lane_run(d, &r, &result, err))
        return err->status;
    return send_result(&result, order->n_programs, err); /* the process ends, and frees all */
}

int sit_worker_main(void)
{
    static wire w[MAX_FDS];
    sit_order order;
    uint32_t type;
    ws_buf m = {.max = sizeof order};
    ws_err err = {0};
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    prctl(PR_SET_NAME, "ws-time");
    if (ws_msg_recv(SIT_SOCKET, 0, sizeof order, &type, &m, &err))
        return ws_status_exit_code(err.status);
    if (type != SIT_ORDER || m.n != sizeof order)
        return ws_status_exit_code(WS_EINPUT);
    memcpy(&order, m.p, sizeof order);
    if (order.n_programs < 2 || order.n_programs > LANE_MAX_PROGRAMS || order.n_sets < 2 ||
        order.n_sets > LANE_MAX_SETS)
        return ws_status_exit_code(WS_EINPUT);
    if (hold(&order, w, &err) &&
        ws_msg_send(SIT_SOCKET, SIT_FAILED, &err, sizeof err, &(ws_err){0}))
        return ws_status_exit_code(err.status);
    return 0;
}
