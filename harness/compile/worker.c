/* The compile server: loads NVRTC once, compiles something trivial so that its tables are there, and forks
 * a child for each job, as many at once as there are cores. One more child waits for a job to come. The
 * server itself never touches a candidate's text except to hand it on. */
#include "harness/compile/internal.h"

#include "base/clock.h"
#include "base/pool.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SOCKET = 3, MAX_CHILDREN = 32, MAX_EARLY = 4 };

typedef struct child {
    pid_t pid;          /* 0: the slot is free */
    int fd;
    bool busy;
    uint64_t id;        /* of its job */
    uint64_t memory_bytes;
    int64_t deadline_ns;
    ws_buf made;
} child;

typedef struct queued {
    struct queued *next;
    ws_str bytes;
} queued;

typedef struct server {
    comp_toolkit toolkit;
    bool can_link;
    ws_err link_err;
    char version[64];
    child child[MAX_CHILDREN];
    int max_busy;
    pid_t answered[4 * MAX_CHILDREN]; /* children to be reaped, see finish() */
    int n_answered;
    queued *first, **last;
} server;

/* ---- replies ---- */

static ws_status send_failure(uint32_t type, uint64_t id, const ws_err *failure)
{
    ws_buf b = {0};
    ws_err err = {0};
    comp_wire_put(&b, &id, sizeof id);
    comp_wire_put(&b, failure->msg, strlen(failure->msg));
    comp_wire_put(&b, failure->hint, strlen(failure->hint));
    ws_status st = ws_msg_send(SOCKET, type, b.p, b.n, &err);
    ws_buf_release(&b);
    return st;
}

static ws_status send_reply(uint64_t id, const comp_reply *r, ws_err *err)
{
    ws_buf b = {.max = COMP_MAX_REPLY};
    comp_wire_put(&b, &id, sizeof id);
    comp_reply_write(&b, r);
    ws_status st = ws_msg_send(SOCKET, COMP_MSG_REPLY, b.p, b.n, err);
    ws_buf_release(&b);
    return st;
}

/* What the end of a child says about the phase that it did not finish. */
static comp_phase unfinished(bool in_time, int status, const struct rusage *u, uint64_t memory_bytes)
{
    comp_phase p = {.outcome = COMP_CRASHED, .code = SIGABRT};
    if (!in_time || (WIFSIGNALED(status) && WTERMSIG(status) == SIGXCPU))
        p.outcome = COMP_TIME;
    else if ((uint64_t)u->ru_maxrss * 1024 > memory_bytes / 2 ||
             (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL))
        p.outcome = COMP_MEMORY; /* half: address space counts before it is touched */
    if (WIFSIGNALED(status))
        p.code = WTERMSIG(status);
    return p;
}

/* The phases that a child wrote; true: both are there. */
static bool read_phases(const ws_buf *made, comp_reply *out)
{
    ws_str bytes = {ws_buf_z(made), made->n}, one;
    *out = (comp_reply){0};
    if (!comp_wire_get(&bytes, &one) || !comp_phase_read(one, &out->front)) {
        out->front.outcome = COMP_NO_REPLY;
        return false;
    }
    if (!comp_wire_get(&bytes, &one) || !comp_phase_read(one, &out->back)) {
        out->back.outcome = COMP_NO_REPLY;
        return false;
    }
    return true;
}

/* ---- children ---- */

static int count(const server *s, bool busy)
{
    int n = 0;
    for (int i = 0; i < MAX_CHILDREN; i++)
        n += s->child[i].pid && s->child[i].busy == busy;
    return n;
}

static child *find_idle(server *s)
{
    for (int i = 0; i < MAX_CHILDREN; i++)
        if (s->child[i].pid && !s->child[i].busy)
            return &s->child[i];
    return NULL;
}

static void release(child *c)
{
    if (c->fd >= 0)
        close(c->fd);
    ws_buf_release(&c->made);
    *c = (child){.fd = -1};
}

static child *fork_child(server *s, bool has_time, ws_err *err)
{
    int fd[2];
    child *c = s->child;
    while (c < s->child + MAX_CHILDREN && c->pid)
        c++;
    if (c == s->child + MAX_CHILDREN || socketpair(AF_UNIX, SOCK_STREAM, 0, fd)) {
        ws_fail_errno(err, WS_EENV, "cannot make a channel to a compile");
        return NULL;
    }
    pid_t pid = fork();
    if (pid == 0) {
        for (int i = 0; i < MAX_CHILDREN; i++) /* nothing of the others */
            if (s->child[i].pid)
                close(s->child[i].fd);
        close(SOCKET);
        close(fd[0]);
        comp_child_main(&s->toolkit, fd[1], has_time);
    }
    close(fd[1]);
    if (pid < 0) {
        ws_fail_errno(err, WS_EENV, "cannot start a compile");
        close(fd[0]);
        return NULL;
    }
    *c = (child){.pid = pid, .fd = fd[0], .made = {.max = COMP_MAX_REPLY}};
    return c;
}

static void reap(server *s)
{
    int kept = 0;
    for (int i = 0; i < s->n_answered; i++)
        if (waitpid(s->answered[i], NULL, WNOHANG) == 0)
            s->answered[kept++] = s->answered[i];
    s->n_answered = kept;
}

/* Ends a child and does not wait for that: it takes ten milliseconds. */
static void dismiss(server *s, child *c)
{
    kill(c->pid, SIGKILL);
    while (s->n_answered == (int)WS_COUNT(s->answered))
        reap(s);
    s->answered[s->n_answered++] = c->pid;
    release(c);
}

/* Both phases are there; the child has nothing left to do but to hand back its memory. */
static ws_status finish(server *s, child *c, const comp_reply *r, ws_err *err)
{
    ws_status st = send_reply(c->id, r, err);
    dismiss(s, c);
    return st;
}

/* The child ended, or must end now, before it had written everything. */
static ws_status give_up(child *c, bool in_time, ws_err *err)
{
    int status = 0;
    struct rusage u = {0};
    comp_reply r;
    if (!in_time || c->made.overflow)
        kill(c->pid, SIGKILL);
    while (wait4(c->pid, &status, 0, &u) < 0 && errno == EINTR)
        ;
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
    if (code == COMP_EXIT_SANDBOX || code == COMP_EXIT_JOB) {
        ws_err failure = {0};
        ws_fail(&failure, WS_EENV, code == COMP_EXIT_JOB ? "the compile child got a malformed job"
                                                         : "cannot enter the sandbox of the compile child");
        ws_status st = send_failure(COMP_MSG_JOB_FAILED, c->id, &failure);
        release(c);
        return st;
    }
    comp_phase p = unfinished(in_time, status, &u, c->memory_bytes);
    read_phases(&c->made, &r);
    if (r.front.outcome == COMP_NO_REPLY)
        r.front = p;
    else if (r.back.outcome == COMP_NO_REPLY)
        r.back = p;
    ws_status st = send_reply(c->id, &r, err);
    release(c);
    return st;
}

static ws_status read_child(server *s, child *c, ws_err *err)
{
    static char chunk[1 << 18];
    comp_reply r;
    ssize_t got = read(c->fd, chunk, sizeof chunk);
    if (got < 0 && (errno == EINTR || errno == EAGAIN))
        return WS_OK;
    if (got <= 0)
        return give_up(c, true, err);
    ws_buf_add(&c->made, chunk, (size_t)got);
    if (c->made.overflow)
        return give_up(c, true, err);
    return read_phases(&c->made, &r) ? finish(s, c, &r, err) : WS_OK;
}

/* ---- jobs ---- */

static void enqueue(server *s, const ws_buf *bytes)
{
    queued *q = ws_calloc(1, sizeof *q);
    char *copy = ws_malloc(bytes->n + 1);
    memcpy(copy, bytes->p, bytes->n);
    q->bytes = (ws_str){copy, bytes->n};
    *s->last = q;
    s->last = &q->next;
}

static void free_queued(queued *q)
{
    free((char *)(uintptr_t)q->bytes.p);
    free(q);
}

static queued *dequeue(server *s)
{
    queued *q = s->first;
    s->first = q->next;
    if (!s->first)
        s->last = &s->first;
    return q;
}

static void cancel(server *s)
{
    while (s->first)
        free_queued(dequeue(s));
    for (int i = 0; i < MAX_CHILDREN; i++)
        if (s->child[i].pid && s->child[i].busy)
            dismiss(s, &s->child[i]);
}

static ws_status assign(server *s, ws_str bytes, ws_err *err)
{
    ws_arena a = {0};
    ws_err failure = {0};
    comp_job j = {0};
    ws_status st = WS_OK;
    child *c = NULL;
    if (!comp_job_read(&a, bytes, &j))
        ws_fail(&failure, WS_EBUG, "the compile worker got a malformed job");
    else if (j.assemble && !s->can_link)
        failure = s->link_err;
    else if ((c = find_idle(s)) || (c = fork_child(s, false, &failure)))
        st = ws_msg_send(c->fd, COMP_MSG_JOB, bytes.p, bytes.n, &failure);
    if (c) {
        c->busy = true;
        c->id = j.id;
        c->memory_bytes = j.memory_bytes;
        c->deadline_ns = ws_now_ns() + (int64_t)(j.wall_seconds * 1e9);
        if (st) /* it died before it got the job */
            st = give_up(c, true, err);
    } else {
        st = send_failure(COMP_MSG_JOB_FAILED, j.id, &failure);
    }
    ws_arena_release(&a);
    return st;
}

static ws_status dispatch(server *s, ws_err *err)
{
    while (s->first && count(s, true) < s->max_busy) {
        queued *q = dequeue(s);
        ws_status st = assign(s, q->bytes, err);
        free_queued(q);
        if (st)
            return st;
    }
    return WS_OK;
}

/* A child for the next job, made when nothing has been asked for a while: what it costs to make is not taken
 * from the jobs at hand. */
static void prepare_spare(server *s)
{
    ws_err ignored = {0}; /* the job that needs it tries again and reports it */
    if (!s->first && !count(s, true) && !count(s, false))
        fork_child(s, true, &ignored);
}

/* ---- the loop ---- */

static ws_status end_late(server *s, int64_t now, ws_err *err)
{
    for (int i = 0; i < MAX_CHILDREN; i++) {
        child *c = &s->child[i];
        if (c->pid && c->busy && now >= c->deadline_ns && give_up(c, false, err))
            return err->status;
    }
    return WS_OK;
}

static int poll_ms(const server *s, int64_t now)
{
    int64_t best = INT64_C(100000000);
    for (int i = 0; i < MAX_CHILDREN; i++)
        if (s->child[i].pid && s->child[i].busy && s->child[i].deadline_ns - now < best)
            best = s->child[i].deadline_ns - now;
    return best < 0 ? 0 : (int)(best / 1000000) + 1;
}

/* One round; a failure means that the client is gone. */
static ws_status serve(server *s, ws_buf *request, ws_err *err)
{
    struct pollfd f[MAX_CHILDREN + 1] = {{SOCKET, POLLIN, 0}};
    child *of[MAX_CHILDREN + 1] = {NULL};
    nfds_t n = 1;
    uint32_t type = 0;
    for (int i = 0; i < MAX_CHILDREN; i++)
        if (s->child[i].pid && s->child[i].busy) {
            f[n] = (struct pollfd){s->child[i].fd, POLLIN, 0};
            of[n++] = &s->child[i];
        }
    int ready = poll(f, n, count(s, false) && n == 1 ? -1 : poll_ms(s, ws_now_ns()));
    if (ready < 0 && errno != EINTR)
        return ws_fail_errno(err, WS_EENV, "cannot wait for jobs");
    if (ready == 0)
        prepare_spare(s);
    for (nfds_t i = 1; i < n; i++)
        if (f[i].revents && read_child(s, of[i], err))
            return err->status;
    reap(s);
    if (f[0].revents) {
        ws_buf_reset(request);
        if (ws_msg_recv(SOCKET, 0, COMP_MAX_REPLY, &type, request, err))
            return err->status;
        if (type == COMP_MSG_JOB)
            enqueue(s, request);
        else if (type == COMP_MSG_CANCEL)
            cancel(s);
    }
    return end_late(s, ws_now_ns(), err) ? err->status : dispatch(s, err);
}

/* NVRTC loads its parts at the first use; the version stands in the PTX. */
static ws_status warm_up(server *s, ws_err *err)
{
    static const char source[] = "extern \"C\" __global__ void k(float *x) { x[threadIdx.x] = INFINITY; }\n";
    comp_job j = {.arch = "sm_90", .file = "warm.cu", .source = ws_str_of(source), .fmad = true};
    ws_buf log = {0}, ptx = {0};
    comp_phase front = {0};
    ws_status st = WS_OK;
    comp_nvrtc_warm(&s->toolkit, &j, &log, &ptx, &front);
    if (front.outcome != COMP_DONE ||
        !comp_ptx_version(front.output.p, front.output.n, s->version, sizeof s->version))
        st = ws_fail(err, WS_EENV, "NVRTC in '%s' does not compile a trivial kernel: %.600s",
                     s->toolkit.nvrtc, ws_buf_z(&log));
    ws_buf_release(&log);
    ws_buf_release(&ptx);
    return st;
}

/* ---- jobs that come while NVRTC warms up ----
 *
 * The first job often comes with the worker's start, and the warm-up takes a tenth of a second on one core.
 * Children that were forked before it take such jobs: they are slower, but they begin at once. */

typedef struct early {
    server *s;
    int stop; /* eventfd: the warm-up is over */
    pthread_t thread;
    bool runs;
} early;

static void *take_early(void *ud)
{
    early *e = ud;
    ws_buf request = {.max = COMP_MAX_REPLY};
    ws_err err = {0};
    uint32_t type = 0;
    struct pollfd f[2] = {{e->stop, POLLIN, 0}, {SOCKET, POLLIN, 0}};
    while (find_idle(e->s) && poll(f, 2, -1) > 0 && !f[0].revents) {
        ws_buf_reset(&request);
        if (ws_msg_recv(SOCKET, 0, COMP_MAX_REPLY, &type, &request, &err))
            break; /* the loop finds the same and ends */
        if (type == COMP_MSG_CANCEL)
            cancel(e->s);
        if (type != COMP_MSG_JOB)
            continue;
        enqueue(e->s, &request);
        queued *q = dequeue(e->s);
        if (assign(e->s, q->bytes, &err))
            break;
        free_queued(q);
    }
    ws_buf_release(&request);
    return NULL;
}

static void early_begin(server *s, early *e)
{
    ws_err ignored = {0}; /* nothing depends on it */
    *e = (early){.s = s, .stop = eventfd(0, 0)};
    int n = comp_nvrtc_ready_at_once() ? s->max_busy - 1 : 0;
    for (int i = 0; i < n && i < MAX_EARLY; i++)
        fork_child(s, false, &ignored);
    e->runs = e->stop >= 0 && count(s, false) && !pthread_create(&e->thread, NULL, take_early, e);
}

static void early_end(server *s, early *e)
{
    uint64_t one = 1;
    if (e->runs && write(e->stop, &one, sizeof one) == (ssize_t)sizeof one)
        pthread_join(e->thread, NULL);
    if (e->stop >= 0)
        close(e->stop);
    for (child *c; (c = find_idle(s));) { /* warm ones are better from now on */
        kill(c->pid, SIGKILL);
        waitpid(c->pid, NULL, 0);
        release(c);
    }
}

static ws_status start(server *s, ws_err *err)
{
    early e;
    s->last = &s->first;
    s->max_busy = ws_cpu_count() < MAX_CHILDREN - 1 ? ws_cpu_count() : MAX_CHILDREN - 1;
    for (int i = 0; i < MAX_CHILDREN; i++)
        s->child[i].fd = -1;
    if (comp_toolkit_find(&s->toolkit, err) || comp_nvrtc_load(&s->toolkit, err))
        return err->status;
    s->can_link = !comp_link_load(&s->toolkit, &s->link_err);
    if (chdir("/")) /* relative names in a candidate lead nowhere */
        return ws_fail_errno(err, WS_EENV, "cannot enter '/'");
    early_begin(s, &e);
    warm_up(s, err);
    early_end(s, &e);
    if (err->status)
        return err->status;
    return WS_OK;
}

static ws_status say_hello(const server *s, ws_err *err)
{
    ws_buf b = {0};
    int32_t abi = comp_sandbox_landlock_abi();
    comp_wire_put(&b, s->version, strlen(s->version));
    comp_wire_put(&b, comp_headers_sha256(), strlen(comp_headers_sha256()));
    comp_wire_put(&b, &abi, sizeof abi);
    ws_status st = ws_msg_send(SOCKET, COMP_MSG_HELLO, b.p, b.n, err);
    ws_buf_release(&b);
    return st;
}

int comp_worker_main(void)
{
    static server s;
    ws_err err = {0};
    ws_buf request = {.max = COMP_MAX_REPLY};
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    if (start(&s, &err)) {
        send_failure(COMP_MSG_FAILED, 0, &err);
        return ws_status_exit_code(err.status);
    }
    if (say_hello(&s, &err) || dispatch(&s, &err))
        return ws_status_exit_code(err.status);
    while (!serve(&s, &request, &err))
        ;
    ws_buf_release(&request);
    return 0; /* the children end with their parent */
}
