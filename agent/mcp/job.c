#include "agent/mcp/job.h"

#include "base/clock.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MAX_RESULT = 64 << 20 };

/* Standard output belongs to the protocol: what a library prints there goes to standard error. */
static void leave_protocol(void)
{
    int null = open("/dev/null", O_RDONLY);
    if (null >= 0)
        dup2(null, STDIN_FILENO);
    dup2(STDERR_FILENO, STDOUT_FILENO);
}

static _Noreturn void child_main(int fd, const mcp_context *c, const mcp_tool *t, const cJSON *args)
{
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    leave_protocol();
    cJSON *result = mcp_tool_run(c, t, args);
    char *text = cJSON_PrintUnformatted(result);
    _exit(text && ws_write_all(fd, text, strlen(text)) ? 0 : 70);
}

ws_status mcp_job_start(mcp_job *j, const mcp_context *c, const mcp_tool *t, const cJSON *args,
                        ws_err *err)
{
    int pipe_fd[2];
    if (pipe2(pipe_fd, O_CLOEXEC))
        return ws_fail_errno(err, WS_EENV, "cannot make a pipe for '%s'", t->name);
    pid_t pid = fork();
    if (pid < 0) {
        ws_fail_errno(err, WS_EENV, "cannot start a process for '%s'", t->name);
        close(pipe_fd[0]);
        close(pipe_fd[1]);
        return err->status;
    }
    if (!pid) {
        close(pipe_fd[0]);
        child_main(pipe_fd[1], c, t, args);
    }
    close(pipe_fd[1]);
    *j = (mcp_job){.pid = pid, .fd = pipe_fd[0], .start_ns = ws_now_ns(), .text.max = MAX_RESULT};
    return WS_OK;
}

/* Processes whose parent died became ours; theirs follow when they die. */
static void end_orphans(void)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
    for (int round = 0; round < 8; round++) {
        ws_buf list = {0};
        ws_err ignored = {0};
        if (ws_read_file(path, 1 << 20, &list, &ignored) || !list.n) {
            ws_buf_release(&list);
            return;
        }
        for (char *at = list.p, *end;; at = end) {
            long pid = strtol(at, &end, 10);
            if (end == at || pid <= 1)
                break;
            kill((pid_t)-pid, SIGKILL); /* a group, when it leads one */
            kill((pid_t)pid, SIGKILL);
            while (waitpid((pid_t)pid, NULL, 0) < 0 && errno == EINTR)
                ;
        }
        ws_buf_release(&list);
    }
}

static int reap(mcp_job *j)
{
    int status = 0;
    close(j->fd);
    while (waitpid(j->pid, &status, 0) < 0 && errno == EINTR)
        ;
    end_orphans();
    ws_buf_release(&j->text);
    j->pid = 0;
    return status;
}

bool mcp_job_read(mcp_job *j, cJSON **result)
{
    char data[65536], why[100];
    ssize_t n = read(j->fd, data, sizeof data);
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return false;
    if (n > 0) {
        ws_buf_add(&j->text, data, (size_t)n);
        return false;
    }
    *result = cJSON_ParseWithLength(ws_buf_z(&j->text), j->text.n);
    int status = reap(j);
    if (!*result) {
        snprintf(why, sizeof why, "the tool's process died %s %d",
                 WIFSIGNALED(status) ? "of signal" : "with exit code",
                 WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
        *result = mcp_failure(why);
    }
    return true;
}

void mcp_job_kill(mcp_job *j)
{
    if (!j->pid)
        return;
    kill(-j->pid, SIGKILL);
    kill(j->pid, SIGKILL);
    reap(j);
}
