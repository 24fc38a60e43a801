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

typedef struct server {
    ws_proc proc;
    void *image; /* whose runs its child waits for, on `device`; NULL: it has none */
    size_t image_bytes;
    char device[64];
} server;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static server idle[MAX_SERVERS];
static int n_idle;

static ws_status start_server(server *out, ws_err *err)
{
    const char *argv[] = {ws_proc_self(), "worker", "run", NULL};
    const char *driver = getenv("WARPSMITH_CUDA_DRIVER");
    ws_arena a = {0};
    ws_proc_options o = {.argv = argv};
    if (driver)
        o.add_env = ws_arena_printf(&a, "WARPSMITH_CUDA_DRIVER=%s", driver);
    *out = (server){0};
    ws_status st = ws_proc_spawn(&o, &out->proc, err);
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

static void end_server(server *s)
{
    ws_proc_kill(&s->proc);
    free(s->image);
    s->image = NULL;
}

/* ---- one request ---- */

typedef struct request {
    serve_request to_server;
    const run_request *r; /* [to_server.n] */
    bool uniform;         /* they are all of one image */
    double seconds;       /* that it took */
} request;

static const char *device_of(const run_request *r)
{
    return r->device ? r->device : "";
}

static bool same_image(const run_request *r, const void *image, size_t bytes, const char *device)
{
    return r->image_bytes == bytes && strcmp(device_of(r), device) == 0 &&
           (r->image == image || memcmp(r->image, image, bytes) == 0);
}

static bool is_uniform(const run_request *r, int n)
{
    bool same = strlen(device_of(r)) < sizeof idle[0].device;
    for (int i = 1; i < n && same; i++)
        same = same_image(&r[i], r->image, r->image_bytes, device_of(r));
    return same;
}

static bool waits_for(const server *s, const request *q)
{
    return s->image && q->uniform && same_image(q->r, s->image, s->image_bytes, s->device);
}

/* One whose child waits for this image, or any. */
static int choose_server(const request *q)
{
    for (int i = 0; i < n_idle; i++)
        if (waits_for(&idle[i], q))
            return i;
    return n_idle - 1;
}

static ws_status take_server(const request *q, server *out, bool *fresh, ws_err *err)
{
    pthread_mutex_lock(&lock);
    *fresh = n_idle == 0;
    ws_status st = WS_OK;
    if (*fresh) {
        st = start_server(out, err);
    } else {
        const int i = choose_server(q);
        *out = idle[i];
        idle[i] = idle[--n_idle];
    }
    pthread_mutex_unlock(&lock);
    return st;
}

static void give_server(server *s)
{
    pthread_mutex_lock(&lock);
    if (n_idle < MAX_SERVERS)
        idle[n_idle++] = *s;
    else
        end_server(s);
    pthread_mutex_unlock(&lock);
}

/* What the server's child waits for from now on. */
static void note_child(server *s, const request *q, bool stays)
{
    if (stays && q->to_server.again)
        return;
    free(s->image);
    s->image = NULL;
    if (!stays || !q->uniform)
        return;
    s->image = ws_malloc(q->r->image_bytes);
    s->image_bytes = q->r->image_bytes;
    memcpy(s->image, q->r->image, s->image_bytes);
    snprintf(s->device, sizeof s->device, "%s", device_of(q->r));
}

static ws_status ask(server *s, request *q, serve_reply *reply, ws_err *err)
{
    uint32_t type = 0;
    ws_buf answer = {.max = 4096};
    serve_request *to = &q->to_server;
    int64_t deadline =
        ws_now_ns() + (int64_t)((SERVE_PATIENCE * to->wall_seconds + GRACE_SECONDS) * 1e9);
    to->again = waits_for(s, q);
    ws_status st = serve_send(s->proc.sock, to, err);
    if (!st)
        st = ws_msg_recv(s->proc.sock, deadline, sizeof *reply, &type, &answer, err);
    if (!st && (type != SERVE_ENDED || answer.n != sizeof *reply))
        st = ws_fail(err, WS_EENV, "the run worker gave an answer of another version");
    if (!st) {
        memcpy(reply, answer.p, sizeof *reply);
        note_child(s, q, reply->stays);
    }
    ws_buf_release(&answer);
    return st;
}

/* A server that has died since its last request is replaced once. */
static ws_status exchange(request *q, serve_reply *reply, ws_err *err)
{
    for (;;) {
        server s;
        bool fresh;
        if (take_server(q, &s, &fresh, err))
            return ws_wrap(err, "run worker");
        if (!ask(&s, q, reply, err)) {
            give_server(&s);
            return WS_OK;
        }
        end_server(&s);
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
        snprintf(out->text, sizeof out->text, "the run did not end within %g s",
                 to->to_server.wall_seconds);
        return WS_OK;
    }
    if (done && reply->how == WS_PROC_EXITED && reply->code == 0) {
        ws_status st = take_result(w, r, out, err);
        if (!out->on_engine)
            read_printed(to->to_server.output_fd, out);
        return st;
    }
    out->reason = HX_CRASH;
    last_output(to->to_server.output_fd, tail);
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
    static const serve_reply well = {.how = WS_PROC_EXITED};
    double earlier = 0;
    for (int i = 0; i < to->to_server.n; i++) {
        const wire_result *res = w[i].result;
        const bool went_on =
            i + 1 < to->to_server.n && is_done(&w[i]) && !res->status && res->reason == HX_PASS;
        out[i].seconds = fmax(to->seconds - earlier, 0); /* of a run that does not say it itself */
        *done = i + 1;
        if (judge(&w[i], went_on ? &well : reply, to, &q[i], &out[i], err) ||
            out[i].reason != HX_PASS)
            return;
        earlier += out[i].seconds;
    }
}

/* The wires of all requests; the child's wall time is theirs together. */
static ws_status make_wires(const run_request *q, int n, wire *w, serve_request *to, ws_err *err)
{
    for (int i = 0; i < n; i++) {
        if (wire_new(&q[i], &w[i], err))
            return err->status;
        to->fd[to->n++] = w[i].fd;
        to->wall_seconds += q[i].wall_seconds;
    }
    to->output_fd = memfd_create("warpsmith-output", MFD_CLOEXEC);
    return to->output_fd < 0 ? ws_fail_errno(err, WS_EENV, "cannot make a file for a run's output")
                             : WS_OK;
}

static void release_wires(wire *w, request *to)
{
    if (to->to_server.output_fd >= 0)
        close(to->to_server.output_fd);
    for (int i = 0; i < to->to_server.n; i++)
        wire_release(&w[i]);
    to->to_server = (serve_request){.output_fd = -1};
}

static ws_status attempt(const run_request *q, int n, wire *w, request *to, serve_reply *reply,
                         ws_err *err)
{
    const int64_t start = ws_now_ns();
    if (make_wires(q, n, w, &to->to_server, err) || exchange(to, reply, err))
        return err->status;
    to->seconds = ws_seconds_since(start);
    return WS_OK;
}

/* A child that had done other runs died: somebody may have killed it between them, and what a new
 * one does is what counts. */
static bool died_later(const request *to, const serve_reply *reply)
{
    return to->to_server.again && !reply->stays && reply->how != WS_PROC_DEADLINE && reply->code;
}

ws_status run_execute_all(const run_request *r, int n, run_report *out, int *done, ws_err *err)
{
    wire w[RUN_MAX_TOGETHER];
    run_request q[RUN_MAX_TOGETHER];
    request to = {.to_server.output_fd = -1, .r = q};
    serve_reply reply = {0};
    if (n < 1 || n > RUN_MAX_TOGETHER)
        ws_bug("%d runs in one process, at most %d", n, RUN_MAX_TOGETHER);
    *done = 0;
    for (int i = 0; i < n; i++) {
        q[i] = complete(&r[i]);
        out[i] = (run_report){0};
    }
    to.uniform = is_uniform(q, n);
    while (!attempt(q, n, w, &to, &reply, err) && died_later(&to, &reply))
        release_wires(w, &to);
    if (!err->status)
        judge_all(w, &reply, &to, q, out, done, err);
    release_wires(w, &to);
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
