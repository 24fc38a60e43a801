/* The compile server: loads NVRTC once, compiles something trivial so that its tables are there, and keeps
 * one sandboxed child waiting for the next job, which is its only one. The child writes what it made into
 * its socket, phase by phase, so that one that dies while assembling still leaves its PTX. The server
 * itself never touches a candidate's text except to hand it on. */
#include "harness/compile/internal.h"

#include "base/clock.h"
#include "harness/ptx/strip.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SOCKET = 3, NO_SANDBOX = 2, BAD_JOB = 3 /* exit codes of the child */ };

typedef struct server {
    comp_toolkit toolkit;
    bool can_link;
    ws_err link_err;
    char version[64];
    pid_t spare;        /* the child that waits; 0: none */
    int spare_fd;
} server;

/* ---- in the child ---- */

static void write_all(int fd, const void *data, size_t n)
{
    const char *p = data;
    while (n) {
        ssize_t put = write(fd, p, n);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            _exit(1);
        p += put;
        n -= (size_t)put;
    }
}

static void write_phase(int fd, const comp_phase *p)
{
    ws_buf body = {.max = COMP_MAX_REPLY}, framed = {.max = COMP_MAX_REPLY};
    comp_phase_write(&body, p);
    comp_wire_put(&framed, body.p, body.n);
    write_all(fd, framed.p, framed.n);
    ws_buf_release(&body);
    ws_buf_release(&framed);
}

/* The PTX of `front` without what the kernels do not use; PTX that our parser refuses stays as it is, for
 * ptxas and the engine to say why. */
static void strip_globals(comp_phase *front, ws_buf *stripped)
{
    ws_err err = {0};
    stripped->max = COMP_MAX_REPLY;
    if (!ptx_strip_globals(front->output.p, front->output.n, stripped, &err))
        front->output = (ws_str){ws_buf_z(stripped), stripped->n};
}

static void run_job(const server *s, const comp_job *j, int fd)
{
    ws_buf log = {0}, ptx = {0}, stripped = {0}, plain = {0}, link_log = {0}, cubin = {0};
    comp_phase front = {0}, back = {0};
    if (j->compile) {
        comp_nvrtc_run(&s->toolkit, j, &log, &ptx, &front);
        if (front.outcome == COMP_DONE)
            strip_globals(&front, &stripped);
    }
    write_phase(fd, &front);
    if (j->assemble && front.outcome <= COMP_DONE) {
        ws_str text = j->ptx;
        if (j->compile) {
            comp_ptx_without_lines(front.output.p, front.output.n, &plain);
            text = (ws_str){ws_buf_z(&plain), plain.n};
        }
        comp_link_run(j->arch, text, &link_log, &cubin, &back);
    }
    write_phase(fd, &back);
    ws_buf *all[] = {&log, &ptx, &stripped, &plain, &link_log, &cubin};
    for (size_t i = 0; i < WS_COUNT(all); i++)
        ws_buf_release(all[i]);
}

/* A forked child shares the compiler's pages but must fault each of them in again: some 2600 faults, 20 ms.
 * Doing it in bulk before the job comes takes half of that, and nobody waits for it. */
static void populate(void)
{
    FILE *maps = fopen("/proc/self/maps", "r");
    char line[PATH_MAX + 128], access[8];
    unsigned long from, to;
    while (maps && fgets(line, sizeof line, maps)) {
        bool library = strstr(line, "libnvrtc") || strstr(line, "libnvJitLink");
        if (sscanf(line, "%lx-%lx %7s", &from, &to, access) != 3 || access[0] != 'r' ||
            !(library || strstr(line, "[heap]")))
            continue;
        /* An older kernel refuses the advice; then the faults come one by one. */
        (void)!madvise((void *)from, to - from,
                       access[1] == 'w' ? MADV_POPULATE_WRITE : MADV_POPULATE_READ);
    }
    if (maps)
        fclose(maps);
}

_Noreturn static void child_main(const server *s, int fd)
{
    const char *dirs[2] = {s->toolkit.include[0], s->toolkit.include[1]};
    ws_arena a = {0};
    ws_buf bytes = {.max = COMP_MAX_REPLY};
    ws_err err = {0};
    uint32_t type = 0;
    comp_job j;
    close(SOCKET);
    populate();
    /* Nothing is read from a candidate outside its sandbox. */
    if (comp_sandbox_enter(dirs, s->toolkit.n_includes, comp_nvrtc_scratch()) < 0)
        _exit(NO_SANDBOX);
    if (ws_msg_recv(fd, 0, COMP_MAX_REPLY, &type, &bytes, &err) ||
        !comp_job_read(&a, (ws_str){ws_buf_z(&bytes), bytes.n}, &j))
        _exit(BAD_JOB);
    comp_sandbox_limit(j.memory_bytes, (uint64_t)j.wall_seconds + 2);
    run_job(s, &j, fd);
    _exit(0);
}

/* ---- in the server ---- */

/* Reads the pipe to its end or to the deadline; false: the deadline passed. */
static bool collect(int fd, int64_t deadline_ns, ws_buf *out)
{
    static char chunk[65536];
    for (;;) {
        int64_t left = (deadline_ns - ws_now_ns()) / 1000000;
        struct pollfd f = {fd, POLLIN, 0};
        if (left <= 0)
            return false;
        int rc = poll(&f, 1, (int)(left > 1000 ? 1000 : left + 1));
        if (rc < 0 && errno != EINTR)
            return true;
        if (rc <= 0)
            continue;
        ssize_t got = read(fd, chunk, sizeof chunk);
        if (got == 0 || (got < 0 && errno != EINTR))
            return true;
        if (got > 0)
            ws_buf_add(out, chunk, (size_t)got);
    }
}

/* What the end of a child says about the phase that it did not finish. */
static comp_phase verdict(bool in_time, int status, const struct rusage *u, uint64_t memory_bytes)
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

static void assemble_reply(ws_str bytes, comp_phase missing, comp_reply *out)
{
    ws_str one;
    *out = (comp_reply){0};
    if (!comp_wire_get(&bytes, &one) || !comp_phase_read(one, &out->front))
        out->front = missing;
    else if (!comp_wire_get(&bytes, &one) || !comp_phase_read(one, &out->back))
        out->back = missing;
}

static ws_status fork_spare(server *s, ws_err *err)
{
    int fd[2];
    if (s->spare)
        return WS_OK;
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, fd))
        return ws_fail_errno(err, WS_EENV, "cannot make a channel to a compile");
    pid_t pid = fork();
    if (pid == 0) {
        close(fd[0]);
        child_main(s, fd[1]);
    }
    close(fd[1]);
    if (pid < 0) {
        close(fd[0]);
        return ws_fail_errno(err, WS_EENV, "cannot start a compile");
    }
    s->spare = pid;
    s->spare_fd = fd[0];
    return WS_OK;
}

/* Hands the job to the spare child and waits for its end; what it wrote is appended to `made`. */
static ws_status use_spare(server *s, ws_str request, const comp_job *j, ws_buf *made,
                           comp_phase *unfinished, ws_err *err)
{
    int status = 0;
    struct rusage u = {0};
    if (fork_spare(s, err))
        return err->status;
    int64_t deadline = ws_now_ns() + (int64_t)(j->wall_seconds * 1e9);
    ws_status st = ws_msg_send(s->spare_fd, COMP_MSG_JOB, request.p, request.n, err);
    bool in_time = st || collect(s->spare_fd, deadline, made);
    if (st || !in_time || made->overflow)
        kill(s->spare, SIGKILL);
    while (wait4(s->spare, &status, 0, &u) < 0 && errno == EINTR)
        ;
    close(s->spare_fd);
    s->spare = 0;
    if (WIFEXITED(status) && WEXITSTATUS(status) == NO_SANDBOX)
        return ws_fail(err, WS_EENV, "cannot enter the sandbox of the compile child");
    if (WIFEXITED(status) && WEXITSTATUS(status) == BAD_JOB)
        return ws_fail(err, WS_EBUG, "the compile child got a malformed job");
    *unfinished = verdict(in_time, status, &u, j->memory_bytes);
    return st;
}

static ws_status serve_job(server *s, ws_str request, ws_err *err)
{
    ws_arena a = {0};
    ws_buf made = {.max = COMP_MAX_REPLY}, bytes = {.max = COMP_MAX_REPLY};
    comp_job j;
    comp_reply reply;
    comp_phase unfinished = {0};
    ws_status st = WS_OK;
    if (!comp_job_read(&a, request, &j)) {
        st = ws_fail(err, WS_EBUG, "the compile worker got a malformed job");
    } else if (j.assemble && !s->can_link) {
        *err = s->link_err;
        st = err->status;
    } else {
        st = use_spare(s, request, &j, &made, &unfinished, err);
    }
    if (!st) {
        assemble_reply((ws_str){ws_buf_z(&made), made.n}, unfinished, &reply);
        comp_reply_write(&bytes, &reply);
        st = ws_msg_send(SOCKET, COMP_MSG_REPLY, bytes.p, bytes.n, err);
    }
    ws_buf_release(&made);
    ws_buf_release(&bytes);
    ws_arena_release(&a);
    return st;
}

static ws_status send_failure(const ws_err *failure)
{
    ws_buf b = {0};
    ws_err err = {0};
    comp_wire_put(&b, failure->msg, strlen(failure->msg));
    comp_wire_put(&b, failure->hint, strlen(failure->hint));
    ws_status st = ws_msg_send(SOCKET, COMP_MSG_FAILED, b.p, b.n, &err);
    ws_buf_release(&b);
    return st;
}

/* NVRTC and nvJitLink load their parts at the first use; the version stands in the PTX. */
static ws_status warm_up(server *s, ws_err *err)
{
    static const char source[] = "extern \"C\" __global__ void k(float *x) { x[threadIdx.x] = INFINITY; }\n";
    comp_job j = {.arch = "sm_90", .file = "warm.cu", .source = ws_str_of(source), .fmad = true};
    ws_buf log = {0}, ptx = {0}, plain = {0}, link_log = {0}, cubin = {0};
    comp_phase front = {0}, back = {0};
    ws_status st = WS_OK;
    comp_nvrtc_warm(&s->toolkit, &j, &log, &ptx, &front);
    if (front.outcome != COMP_DONE ||
        !comp_ptx_version(front.output.p, front.output.n, s->version, sizeof s->version))
        st = ws_fail(err, WS_EENV, "NVRTC in '%s' does not compile a trivial kernel: %.600s",
                     s->toolkit.nvrtc, ws_buf_z(&log));
    if (!st && s->can_link) {
        comp_ptx_without_lines(front.output.p, front.output.n, &plain);
        comp_link_run("sm_90", (ws_str){ws_buf_z(&plain), plain.n}, &link_log, &cubin, &back);
    }
    ws_buf *all[] = {&log, &ptx, &plain, &link_log, &cubin};
    for (size_t i = 0; i < WS_COUNT(all); i++)
        ws_buf_release(all[i]);
    return st;
}

static ws_status start(server *s, ws_err *err)
{
    if (comp_toolkit_find(&s->toolkit, err) || comp_nvrtc_load(&s->toolkit, err))
        return err->status;
    s->can_link = !comp_link_load(&s->toolkit, &s->link_err);
    return warm_up(s, err);
}

/* Relative names in a candidate then lead nowhere. */
static ws_status enter_root(ws_err *err)
{
    return chdir("/") ? ws_fail_errno(err, WS_EENV, "cannot enter '/'") : WS_OK;
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
    uint32_t type = 0;
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    if (start(&s, &err) || enter_root(&err)) {
        send_failure(&err);
        return ws_status_exit_code(err.status);
    }
    if (say_hello(&s, &err))
        return ws_status_exit_code(err.status);
    for (;;) {
        ws_err job_err = {0};
        ws_buf_reset(&request);
        if (fork_spare(&s, &job_err))
            job_err = (ws_err){0}; /* the job tries again and reports it */
        if (ws_msg_recv(SOCKET, 0, COMP_MAX_REPLY, &type, &request, &err))
            break; /* the client is gone */
        if (type == COMP_MSG_JOB &&
            serve_job(&s, (ws_str){ws_buf_z(&request), request.n}, &job_err) &&
            send_failure(&job_err))
            break;
    }
    ws_buf_release(&request);
    return 0;
}
