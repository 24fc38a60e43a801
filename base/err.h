/* Errors of the world (files, JSON, network, driver), composed upwards and printed once by main.
 *
 * A function that can fail returns a ws_status and takes a `ws_err *err` last. The function that
 * detects the failure writes the sentence with ws_fail(); callers that know more put their context
 * in front with ws_wrap(). Bugs in us abort through ws_bug() or assert(). A candidate kernel that
 * is wrong is neither: it is data (see harness/diag.h and verifier/verdict.h). */
#ifndef BASE_ERR_H
#define BASE_ERR_H

/* name, process exit code, name in JSON output. Exit code 1 is not here: it is a negative
 * verdict. */
#define WS_STATUS_LIST(X)                                                                          \
    X(OK, 0, "ok")                                                                                 \
    X(EUSAGE, 2, "usage")                                                                          \
    X(EENV, 3, "environment")                                                                      \
    X(EINPUT, 4, "bad_input")                                                                      \
    X(EREMOTE, 5, "remote")                                                                        \
    X(ELIMIT, 6, "limit")                                                                          \
    X(EBUG, 70, "bug")                                                                             \
    X(EINTR, 130, "interrupted")

typedef enum ws_status {
#define X(name, exit_code, json) WS_##name,
    WS_STATUS_LIST(X)
#undef X
} ws_status;

enum { WS_ERR_MAX = 1024 };

/* Lives on the caller's stack, zero-initialised: `ws_err err = {0};`. Never NULL where it is
 * taken. */
typedef struct ws_err {
    ws_status status;
    char msg[WS_ERR_MAX];  /* lowercase, no full stop, failure first, subject in 'quotes' */
    char hint[WS_ERR_MAX]; /* what to do about it, or "" */
} ws_err;

#define WS_PRINTF(fmt_at, args_at) __attribute__((format(printf, fmt_at, args_at)))
#define WS_MUST_CHECK __attribute__((warn_unused_result))

/* Sets the message and returns `st`, so that `return ws_fail(err, WS_EINPUT, "...")` is one
 * line. */
ws_status ws_fail(ws_err *err, ws_status st, const char *fmt, ...) WS_PRINTF(3, 4);
/* As ws_fail, with ": " and the text of errno appended. Reads errno first. */
ws_status ws_fail_errno(ws_err *err, ws_status st, const char *fmt, ...) WS_PRINTF(3, 4);
/* Puts "context: " in front of the message; returns the status that is already set. */
ws_status ws_wrap(ws_err *err, const char *fmt, ...) WS_PRINTF(2, 3);
/* Sets the hint line; returns the status that is already set. */
ws_status ws_hint(ws_err *err, const char *fmt, ...) WS_PRINTF(2, 3);

int ws_status_exit_code(ws_status st);

/* A broken invariant of ours: prints file, line and text, then aborts. */
#define ws_bug(...) ws_bug_at(__FILE__, __LINE__, __VA_ARGS__)
_Noreturn void ws_bug_at(const char *file, int line, const char *fmt, ...) WS_PRINTF(3, 4);

#endif
