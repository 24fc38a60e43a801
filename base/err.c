#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    int exit_code;
    const char *json;
} status_table[] = {
#define X(name, exit_code, json) [WS_##name] = {exit_code, json},
    WS_STATUS_LIST(X)
#undef X
};

/* Messages quote what they were given: a control character in it must not reach a terminal. */
static void clean(char *text)
{
    for (char *p = text; *p; p++)
        if (*p == '\t')
            *p = ' ';
        else if (((unsigned char)*p < 32 && *p != '\n') || *p == 127)
            *p = '?';
}

static void set_message(ws_err *err, ws_status st, const char *fmt, va_list ap)
{
    err->status = st;
    err->hint[0] = '\0';
    vsnprintf(err->msg, sizeof err->msg, fmt, ap);
    clean(err->msg);
}

ws_status ws_fail(ws_err *err, ws_status st, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    set_message(err, st, fmt, ap);
    va_end(ap);
    return st;
}

ws_status ws_fail_errno(ws_err *err, ws_status st, const char *fmt, ...)
{
    int saved = errno;
    va_list ap;
    va_start(ap, fmt);
    set_message(err, st, fmt, ap);
    va_end(ap);
    size_t n = strlen(err->msg);
    snprintf(err->msg + n, sizeof err->msg - n, ": %s", strerror(saved));
    return st;
}

ws_status ws_wrap(ws_err *err, const char *fmt, ...)
{
    char inner[WS_ERR_MAX];
    va_list ap;
    memcpy(inner, err->msg, sizeof inner);
    va_start(ap, fmt);
    vsnprintf(err->msg, sizeof err->msg, fmt, ap);
    va_end(ap);
    size_t n = strlen(err->msg);
    snprintf(err->msg + n, sizeof err->msg - n, ": %s", inner);
    clean(err->msg);
    return err->status;
}

ws_status ws_hint(ws_err *err, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(err->hint, sizeof err->hint, fmt, ap);
    va_end(ap);
    return err->status;
}

int ws_status_exit_code(ws_status st)
{
    return status_table[st].exit_code;
}

_Noreturn void ws_bug_at(const char *file, int line, const char *fmt, ...)
{
    va_list ap;
    fprintf(stderr, "warpsmith: bug at %s:%d: ", file, line);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
    abort();
}
