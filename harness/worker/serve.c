#include "harness/worker/serve.h"

#include "base/clock.h"
#include "harness/driver.h"
#include "harness/worker/job.h"
#include "harness/worker/run.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SOCKET = 3, N_FDS = 2, MAX_OUTPUT_BYTES = 1 << 20 };

typedef struct request {
    uint32_t type, reserved;
    double wall_seconds;
} request;

union control {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(N_FDS * sizeof(int))];
};

ws_status serve_send(int sock, int wire_fd, int output_fd, double wall_seconds, ws_err *err)
{
    request q = {SERVE_RUN, 0, wall_seconds};
    struct iovec io = {&q, sizeof q};
    union control c = {0};
    struct msghdr m = {.msg_iov = &io, .msg_iovlen = 1, .msg_control = c.bytes,
                       .msg_controllen = sizeof c.bytes};
    struct cmsghdr *h = CMSG_FIRSTHDR(&m);
    int fds[N_FDS] = {wire_fd, output_fd};
    ssize_t n;
    h->cmsg_level = SOL_SOCKET;
    h->cmsg_type = SCM_RIGHTS;
    h->cmsg_len = CMSG_LEN(sizeof fds);
    memcpy(CMSG_DATA(h), fds, sizeof fds);
    do
        n = sendmsg(sock, &m, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    if (n != (ssize_t)sizeof q)
        return ws_fail_errno(err, WS_EENV, "cannot send a run to the worker");
    return WS_OK;
}

/* false: the parent has gone. */
static bool receive(request *q, int fds[N_FDS])
{
    struct iovec io = {q, sizeof *q};
    union control c = {0};
    struct msghdr m = {.msg_iov = &io, .msg_iovlen = 1, .msg_control = c.bytes,
                       .msg_controllen = sizeof c.bytes};
    ssize_t n;
    do
        n = recvmsg(SOCKET, &m, MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    struct cmsghdr *h = n > 0 ? CMSG_FIRSTHDR(&m) : NULL;
    if (n != (ssize_t)sizeof *q || !h || h->cmsg_type != SCM_RIGHTS ||
        h->cmsg_len != CMSG_LEN(N_FDS * sizeof(int)) || q->type != SERVE_RUN)
        return false;
    memcpy(fds, CMSG_DATA(h), N_FDS * sizeof(int));
    return true;
}

/* ---- the child that runs one candidate ---- */

_Noreturn static void child(const int fds[N_FDS])
{
    wire w;
    ws_err err = {0};
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setrlimit(RLIMIT_FSIZE, &(struct rlimit){MAX_OUTPUT_BYTES, MAX_OUTPUT_BYTES});
    signal(SIGXFSZ, SIG_IGN);
    dup2(fds[1], STDOUT_FILENO);
    dup2(fds[1], STDERR_FILENO);
    close(SOCKET);
    if (wire_open(fds[0], &w, &err)) {
        dprintf(STDERR_FILENO, "%s\n", err.msg);
        _exit(ws_status_exit_code(err.status));
    }
    job_run(&w);
    fflush(NULL);
    _exit(0);
}

/* Waits until the child dies, which closes `death`, the deadline passes or the parent goes away. */
static bool watch(int death, int64_t deadline_ns)
{
    for (;;) {
        struct pollfd f[2] = {{death, POLLIN, 0}, {SOCKET, POLLIN, 0}};
        int64_t left = (deadline_ns - ws_now_ns() + 999999) / 1000000;
        if (left <= 0)
            return false;
        int n = poll(f, 2, left > 1000000 ? 1000000 : (int)left);
        if (n > 0 && f[0].revents)
            return true;
        if (n > 0 && f[1].revents)
            return false; /* nobody sends a second request before the reply */
    }
}

static bool serve_one(const request *q, const int fds[N_FDS])
{
    int death[2], status = 0;
    ws_err err = {0};
    serve_reply reply = {WS_PROC_EXITED, 0};
    double wall =
        isfinite(q->wall_seconds) && q->wall_seconds > 0 ? fmin(q->wall_seconds, 1e6) : 60;
    int64_t deadline = ws_now_ns() + (int64_t)(wall * 1e9);
    if (pipe(death))
        return false;
    pid_t pid = fork();
    if (pid < 0)
        return false;
    if (pid == 0) {
        close(death[0]); /* the other end stays open until this process is gone */
        child(fds);
    }
    close(death[1]);
    bool ended = watch(death[0], deadline);
    if (!ended)
        kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    close(death[0]);
    reply.how = !ended ? WS_PROC_DEADLINE : WIFSIGNALED(status) ? WS_PROC_SIGNALED : WS_PROC_EXITED;
    reply.code = WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
    return ws_msg_send(SOCKET, SERVE_ENDED, &reply, sizeof reply, &err) == WS_OK;
}

int run_worker_main(void)
{
    request q;
    int fds[N_FDS];
    bool going = true;
    cu_preload_engine();
    while (going && receive(&q, fds)) {
        going = serve_one(&q, fds);
        for (int i = 0; i < N_FDS; i++)
            close(fds[i]);
    }
    return 0;
}
