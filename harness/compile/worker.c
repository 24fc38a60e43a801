/* The compile server: loads NVRTC and forks children that compile, as many at once as there are
 * cores. A child meets one candidate's text and no other; it is kept for the further jobs about
 * this text, which then need neither a process nor the compiler's first steps. Jobs that may stand
 * beside others have children of their own, which go from text to text. Other children make
 * precompiled headers, for which the jobs that could use them wait. The server itself never touches
 * a candidate's text except to see which headers it begins with, and to hand it on. */
#include "harness/compile/internal.h"

#include "base/clock.h"
#include "base/pool.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    SOCKET = 3,
    MAX_BUSY = 16,
    MAX_CHILDREN = 2 * MAX_BUSY,
    MAX_JOBS_BESIDE = 256, /* of a child that goes from text to text */
    KEEP_IDLE_MS = 1000,
    LINKER_IDLE_MS = 50
};

typedef struct queued {
    struct queued *next;
    ws_arena arena;
    ws_buf bytes;
    comp_job job; /* points into both */
    char source[WS_SHA256_HEX];
    bool alone; /* in a new child: one that had done other jobs failed */
} queued;

typedef struct child {
    pid_t pid; /* 0: the slot is free */
    int fd;
    bool has_linker;
    int jobs; /* begun */
    bool beside_others;
    char source[WS_SHA256_HEX];
    queued *work; /* NULL: idle */
    comp_pch *making;         /* a maker: it compiles this and then ends */
    char pch[WS_SHA256_HEX];  /* the key of what it may use; "": nothing */
    int64_t deadline_ns;
    ws_buf made;
} child;

typedef enum linker { LINKER_UNKNOWN, LINKER_LOADED, LINKER_MISSING } linker;

typedef struct server {
    comp_toolkit toolkit;
    linker linker;
    ws_err link_err;
    child child[MAX_CHILDREN];
    comp_pch_store pch;
    int max_busy;
    int64_t quiet_since_ns;
    pid_t ending[4 * MAX_CHILDREN]; /* children to be reaped, see dismiss() */
    int n_ending;
    queued *first;
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
static comp_phase unfinished(bool in_time, int status, const struct rusage *u,
                             uint64_t memory_bytes)
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

/* The phases that a child wrote; true: all that it has to say about this job is there. */
static bool read_phases(const ws_buf *made, comp_reply *out, bool *again)
{
    ws_str bytes = {ws_buf_z(made), made->n}, one;
    *out = (comp_reply){.front.outcome = COMP_NO_REPLY, .back.outcome = COMP_NO_REPLY};
    if (!comp_wire_get(&bytes, &one) || !comp_phase_read(one, &out->front)) {
        out->front = (comp_phase){.outcome = COMP_NO_REPLY};
        return false;
    }
    if (!comp_wire_get(&bytes, &one) || !comp_phase_read(one, &out->back)) {
        out->back = (comp_phase){.outcome = COMP_NO_REPLY};
        return false;
    }
    *again = comp_wire_get(&bytes, &one) && one.n == 1 && one.p[0] == 1 && bytes.n == 0;
    return one.n == 1;
}

/* ---- the queue ---- */

static void free_queued(queued *q)
{
    ws_arena_release(&q->arena);
    ws_buf_release(&q->bytes);
    free(q);
}

static void enqueue(server *s, queued *q)
{
    queued **last = &s->first;
    while (*last)
        last = &(*last)->next;
    *last = q;
}

static queued *dequeue(queued **at)
{
    queued *q = *at;
    *at = q->next;
    q->next = NULL;
    return q;
}

static ws_status take_job(server *s, const ws_buf *message)
{
    queued *q = ws_calloc(1, sizeof *q);
    ws_err failure = {0};
    q->bytes.max = COMP_MAX_REPLY;
    ws_buf_add(&q->bytes, message->p, message->n);
    if (!comp_job_read(&q->arena, (ws_str){ws_buf_z(&q->bytes), q->bytes.n}, &q->job)) {
        ws_fail(&failure, WS_EBUG, "the compile worker got a malformed job");
        free_queued(q);
        return send_failure(COMP_MSG_JOB_FAILED, 0, &failure);
    }
    const ws_str text = q->job.compile ? q->job.source : q->job.ptx;
    ws_sha256_of(text.p, text.n, q->source);
    enqueue(s, q);
    return WS_OK;
}

/* ---- children ---- */

static bool is_busy(const child *c)
{
    return c->pid && (c->work || c->making);
}

static int count_busy(const server *s)
{
    int n = 0;
    for (int i = 0; i < MAX_CHILDREN; i++)
        n += is_busy(&s->child[i]);
    return n;
}

static void reap(server *s)
{
    int kept = 0;
    for (int i = 0; i < s->n_ending; i++)
        if (waitpid(s->ending[i], NULL, WNOHANG) == 0)
            s->ending[kept++] = s->ending[i];
    s->n_ending = kept;
}

static void release(child *c)
{
    if (c->fd >= 0)
        close(c->fd);
    if (c->work)
        free_queued(c->work);
    ws_buf_release(&c->made);
    *c = (child){.fd = -1};
}

/* Ends a child and does not wait for that: handing back its memory takes it ten milliseconds. */
static void dismiss(server *s, child *c)
{
    kill(c->pid, SIGKILL);
    while (s->n_ending == (int)WS_COUNT(s->ending))
        reap(s);
    s->ending[s->n_ending++] = c->pid;
    release(c);
}

static void dismiss_idle(server *s)
{
    for (int i = 0; i < MAX_CHILDREN; i++)
        if (s->child[i].pid && !is_busy(&s->child[i]))
            dismiss(s, &s->child[i]);
}

/* Whether the texts that an idle child has met are such that this job's may follow them. */
static bool may_meet(const child *c, const queued *q)
{
    if (q->alone || c->beside_others != q->job.beside_others)
        return false;
    return c->beside_others ? c->jobs < MAX_JOBS_BESIDE : strcmp(c->source, q->source) == 0;
}

/* A child that goes from text to text stays for others that do, unless it began before there was a
 * precompiled header; others meet no text but their own. */
static bool is_done(const child *c, const queued *next, const comp_pch *use)
{
    if (!c->beside_others)
        return !may_meet(c, next);
    return c->jobs >= MAX_JOBS_BESIDE || (use && !c->pch[0]);
}

static void dismiss_done(server *s, const queued *next, const comp_pch *use)
{
    for (int i = 0; i < MAX_CHILDREN; i++) {
        child *c = &s->child[i];
        if (c->pid && !is_busy(c) && is_done(c, next, use))
            dismiss(s, c);
    }
}

static child *find_slot(server *s)
{
    for (int i = 0; i < MAX_CHILDREN; i++)
        if (!s->child[i].pid)
            return &s->child[i];
    return NULL;
}

/* What a new child does. */
typedef struct purpose {
    bool load_linker;
    const comp_pch *use; /* its jobs may use this; NULL: nothing */
    const comp_job *make; /* not NULL: it makes `making`, of this job */
    comp_pch *making;
} purpose;

static child *fork_child(server *s, purpose what, ws_err *err)
{
    int fd[2];
    child *c = find_slot(s);
    if (!c) {
        dismiss_idle(s);
        c = find_slot(s);
    }
    if (!c || socketpair(AF_UNIX, SOCK_STREAM, 0, fd)) {
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
        if (what.make)
            comp_pch_make(&s->toolkit, &s->pch, what.make, what.making);
        comp_child_main(&s->toolkit, fd[1], what.load_linker, what.use);
    }
    close(fd[1]);
    if (pid < 0) {
        ws_fail_errno(err, WS_EENV, "cannot start a compile");
        close(fd[0]);
        return NULL;
    }
    *c = (child){.pid = pid,
                 .fd = fd[0],
                 .making = what.making,
                 .has_linker = what.load_linker || s->linker == LINKER_LOADED,
                 .made = {.max = COMP_MAX_REPLY}};
    if (what.use)
        memcpy(c->pch, what.use->key, sizeof c->pch);
    return c;
}

static void load_linker(server *s)
{
    if (s->linker == LINKER_UNKNOWN)
        s->linker = comp_link_load(&s->toolkit, &s->link_err) ? LINKER_MISSING : LINKER_LOADED;
}

/* ---- the end of a job ---- */

/* Everything is there. The child stays for the next job about the same text, if it may. */
static ws_status finish(server *s, child *c, const comp_reply *r, bool again, ws_err *err)
{
    if (!again && c->jobs > 1 &&
        r->front.outcome != COMP_BAD_ARCH) { /* it may have suffered from the others */
        c->work->alone = true;
        c->work->next = s->first;
        s->first = c->work;
        c->work = NULL;
        dismiss(s, c);
        return WS_OK;
    }
    ws_status st = send_reply(c->work->job.id, r, err);
    if (!again) {
        dismiss(s, c);
        return st;
    }
    free_queued(c->work);
    c->work = NULL;
    ws_buf_reset(&c->made);
    return st;
}

static ws_status fail_job(server *s, child *c, int code)
{
    ws_err failure = {0};
    if (code == COMP_EXIT_LINKER) {
        load_linker(s);
        failure = s->link_err;
    }
    if (!failure.status)
        ws_fail(&failure, WS_EENV, "%s",
                code == COMP_EXIT_SANDBOX  ? "cannot enter the sandbox of the compile child"
                : code == COMP_EXIT_LINKER ? "cannot load nvJitLink in the compile child"
                                           : "the compile child got a malformed job");
    ws_status st = send_failure(COMP_MSG_JOB_FAILED, c->work->job.id, &failure);
    release(c);
    return st;
}

/* The child ended, or must end now, before it had written everything. */
static ws_status give_up(server *s, child *c, bool in_time, ws_err *err)
{
    int status = 0;
    struct rusage u = {0};
    comp_reply r;
    bool again = false;
    if (!in_time || c->made.overflow)
        kill(c->pid, SIGKILL);
    while (wait4(c->pid, &status, 0, &u) < 0 && errno == EINTR)
        ;
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
    if (code == COMP_EXIT_SANDBOX || code == COMP_EXIT_JOB || code == COMP_EXIT_LINKER)
        return fail_job(s, c, code);
    if (in_time && c->jobs > 1) { /* what earlier jobs left in it is no verdict on this one */
        c->work->alone = true;
        c->work->next = s->first;
        s->first = c->work;
        c->work = NULL;
        release(c);
        return WS_OK;
    }
    comp_phase p = unfinished(in_time, status, &u, c->work->job.memory_bytes);
    read_phases(&c->made, &r, &again);
    if (r.front.outcome == COMP_NO_REPLY)
        r = (comp_reply){.front = p};
    else if (r.back.outcome == COMP_NO_REPLY)
        r.back = p;
    ws_status st = send_reply(c->work->job.id, &r, err);
    release(c);
    return st;
}

/* A maker says nothing but that it ended. */
static void finish_maker(server *s, child *c, bool in_time)
{
    int status = 0;
    if (!in_time)
        kill(c->pid, SIGKILL);
    while (waitpid(c->pid, &status, 0) < 0 && errno == EINTR)
        ;
    comp_pch_end(&s->pch, c->making, in_time && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    release(c);
}

static ws_status read_child(server *s, child *c, ws_err *err)
{
    static char chunk[1 << 18];
    comp_reply r;
    bool again = false;
    if (c->making) {
        finish_maker(s, c, true);
        return WS_OK;
    }
    ssize_t got = read(c->fd, chunk, sizeof chunk);
    if (got < 0 && (errno == EINTR || errno == EAGAIN))
        return WS_OK;
    if (got <= 0)
        return give_up(s, c, true, err);
    ws_buf_add(&c->made, chunk, (size_t)got);
    if (c->made.overflow)
        return give_up(s, c, true, err);
    return read_phases(&c->made, &r, &again) ? finish(s, c, &r, again, err) : WS_OK;
}

/* ---- the begin of a job ---- */

static bool start_in(child *c, queued *q)
{
    ws_err ignored = {0};
    if (ws_msg_send(c->fd, COMP_MSG_JOB, q->bytes.p, q->bytes.n, &ignored))
        return false;
    c->work = q;
    c->jobs++;
    c->beside_others = q->job.beside_others;
    memcpy(c->source, q->source, sizeof c->source);
    c->deadline_ns = ws_now_ns() + (int64_t)(q->job.wall_seconds * 1e9);
    return true;
}

/* A child that has done jobs before, with the precompiled header that this one needs. It has met
 * untrusted text, so the server does not wait for it: what does not fit into the socket goes to
 * another one. */
static bool start_in_kept(server *s, queued *q, const comp_pch *use)
{
    for (int i = 0; i < MAX_CHILDREN; i++) {
        child *c = &s->child[i];
        if (!c->pid || is_busy(c) || !may_meet(c, q) ||
            (use && strcmp(c->pch, use->key) != 0) || (q->job.assemble && !c->has_linker))
            continue;
        fcntl(c->fd, F_SETFL, O_NONBLOCK);
        if (start_in(c, q))
            return true;
        dismiss(s, c);
    }
    return false;
}

static ws_status begin(server *s, queued *q)
{
    ws_err failure = {0};
    comp_pch *known = comp_pch_find(&s->pch, &q->job);
    const comp_pch *use = known && known->state == COMP_PCH_READY ? known : NULL;
    if (known && !use)
        known->asked++;
    dismiss_done(s, q, use);
    if (start_in_kept(s, q, use))
        return WS_OK;
    if (q->job.assemble && s->linker == LINKER_MISSING) {
        failure = s->link_err;
    } else {
        purpose what = {.load_linker = q->job.assemble && s->linker == LINKER_UNKNOWN, .use = use};
        child *c = fork_child(s, what, &failure);
        if (c && start_in(c, q))
            return WS_OK;
        if (c) {
            c->work = q; /* it died before it got the job */
            return give_up(s, c, true, &failure);
        }
    }
    ws_status st = send_failure(COMP_MSG_JOB_FAILED, q->job.id, &failure);
    free_queued(q);
    return st;
}

/* Whether the job waits for a precompiled header. Where it is worth one and nobody makes it yet, a
 * maker is started; without one the job goes on as it is. */
static bool waits(server *s, const queued *q)
{
    ws_err ignored = {0};
    comp_pch *p = comp_pch_find(&s->pch, &q->job);
    if (!p || q->alone)
        return false;
    if (comp_pch_is_worth(p, &q->job) && comp_pch_begin(&s->pch, p)) {
        child *c = fork_child(s, (purpose){.make = &q->job, .making = p}, &ignored);
        if (!c) {
            comp_pch_end(&s->pch, p, false);
            return false;
        }
        c->deadline_ns = ws_now_ns() + (int64_t)(q->job.wall_seconds * 1e9);
    }
    return p->state == COMP_PCH_MAKING;
}

static ws_status dispatch(server *s, ws_err *err)
{
    for (queued **at = &s->first; *at && count_busy(s) < s->max_busy;) {
        if (waits(s, *at))
            at = &(*at)->next;
        else if (begin(s, dequeue(at)))
            return ws_fail(err, WS_EENV, "the client is gone");
        else
            at = &s->first; /* it may have come back */
    }
    return WS_OK;
}

static void cancel(server *s)
{
    while (s->first)
        free_queued(dequeue(&s->first));
    for (int i = 0; i < MAX_CHILDREN; i++)
        if (s->child[i].pid && s->child[i].work)
            dismiss(s, &s->child[i]);
}

/* ---- the loop ---- */

static ws_status end_late(server *s, int64_t now, ws_err *err)
{
    for (int i = 0; i < MAX_CHILDREN; i++) {
        child *c = &s->child[i];
        if (!is_busy(c) || now < c->deadline_ns)
            continue;
        if (c->making)
            finish_maker(s, c, false);
        else if (give_up(s, c, false, err))
            return err->status;
    }
    return WS_OK;
}

/* When nothing is to be done for a while. */
static void tidy(server *s, int64_t now)
{
    int64_t quiet_ms = (now - s->quiet_since_ns) / 1000000;
    if (count_busy(s))
        return;
    if (quiet_ms >= LINKER_IDLE_MS)
        load_linker(s);
    if (quiet_ms >= KEEP_IDLE_MS)
        dismiss_idle(s);
}

static int poll_ms(const server *s, int64_t now)
{
    int64_t best = INT64_C(1000000000000), quiet = now - s->quiet_since_ns;
    for (int i = 0; i < MAX_CHILDREN; i++)
        if (is_busy(&s->child[i]) && s->child[i].deadline_ns - now < best)
            best = s->child[i].deadline_ns - now;
    if (count_busy(s))
        ;
    else if (s->linker == LINKER_UNKNOWN)
        best = LINKER_IDLE_MS * INT64_C(1000000) - quiet;
    else if (quiet < KEEP_IDLE_MS * INT64_C(1000000))
        best = KEEP_IDLE_MS * INT64_C(1000000) - quiet;
    return best < 0 ? 0 : (int)(best / 1000000) + 1;
}

/* One message of the client's; a failure means that it is gone. */
static ws_status take_message(server *s, ws_err *err)
{
    static ws_buf message = {.max = COMP_MAX_REPLY};
    uint32_t type = 0;
    ws_buf_reset(&message);
    if (ws_msg_recv(SOCKET, 0, COMP_MAX_REPLY, &type, &message, err))
        return err->status;
    s->quiet_since_ns = ws_now_ns();
    if (type == COMP_MSG_CANCEL)
        cancel(s);
    return type == COMP_MSG_JOB ? take_job(s, &message) : WS_OK;
}

static ws_status serve(server *s, ws_err *err)
{
    struct pollfd f[MAX_CHILDREN + 1] = {{SOCKET, POLLIN, 0}};
    child *of[MAX_CHILDREN + 1] = {NULL};
    nfds_t n = 1;
    for (int i = 0; i < MAX_CHILDREN; i++)
        if (is_busy(&s->child[i])) {
            f[n] = (struct pollfd){s->child[i].fd, POLLIN, 0};
            of[n++] = &s->child[i];
        }
    if (poll(f, n, poll_ms(s, ws_now_ns())) < 0 && errno != EINTR)
        return ws_fail_errno(err, WS_EENV, "cannot wait for jobs");
    for (nfds_t i = 1; i < n; i++)
        if (f[i].revents) {
            s->quiet_since_ns = ws_now_ns();
            if (read_child(s, of[i], err))
                return err->status;
        }
    reap(s);
    if (f[0].revents && take_message(s, err))
        return err->status;
    tidy(s, ws_now_ns());
    return end_late(s, ws_now_ns(), err) ? err->status : dispatch(s, err);
}

/* ---- the start ---- */

static ws_status start(server *s, ws_err *err)
{
    int cores = ws_cpu_count();
    s->max_busy = cores < 1 ? 1 : cores < MAX_BUSY ? cores : MAX_BUSY;
    s->quiet_since_ns = ws_now_ns();
    for (int i = 0; i < MAX_CHILDREN; i++)
        s->child[i].fd = -1;
    if (comp_toolkit_find(&s->toolkit, err) || comp_nvrtc_load(&s->toolkit, err))
        return err->status;
    comp_headers_get(); /* once, not in every child */
    comp_pch_open(&s->pch);
    if (chdir("/"))     /* relative names in a candidate lead nowhere */
        return ws_fail_errno(err, WS_EENV, "cannot enter '/'");
    return WS_OK;
}

/* From the library's file, or from what it writes into a PTX. */
static ws_status find_version(server *s, char *out, size_t cap, ws_err *err)
{
    static const char source[] =
        "extern \"C\" __global__ void k(float *x) { x[threadIdx.x] = INFINITY; }\n";
    comp_job j = {.arch = "sm_90", .file = "k.cu", .source = ws_str_of(source), .fmad = true};
    ws_buf log = {0}, ptx = {0};
    comp_phase front = {0};
    if (comp_toolkit_version(&s->toolkit, out, cap))
        return WS_OK;
    comp_nvrtc_run(&s->toolkit, &j, -1, &log, &ptx, &front);
    if (front.outcome != COMP_DONE || !comp_ptx_version(front.output.p, front.output.n, out, cap))
        ws_fail(err, WS_EENV, "NVRTC in '%s' does not compile a trivial kernel: %.600s",
                s->toolkit.nvrtc, ws_buf_z(&log));
    ws_buf_release(&log);
    ws_buf_release(&ptx);
    return err->status;
}

static ws_status say_hello(server *s, ws_err *err)
{
    char version[64] = "";
    ws_buf b = {0};
    int32_t abi = comp_sandbox_landlock_abi();
    if (find_version(s, version, sizeof version, err)) {
        send_failure(COMP_MSG_FAILED, 0, err);
        return err->status;
    }
    comp_wire_put(&b, version, strlen(version));
    comp_wire_put(&b, comp_headers_sha256(), strlen(comp_headers_sha256()));
    comp_wire_put(&b, &abi, sizeof abi);
    ws_status st = ws_msg_send(SOCKET, COMP_MSG_HELLO, b.p, b.n, err);
    ws_buf_release(&b);
    return st;
}

/* The first jobs often come with the start of the worker: their children begin before anything else
 * is done. */
static ws_status take_first_jobs(server *s, ws_err *err)
{
    struct pollfd f = {SOCKET, POLLIN, 0};
    while (poll(&f, 1, 0) > 0)
        if (take_message(s, err) || dispatch(s, err))
            return err->status;
    return WS_OK;
}

int comp_worker_main(void)
{
    static server s;
    ws_err err = {0};
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    prctl(PR_SET_NAME, "ws-compile");
    if (start(&s, &err)) {
        send_failure(COMP_MSG_FAILED, 0, &err);
        return ws_status_exit_code(err.status);
    }
    if (take_first_jobs(&s, &err) || say_hello(&s, &err))
        return ws_status_exit_code(err.status);
    while (!serve(&s, &err))
        ;
    return 0; /* the children end with their parent */
}
