#include "base/buf.h"

#include "base/mem.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

ws_str ws_str_of(const char *z)
{
    return (ws_str){z, z ? strlen(z) : 0};
}

bool ws_str_eq(ws_str a, ws_str b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

bool ws_str_eqz(ws_str a, const char *z)
{
    size_t n = 0; /* most differ in the first letter */
    while (n < a.n && z[n] && z[n] == a.p[n])
        n++;
    return n == a.n && !z[n];
}

ws_str ws_str_trim(ws_str s)
{
    while (s.n && isspace((unsigned char)s.p[0]))
        s.p++, s.n--;
    while (s.n && isspace((unsigned char)s.p[s.n - 1]))
        s.n--;
    return s;
}

static size_t limit_of(const ws_buf *b)
{
    return b->max ? b->max : (size_t)WS_BUF_DEFAULT_MAX;
}

/* Makes room for n more bytes and the NUL; returns how many of the n bytes are allowed. */
static size_t reserve(ws_buf *b, size_t n)
{
    size_t room = limit_of(b) - b->n;
    if (n > room) {
        n = room;
        b->overflow = true;
    }
    if (b->n + n + 1 > b->cap) {
        size_t cap = b->cap ? 2 * b->cap : 64;
        while (cap < b->n + n + 1)
            cap *= 2;
        b->p = ws_realloc(b->p, cap);
        b->cap = cap;
    }
    return n;
}

void ws_buf_add(ws_buf *b, const void *data, size_t n)
{
    n = reserve(b, n);
    if (n)
        memcpy(b->p + b->n, data, n);
    b->n += n;
    b->p[b->n] = '\0';
}

void ws_buf_adds(ws_buf *b, const char *z)
{
    ws_buf_add(b, z, strlen(z));
}

void ws_buf_addc(ws_buf *b, char c)
{
    ws_buf_add(b, &c, 1);
}

void ws_buf_vprintf(ws_buf *b, const char *fmt, va_list ap)
{
    char small[256];
    va_list again;
    va_copy(again, ap);
    int n = vsnprintf(small, sizeof small, fmt, ap);
    if (n < 0)
        ws_bug("bad format '%s'", fmt);
    if ((size_t)n < sizeof small) {
        ws_buf_add(b, small, (size_t)n);
    } else {
        char *big = ws_malloc((size_t)n + 1);
        vsnprintf(big, (size_t)n + 1, fmt, again);
        ws_buf_add(b, big, (size_t)n);
        free(big);
    }
    va_end(again);
}

void ws_buf_printf(ws_buf *b, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    ws_buf_vprintf(b, fmt, ap);
    va_end(ap);
}

/* U+202A to U+202E and U+2066 to U+2069 change the direction of text, U+2028 and U+2029 end lines: a
 * screen would show something else than what is there. */
static bool turns_text(const char *z)
{
    const unsigned char *c = (const unsigned char *)z;
    return c[0] == 0xe2 && ((c[1] == 0x80 && c[2] >= 0xa8 && c[2] <= 0xae) ||
                            (c[1] == 0x81 && c[2] >= 0xa6 && c[2] <= 0xa9));
}

void ws_buf_add_foreign(ws_buf *b, const char *z, const char *margin)
{
    for (; *z; z++) {
        const unsigned char c = (unsigned char)*z;
        const size_t n = c < 0x80 ? 1 : ws_utf8_length(z);
        if (c == '\n' && z[1])
            ws_buf_printf(b, "\n%s", margin);
        else if (c == '\n')
            continue;
        else if (n == 0 || c == 0x7f || (c < 0x20 && c != '\t'))
            ws_buf_addc(b, '?');
        else if ((c == 0xc2 && (unsigned char)z[1] < 0xa0) || turns_text(z)) /* U+0080 to U+009F */
            ws_buf_addc(b, '?');
        else
            ws_buf_add(b, z, n);
        z += n ? n - 1 : 0;
    }
}

void ws_buf_reset(ws_buf *b)
{
    b->n = 0;
    b->overflow = false;
    if (b->p)
        b->p[0] = '\0';
}

void ws_buf_release(ws_buf *b)
{
    free(b->p);
    *b = (ws_buf){.max = b->max};
}

const char *ws_buf_z(const ws_buf *b)
{
    return b->p ? b->p : "";
}

char *ws_buf_take(ws_buf *b)
{
    char *p = b->p ? b->p : ws_strdup("");
    *b = (ws_buf){.max = b->max};
    return p;
}

/* ---- UTF-8 ---- */

size_t ws_utf8_length(const char *z)
{
    const unsigned char *s = (const unsigned char *)z;
    size_t n = s[0] < 0x80   ? 1
               : s[0] < 0xc2 ? 0
               : s[0] < 0xe0 ? 2
               : s[0] < 0xf0 ? 3
               : s[0] < 0xf5 ? 4
                             : 0;
    for (size_t i = 1; i < n; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
        (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
        return 0;
    return n;
}

char *ws_utf8_valid(const char *z)
{
    ws_buf out = {.max = SIZE_MAX};
    ws_buf_adds(&out, "");
    while (*z) {
        size_t n = ws_utf8_length(z);
        if (n)
            ws_buf_add(&out, z, n);
        else
            ws_buf_adds(&out, "\xef\xbf\xbd");
        z += n ? n : 1;
    }
    return ws_buf_take(&out);
}
