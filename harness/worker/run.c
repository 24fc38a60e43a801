#include "harness/worker/run.h"

#include "base/clock.h"
#include "base/file.h"
#include "harness/worker/serve.h"
#include "harness/worker/wire.h"

#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { MAX_SERVERS = 64, MAX_PREPARED = 4, OUTPUT_TAIL = 512, GRACE_SECONDS = 10,
       DEFAULT_WALL_SECONDS = 60 };

/* ---- idle servers, kept until this process ends: they leave when their socket closes ---- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static ws_proc idle[MAX_SERVERS];
static int n_idle;

static ws_status start_server(ws_proc *out, ws_err *err)
{
    const char *argv[] = {ws_proc_self(), "worker", "run", NULL};
    const char *driver = getenv("WARPSMITH_CUDA_DRIVER");
    ws_arena a = {0};
    ws_proc_options o = {.argv = argv};
    if (driver)
        o.add_env = ws_arena_printf(&a, "WARPSMITH_CUDA_DRIVER=%s", driver);
    ws_status st = ws_proc_spawn(&o, out, err);
    ws_arena_release(&a);
    return st;
}

void run_prepare(int n)
{
    ws_err ignored = {0}; /* the run that needs it tries again and reports it */
    pthread_mutex_lock(&lock);
    while (n_idle < n && n_idle < MAX_PREPARED && !start_server(&idle[n_idle], &ignored))
        n_idle++;
    pthread_mutex_unlock(&lock);
}

static ws_status take_server(ws_proc *out, bool *fresh, ws_err *err)
{
    pthread_mutex_lock(&lock);
    *fresh = n_idle == 0;
    ws_status st = WS_OK;
    if (*fresh)
        st = start_server(out, err);
    else
        *out = idle[--n_idle];
    pthread_mutex_unlock(&lock);
    return st;
}

static void give_server(ws_proc *p)
{
    pthread_mutex_lock(&lock);
    if (n_idle < MAX_SERVERS)
        idle[n_idle++] = *p;
    else
        ws_proc_kill(p);
    pthread_mutex_unlock(&lock);
}

/* ---- one request ---- */

typedef struct request {
    int fd[SERVE_MAX_WIRES]; /* one a run */
    int n, output;
    double wall, seconds; /* that it may take, that it took */
} request;

static ws_status ask(ws_proc *server, const request *q, serve_reply *reply, ws_err *err)
{
    uint32_t type = 0;
    ws_buf answer = {.max = 4096};
    int64_t deadline = ws_now_ns() + (int64_t)((SERVE_PATIENCE * q->wall + GRACE_SECONDS) * 1e9);
    ws_status st = serve_send(server->sock, q->fd, q->n, q->output, q->wall, err);
    if (!st)
        st = ws_msg_recv(server->sock, deadline, sizeof *reply, &type, &answer, err);
    if (!st && (type != SERVE_ENDED || answer.n != sizeof *reply))
        st = ws_fail(err, WS_EENV, "the run worker gave an answer of another version");
    if (!st)
        memcpy(reply, answer.p, sizeof *reply);
    ws_buf_release(&answer);
    return st;
}

/* A server that has died since its last request is replaced once. */
static ws_status exchange(const request *q, serve_reply *reply, ws_err *err)
{
    for (;;) {
        ws_proc server;
        bool fresh;
        if (take_server(&server, &fresh, err))
            return ws_wrap(err, "run worker");
        if (!ask(&server, q, reply, err)) {
            give_server(&server);
            return WS_OK;
        }
        ws_proc_kill(&server);
        if (fresh)
            return ws_wrap(err, "run worker");
        *err = (ws_err){0};
    }
}

/* The end of what the child printed, on one line. */
static void last_output(int fd, char out[OUTPUT_TAIL])
{
    off_t end = lseek(fd, 0, SEEK_END);
    off_t from = end > OUTPUT_TAIL - 1 ? end - (OUTPUT_TAIL - 1) : 0;
    ssize_t n = pread(fd, out, OUTPUT_TAIL - 1, from);
    n = n > 0 ? n : 0;
    while (n > 0 && (out[n - 1] == '\n' || out[n - 1] == ' '))
        n--;
    out[n] = '\0';
    for (char *p = out; *p; p++)
        if ((unsigned char)*p < ' ')
            *p = ' ';
}

/* Printed by kernels of a GPU, which write to the child's stdout. */
static void read_printed(int fd, run_report *out)
{
    ssize_t n = pread(fd, out->printed, sizeof out->printed - 1, 0);
    out->printed[n > 0 ? n : 0] = '\0';
}

/* ---- what the child left, which it may have written anyhow ---- */

#define TERMINATE(text) ((text)[sizeof(text) - 1] = '\0')

static bool valid_reason(hx_reason r)
{
    return (unsigned)r < HX_REASON_COUNT;
}

static void sanitise_report(ptx_report *r)
{
    if (r->n_faults < 0 || r->n_faults > PTX_MAX_FAULTS)
        r->n_faults = 0;
    r->coverage = NULL;
    r->lines = NULL;
    for (int i = 0; i < PTX_MAX_FAULTS; i++) {
        ptx_fault *f = &r->fault[i];
        if (!valid_reason(f->reason))
            f->reason = HX_CRASH;
        TERMINATE(f->kernel);
        TERMINATE(f->file);
        TERMINATE(f->insn);
        TERMINATE(f->space);
        TERMINATE(f->buffer);
        TERMINATE(f->text);
    }
}

/* NULL: it was not asked for. */
static ptx_coverage *take_coverage(const wire *w)
{
    const int n = w->coverage ? __atomic_load_n(&w->coverage->n, __ATOMIC_RELAXED) : 0;
    if (!w->coverage || n < 0 || n > PTX_MAX_COVER)
        return NULL;
    const ptx_coverage head = {.n = n};
    ptx_coverage *out = ws_malloc(sizeof *out);
    memcpy(out, w->coverage, ptx_coverage_bytes(&head));
    out->n = n;
    return out;
}

static ptx_lines *take_lines(const wire *w)
{
    const int n = w->lines ? __atomic_load_n(&w->lines->n, __ATOMIC_RELAXED) : 0;
    if (!w->lines || n < 0 || n > PTX_MAX_LINES)
        return NULL;
    const ptx_lines head = {.n = n};
    ptx_lines *out = ws_malloc(sizeof *out);
    memcpy(out, w->lines, ptx_lines_bytes(&head));
    out->n = n;
    for (int i = 0; i < n; i++)
        TERMINATE(out->line[i].file);
    return out;
}

static ws_status take_result(const wire *w, const run_request *r, run_report *out, ws_err *err)
{
    wire_result *copy = ws_malloc(sizeof *copy);
    memcpy(copy, w->result, sizeof *copy);
    TERMINATE(copy->err.msg);
    TERMINATE(copy->err.hint);
    TERMINATE(copy->text);
    TERMINATE(copy->device);
    TERMINATE(copy->printed);
    sanitise_report(&copy->engine);
    ws_status st = copy->status;
    if (st) {
        *err = copy->err;
        err->status = st = (unsigned)st <= WS_EINTR ? st : WS_EBUG;
    }
    out->reason = valid_reason(copy->reason) ? copy->reason : HX_CRASH;
    out->on_engine = copy->on_engine;
    out->engine = copy->engine;
    out->engine.coverage = take_coverage(w);
    out->engine.lines = take_lines(w);
    memcpy(out->text, copy->text, sizeof out->text);
    memcpy(out->device, copy->device, sizeof out->device);
    memcpy(out->printed, copy->printed, sizeof out->printed);
    out->seconds = copy->seconds;
    if (!st && r->engine.field_prime && out->reason == HX_UNSUPPORTED)
        wire_collect(w, r); /* what came before the launch that leaves the field */
    if (!st && out->reason == HX_PASS) {
        wire_collect(w, r);
        out->n_ms = copy->n_ms > 0 && copy->n_ms <= r->repeats ? copy->n_ms : 0;
    }
    if (out->n_ms) {
        out->ms = ws_malloc((size_t)out->n_ms * sizeof *out->ms);
        memcpy(out->ms, w->ms, (size_t)out->n_ms * sizeof *out->ms);
    }
    out->n_launches =
        !st && r->counting && copy->n_launches == r->plan->n_launches ? copy->n_launches : 0;
    if (out->n_launches) {
        out->launch = ws_malloc((size_t)out->n_launches * sizeof *out->launch);
        memcpy(out->launch, w->launch, (size_t)out->n_launches * sizeof *out->launch);
    }
    free(copy);
    return st;
}

static ws_status judge(const wire *w, const serve_reply *reply, const request *to,
                       const run_request *r, run_report *out, ws_err *err)
{
    char tail[OUTPUT_TAIL];
    bool done = __atomic_load_n(&w->result->state, __ATOMIC_ACQUIRE) == WIRE_DONE;
    if (reply->how == WS_PROC_DEADLINE) {
        out->reason = HX_ENDLESS;
        snprintf(out->text, sizeof out->text, "the run did not end within %g s", to->wall);
        return WS_OK;
    }
    if (done && reply->how == WS_PROC_EXITED && reply->code == 0) {
        ws_status st = take_result(w, r, out, err);
        if (!out->on_engine)
            read_printed(to->output, out);
        return st;
    }
    out->reason = HX_CRASH;
    last_output(to->output, tail);
    if (reply->how == WS_PROC_SIGNALED)
        snprintf(out->text, sizeof out->text,
                 "the process that ran the kernel died of signal %d (%s)%s%s", reply->code,
                 strsignal(reply->code), tail[0] ? ": " : "", tail);
    else
        snprintf(out->text, sizeof out->text,
                 "the process that ran the kernel ended with code %d%s%s", reply->code,
                 tail[0] ? ": " : "", tail);
    return WS_OK;
}

/* With what the caller left open. */
static run_request complete(const run_request *r)
{
    run_request q = *r;
    const char *device = getenv("WARPSMITH_DEVICE");
    if (!(q.wall_seconds > 0))
        q.wall_seconds = DEFAULT_WALL_SECONDS;
    if (!q.device && device && *device)
        q.device = device; /* the child's environment does not have it */
    return q;
}

static bool is_done(const wire *w)
{
    return __atomic_load_n(&w->result->state, __ATOMIC_ACQUIRE) == WIRE_DONE;
}

/* The runs of one child: those that came to an end, and the one in which it died. */
static void judge_all(const wire *w, const serve_reply *reply, const request *to, run_request *q,
                      run_report *out, int *done, ws_err *err)
{
    static const serve_reply well = {WS_PROC_EXITED, 0};
    double earlier = 0;
    for (int i = 0; i < to->n; i++) {
        const wire_result *res = w[i].result;
        const bool went_on =
            i + 1 < to->n && is_done(&w[i]) && !res->status && res->reason == HX_PASS;
        out[i].seconds = fmax(to->seconds - earlier, 0); /* of a run that does not say it itself */
        *done = i + 1;
        if (judge(&w[i], went_on ? &well : reply, to, &q[i], &out[i], err) ||
            out[i].reason != HX_PASS)
            return;
        earlier += out[i].seconds;
    }
}

/* The wires of all requests; the child's wall time is theirs together. */
static ws_status make_wires(const run_request *q, int n, wire *w, request *to, ws_err *err)
{
    for (int i = 0; i < n; i++) {
        if (wire_new(&q[i], &w[i], err))
            return err->status;
        to->fd[to->n++] = w[i].fd;
        to->wall += q[i].wall_seconds;
    }
    to->output = memfd_create("warpsmith-output", MFD_CLOEXEC);
    return to->output < 0 ? ws_fail_errno(err, WS_EENV, "cannot make a file for a run's output")
                          : WS_OK;
}

ws_status run_execute_all(const run_request *r, int n, run_report *out, int *done, ws_err *err)
{
    wire w[RUN_MAX_TOGETHER];
    run_request q[RUN_MAX_TOGETHER];
    request to = {.output = -1};
    serve_reply reply = {0};
    int64_t start = ws_now_ns();
    if (n < 1 || n > RUN_MAX_TOGETHER)
        ws_bug("%d runs in one process, at most %d", n, RUN_MAX_TOGETHER);
    *done = 0;
    for (int i = 0; i < n; i++) {
        q[i] = complete(&r[i]);
        out[i] = (run_report){0};
    }
    if (!make_wires(q, n, w, &to, err) && !exchange(&to, &reply, err)) {
        to.seconds = ws_seconds_since(start);
        judge_all(w, &reply, &to, q, out, done, err);
    }
    if (to.output >= 0)
        close(to.output);
    for (int i = 0; i < to.n; i++)
        wire_release(&w[i]);
    return err->status;
}

ws_status run_execute(const run_request *r, run_report *out, ws_err *err)
{
    int done = 0;
    return run_execute_all(r, 1, out, &done, err);
}

void run_report_release(run_report *r)
{
    if (!r)
        return;
    free(r->ms);
    free(r->launch);
    free(r->engine.coverage);
    free(r->engine.lines);
    r->ms = NULL;
    r->launch = NULL;
    r->engine.coverage = NULL;
    r->engine.lines = NULL;
    r->n_ms = 0;
}
