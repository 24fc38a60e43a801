#include "base/jsonl.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_DEPTH = 16, MAX_NUMBER = 64, MAX_MEMBERS = 512 /* each is compared with the others */ };

/* ---- reading ---- */

typedef struct reader {
    ws_arena *a;
    const char *start, *p, *end;
    ws_err *err;
} reader;

static jl_value *read_value(reader *r, int depth);

static void *wrong(reader *r, const char *what)
{
    ws_fail(r->err, WS_EINPUT, "JSON: %s at byte %zu", what, (size_t)(r->p - r->start));
    return NULL;
}

static void skip_space(reader *r)
{
    while (r->p < r->end && (*r->p == ' ' || *r->p == '\t' || *r->p == '\r' || *r->p == '\n'))
        r->p++;
}

static bool eat(reader *r, char c)
{
    skip_space(r);
    if (r->p == r->end || *r->p != c)
        return false;
    r->p++;
    return true;
}

static bool eat_word(reader *r, const char *word)
{
    const size_t n = strlen(word);
    if ((size_t)(r->end - r->p) < n || memcmp(r->p, word, n) != 0)
        return false;
    r->p += n;
    return true;
}

static bool digits(reader *r)
{
    const char *from = r->p;
    while (r->p < r->end && *r->p >= '0' && *r->p <= '9')
        r->p++;
    return r->p > from;
}

/* -?(0|[1-9][0-9]*)(.[0-9]+)?([eE][+-]?[0-9]+)? */
static bool number_form(reader *r, bool *whole)
{
    *whole = true;
    if (r->p < r->end && *r->p == '-')
        r->p++;
    const char *first = r->p;
    if (!digits(r) || (*first == '0' && r->p - first > 1))
        return false;
    if (r->p < r->end && *r->p == '.') {
        *whole = false;
        r->p++;
        if (!digits(r))
            return false;
    }
    if (r->p < r->end && (*r->p == 'e' || *r->p == 'E')) {
        *whole = false;
        r->p++;
        if (r->p < r->end && (*r->p == '+' || *r->p == '-'))
            r->p++;
        if (!digits(r))
            return false;
    }
    return true;
}

static jl_value *read_number(reader *r, jl_value *v)
{
    char text[MAX_NUMBER];
    bool whole;
    const char *from = r->p;
    if (!number_form(r, &whole))
        return wrong(r, "no value");
    const size_t n = (size_t)(r->p - from);
    if (n >= sizeof text)
        return wrong(r, "a number that is too long ends");
    memcpy(text, from, n);
    text[n] = '\0';
    v->kind = JL_NUMBER;
    v->number = strtod(text, NULL);
    errno = 0;
    v->whole = whole ? strtoll(text, NULL, 10) : 0;
    if (whole && !errno)
        v->kind = JL_INT;
    return v;
}

/* The 4 digits behind \u; -1: they are none. */
static int hex4(reader *r)
{
    int u = 0;
    if (r->end - r->p < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        const char c = *r->p++;
        const int d = c >= '0' && c <= '9'   ? c - '0'
                      : c >= 'a' && c <= 'f' ? c - 'a' + 10
                      : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                             : -1;
        if (d < 0)
            return -1;
        u = u << 4 | d;
    }
    return u;
}

static size_t put_utf8(char *out, unsigned u)
{
    if (u < 0x80) {
        out[0] = (char)u;
        return 1;
    }
    if (u < 0x800) {
        out[0] = (char)(0xC0 | u >> 6);
        out[1] = (char)(0x80 | (u & 0x3F));
        return 2;
    }
    if (u < 0x10000) {
        out[0] = (char)(0xE0 | u >> 12);
        out[1] = (char)(0x80 | (u >> 6 & 0x3F));
        out[2] = (char)(0x80 | (u & 0x3F));
        return 3;
    }
    out[0] = (char)(0xF0 | u >> 18);
    out[1] = (char)(0x80 | (u >> 12 & 0x3F));
    out[2] = (char)(0x80 | (u >> 6 & 0x3F));
    out[3] = (char)(0x80 | (u & 0x3F));
    return 4;
}

/* Behind the backslash: bytes written to out, at most 4; 0: no escape, NUL included. */
static size_t read_escape(reader *r, char *out)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    const char c = r->p < r->end ? *r->p++ : '\0';
    const char *simple = c ? strchr(from, c) : NULL;
    if (simple) {
        *out = to[simple - from];
        return 1;
    }
    int u = c == 'u' ? hex4(r) : -1;
    if (u >= 0xD800 && u < 0xDC00) {
        const int low = eat_word(r, "\\u") ? hex4(r) : -1;
        if (low < 0xDC00 || low > 0xDFFF)
            return 0;
        u = 0x10000 + ((u - 0xD800) << 10) + (low - 0xDC00);
    } else if (u >= 0xDC00 && u <= 0xDFFF) {
        return 0;
    }
    return u > 0 ? put_utf8(out, (unsigned)u) : 0;
}

/* Behind the opening quote. An escape is never shorter than what it stands for. */
static char *read_text(reader *r)
{
    const char *q = r->p;
    while (q < r->end && *q != '"')
        q += *q == '\\' && q + 1 < r->end ? 2 : 1;
    if (q >= r->end)
        return wrong(r, "a string without end");
    char *text = ws_arena_alloc(r->a, (size_t)(q - r->p) + 1), *out = text;
    while (r->p < q) {
        const unsigned char c = (unsigned char)*r->p++;
        if (c < ' ')
            return wrong(r, "a control character");
        if (c != '\\') {
            *out++ = (char)c;
            continue;
        }
        const size_t n = read_escape(r, out);
        if (!n)
            return wrong(r, "a bad escape");
        out += n;
    }
    *out = '\0';
    r->p++;
    for (const char *z = text; *z;) {
        const size_t n = ws_utf8_length(z);
        if (!n)
            return wrong(r, "text that is not UTF-8");
        z += n;
    }
    return text;
}

static bool has_key(const jl_value *o, const char *key)
{
    for (const jl_value *v = o->child; v; v = v->next)
        if (strcmp(v->key, key) == 0)
            return true;
    return false;
}

static jl_value *read_member(reader *r, const jl_value *o, int depth)
{
    if (!eat(r, '"'))
        return wrong(r, "no key");
    const char *key = read_text(r);
    if (!key)
        return NULL;
    if (has_key(o, key))
        return wrong(r, "a key that was there already");
    if (o->n == MAX_MEMBERS)
        return wrong(r, "too many members");
    if (!eat(r, ':'))
        return wrong(r, "no ':'");
    jl_value *v = read_value(r, depth);
    if (v)
        v->key = key;
    return v;
}

static jl_value *read_below(reader *r, jl_value *v, char close, int depth)
{
    const jl_value **at = &v->child;
    if (depth >= MAX_DEPTH)
        return wrong(r, "too deep nesting");
    if (eat(r, close))
        return v;
    do {
        jl_value *c = close == '}' ? read_member(r, v, depth + 1) : read_value(r, depth + 1);
        if (!c)
            return NULL;
        *at = c;
        at = &c->next;
        v->n++;
    } while (eat(r, ','));
    return eat(r, close) ? v : wrong(r, close == '}' ? "no '}'" : "no ']'");
}

static jl_value *read_value(reader *r, int depth)
{
    jl_value *v = WS_ARENA_NEW(r->a, jl_value, 1);
    skip_space(r);
    if (r->p == r->end)
        return wrong(r, "no value");
    switch (*r->p) {
    case '{':
    case '[':
        v->kind = *r->p == '{' ? JL_OBJECT : JL_ARRAY;
        return read_below(r, v, *r->p++ == '{' ? '}' : ']', depth);
    case '"':
        r->p++;
        v->kind = JL_TEXT;
        return (v->text = read_text(r)) ? v : NULL;
    case 'n':
        return eat_word(r, "null") ? v : wrong(r, "no value");
    case 't':
    case 'f':
        v->kind = JL_BOOL;
        v->yes = *r->p == 't';
        return eat_word(r, v->yes ? "true" : "false") ? v : wrong(r, "no value");
    default:
        return read_number(r, v);
    }
}

ws_status jl_parse(ws_arena *a, const char *text, size_t n, const jl_value **out, ws_err *err)
{
    reader r = {a, text, text, text + n, err};
    if (n && memchr(text, '\0', n))
        return ws_fail(err, WS_EINPUT, "JSON: a NUL byte");
    if (!(*out = read_value(&r, 0)))
        return err->status;
    skip_space(&r);
    if (r.p != r.end)
        wrong(&r, "something more");
    return err->status;
}

/* ---- members ---- */

const jl_value *jl_get(const jl_value *o, const char *key)
{
    for (const jl_value *v = o && o->kind == JL_OBJECT ? o->child : NULL; v; v = v->next)
        if (strcmp(v->key, key) == 0)
            return v;
    return NULL;
}

/* The member, which must be of that kind. */
static const jl_value *must(const jl_value *o, const char *key, bool right(jl_kind),
                            const char *what, ws_err *err)
{
    const jl_value *v = jl_get(o, key);
    if (v && right(v->kind))
        return v;
    ws_fail(err, WS_EINPUT, v ? "'%s': expected %s" : "missing '%s', %s", key, what);
    return NULL;
}

static bool is_text(jl_kind k)
{
    return k == JL_TEXT;
}

static bool is_int(jl_kind k)
{
    return k == JL_INT;
}

static bool is_number(jl_kind k)
{
    return k == JL_INT || k == JL_NUMBER;
}

static bool is_array(jl_kind k)
{
    return k == JL_ARRAY;
}

ws_status jl_text(const jl_value *o, const char *key, const char **out, ws_err *err)
{
    const jl_value *v = must(o, key, is_text, "a string", err);
    if (!v)
        return err->status;
    *out = v->text;
    return WS_OK;
}

ws_status jl_int(const jl_value *o, const char *key, int64_t min, int64_t max, int64_t *out,
                 ws_err *err)
{
    const jl_value *v = must(o, key, is_int, "a whole number", err);
    if (!v)
        return err->status;
    if (v->whole < min || v->whole > max)
        return ws_fail(err, WS_EINPUT, "'%s': %" PRId64 " is not in %" PRId64 "..%" PRId64, key,
                       v->whole, min, max);
    *out = v->whole;
    return WS_OK;
}

ws_status jl_number(const jl_value *o, const char *key, double *out, ws_err *err)
{
    const jl_value *v = must(o, key, is_number, "a number", err);
    if (!v)
        return err->status;
    *out = v->number;
    return WS_OK;
}

ws_status jl_array(const jl_value *o, const char *key, const jl_value **out, ws_err *err)
{
    return (*out = must(o, key, is_array, "an array", err)) ? WS_OK : err->status;
}

int64_t jl_int_or(const jl_value *o, const char *key, int64_t otherwise)
{
    const jl_value *v = jl_get(o, key);
    return v && v->kind == JL_INT ? v->whole : otherwise;
}

bool jl_bool_or(const jl_value *o, const char *key, bool otherwise)
{
    const jl_value *v = jl_get(o, key);
    return v && v->kind == JL_BOOL ? v->yes : otherwise;
}

const char *jl_text_or(const jl_value *o, const char *key, const char *otherwise)
{
    const jl_value *v = jl_get(o, key);
    return v && v->kind == JL_TEXT ? v->text : otherwise;
}

/* ---- writing ---- */

static void put_text(ws_buf *out, const char *z)
{
    ws_buf_addc(out, '"');
    while (*z) {
        const unsigned char c = (unsigned char)*z;
        const size_t n = ws_utf8_length(z);
        if (c == '"' || c == '\\')
            ws_buf_printf(out, "\\%c", c);
        else if (c < ' ' || c == 0x7F)
            ws_buf_printf(out, "\\u%04x", (unsigned)c);
        else if (n)
            ws_buf_add(out, z, n);
        else
            ws_buf_adds(out, "\xEF\xBF\xBD");
        z += n ? n : 1;
    }
    ws_buf_addc(out, '"');
}

static void begin(jl_writer *w, const char *key)
{
    if (w->comma)
        ws_buf_addc(w->out, ',');
    w->comma = true;
    if (key) {
        put_text(w->out, key);
        ws_buf_addc(w->out, ':');
    }
}

void jl_open(jl_writer *w, const char *key, char bracket)
{
    begin(w, key);
    ws_buf_addc(w->out, bracket);
    w->comma = false;
}

void jl_close(jl_writer *w, char bracket)
{
    ws_buf_addc(w->out, bracket);
    w->comma = true;
}

void jl_put_text(jl_writer *w, const char *key, const char *z)
{
    begin(w, key);
    put_text(w->out, z);
}

void jl_put_int(jl_writer *w, const char *key, int64_t v)
{
    begin(w, key);
    ws_buf_printf(w->out, "%" PRId64, v);
}

void jl_put_bool(jl_writer *w, const char *key, bool v)
{
    begin(w, key);
    ws_buf_adds(w->out, v ? "true" : "false");
}

void jl_put_number(jl_writer *w, const char *key, double v)
{
    if (!isfinite(v)) {
        jl_put_text(w, key, isnan(v) ? "nan" : v > 0 ? "inf" : "-inf");
        return;
    }
    begin(w, key);
    ws_buf_printf(w->out, "%.17g", v);
}
