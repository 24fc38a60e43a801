/* Text views while parsing (ws_str) and bounded growing buffers for building (ws_buf). */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include "base/err.h"

#include <stdbool.h>
#include <stdarg.h>
#include <stddef.h>

/* A view: not owned, not NUL-terminated. */
typedef struct ws_str {
    const char *p;
    size_t n;
} ws_str;

ws_str ws_str_of(const char *z); /* NULL gives the empty view */
bool ws_str_eq(ws_str a, ws_str b);
bool ws_str_eqz(ws_str a, const char *z);
ws_str ws_str_trim(ws_str s); /* without white space at either end */
/* printf("%.*s", WS_STR_ARG(s)) */
#define WS_STR_ARG(s) (int)(s).n, (s).p

/* Length of the valid UTF-8 sequence at `s`, which a NUL or any other byte follows; 0: none (RFC
 * 3629: no overlong forms, no surrogates). */
size_t ws_utf8_length(const char *s);
/* A malloc'ed copy with U+FFFD in the place of every byte that is not UTF-8: what a model or a
 * compiler wrote, for JSON and servers that refuse the rest. */
char *ws_utf8_valid(const char *z);

/* Always NUL-terminated once something was added. `max` 0 means WS_BUF_DEFAULT_MAX. A write that
 * would pass the maximum adds what fits and sets `overflow`; the owner decides whether that is an
 * error. */
enum { WS_BUF_DEFAULT_MAX = 64 << 20 };
typedef struct ws_buf {
    char *p;
    size_t n, cap, max;
    bool overflow;
} ws_buf;

void ws_buf_add(ws_buf *b, const void *data, size_t n);
void ws_buf_adds(ws_buf *b, const char *z);
void ws_buf_addc(ws_buf *b, char c);
void ws_buf_printf(ws_buf *b, const char *fmt, ...) WS_PRINTF(2, 3);
void ws_buf_vprintf(ws_buf *b, const char *fmt, va_list ap);
/* What is not trusted, for a screen or a prompt: control characters as '?', each newline followed by
 * `margin`, so that no line of it passes for one of ours. */
void ws_buf_add_foreign(ws_buf *b, const char *z, const char *margin);
void ws_buf_reset(ws_buf *b);   /* empty, memory kept */
void ws_buf_release(ws_buf *b); /* back to {0}, with `max` kept */
const char *ws_buf_z(const ws_buf *b); /* the text, "" when nothing was added */
char *ws_buf_take(ws_buf *b);          /* the malloc'ed text; the buffer is empty after */

#endif
