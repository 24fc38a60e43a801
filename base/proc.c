#include "base/proc.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CHILD_SOCKET = 3, MAX_INHERIT = 280, MAX_OUTPUT = 1 << 20 };

const char *ws_proc_self(void)
{
    static char path[PATH_MAX + 16];
    char exe[PATH_MAX];
    const char *set = getenv("WARPSMITH_EXE");
    if (set && *set)
        return set;
    ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
    exe[n > 0 ? n : 0] = '\0';
    const char *slash = strrchr(exe, '/');
    if (slash && strcmp(slash + 1, "warpsmith") == 0)
        snprintf(path, sizeof path, "%s", exe);
    else
        snprintf(path, sizeof path, "%s/warpsmith", ws_home_dir());
    return path;
}

/* <dir>/build, <dir> and <dir>/../lib, where dir is the directory of `program`. */
static bool beside(const char *program, const char *name, ws_buf *out)
{
    static const char *const places[] = {"/build/", "/", "/../lib/"};
    const char *slash = strrchr(program, '/');
    for (size_t i = 0; slash && i < WS_COUNT(places); i++) {
        ws_buf_reset(out);
        ws_buf_printf(out, "%.*s%s%s", (int)(slash - program), program, places[i], name);
        if (ws_file_exists(ws_buf_z(out)))
            return true;
    }
    return false;
}

bool ws_proc_beside(const char *name, ws_buf *out)
{
    char exe[PATH_MAX], built[256];
    ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
    exe[n > 0 ? n : 0] = '\0';
    if (beside(exe, name, out) || beside(ws_proc_self(), name, out))
        return true;
    ws_buf_reset(out);
    snprintf(built, sizeof built, "build/%s", name);
    ws_home_path(out, built);
    return ws_file_exists(ws_buf_z(out));
}

const char *const *ws_proc_clean_env(void)
{
    static const char *const keep[] = {"PATH", "HOME", "LANG", "TMPDIR", "LD_LIBRARY_PATH",
                                       "CUDA_HOME", "CUDA_VISIBLE_DEVICES", "WARPSMITH_HOME",
                                       "WARPSMITH_CACHE", "WARPSMITH_CALIBRATION",
                                       "WARPSMITH_CUDA_LIB"};
    static const char *env[WS_COUNT(keep) + 1];
    static ws_arena arena;
    size_t n = 0;
    ws_arena_release(&arena);
    for (size_t i = 0; i < WS_COUNT(keep); i++) {
        const char *value = getenv(keep[i]);
        if (value)
            env[n++] = ws_arena_printf(&arena, "%s=%s", keep[i], value);
    }
    env[n] = NULL;
    return env;
}

/* ---- the child's side, between fork and exec: async-signal-safe calls only ---- */

static void limit(int which, uint64_t value)
{
    if (value)
        setrlimit((__rlimit_resource_t)which, &(struct rlimit){value, value});
}

/* Moves the given descriptors to 3, 4, ... and closes every other one above 2. */
static void arrange_fds(const int *fds, size_t n)
{
    int high[MAX_INHERIT + 1];
    for (size_t i = 0; i < n; i++) /* out of the way of the targets first */
        high[i] = fcntl(fds[i], F_DUPFD, CHILD_SOCKET + MAX_INHERIT + 2);
    for (size_t i = 0; i < n; i++)
        dup2(high[i], CHILD_SOCKET + (int)i);
    for (size_t i = 0; i < n; i++)
        close(high[i]);
    close_range((unsigned)CHILD_SOCKET + (unsigned)n, ~0u, 0);
}

_Noreturn static void become(const ws_proc_options *o, int sock, int output, const char *const *env)
{
    int fds[MAX_INHERIT + 1] = {sock};
    int null = open("/dev/null", O_RDWR);
    setpgid(0, 0);
    dup2(o->on_stdio ? sock : null, STDIN_FILENO);
    dup2(o->on_stdio ? sock : output >= 0 ? output : null, STDOUT_FILENO);
    dup2(output >= 0 ? output : null, STDERR_FILENO);
    if (o->on_stdio)
        fds[0] = null;
    for (size_t i = 0; i < o->n_inherit; i++)
        fds[i + 1] = o->inherit_fds[i];
    arrange_fds(fds, o->n_inherit + 1);
    limit(RLIMIT_AS, o->max_address_bytes);
    limit(RLIMIT_CPU, o->max_cpu_seconds);
    limit(RLIMIT_FSIZE, o->max_file_bytes);
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    signal(SIGINT, SIG_IGN); /* Ctrl-C is the parent's to handle; it kills the child when it must */
    signal(SIGPIPE, SIG_DFL);
    /* execve takes char *const[]; it does not write through them. */
    union {
        const char *const *from;
        char *const *to;
    } argv = {o->argv}, envp = {env};
    execve(o->argv[0], argv.to, envp.to);
    _exit(127);
}

/* ---- the parent's side ---- */

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static const char *const *environment_of(const ws_proc_options *o, ws_arena *a)
{
    const char *const *from = o->env ? o->env : ws_proc_clean_env();
    size_t n = 0;
    while (from[n])
        n++;
    const char **env = WS_ARENA_NEW(a, const char *, n + 2);
    memcpy(env, from, n * sizeof *env);
    env[n] = o->add_env;
    env[n + 1] = NULL;
    return env;
}

void ws_proc_keep_only(int *fd)
{
    if (*fd != CHILD_SOCKET) {
        dup2(*fd, CHILD_SOCKET);
        *fd = CHILD_SOCKET;
    }
    close_range(CHILD_SOCKET + 1, ~0u, 0);
}

ws_status ws_proc_spawn(const ws_proc_options *o, ws_proc *out, ws_err *err)
{
    int sock[2] = {-1, -1}, pipe_fd[2] = {-1, -1};
    ws_arena arena = {0};
    const char *const *env = environment_of(o, &arena);
    if (o->n_inherit > MAX_INHERIT)
        ws_bug("%zu inherited descriptors, at most %d", o->n_inherit, MAX_INHERIT);
    if (access(o->argv[0], X_OK)) {
        ws_fail_errno(err, WS_EENV, "cannot run '%s'", o->argv[0]);
        goto fail;
    }
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sock) ||
        (o->keep_output && pipe2(pipe_fd, O_CLOEXEC))) {
        ws_fail_errno(err, WS_EENV, "cannot make a channel to '%s'", o->argv[0]);
        goto fail;
    }
    pid_t pid = fork();
    if (pid < 0) {
        ws_fail_errno(err, WS_EENV, "cannot start '%s'", o->argv[0]);
        goto fail;
    }
    if (pid == 0)
        become(o, sock[1], pipe_fd[1], env);
    setpgid(pid, pid); /* in both processes, so that neither has to wait for the other */
    close_fd(&sock[1]);
    close_fd(&pipe_fd[1]);
    *out = (ws_proc){pid, sock[0], pipe_fd[0]};
    ws_arena_release(&arena);
    return WS_OK;
fail:
    ws_arena_release(&arena);
    for (int i = 0; i < 2; i++) {
        close_fd(&sock[i]);
        close_fd(&pipe_fd[i]);
    }
    return err->status;
}

static void kill_group(pid_t pid)
{
    kill(-pid, SIGKILL);
    kill(pid, SIGKILL);
}

/* Reads what the child printed without blocking for more than `ms`; false at its end. */
static bool drain(ws_proc *p, int ms, ws_buf *output)
{
    char chunk[4096];
    struct pollfd f = {p->output, POLLIN, 0};
    if (p->output < 0)
        return false;
    if (poll(&f, 1, ms) <= 0)
        return true;
    ssize_t n = read(p->output, chunk, sizeof chunk);
    if (n > 0 && output && output->n < MAX_OUTPUT)
        ws_buf_add(output, chunk, (size_t)n);
    return n > 0 || (n < 0 && errno == EINTR);
}

static void fill_result(ws_proc_result *out, int status, const struct rusage *u, bool late)
{
    *out = (ws_proc_result){
        .how = late ? WS_PROC_DEADLINE : WIFSIGNALED(status) ? WS_PROC_SIGNALED : WS_PROC_EXITED,
        .code = WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status),
        .cpu_seconds = (double)(u->ru_utime.tv_sec + u->ru_stime.tv_sec) +
                       1e-6 * (double)(u->ru_utime.tv_usec + u->ru_stime.tv_usec),
        .max_rss_kib = u->ru_maxrss,
    };
}

ws_status ws_proc_wait(ws_proc *p, int64_t deadline_ns, ws_buf *output, ws_proc_result *out,
                       ws_err *err)
{
    struct rusage u = {0};
    int status = 0;
    bool late = false, open = p->output >= 0;
    for (;;) {
        siginfo_t info = {0};
        int rc = waitid(P_PID, (id_t)p->pid, &info, WEXITED | WNOHANG | WNOWAIT);
        if (rc && errno != EINTR)
            return ws_fail_errno(err, WS_EENV, "cannot wait for process %d", (int)p->pid);
        if (!rc && info.si_pid == p->pid)
            break;
        if (!late && deadline_ns && ws_now_ns() >= deadline_ns) {
            kill_group(p->pid);
            late = true;
        }
        if (open)
            open = drain(p, 5, output);
        else
            ws_sleep_ms(2);
    }
    kill_group(
        p->pid); /* what it started goes with it; not reaped yet, so the id is still its own */
    while (wait4(p->pid, &status, 0, &u) < 0 && errno == EINTR)
        ;
    while (open && drain(p, 0, output)) {
        struct pollfd f = {p->output, POLLIN, 0};
        if (poll(&f, 1, 0) <= 0)
            break;
    }
    close_fd(&p->output);
    close_fd(&p->sock);
    p->pid = 0;
    fill_result(out, status, &u, late);
    return WS_OK;
}

bool ws_proc_kill_within(ws_proc *p, double seconds)
{
    const int64_t deadline = ws_now_ns() + (int64_t)(seconds * 1e9);
    pid_t ended = 0;
    if (p->pid > 0) {
        kill_group(p->pid);
        while ((ended = waitpid(p->pid, NULL, WNOHANG)) == 0 && ws_now_ns() < deadline)
            ws_sleep_ms(1);
        close_fd(&p->sock);
        close_fd(&p->output);
    }
    const bool gone = p->pid <= 0 || ended != 0;
    *p = (ws_proc){0, -1, -1};
    return gone;
}

void ws_proc_kill(ws_proc *p)
{
    if (p->pid > 0) {
        kill_group(p->pid);
        while (waitpid(p->pid, NULL, 0) < 0 && errno == EINTR)
            ;
        close_fd(&p->sock);
        close_fd(&p->output);
    }
    *p = (ws_proc){0, -1, -1};
}

/* ---- messages ---- */

typedef struct header {
    uint32_t type, reserved;
    uint64_t length;
} header;

static ws_status send_all(int sock, const void *data, size_t n, ws_err *err)
{
    const char *p = data;
    while (n) {
        ssize_t put = send(sock, p, n, MSG_NOSIGNAL);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return ws_fail_errno(err, WS_EENV, "cannot send to the child process");
        p += put;
        n -= (size_t)put;
    }
    return WS_OK;
}

ws_status ws_msg_send(int sock, uint32_t type, const void *data, size_t n, ws_err *err)
{
    header h = {type, 0, n};
    if (send_all(sock, &h, sizeof h, err))
        return err->status;
    return send_all(sock, data, n, err);
}

static ws_status wait_readable(int sock, int64_t deadline_ns, ws_err *err)
{
    for (;;) {
        struct pollfd f = {sock, POLLIN, 0};
        int64_t left = deadline_ns ? (deadline_ns - ws_now_ns() + 999999) / 1000000 : -1;
        if (deadline_ns && left <= 0)
            return ws_fail(err, WS_ELIMIT, "the child process did not answer in time");
        int n = poll(&f, 1, left > INT_MAX ? INT_MAX : (int)left);
        if (n > 0)
            return WS_OK;
        if (n < 0 && errno != EINTR)
            return ws_fail_errno(err, WS_EENV, "cannot wait for the child process");
    }
}

static ws_status recv_all(int sock, int64_t deadline_ns, void *data, size_t n, ws_err *err)
{
    char *p = data;
    while (n) {
        if (wait_readable(sock, deadline_ns, err))
            return err->status;
        ssize_t got = recv(sock, p, n, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return ws_fail_errno(err, WS_EENV, "cannot read from the child process");
        if (got == 0)
            return ws_fail(err, WS_EENV, "the child process closed the channel");
        p += got;
        n -= (size_t)got;
    }
    return WS_OK;
}

ws_status ws_msg_recv(int sock, int64_t deadline_ns, size_t max, uint32_t *type, ws_buf *out,
                      ws_err *err)
{
    header h;
    char chunk[65536];
    if (recv_all(sock, deadline_ns, &h, sizeof h, err))
        return err->status;
    if (h.length > max)
        return ws_fail(err, WS_EINPUT, "a message of %llu bytes is over the limit of %zu",
                       (unsigned long long)h.length, max);
    for (uint64_t left = h.length; left;) {
        size_t n = left < sizeof chunk ? (size_t)left : sizeof chunk;
        if (recv_all(sock, deadline_ns, chunk, n, err))
            return err->status;
        ws_buf_add(out, chunk, n);
        left -= n;
    }
    *type = h.type;
    return out->overflow ? ws_fail(err, WS_EINPUT, "a message is larger than its buffer") : WS_OK;
}
