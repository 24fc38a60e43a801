#include "harness/worker/serve.h"

#include "base/clock.h"
#include "base/file.h"
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
enum { STAYS = 's' }; /* from a child that waits for the next request */

/* What goes over a socket: a request beside its descriptors, the output's first, then one a run. */
typedef struct request {
    uint32_t type, n_fds;
    uint32_t again, reserved;
    double wall_seconds;
} request;

union control {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(MAX_FDS * sizeof(int))];
};

static bool send_request(int sock, const request *q, const int *fds)
{
    const size_t bytes = q->n_fds * sizeof(int);
    struct iovec io = {(void *)(uintptr_t)q, sizeof *q};
    union control c = {0};
    struct msghdr m = {.msg_iov = &io, .msg_iovlen = 1, .msg_control = c.bytes,
                       .msg_controllen = CMSG_SPACE(bytes)};
    struct cmsghdr *h = CMSG_FIRSTHDR(&m);
    ssize_t n;
    h->cmsg_level = SOL_SOCKET;
    h->cmsg_type = SCM_RIGHTS;
    h->cmsg_len = CMSG_LEN(bytes);
    memcpy(CMSG_DATA(h), fds, bytes);
    do
        n = sendmsg(sock, &m, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    return n == (ssize_t)sizeof *q;
}

ws_status serve_send(int sock, const serve_request *r, ws_err *err)
{
    const request q = {.type = SERVE_RUN,
                       .n_fds = (uint32_t)(1 + r->n),
                       .again = r->again,
                       .wall_seconds = r->wall_seconds};
    int fds[MAX_FDS] = {r->output_fd};
    memcpy(fds + 1, r->fd, (size_t)r->n * sizeof(int));
    if (!send_request(sock, &q, fds))
        return ws_fail_errno(err, WS_EENV, "cannot send a run to the worker");
    return WS_OK;
}

/* false: the other end has gone. */
static bool receive(int sock, request *q, int fds[MAX_FDS])
{
    struct iovec io = {q, sizeof *q};
    union control c = {0};
    struct msghdr m = {.msg_iov = &io, .msg_iovlen = 1, .msg_control = c.bytes,
                       .msg_controllen = sizeof c.bytes};
    ssize_t n;
    do
        n = recvmsg(sock, &m, MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    struct cmsghdr *h = n > 0 ? CMSG_FIRSTHDR(&m) : NULL;
    if (n != (ssize_t)sizeof *q || !h || h->cmsg_type != SCM_RIGHTS || q->type != SERVE_RUN ||
        q->n_fds < 2 || q->n_fds > MAX_FDS || h->cmsg_len != CMSG_LEN(q->n_fds * sizeof(int)))
        return false;
    memcpy(fds, CMSG_DATA(h), q->n_fds * sizeof(int));
    return true;
}

static void close_all(const int *fds, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        close(fds[i]);
}

/* ---- the child that runs one candidate ---- */

/* Whether the process may take another request. */
static bool run_request_of(job_session *s, const int *fds, int n_wires)
{
    static wire w[SERVE_MAX_WIRES];
    ws_err err = {0};
    dup2(fds[0], STDOUT_FILENO);
    dup2(fds[0], STDERR_FILENO);
    for (int i = 0; i < n_wires; i++)
        if (wire_open(fds[1 + i], &w[i], &err)) {
            dprintf(STDERR_FILENO, "%s\n", err.msg);
            _exit(ws_status_exit_code(err.status));
        }
    const bool stays = job_run_all(s, w, n_wires);
    fflush(NULL);
    for (int i = 0; stays && i < n_wires; i++)
        wire_release(&w[i]);
    return stays;
}

_Noreturn static void child(int sock)
{
    const char stays = STAYS;
    job_session s = {0};
    request q;
    int fds[MAX_FDS];
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    prctl(PR_SET_NAME, "ws-kernel");
    setrlimit(RLIMIT_FSIZE, &(struct rlimit){MAX_OUTPUT_BYTES, MAX_OUTPUT_BYTES});
    signal(SIGXFSZ, SIG_IGN);
    while (receive(sock, &q, fds)) {
        const bool more = run_request_of(&s, fds, (int)q.n_fds - 1);
        close_all(fds, q.n_fds);
        if (!more || !ws_write_all(sock, &stays, 1))
            break;
    }
    _exit(0);
}

/* ---- the server ---- */

/* The latest candidate's process; pid 0: none. */
typedef struct resident {
    pid_t pid;
    int sock;
} resident;

static int end_resident(resident *c)
{
    int status = 0;
    while (c->pid && waitpid(c->pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (c->pid)
        close(c->sock);
    c->pid = 0;
    return status;
}

static void kill_resident(resident *c)
{
    if (c->pid)
        kill(c->pid, SIGKILL);
    (void)end_resident(c);
}

static bool start_resident(resident *c, const int *fds, uint32_t n_fds)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
        return false;
    const pid_t pid = fork();
    if (pid == 0) {
        close(SOCKET);
        close(pair[0]);
        close_all(fds, n_fds); /* they come through the socket */
        child(pair[1]);
    }
    close(pair[1]);
    if (pid < 0)
        close(pair[0]);
    else
        *c = (resident){pid, pair[0]};
    return pid > 0;
}

/* Seconds that a child may still take `elapsed` seconds after it began, when it had taken `spent`
 * of the processor before; not above 0: none. */
static double seconds_left(pid_t pid, double spent, double wall, double elapsed)
{
    if (elapsed < wall)
        return wall - elapsed;
    return fmin(wall - (ws_cpu_seconds_of(pid) - spent), SERVE_PATIENCE * wall - elapsed);
}

/* Waits until the child says that it stays or dies, its time is over or the parent goes away. */
static bool watch(const resident *c, double spent, double wall)
{
    const int64_t start = ws_now_ns();
    for (;;) {
        struct pollfd f[2] = {{c->sock, POLLIN, 0}, {SOCKET, POLLIN, 0}};
        const double left = 1e3 * seconds_left(c->pid, spent, wall, ws_seconds_since(start));
        if (!(left > 0))
            return false;
        int n = poll(f, 2, left > 1e6 ? 1000000 : (int)ceil(left));
        if (n > 0 && f[0].revents)
            return true;
        if (n > 0 && f[1].revents)
            return false; /* nobody sends a second request before the reply */
    }
}

static bool says_that_it_stays(const resident *c)
{
    char said = 0;
    ssize_t n;
    do
        n = recv(c->sock, &said, 1, MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    return n == 1 && said == STAYS;
}

/* The request goes to the child that stays, when it is of its candidate, or to a new one. *spent:
 * of the processor, before. */
static bool give(resident *c, const request *q, const int *fds, double *spent)
{
    *spent = q->again && c->pid ? ws_cpu_seconds_of(c->pid) : 0;
    if (q->again && c->pid && send_request(c->sock, q, fds))
        return true;
    *spent = 0;
    kill_resident(c);
    return start_resident(c, fds, q->n_fds) && send_request(c->sock, q, fds);
}

static bool serve_one(resident *c, const request *q, const int *fds)
{
    serve_reply reply = {WS_PROC_EXITED, 0, false};
    ws_err err = {0};
    const double wall =
        isfinite(q->wall_seconds) && q->wall_seconds > 0 ? fmin(q->wall_seconds, 1e6) : 60;
    double spent;
    if (!give(c, q, fds, &spent))
        return false;
    const bool ended = watch(c, spent, wall);
    reply.stays = ended && says_that_it_stays(c);
    if (!reply.stays) {
        if (!ended)
            kill(c->pid, SIGKILL);
        const int status = end_resident(c);
        reply.how = !ended                ? WS_PROC_DEADLINE
                    : WIFSIGNALED(status) ? WS_PROC_SIGNALED
                                          : WS_PROC_EXITED;
        reply.code = WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
    }
    return ws_msg_send(SOCKET, SERVE_ENDED, &reply, sizeof reply, &err) == WS_OK;
}

int run_worker_main(void)
{
    resident c = {0};
    request q;
    int fds[MAX_FDS];
    bool going = true;
    prctl(PR_SET_NAME, "ws-run");
    cu_preload_engine();
    while (going && receive(SOCKET, &q, fds)) {
        going = serve_one(&c, &q, fds);
        close_all(fds, q.n_fds);
    }
    kill_resident(&c);
    return 0;
}
