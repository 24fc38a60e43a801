#include "harness/device/client.h"

#include "base/clock.h"
#include "base/mem.h"
#include "harness/device/protocol.h"
#include "harness/reason.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    MAX_ENV = 24,
    TAIL = 400,
    LEAVE_MS = 500, /* a worker may take to leave by itself */
};
static const double kill_seconds = 30, default_start = 60;

struct dev_client {
    ws_proc p;
    int output;      /* file that the worker prints to */
    int64_t id;
    bool alive, stuck; /* stuck: it could not be killed */
    ws_buf line;
};

/* ---- shared memory ---- */

ws_status dev_bulk_new(size_t bytes, dev_bulk_memory *out, ws_err *err)
{
    const size_t n = bytes ? bytes : 1;
    const int fd = memfd_create("warpsmith-bulk", MFD_CLOEXEC);
    void *p = fd >= 0 && !ftruncate(fd, (off_t)n)
                  ? mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)
                  : MAP_FAILED;
    *out = (dev_bulk_memory){0};
    if (p == MAP_FAILED) {
        ws_fail_errno(err, WS_EENV, "no shared memory of %zu bytes", n);
        if (fd >= 0)
            close(fd);
        return err->status;
    }
    *out = (dev_bulk_memory){.fd = fd, .map = p, .bytes = n};
    return WS_OK;
}

void dev_bulk_release(dev_bulk_memory *m)
{
    if (m->map) {
        munmap(m->map, m->bytes);
        close(m->fd);
    }
    *m = (dev_bulk_memory){0};
}

ws_status dev_bulk_add(dev_bulk_memory *m, const void *data, size_t n, size_t *at, ws_err *err)
{
    const size_t from = (m->used + 63) & ~(size_t)63;
    if (from > m->bytes || n > m->bytes - from)
        return ws_fail(err, WS_ELIMIT, "%zu bytes do not fit in shared memory of %zu", n, m->bytes);
    if (data)
        memcpy(m->map + from, data, n);
    *at = from;
    m->used = from + n;
    return WS_OK;
}

/* ---- starting ---- */

const char *dev_end_name(dev_end e)
{
    static const char *const names[] = {"ok", "rejected", "failed", "deadline",
                                        "crashed", "garbage", "not_run"};
    return names[e];
}

/* What a worker may know of the environment: no key, token or secret. */
static const char *const *environment(const dev_client_options *o, ws_arena *a)
{
    static const char *const keep[] = {
        "PATH", "HOME", "LANG", "TMPDIR", "LD_LIBRARY_PATH", "CUDA_HOME", "CUDA_VISIBLE_DEVICES",
        "CUDA_DEVICE_ORDER", "WARPSMITH_HOME", "WARPSMITH_CACHE", "WARPSMITH_CUDA_DRIVER",
        "WARPSMITH_ENGINE", "WARPSMITH_ENGINE_DEVICES", "WARPSMITH_DEVICE",
    };
    const char **env = WS_ARENA_NEW(a, const char *, MAX_ENV);
    size_t n = 0;
    for (size_t i = 0; i < WS_COUNT(keep); i++) {
        const char *value = getenv(keep[i]);
        if (o->visible && strcmp(keep[i], "CUDA_VISIBLE_DEVICES") == 0)
            value = o->visible;
        if (o->device && strcmp(keep[i], "WARPSMITH_DEVICE") == 0)
            value = o->device;
        if (value)
            env[n++] = ws_arena_printf(a, "%s=%s", keep[i], value);
    }
    env[n++] = "CUDA_MODULE_LOADING=EAGER"; /* nothing is loaded at a first launch */
    return env;
}

static ws_status find_worker(const dev_client_options *o, ws_buf *out, ws_err *err)
{
    const char *set = o->worker ? o->worker : getenv("WARPSMITH_WORKER");
    if (set && *set) {
        ws_buf_adds(out, set);
        return WS_OK;
    }
    if (ws_proc_beside("warpsmith-worker", out))
        return WS_OK;
    ws_fail(err, WS_EENV, "cannot find the device worker 'warpsmith-worker'");
    return ws_hint(err, "run make, or set WARPSMITH_WORKER to its path");
}

static ws_status spawn(const dev_client_options *o, dev_client *c, ws_err *err)
{
    ws_arena a = {0};
    ws_buf path = {0};
    const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    c->output = memfd_create("warpsmith-output", MFD_CLOEXEC);
    if (null < 0 || c->output < 0) {
        ws_fail_errno(err, WS_EENV, "no file for a worker's output");
    } else if (!find_worker(o, &path, err)) {
        const int fds[] = {o->bulk ? o->bulk->fd : null, c->output};
        const char *argv[] = {ws_buf_z(&path), "serve", NULL};
        const ws_proc_options spawn_options = {.argv = argv, .env = environment(o, &a),
                                               .inherit_fds = fds, .n_inherit = 2,
                                               .on_stdio = true};
        c->alive = !ws_proc_spawn(&spawn_options, &c->p, err);
    }
    if (null >= 0)
        close(null);
    ws_buf_release(&path);
    ws_arena_release(&a);
    return err->status;
}

static ws_status greet(const dev_client_options *o, dev_client *c, ws_arena *a,
                       const jl_value **hello, ws_err *err)
{
    dev_answer answer;
    const double seconds = o->start_seconds > 0 ? o->start_seconds : default_start;
    dev_client_ask(c, "\"op\":\"hello\"", seconds, a, &answer);
    if (answer.end == DEV_FAILED)
        return ws_fail(err, answer.status, "%s", answer.text);
    if (answer.end != DEV_OK)
        return ws_fail(err, WS_EENV, "the device worker does not start: %.900s", answer.text);
    if (jl_int_or(answer.json, "protocol", 0) != DEV_PROTOCOL)
        return ws_fail(err, WS_EENV, "the device worker is of another version");
    if (hello)
        *hello = answer.json;
    return WS_OK;
}

ws_status dev_client_start(const dev_client_options *o, ws_arena *a, dev_client **out,
                           const jl_value **hello, ws_err *err)
{
    dev_client *c = ws_calloc(1, sizeof *c);
    c->p = (ws_proc){0, -1, -1};
    c->output = -1;
    c->line.max = DEV_MAX_ANSWER + DEV_MAX_FRAME;
    if (spawn(o, c, err) || greet(o, c, a, hello, err)) {
        dev_client_stop(c);
        return err->status;
    }
    *out = c;
    return WS_OK;
}

/* ---- the end of a worker ---- */

static void one_line(char *z)
{
    for (; *z; z++)
        if ((unsigned char)*z < ' ' || *z == 0x7F)
            *z = ' ';
}

/* The end of what it printed. */
static void last_words(const dev_client *c, char out[TAIL])
{
    const off_t end = lseek(c->output, 0, SEEK_END);
    const off_t from = end > TAIL - 1 ? end - (TAIL - 1) : 0;
    ssize_t n = end > 0 ? pread(c->output, out, TAIL - 1, from) : 0;
    for (n = n > 0 ? n : 0; n > 0 && strchr(" \n", out[n - 1]); n--)
        ;
    out[n] = '\0';
    one_line(out);
}

static void bury(dev_client *c)
{
    c->alive = false;
    c->stuck |= !ws_proc_kill_within(&c->p, kill_seconds);
}

/* Waits for its end, at most so long; false: it goes on. It stays a zombie, so that its id stays
 * its own. */
static bool await(const dev_client *c, int ms, siginfo_t *info)
{
    const int64_t deadline = ws_now_ns() + ms * INT64_C(1000000);
    for (;;) {
        memset(info, 0, sizeof *info);
        if (!waitid(P_PID, (id_t)c->p.pid, info, WEXITED | WNOHANG | WNOWAIT) &&
            info->si_pid == c->p.pid)
            return true;
        if (ws_now_ns() >= deadline)
            return false;
        ws_sleep_ms(1);
    }
}

/* Its channel has closed. */
static void describe_death(dev_client *c, dev_answer *out)
{
    siginfo_t info;
    char tail[TAIL];
    const bool ended = await(c, 5000, &info);
    last_words(c, tail);
    out->end = DEV_CRASHED;
    out->reason = HX_CRASH;
    if (!ended)
        snprintf(out->text, sizeof out->text, "the worker closed its channel and went on");
    else if (info.si_code == CLD_EXITED)
        snprintf(out->text, sizeof out->text, "the worker ended with code %d%s%s", info.si_status,
                 tail[0] ? ": " : "", tail);
    else
        snprintf(out->text, sizeof out->text, "the worker died of signal %d (%s)%s%s",
                 info.si_status, strsignal(info.si_status), tail[0] ? ": " : "", tail);
    bury(c);
}

static void refuse(dev_client *c, dev_answer *out, const char *what)
{
    out->end = DEV_GARBAGE;
    out->reason = HX_CRASH;
    snprintf(out->text, sizeof out->text, "the worker broke the protocol: %.900s", what);
    bury(c);
}

bool dev_client_alive(const dev_client *c)
{
    /* Nothing may come before it is asked; a closed channel is readable, too. */
    struct pollfd f = {c->p.sock, POLLIN, 0};
    return c->alive && poll(&f, 1, 0) == 0;
}

bool dev_client_stop(dev_client *c)
{
    siginfo_t info;
    if (c->alive) {
        shutdown(c->p.sock, SHUT_RDWR);
        (void)await(c, LEAVE_MS, &info);
        bury(c);
    }
    const bool gone = !c->stuck;
    if (c->output >= 0)
        close(c->output);
    ws_buf_release(&c->line);
    free(c);
    return gone;
}

/* ---- one request ---- */

static bool status_named(const char *name, ws_status *out)
{
    static const char *const names[] = {
#define X(id, code, json) [WS_##id] = json,
        WS_STATUS_LIST(X)
#undef X
    };
    for (size_t i = 0; i < WS_COUNT(names); i++)
        if (strcmp(names[i], name) == 0) {
            *out = (ws_status)i;
            return *out != WS_OK;
        }
    return false;
}

/* What a whole line says. NULL, or what is wrong with it. */
static const char *interpret(const jl_value *v, int64_t id, dev_answer *out)
{
    const jl_value *ok = jl_get(v, "ok");
    const char *reason = jl_text_or(v, "reason", NULL), *status = jl_text_or(v, "status", NULL);
    if (jl_int_or(v, "id", -1) != id)
        return "an answer to another request";
    if (!ok || ok->kind != JL_BOOL)
        return "an answer without 'ok'";
    out->json = v;
    out->spent = jl_bool_or(v, "spent", false);
    snprintf(out->text, sizeof out->text, "%s", jl_text_or(v, "text", ""));
    one_line(out->text);
    if (ok->yes) {
        out->end = DEV_OK;
        return NULL;
    }
    if (reason && hx_reason_named(reason, &out->reason) && out->reason != HX_PASS) {
        out->end = DEV_REJECTED;
        return NULL;
    }
    out->end = DEV_FAILED;
    return status && status_named(status, &out->status) ? NULL : "a failure without a reason";
}

static void take_line(dev_client *c, ws_arena *a, dev_answer *out)
{
    ws_err err = {0};
    const jl_value *v;
    const char *end = memchr(c->line.p, '\n', c->line.n);
    const size_t n = (size_t)(end - c->line.p);
    const char *wrong = NULL;
    if (c->line.n > n + 1)
        wrong = "more than one line";
    else if (jl_parse(a, c->line.p, n, &v, &err))
        wrong = err.msg;
    else
        wrong = interpret(v, c->id, out);
    if (wrong) {
        out->json = NULL;
        refuse(c, out, wrong);
    }
}

/* Reads what has come; true: the request is over. */
static bool receive(dev_client *c, ws_arena *a, dev_answer *out)
{
    char chunk[65536];
    const ssize_t got = recv(c->p.sock, chunk, sizeof chunk, MSG_DONTWAIT);
    if (got < 0 && (errno == EINTR || errno == EAGAIN))
        return false;
    if (got <= 0) {
        describe_death(c, out);
        return true;
    }
    ws_buf_add(&c->line, chunk, (size_t)got);
    if (memchr(c->line.p, '\n', c->line.n))
        take_line(c, a, out);
    else if (c->line.overflow)
        refuse(c, out, "a line without end");
    else
        return false;
    return true;
}

static void converse(dev_client *c, const ws_buf *request, int64_t deadline, ws_arena *a,
                     dev_answer *out)
{
    size_t sent = 0;
    for (;;) {
        const int64_t left = (deadline - ws_now_ns() + 999999) / 1000000;
        struct pollfd f = {c->p.sock, (short)(POLLIN | (sent < request->n ? POLLOUT : 0)), 0};
        if (left <= 0) {
            out->end = DEV_DEADLINE;
            out->reason = HX_ENDLESS;
            bury(c);
            return;
        }
        if (poll(&f, 1, left > INT_MAX ? INT_MAX : (int)left) <= 0)
            continue;
        if ((f.revents & POLLOUT) && sent < request->n) {
            const ssize_t put = send(c->p.sock, request->p + sent, request->n - sent,
                                     MSG_NOSIGNAL | MSG_DONTWAIT);
            sent += put > 0 ? (size_t)put : 0;
        }
        if ((f.revents & (POLLIN | POLLHUP | POLLERR)) && receive(c, a, out))
            return;
    }
}

void dev_client_ask(dev_client *c, const char *members, double deadline_seconds, ws_arena *a,
                    dev_answer *out)
{
    ws_buf request = {0};
    const int64_t start = ws_now_ns();
    const double seconds = deadline_seconds > 0 ? fmin(deadline_seconds, 1e6) : 60;
    *out = (dev_answer){0};
    ws_buf_reset(&c->line);
    if (!c->alive) {
        out->end = DEV_CRASHED;
        out->reason = HX_CRASH;
        snprintf(out->text, sizeof out->text, "the worker was gone already");
    } else if (!dev_client_alive(c)) {
        refuse(c, out, "something that nobody asked for");
    } else {
        ws_buf_printf(&request, "{\"id\":%" PRId64 ",", ++c->id);
        ws_buf_adds(&request, members);
        ws_buf_adds(&request, "}\n");
    }
    if (request.n > DEV_MAX_REQUEST) {
        out->end = DEV_FAILED;
        out->status = WS_ELIMIT;
        snprintf(out->text, sizeof out->text, "a request of %zu bytes, at most %d", request.n,
                 (int)DEV_MAX_REQUEST);
    } else if (request.n) {
        converse(c, &request, start + (int64_t)(seconds * 1e9), a, out);
    }
    if (out->end == DEV_DEADLINE)
        snprintf(out->text, sizeof out->text, "no answer within %g s", seconds);
    if (c->alive && out->spent)
        bury(c);
    out->spent |= !c->alive;
    out->seconds = ws_seconds_since(start);
    ws_buf_release(&request);
}
