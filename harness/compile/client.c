/* The worker's life and one conversation with it. */
#include "harness/compile/internal.h"

#include "base/clock.h"
#include "base/log.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { START_SECONDS = 60, GRACE_SECONDS = 5 };

extern char **environ;

/* Without the program (a test before `make all`), the worker is a fork of this process that forgets its
 * environment and its descriptors before it does anything else. */
_Noreturn static void become_worker(int sock)
{
    int null = open("/dev/null", O_RDWR);
    setpgid(0, 0);
    for (char **e = environ; e && *e; e++) {
        static const char *const keep[] = {"CUDA_HOME=", "WARPSMITH_HOME=", "LD_LIBRARY_PATH=", "PATH="};
        bool kept = false;
        for (size_t i = 0; i < WS_COUNT(keep); i++)
            kept |= strncmp(*e, keep[i], strlen(keep[i])) == 0;
        if (!kept)
            memset(*e, 0, strlen(*e)); /* the bytes behind /proc/self/environ too */
    }
    for (int i = 0; i < 3; i++)
        dup2(null, i);
    dup2(sock, 3);
    close_range(4, ~0u, 0);
    signal(SIGINT, SIG_IGN);
    signal(SIGPIPE, SIG_DFL);
    _exit(comp_worker_main());
}

static ws_status fork_worker(comp_service *s, ws_err *err)
{
    int sock[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sock))
        return ws_fail_errno(err, WS_EENV, "cannot make a channel to the compile worker");
    pid_t pid = fork();
    if (pid < 0) {
        ws_fail_errno(err, WS_EENV, "cannot start the compile worker");
        close(sock[0]);
        close(sock[1]);
        return err->status;
    }
    if (pid == 0)
        become_worker(sock[1]);
    setpgid(pid, pid);
    close(sock[1]);
    s->worker = (ws_proc){pid, sock[0], -1};
    return WS_OK;
}

ws_status comp_worker_start(comp_service *s, ws_err *err)
{
    const char *const argv[] = {ws_proc_self(), "worker", "compile", NULL};
    s->greeted = false;
    s->forked = s->forked || access(argv[0], X_OK);
    if (s->forked)
        return fork_worker(s, err);
    return ws_proc_spawn(&(ws_proc_options){.argv = argv}, &s->worker, err);
}

static ws_status read_failure(ws_str bytes, ws_err *err)
{
    ws_str msg, hint;
    if (!comp_wire_get(&bytes, &msg) || !comp_wire_get(&bytes, &hint))
        return ws_fail(err, WS_EENV, "the compile worker failed without a reason");
    ws_fail(err, WS_EENV, "%.*s", WS_STR_ARG(msg));
    return hint.n ? ws_hint(err, "%.*s", WS_STR_ARG(hint)) : err->status;
}

static ws_status read_hello(comp_service *s, ws_str bytes, ws_err *err)
{
    ws_str version, headers, abi;
    if (!comp_wire_get(&bytes, &version) || !comp_wire_get(&bytes, &headers) ||
        !comp_wire_get(&bytes, &abi) || abi.n != sizeof(int32_t) ||
        !ws_str_eqz(headers, comp_headers_sha256()))
        return ws_fail(err, WS_EENV, "'%s' is from another build than this program", ws_proc_self());
    int32_t n;
    memcpy(&n, abi.p, sizeof n);
    if (!n && !s->landlock_abi)
        ws_log(WS_LOG_WARN, "this kernel has no Landlock: the compiler's child is kept from files by the "
                            "checks on the source alone");
    s->landlock_abi = n;
    snprintf(s->version, sizeof s->version, "%.*s", WS_STR_ARG(version));
    s->greeted = true;
    return WS_OK;
}

static ws_status await_hello(comp_service *s, ws_err *err)
{
    ws_buf bytes = {.max = 1 << 16};
    uint32_t type = 0;
    int64_t deadline = ws_now_ns() + START_SECONDS * INT64_C(1000000000);
    ws_status st = ws_msg_recv(s->worker.sock, deadline, bytes.max, &type, &bytes, err);
    ws_str text = {ws_buf_z(&bytes), bytes.n};
    if (st)
        ws_wrap(err, "the compile worker did not start");
    else
        st = type == COMP_MSG_HELLO ? read_hello(s, text, err) : read_failure(text, err);
    ws_buf_release(&bytes);
    return st;
}

/* A program from another build (in the middle of development) is replaced by a fork of this one. */
ws_status comp_worker_ready(comp_service *s, ws_err *err)
{
    if (s->greeted)
        return WS_OK;
    if (!s->worker.pid && comp_worker_start(s, err))
        return err->status;
    if (!await_hello(s, err))
        return WS_OK;
    bool reported = s->worker.sock >= 0 && err->hint[0]; /* it ran and knows what is missing */
    ws_proc_kill(&s->worker);
    if (s->forked || reported)
        return err->status;
    ws_log(WS_LOG_DEBUG, "%s; using a fork of this process", err->msg);
    s->forked = true;
    *err = (ws_err){0};
    if (comp_worker_start(s, err) || await_hello(s, err))
        ws_proc_kill(&s->worker);
    return err->status;
}

static ws_status converse(comp_service *s, const ws_buf *request, double wall_seconds, ws_buf *bytes,
                          uint32_t *type, ws_err *err)
{
    int64_t deadline = ws_now_ns() + (int64_t)((wall_seconds + GRACE_SECONDS) * 1e9);
    if (comp_worker_ready(s, err) ||
        ws_msg_send(s->worker.sock, COMP_MSG_JOB, request->p, request->n, err) ||
        ws_msg_recv(s->worker.sock, deadline, COMP_MAX_REPLY, type, bytes, err))
        return err->status;
    return WS_OK;
}

ws_status comp_service_run(comp_service *s, const comp_job *j, ws_buf *bytes, comp_reply *out,
                           ws_err *err)
{
    ws_buf request = {.max = COMP_MAX_REPLY};
    uint32_t type = 0;
    comp_job_write(&request, j);
    bytes->max = COMP_MAX_REPLY;
    bool was_running = s->greeted;
    ws_status st = converse(s, &request, j->wall_seconds, bytes, &type, err);
    if (st) {
        ws_proc_kill(&s->worker);
        s->greeted = false;
    }
    if (st == WS_EENV && was_running) { /* it died between two jobs: once more with a new one */
        *err = (ws_err){0};
        ws_buf_reset(bytes);
        st = converse(s, &request, j->wall_seconds, bytes, &type, err);
    }
    ws_buf_release(&request);
    if (st == WS_ELIMIT) { /* the worker's own deadline did not hold: the job's fault all the same */
        *out = (comp_reply){.front = {.outcome = COMP_TIME}, .back = {.outcome = COMP_TIME}};
        *err = (ws_err){0};
        return WS_OK;
    }
    if (st)
        return st;
    ws_str text = {ws_buf_z(bytes), bytes->n};
    if (type == COMP_MSG_FAILED)
        return read_failure(text, err);
    if (type != COMP_MSG_REPLY || !comp_reply_read(text, out))
        return ws_fail(err, WS_EBUG, "the compile worker sent a malformed reply");
    return WS_OK;
}
