/* Child processes: environment, channel, deadlines, limits. */
#include "base/clock.h"
#include "base/proc.h"
#include "tests/tap.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

/* Runs a shell line with its output kept. */
static ws_proc_result sh(const char *line, double seconds, ws_buf *output, ws_proc_options o)
{
    const char *argv[] = {"/bin/sh", "-c", line, NULL};
    ws_proc p;
    ws_proc_result r = {0};
    ws_err err = {0};
    o.argv = argv;
    o.keep_output = true;
    if (ws_proc_spawn(&o, &p, &err) ||
        ws_proc_wait(&p, ws_now_ns() + (int64_t)(seconds * 1e9), output, &r, &err))
        printf("# %s\n", err.msg);
    return r;
}

static void test_environment(void)
{
    ws_buf out = {0};
    setenv("OPENAI_API_KEY", "canary", 1);
    setenv("SOME_TOKEN", "canary", 1);
    ws_proc_result r = sh("env", 10, &out, (ws_proc_options){0});
    ok(r.how == WS_PROC_EXITED && r.code == 0, "a child ends with 0");
    ok(!strstr(ws_buf_z(&out), "canary"), "no key or token reaches its environment");
    has_str(ws_buf_z(&out), "PATH=", "PATH does");
    ws_buf_release(&out);
}

static void test_channel(void)
{
    const char *argv[] = {"/bin/sh", "-c", "cat <&3 >&3", NULL};
    ws_proc p;
    ws_err err = {0};
    ws_buf got = {0};
    uint32_t type = 0;
    static char big[300000];
    ws_proc_result r;
    memset(big, 'x', sizeof big);
    ok(!ws_proc_spawn(&(ws_proc_options){.argv = argv}, &p, &err), "spawn");
    ok(!ws_msg_send(p.sock, 7, "hello", 5, &err), "send");
    ok(!ws_msg_recv(p.sock, ws_now_ns() + 5000000000, 100, &type, &got, &err), "receive");
    ok(type == 7 && strcmp(ws_buf_z(&got), "hello") == 0, "the message comes back");
    ok(ws_msg_recv(p.sock, ws_now_ns() + 50000000, 100, &type, &got, &err) == WS_ELIMIT,
       "a deadline ends waiting");
    ok(!ws_msg_send(p.sock, 8, big, 1000, &err) &&
           ws_msg_recv(p.sock, ws_now_ns() + 5000000000, 100, &type, &got, &err) == WS_EINPUT,
       "a message over the limit is refused");
    shutdown(p.sock, SHUT_WR);
    ok(!ws_proc_wait(&p, ws_now_ns() + 5000000000, NULL, &r, &err) && r.how == WS_PROC_EXITED,
       "it ends when the channel does");
    ws_buf_release(&got);
}

static void test_deadline(void)
{
    int64_t start = ws_now_ns();
    ws_proc_result r = sh("sleep 30 & sleep 30", 0.2, NULL, (ws_proc_options){0});
    ok(r.how == WS_PROC_DEADLINE, "a child past its deadline is killed");
    ok(ws_seconds_since(start) < 5, "with what it started");
    r = sh("kill -SEGV $$", 10, NULL, (ws_proc_options){0});
    ok(r.how == WS_PROC_SIGNALED && r.code == SIGSEGV, "a signal is told apart");
    r = sh("while :; do :; done", 20, NULL, (ws_proc_options){.max_cpu_seconds = 1});
    ok(r.how == WS_PROC_SIGNALED && (r.code == SIGXCPU || r.code == SIGKILL),
       "the CPU limit holds");
}

static void test_inherit(void)
{
    ws_buf out = {0};
    int fd = memfd_create("t", MFD_CLOEXEC);
    ok(write(fd, "inside", 6) == 6 && lseek(fd, 0, SEEK_SET) == 0, "a memory file");
    sh("cat <&4", 10, &out, (ws_proc_options){.inherit_fds = &fd, .n_inherit = 1});
    is_str(ws_buf_z(&out), "inside", "an inherited descriptor is 4 in the child");
    ws_buf_release(&out);
    close(fd);
    ws_proc p;
    ws_err err = {0};
    const char *argv[] = {"/nonexistent/program", NULL};
    ok(ws_proc_spawn(&(ws_proc_options){.argv = argv}, &p, &err) == WS_EENV, "a missing program");
    has_str(err.msg, "cannot run '/nonexistent/program'", "is named");
}

int main(void)
{
    test_environment();
    test_channel();
    test_deadline();
    test_inherit();
    return tap_done();
}
