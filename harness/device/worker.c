#include "harness/device/worker.h"

#include "base/file.h"
#include "harness/confine.h"
#include "harness/device/protocol.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    MAX_OUTPUT = 1 << 20,   /* of what a driver or a kernel prints, in the file that is stdout */
    MAX_PRINTED = 4096,     /* of it, in an answer */
    HIGH_FD = 16,
    PRINTF_BYTES = 1 << 20, /* of device memory for printf: what is more is lost */
    HEAP_BYTES = 8 << 20,   /* for malloc in kernels: the driver's own default */
};

typedef struct channel {
    int in, out;
    char *line; /* what was read */
    size_t n;
} channel;

/* ---- for operations ---- */

ws_status dev_reject(dev_worker *w, hx_reason reason, const char *fmt, ...)
{
    va_list ap;
    w->reason = reason;
    va_start(ap, fmt);
    vsnprintf(w->text, sizeof w->text, fmt, ap);
    va_end(ap);
    return WS_OK;
}

/* The driver refused before anything ran: the context is as it was. */
static bool refused(hx_reason r)
{
    return r == HX_INVALID_LAUNCH || r == HX_PTXAS_ERROR || r == HX_PLAN_MISMATCH ||
           r == HX_UNSUPPORTED;
}

ws_status dev_explain(dev_worker *w, ws_err *err)
{
    hx_reason reason = cu_last_reason(w->d);
    const char *text = err->msg;
    if (cu_is_engine(w->d)) {
        ptx_report *now = WS_ARENA_NEW(&w->arena, ptx_report, 1);
        cu_engine_report(w->d, now);
        if (now->n_faults) {
            reason = now->fault[0].reason;
            text = now->fault[0].text;
        }
    }
    if (reason == HX_PASS)
        return err->status;
    w->spent |= !refused(reason);
    dev_reject(w, reason, "%.*s", (int)strcspn(text, "\n"), text);
    *err = (ws_err){0};
    return WS_OK;
}

ws_status dev_bulk_at(const dev_worker *w, int64_t at, int64_t bytes, unsigned char **out,
                      ws_err *err)
{
    const uint64_t all = w->bulk_bytes;
    if (at < 0 || bytes < 0 || (uint64_t)at > all || (uint64_t)bytes > all - (uint64_t)at)
        return ws_fail(err, WS_EINPUT, "%" PRId64 " bytes at %" PRId64
                       " are not in the shared memory of %zu bytes", bytes, at, w->bulk_bytes);
    *out = w->bulk + at;
    return WS_OK;
}

ws_status dev_bulk(const dev_worker *w, const jl_value *request, const char *key,
                   unsigned char **out, size_t *bytes, ws_err *err)
{
    const jl_value *place = jl_get(request, key);
    int64_t at, n;
    if (!place)
        return ws_fail(err, WS_EINPUT, "missing '%s'", key);
    if (jl_int(place, "at", 0, INT64_MAX, &at, err) ||
        jl_int(place, "bytes", 0, INT64_MAX, &n, err) || dev_bulk_at(w, at, n, out, err))
        return ws_wrap(err, "%s", key);
    *bytes = (size_t)n;
    return WS_OK;
}

/* ---- the process ---- */

static bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

/* The protocol's descriptors move away, so that nothing that a driver or a kernel prints gets
 * there. */
static bool arrange(channel *c)
{
    const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    c->in = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, HIGH_FD);
    c->out = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, HIGH_FD);
    if (null < 0 || c->in < 0 || c->out < 0)
        return false;
    const int output = is_open(DEV_FD_OUTPUT) ? DEV_FD_OUTPUT : null;
    return dup2(null, STDIN_FILENO) >= 0 && dup2(output, STDOUT_FILENO) >= 0 &&
           dup2(output, STDERR_FILENO) >= 0;
}

static void settle(void)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    prctl(PR_SET_NAME, "ws-device");
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    setrlimit(RLIMIT_FSIZE, &(struct rlimit){MAX_OUTPUT, MAX_OUTPUT});
    signal(SIGXFSZ, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGINT, SIG_IGN); /* Ctrl-C is the parent's to handle */
    setvbuf(stdout, NULL, _IONBF, 0);
}

static bool map_bulk(dev_worker *w)
{
    struct stat s;
    if (fstat(DEV_FD_BULK, &s) || !S_ISREG(s.st_mode) || s.st_size <= 0)
        return true; /* none */
    void *p = mmap(NULL, (size_t)s.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, DEV_FD_BULK, 0);
    if (p == MAP_FAILED)
        return false;
    w->bulk = p;
    w->bulk_bytes = (size_t)s.st_size;
    return true;
}

/* One line without its end; false: the input has ended, or is no protocol. */
static bool read_line(channel *c, size_t *length)
{
    size_t seen = 0;
    for (;;) {
        char *end = c->n > seen ? memchr(c->line + seen, '\n', c->n - seen) : NULL;
        if (end) {
            *length = (size_t)(end - c->line);
            return true;
        }
        seen = c->n;
        if (c->n == DEV_MAX_REQUEST)
            return false;
        if (!c->line)
            c->line = ws_malloc(DEV_MAX_REQUEST);
        const ssize_t got = read(c->in, c->line + c->n, DEV_MAX_REQUEST - c->n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        c->n += (size_t)got;
    }
}

/* ---- requests ---- */

static const dev_op *find_op(const char *name, const dev_op *more)
{
    const dev_op *tables[] = {dev_ops_base, dev_ops_profile, dev_ops_cublas, more};
    for (size_t t = 0; t < WS_COUNT(tables); t++)
        for (const dev_op *o = tables[t]; o && o->name; o++)
            if (strcmp(o->name, name) == 0)
                return o;
    return NULL;
}

/* The engine has candidates in this process: it gets nothing more of the machine. */
static ws_status open_device(dev_worker *w, ws_err *err)
{
    if (w->d)
        return WS_OK;
    if (cu_open(NULL, &w->d, err) || cu_limit(w->d, PRINTF_BYTES, HEAP_BYTES, err))
        return err->status;
    if (cu_is_engine(w->d)) {
        /* Without limits of its own: the parent's deadline holds, as on a GPU. */
        const ptx_options o = {.check_init = true, .check_race = true};
        cu_engine_configure(w->d, &o);
        ws_confine();
    }
    return WS_OK;
}

static ws_status perform(dev_worker *w, const jl_value *request, const dev_op *more,
                         jl_writer *answer, ws_err *err)
{
    const char *name;
    if (jl_text(request, "op", &name, err))
        return err->status;
    const dev_op *op = find_op(name, more);
    if (!op)
        return ws_fail(err, WS_EINPUT, "unknown operation '%s'", name);
    if (open_device(w, err))
        return err->status;
    return op->run(w, request, answer, err) ? ws_wrap(err, "%s", name) : WS_OK;
}

static const char *status_name(ws_status st)
{
    static const char *const names[] = {
#define X(id, code, json) [WS_##id] = json,
        WS_STATUS_LIST(X)
#undef X
    };
    return names[st];
}

/* What kernels and drivers printed since the last call. */
static void take_printed(dev_worker *w, char *out, size_t size)
{
    ssize_t n = 0;
    out[0] = '\0';
    if (w->d && cu_is_engine(w->d)) {
        cu_engine_printf(w->d, out, size);
        return;
    }
    fflush(NULL);
    n = pread(STDOUT_FILENO, out, size - 1, 0);
    out[n > 0 ? n : 0] = '\0';
    if (n > 0 && !ftruncate(STDOUT_FILENO, 0))
        lseek(STDOUT_FILENO, 0, SEEK_SET);
}

static void write_answer(dev_worker *w, int64_t id, const ws_buf *body, const ws_err *err,
                         ws_buf *out)
{
    char printed[MAX_PRINTED];
    jl_writer a = {.out = out};
    take_printed(w, printed, sizeof printed);
    jl_open(&a, NULL, '{');
    jl_put_int(&a, "id", id);
    jl_put_bool(&a, "ok", !err->status && w->reason == HX_PASS);
    if (err->status) {
        jl_put_text(&a, "status", status_name(err->status));
        jl_put_text(&a, "text", err->msg);
        if (err->hint[0])
            jl_put_text(&a, "hint", err->hint);
    } else if (w->reason != HX_PASS) {
        jl_put_text(&a, "reason", hx_reason_name(w->reason));
        jl_put_text(&a, "text", w->text);
    }
    if (w->spent)
        jl_put_bool(&a, "spent", true);
    if (printed[0])
        jl_put_text(&a, "printed", printed);
    if (body->n) {
        ws_buf_addc(out, ',');
        ws_buf_add(out, body->p, body->n);
    }
    jl_close(&a, '}');
    ws_buf_addc(out, '\n');
}

/* false: the worker ends. */
static bool answer_line(dev_worker *w, channel *c, size_t length, const dev_op *more)
{
    ws_err err = {0};
    ws_buf body = {.max = DEV_MAX_ANSWER}, line = {.max = DEV_MAX_ANSWER + DEV_MAX_FRAME};
    jl_writer answer = {.out = &body};
    const jl_value *request = NULL;
    w->reason = HX_PASS;
    if (!jl_parse(&w->arena, c->line, length, &request, &err))
        (void)!perform(w, request, more, &answer, &err);
    if (body.overflow) {
        ws_fail(&err, WS_ELIMIT, "the answer is over %d bytes", DEV_MAX_ANSWER);
        ws_buf_reset(&body);
    }
    write_answer(w, jl_int_or(request, "id", -1), &body, &err, &line);
    const bool sent = ws_write_all(c->out, line.p, line.n);
    ws_buf_release(&body);
    ws_buf_release(&line);
    ws_arena_release(&w->arena);
    return sent && !w->spent;
}

int dev_worker_main(const dev_op *more)
{
    channel c = {0};
    dev_worker w = {0};
    size_t length;
    if (!arrange(&c) || !map_bulk(&w))
        return ws_status_exit_code(WS_EENV);
    settle();
    while (read_line(&c, &length)) {
        if (!answer_line(&w, &c, length, more))
            break;
        c.n -= length + 1;
        memmove(c.line, c.line + length + 1, c.n);
    }
    _exit(0); /* a context that a kernel broke is not for closing */
}
