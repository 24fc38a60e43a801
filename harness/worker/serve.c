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

enum { SOCKET = 3, MAX_FDS = 1 + SERVE_MAX_WIRES, MAX_OUTPUT_BYTES = 1 << 20 };

typedef struct request {
    uint32_t type, n_fds; /* the output's, then one a run */
    double wall_seconds;
} request;

union control {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(MAX_FDS * sizeof(int))];
};

ws_status serve_send(int sock, const int *wire_fd, int n_wires, int output_fd, double wall_seconds,
                     ws_err *err)
{
    const size_t bytes = (size_t)(1 + n_wires) * sizeof(int);
    request q = {SERVE_RUN, (uint32_t)(1 + n_wires), wall_seconds};
    struct iovec io = {&q, sizeof q};
    union control c = {0};
    struct msghdr m = {.msg_iov = &io, .msg_iovlen = 1, .msg_control = c.bytes,
                       .msg_controllen = CMSG_SPACE(bytes)};
    struct cmsghdr *h = CMSG_FIRSTHDR(&m);
    int fds[MAX_FDS] = {output_fd};
    ssize_t n;
    memcpy(fds + 1, wire_fd, (size_t)n_wires * sizeof(int));
    h->cmsg_level = SOL_SOCKET;
    h->cmsg_type = SCM_RIGHTS;
    h->cmsg_len = CMSG_LEN(bytes);
    memcpy(CMSG_DATA(h), fds, bytes);
    do
        n = sendmsg(sock, &m, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    if (n != (ssize_t)sizeof q)
        return ws_fail_errno(err, WS_EENV, "cannot send a run to the worker");
    return WS_OK;
}

/* false: the parent has gone. */
static bool receive(request *q, int fds[MAX_FDS])
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
    if (n != (ssize_t)sizeof *q || !h || h->cmsg_type != SCM_RIGHTS || q->type != SERVE_RUN ||
        q->n_fds < 2 || q->n_fds > MAX_FDS || h->cmsg_len != CMSG_LEN(q->n_fds * sizeof(int)))
        return false;
    memcpy(fds, CMSG_DATA(h), q->n_fds * sizeof(int));
    return true;
}

/* ---- the child that runs one candidate ---- */

_Noreturn static void child(const int *fds, int n_wires)
{
    static wire w[SERVE_MAX_WIRES];
    ws_err err = {0};
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    prctl(PR_SET_NAME, "ws-kernel");
    setrlimit(RLIMIT_FSIZE, &(struct rlimit){MAX_OUTPUT_BYTES, MAX_OUTPUT_BYTES});
    signal(SIGXFSZ, SIG_IGN);
    dup2(fds[0], STDOUT_FILENO);
    dup2(fds[0], STDERR_FILENO);
    close(SOCKET);
    for (int i = 0; i < n_wires; i++)
        if (wire_open(fds[1 + i], &w[i], &err)) {
            dprintf(STDERR_FILENO, "%s\n", err.msg);
            _exit(ws_status_exit_code(err.status));
        }
    job_run_all(w, n_wires);
    fflush(NULL);
    _exit(0);
}

/* Seconds that a child may still take `elapsed` seconds after its start; not above 0: none. */
static double seconds_left(pid_t pid, double wall, double elapsed)
{
    if (elapsed < wall)
        return wall - elapsed;
    return fmin(wall - ws_cpu_seconds_of(pid), SERVE_PATIENCE * wall - elapsed);
}

/* Waits until the child dies, which closes `death`, its time is over or the parent goes away. */
static bool watch(pid_t pid, int death, double wall)
{
    const int64_t start = ws_now_ns();
    for (;;) {
        struct pollfd f[2] = {{death, POLLIN, 0}, {SOCKET, POLLIN, 0}};
        const double left = 1e3 * seconds_left(pid, wall, ws_seconds_since(start));
        if (!(left > 0))
            return false;
        int n = poll(f, 2, left > 1e6 ? 1000000 : (int)ceil(left));
        if (n > 0 && f[0].revents)
            return true;
        if (n > 0 && f[1].revents)
            return false; /* nobody sends a second request before the reply */
    }
}

static bool serve_one(const request *q, const int *fds)
{
    int death[2], status = 0;
    ws_err err = {0};
    serve_reply reply = {WS_PROC_EXITED, 0};
    double wall =
        isfinite(q->wall_seconds) && q->wall_seconds > 0 ? fmin(q->wall_seconds, 1e6) : 60;
    if (pipe(death))
        return false;
    pid_t pid = fork();
    if (pid < 0)
        return false;
    if (pid == 0) {
        close(death[0]); /* the other end stays open until this process is gone */
        child(fds, (int)q->n_fds - 1);
    }
    close(death[1]);
    bool ended = watch(pid, death[0], wall);
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
    int fds[MAX_FDS];
    bool going = true;
    prctl(PR_SET_NAME, "ws-run");
    cu_preload_engine();
    while (going && receive(&q, fds)) {
        going = serve_one(&q, fds);
        for (uint32_t i = 0; i < q.n_fds; i++)
            close(fds[i]);
    }
    return 0;
}
