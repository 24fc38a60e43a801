#include "harness/ptx/lex.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void ptx_lex_init(ptx_lexer *l, const char *text, size_t n, ws_err *err)
{
    memset(l, 0, sizeof *l);
    l->text = l->p = l->line_start = text;
    l->end = text + n;
    l->line = 1;
    l->err = err;
}

/* ---- errors ---- */

void ptx_excerpt(const char *text, const char *end, const char *at, char out[PTX_EXCERPT])
{
    const char *start = at, *stop = at;
    while (start > text && start[-1] != '\n')
        start--;
    while (stop < end && *stop != '\n' && *stop != '\r')
        stop++;
    if (at - start > PTX_SHOWN_COLUMNS * 2 / 3)
        start = at - PTX_SHOWN_COLUMNS / 2;
    if (stop - start > PTX_SHOWN_COLUMNS)
        stop = start + PTX_SHOWN_COLUMNS;
    int n = (int)(stop - start), to = (int)(at - start);
    char *shown = out, *caret = out + n + 1;
    for (int i = 0; i < n; i++) {
        unsigned char c = (unsigned char)start[i];
        shown[i] = c == '\t' || (c >= ' ' && c != 127) ? (char)c : '?';
    }
    shown[n] = '\n';
    for (int i = 0; i < to; i++)
        caret[i] = i < n && shown[i] == '\t' ? '\t' : ' ';
    caret[to] = '^';
    caret[to + 1] = '\0';
}

static void fail_at(ptx_lexer *l, const char *at, int line, const char *what)
{
    const char *start = at;
    char shown[PTX_EXCERPT];
    while (start > l->text && start[-1] != '\n')
        start--;
    ptx_excerpt(l->text, l->end, at, shown);
    (void)ws_fail(l->err, WS_EINPUT, "line %d, column %d: %s\n%s", line, (int)(at - start) + 1,
                  what, shown);
}

_Noreturn void ptx_lex_fail(ptx_lexer *l, const ptx_token *at, const char *fmt, ...)
{
    char what[400];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    fail_at(l, at->s.p, at->line, what);
    longjmp(l->on_error, 1);
}

_Noreturn void ptx_lex_fail_expected(ptx_lexer *l, const char *what)
{
    const ptx_token *t = &l->tok;
    if (t->kind == PTX_TOK_END)
        ptx_lex_fail(l, t, "expected %s, found the end of the text", what);
    ptx_lex_fail(l, t, "expected %s, found '%.*s'", what, (int)(t->s.n < 60 ? t->s.n : 60), t->s.p);
}

/* ---- characters ---- */

enum { C_SPACE = 1, C_DIGIT = 2, C_NAME = 4, C_HEX = 8 };

static inline unsigned char_class(unsigned char c)
{
    if (c >= '0' && c <= '9')
        return C_DIGIT | C_NAME | C_HEX;
    if ((c | 32) >= 'a' && (c | 32) <= 'z')
        return C_NAME | ((c | 32) <= 'f' ? C_HEX : 0);
    if (c == '_' || c == '$')
        return C_NAME;
    return c == ' ' || (c >= '\t' && c <= '\r') ? C_SPACE : 0;
}

static inline bool is(const char *p, unsigned cls)
{
    return char_class((unsigned char)*p) & cls;
}

static int hex_value(char c)
{
    return c <= '9' ? c - '0' : (c | 32) - 'a' + 10;
}

static void newline(ptx_lexer *l, const char *at)
{
    l->line++;
    l->line_start = at + 1;
}

static void skip_block_comment(ptx_lexer *l)
{
    ptx_token start = {.s = {l->p, 2}, .line = l->line};
    for (l->p += 2; l->p < l->end; l->p++) {
        if (l->p[0] == '*' && l->p[1] == '/') {
            l->p += 2;
            return;
        }
        if (*l->p == '\n')
            newline(l, l->p);
    }
    ptx_lex_fail(l, &start, "comment without an end");
}

static void skip_space(ptx_lexer *l)
{
    for (;;) {
        const char *p = l->p;
        if (*p == '\n') {
            newline(l, p);
            l->p++;
        } else if (is(p, C_SPACE)) {
            l->p++;
        } else if (p[0] == '/' && p[1] == '/') {
            const char *nl = memchr(p, '\n', (size_t)(l->end - p));
            l->p = nl ? nl : l->end;
        } else if (p[0] == '/' && p[1] == '*') {
            skip_block_comment(l);
        } else {
            return;
        }
    }
}

/* ---- tokens ---- */

static void finish(ptx_lexer *l, ptx_token_kind kind, const char *stop)
{
    l->tok.kind = kind;
    l->tok.s.n = (size_t)(stop - l->tok.s.p);
    l->p = stop;
}

/* The token with its bad part, for the message. */
_Noreturn static void fail_number(ptx_lexer *l, const char *p, const char *what)
{
    while (is(p, C_NAME))
        p++;
    l->tok.s.n = (size_t)(p - l->tok.s.p);
    ptx_lex_fail(l, &l->tok, "%s '%.*s'", what, (int)(l->tok.s.n < 60 ? l->tok.s.n : 60),
                 l->tok.s.p);
}

/* 0fHHHHHHHH and 0dHHHHHHHHHHHHHHHH: the bits of a float or double. */
static void lex_float_bits(ptx_lexer *l, int digits)
{
    const char *p = l->p + 2;
    uint64_t v = 0;
    for (int i = 0; i < digits; i++, p++) {
        if (!is(p, C_HEX))
            fail_number(l, p, "too few hexadecimal digits in the floating-point constant");
        v = v << 4 | (uint64_t)hex_value(*p);
    }
    if (is(p, C_NAME))
        fail_number(l, p, "too many hexadecimal digits in the floating-point constant");
    l->tok.value = v;
    l->tok.float_bytes = (uint8_t)(digits / 2);
    finish(l, PTX_TOK_FLOAT, p);
}

static void lex_decimal_float(ptx_lexer *l)
{
    const char *p = l->p;
    while (is(p, C_DIGIT))
        p++;
    if (*p == '.')
        for (p++; is(p, C_DIGIT);)
            p++;
    if ((*p | 32) == 'e') {
        p++;
        if (*p == '+' || *p == '-')
            p++;
        if (!is(p, C_DIGIT))
            fail_number(l, p, "bad floating-point constant");
        while (is(p, C_DIGIT))
            p++;
    }
    if (is(p, C_NAME))
        fail_number(l, p, "bad floating-point constant");
    char digits[128];
    size_t n = (size_t)(p - l->p);
    if (n >= sizeof digits)
        fail_number(l, p, "too many digits in the floating-point constant");
    memcpy(digits, l->p, n);
    digits[n] = '\0';
    double d = strtod(digits, NULL);
    memcpy(&l->tok.value, &d, sizeof d);
    l->tok.float_bytes = 8;
    finish(l, PTX_TOK_FLOAT, p);
}

static void lex_integer(ptx_lexer *l, unsigned base, const char *p)
{
    uint64_t v = 0;
    const char *first = p;
    for (; is(p, C_HEX); p++) {
        unsigned d = (unsigned)hex_value(*p);
        if (d >= base)
            break;
        if (__builtin_mul_overflow(v, (uint64_t)base, &v) ||
            __builtin_add_overflow(v, (uint64_t)d, &v))
            fail_number(l, p, "integer constant needs more than 64 bits:");
    }
    bool empty = p == first;
    l->tok.is_unsigned = *p == 'U';
    if (*p == 'U')
        p++;
    if (empty || is(p, C_NAME))
        fail_number(l, p, "bad integer constant");
    /* PTX ISA 4.5.1: decimal or not, what needs the top bit is unsigned. */
    l->tok.is_unsigned |= v > INT64_MAX;
    l->tok.value = v;
    finish(l, PTX_TOK_INT, p);
}

static void lex_number(ptx_lexer *l)
{
    const char *p = l->p;
    if (p[0] == '0' && (p[1] | 32) == 'x')
        lex_integer(l, 16, p + 2);
    else if (p[0] == '0' && (p[1] | 32) == 'f')
        lex_float_bits(l, 8);
    else if (p[0] == '0' && (p[1] | 32) == 'd')
        lex_float_bits(l, 16);
    else if (p[0] == '0' && (p[1] | 32) == 'b')
        lex_integer(l, 2, p + 2);
    else {
        while (is(p, C_DIGIT))
            p++;
        if (*p == '.' || (*p | 32) == 'e')
            lex_decimal_float(l);
        else
            lex_integer(l, l->p[0] == '0' ? 8 : 10, l->p);
    }
}

/* '.' name ( '::' name )*; names may begin with a digit (.2d, .128x64b). */
static void lex_dot(ptx_lexer *l)
{
    const char *p = l->p + 1;
    if (!is(p, C_NAME))
        ptx_lex_fail(l, &l->tok, "expected a name after '.'");
    for (;;) {
        while (is(p, C_NAME))
            p++;
        if (p[0] != ':' || p[1] != ':' || !is(p + 2, C_NAME))
            break;
        p += 2;
    }
    finish(l, PTX_TOK_DOT, p);
}

static void lex_string(ptx_lexer *l)
{
    const char *p = l->p + 1;
    for (; p < l->end && *p != '"' && *p != '\n'; p++)
        if (*p == '\\' && p + 1 < l->end && p[1] != '\n')
            p++;
    if (p >= l->end || *p != '"')
        ptx_lex_fail(l, &l->tok, "string without an end");
    l->tok.s.p++;
    l->tok.column++;
    finish(l, PTX_TOK_STRING, p);
    l->p = p + 1;
}

static void lex_char(ptx_lexer *l)
{
    static const char from[] = "ntr0abfv\\'\"", to[] = "\n\t\r\0\a\b\f\v\\'\"";
    const char *p = l->p + 1;
    unsigned char c = (unsigned char)*p;
    if (c == '\\' && p[1]) {
        const char *e = strchr(from, *++p);
        if (!e)
            ptx_lex_fail(l, &l->tok, "unknown escape '\\%c' in the character constant", *p);
        c = (unsigned char)to[e - from];
    }
    if (p >= l->end || p[0] == '\n' || p[1] != '\'')
        ptx_lex_fail(l, &l->tok, "bad character constant");
    l->tok.value = c;
    finish(l, PTX_TOK_INT, p + 2);
}

static void lex_punct(ptx_lexer *l)
{
    static const char twice[] = "<>=&|"; /* << >> == && || */
    const char *p = l->p;
    if (!strchr("{}()[]<>,;:@!|+-*/%&^~=?", *p)) {
        unsigned char c = (unsigned char)*p;
        if (c > ' ' && c < 127)
            ptx_lex_fail(l, &l->tok, "stray '%c'", c);
        ptx_lex_fail(l, &l->tok, "stray byte 0x%02x", c);
    }
    int n = 1;
    if ((p[1] == p[0] && strchr(twice, *p)) || (p[1] == '=' && strchr("<>!", *p)))
        n = 2;
    l->tok.punct = n == 2 ? PTX_PUNCT2(p[0], p[1]) : p[0];
    finish(l, PTX_TOK_PUNCT, p + n);
}

void ptx_lex_next(ptx_lexer *l)
{
    skip_space(l);
    const char *p = l->p;
    l->tok = (ptx_token){.s = {p, 0}, .line = l->line, .column = (int)(p - l->line_start) + 1};
    if (is(p, C_DIGIT)) {
        lex_number(l);
    } else if (is(p, C_NAME) || (*p == '%' && is(p + 1, C_NAME))) {
        for (p++; is(p, C_NAME);)
            p++;
        finish(l, PTX_TOK_IDENT, p);
    } else if (*p == '.') {
        lex_dot(l);
    } else if (*p == '"') {
        lex_string(l);
    } else if (*p == '\'') {
        lex_char(l);
    } else if (p >= l->end) {
        l->tok.kind = PTX_TOK_END;
    } else if (*p == '\0') {
        ptx_lex_fail(l, &l->tok, "stray byte 0x00");
    } else {
        lex_punct(l);
    }
}

/* ---- for the grammar ---- */

bool ptx_lex_is(const ptx_lexer *l, int punct)
{
    return l->tok.kind == PTX_TOK_PUNCT && l->tok.punct == punct;
}

static bool text_is(const ptx_token *t, ptx_token_kind kind, size_t skip, const char *name)
{
    size_t n = strlen(name);
    return t->kind == kind && t->s.n == n + skip && memcmp(t->s.p + skip, name, n) == 0;
}

bool ptx_lex_is_dot(const ptx_lexer *l, const char *name)
{
    return text_is(&l->tok, PTX_TOK_DOT, 1, name);
}

bool ptx_lex_is_ident(const ptx_lexer *l, const char *name)
{
    return text_is(&l->tok, PTX_TOK_IDENT, 0, name);
}

bool ptx_lex_accept(ptx_lexer *l, int punct)
{
    if (!ptx_lex_is(l, punct))
        return false;
    ptx_lex_next(l);
    return true;
}

void ptx_lex_expect(ptx_lexer *l, int punct)
{
    char what[] = {'\'', (char)punct, '\'', '\0'};
    if (!ptx_lex_accept(l, punct))
        ptx_lex_fail_expected(l, what);
}

bool ptx_lex_accept_dot(ptx_lexer *l, const char *name)
{
    if (!ptx_lex_is_dot(l, name))
        return false;
    ptx_lex_next(l);
    return true;
}

ptx_token ptx_lex_take(ptx_lexer *l)
{
    ptx_token t = l->tok;
    ptx_lex_next(l);
    return t;
}
