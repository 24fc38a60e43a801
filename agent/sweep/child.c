#include "agent/sweep/child.h"

#include "base/buf.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* `said`: the last bytes of its standard error, for when it ends without saying why. */
enum { MAX_LINE = 64 << 20, KEPT = 2000, PLACE = 3 };

struct child {
    pid_t pid;
    int out, error; /* pipes: lines; standard error */
    int result;     /* pipe: the ws_err that it returned */
    ws_buf line;    /* bytes read and not handed out from `taken` on */
    size_t taken;
    ws_buf said;
    bool late;
};

/* ---- the child ---- */

static _Noreturn void run_child(child_main main, void *ud, int out, int error, int result,
                                pid_t parent)
{
    ws_err err = {0};
    int code = 0;
    setpgid(0, 0); /* a terminal's Ctrl-C reaches the parent, which tells its children */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(0);
    int null = open("/dev/null", O_RDONLY);
    dup2(null, STDIN_FILENO);
    dup2(out, STDOUT_FILENO);
    dup2(error, STDERR_FILENO);
    dup2(result, PLACE);
    fcntl(PLACE, F_SETFD, FD_CLOEXEC);
    syscall(SYS_close_range, PLACE + 1, ~0U, 0);
    ws_status st = main(ud, &code, &err);
    if (st)
        code = ws_status_exit_code(st);
    fflush(stdout);
    if (st && write(PLACE, &err, sizeof err) != sizeof err)
        code = ws_status_exit_code(WS_EENV);
    _exit(code);
}

/* ---- the parent ---- */

static void close_all(int fd[6])
{
    for (int i = 0; i < 6; i++)
        if (fd[i] >= 0)
            close(fd[i]);
}

static bool open_pipes(int fd[6])
{
    for (int i = 0; i < 6; i++)
        fd[i] = -1;
    for (int i = 0; i < 6; i += 2)
        if (pipe2(fd + i, O_CLOEXEC))
            return false;
    fcntl(fd[0], F_SETFL, O_NONBLOCK);
    fcntl(fd[2], F_SETFL, O_NONBLOCK);
    return true;
}

ws_status child_start(child_main main, void *ud, child **out, ws_err *err)
{
    int fd[6];
    if (!open_pipes(fd)) {
        close_all(fd);
        return ws_fail_errno(err, WS_EENV, "cannot make a pipe for a run");
    }
    fflush(NULL); /* what is buffered is printed once */
    pid_t parent = getpid(), pid = fork();
    if (pid < 0) {
        close_all(fd);
        return ws_fail_errno(err, WS_EENV, "cannot start a process for a run");
    }
    if (!pid) { /* above the places that they are moved to */
        int a = fcntl(fd[1], F_DUPFD, 10), b = fcntl(fd[3], F_DUPFD, 10);
        run_child(main, ud, a, b, fcntl(fd[5], F_DUPFD, 10), parent);
    }
    setpgid(pid, pid);
    for (int i = 1; i < 6; i += 2)
        close(fd[i]);
    child *c = ws_calloc(1, sizeof *c);
    *c = (child){.pid = pid, .out = fd[0], .error = fd[2], .result = fd[4],
                 .line = {.max = MAX_LINE}};
    *out = c;
    return WS_OK;
}

int child_fd(const child *c)
{
    return c->out;
}

/* What has come by now; 0: the other end is closed. */
static ssize_t drain(int fd, ws_buf *into)
{
    char part[16384];
    ssize_t n, last = -1;
    while ((n = read(fd, part, sizeof part)) > 0)
        ws_buf_add(into, part, (size_t)n);
    if (n == 0)
        last = 0;
    return last;
}

static void listen_to(child *c)
{
    (void)drain(c->error, &c->said);
    if (c->said.n > 2 * KEPT) {
        memmove(c->said.p, c->said.p + c->said.n - KEPT, KEPT);
        c->said.n = KEPT;
        c->said.p[KEPT] = '\0';
    }
}

static char *next_line(child *c)
{
    char *from = c->line.p + c->taken;
    char *end = c->line.p ? memchr(from, '\n', c->line.n - c->taken) : NULL;
    if (!end)
        return NULL;
    *end = '\0';
    c->taken = (size_t)(end + 1 - c->line.p);
    return from;
}

/* What it started may hold its end of the pipe for longer. */
static bool is_dead(const child *c)
{
    siginfo_t info = {0};
    return waitid(P_PID, (id_t)c->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid;
}

char *child_line(child *c, bool *over)
{
    char *line = next_line(c);
    *over = false;
    if (line)
        return line;
    if (c->taken) { /* all lines were handed out: what is left is a part of one */
        memmove(c->line.p, c->line.p + c->taken, c->line.n - c->taken);
        c->line.n -= c->taken;
        c->line.p[c->line.n] = '\0';
        c->taken = 0;
    }
    listen_to(c);
    bool dead = is_dead(c); /* before the last read, so that nothing is missed */
    bool closed = drain(c->out, &c->line) == 0;
    line = next_line(c);
    *over = !line && (closed || dead);
    return line;
}

void child_interrupt(child *c)
{
    kill(c->pid, SIGTERM);
}

void child_kill(child *c)
{
    c->late = true;
    kill(-c->pid, SIGKILL);
    kill(c->pid, SIGKILL);
}

/* The last line that it wrote to standard error. */
static const char *last_words(child *c)
{
    listen_to(c);
    while (c->said.n && strchr("\n\r ", c->said.p[c->said.n - 1]))
        c->said.p[--c->said.n] = '\0';
    const char *text = ws_buf_z(&c->said), *line = strrchr(text, '\n');
    return line ? line + 1 : text;
}

static void explain(child *c, int status, child_end *e)
{
    const char *words = last_words(c);
    if (WIFSIGNALED(status) && c->late)
        ws_fail(&e->err, WS_ELIMIT, "the process was ended");
    else if (WIFSIGNALED(status))
        ws_fail(&e->err, WS_EBUG, "the process ended by signal %d (%s)%s%.400s", e->signal,
                strsignal(e->signal), *words ? ": " : "", words);
    else if (e->exit_code == ws_status_exit_code(WS_EBUG))
        ws_fail(&e->err, WS_EBUG, "the process ended with a bug: %.400s", words);
}

void child_finish(child *c, child_end *out)
{
    int status = 0;
    child_end e = {.exit_code = -1, .late = c->late};
    while (waitpid(c->pid, &status, 0) < 0 && errno == EINTR)
        ;
    kill(-c->pid, SIGKILL); /* what it may have left behind */
    if (WIFEXITED(status))
        e.exit_code = WEXITSTATUS(status);
    else
        e.signal = WTERMSIG(status);
    if (read(c->result, &e.err, sizeof e.err) != sizeof e.err) {
        e.err = (ws_err){0};
        explain(c, status, &e);
    }
    close(c->out);
    close(c->error);
    close(c->result);
    ws_buf_release(&c->line);
    ws_buf_release(&c->said);
    free(c);
    *out = e;
}
