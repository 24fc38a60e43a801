/* Level 0 on the text: which files it names, and host code, which gets a clearer sentence here than
 * from a compiler that compiles for the device. Landlock stands behind the file checks; nothing
 * stands on the host-code checks, because the harness never runs host code. */
#include "harness/compile/internal.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* The source after line splicing (C++ phase 2), so that "#incl\<newline>ude" is seen as the
 * compiler sees it. place[i] is where c[i] came from. */
typedef struct text {
    char *c;
    uint32_t *line, *column;
    size_t n;
} text;

typedef struct scan {
    const text *t;
    size_t at;
    hx_diag *d;
    bool fresh;      /* only white space so far on this line */
    int conditional; /* depth of #if: construct checks wait for the compiler there */
    ws_str before;   /* the previous identifier, empty after other tokens */
} scan;

static bool splice(const char *source, size_t n, text *t)
{
    uint32_t line = 1, column = 1;
    t->c = ws_malloc(n + 1);
    t->line = ws_malloc((n + 1) * sizeof *t->line);
    t->column = ws_malloc((n + 1) * sizeof *t->column);
    t->n = 0;
    for (size_t i = 0; i < n; i++) {
        size_t end = i + 1; /* GCC and EDG let blanks stand between the backslash and the newline */
        if (source[i] == '\\') {
            while (end < n && (source[end] == ' ' || source[end] == '\t' || source[end] == '\r'))
                end++;
            if (end < n && source[end] == '\n') {
                i = end;
                line++, column = 1;
                continue;
            }
        }
        t->c[t->n] = source[i];
        t->line[t->n] = line;
        t->column[t->n++] = column++;
        if (source[i] == '\n')
            line++, column = 1;
    }
    t->c[t->n] = '\0';
    t->line[t->n] = line;
    t->column[t->n] = column;
    return !memchr(source, 0, n);
}

static void text_release(text *t)
{
    free(t->c);
    free(t->line);
    free(t->column);
}

#define REJECT(s, at, reason, ...)                                                                 \
    hx_reject((s)->d, (reason), (int)(s)->t->line[at], (int)(s)->t->column[at], __VA_ARGS__)

static char peek(const scan *s, size_t ahead)
{
    return s->at + ahead < s->t->n ? s->t->c[s->at + ahead] : '\0';
}

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_' || (unsigned char)c >= 0x80;
}

static ws_str take_word(scan *s)
{
    size_t start = s->at;
    while (s->at < s->t->n && is_word(s->t->c[s->at]))
        s->at++;
    return (ws_str){s->t->c + start, s->at - start};
}

/* Over one comment; false: there is none here. */
static bool skip_comment(scan *s)
{
    if (peek(s, 0) != '/' || (peek(s, 1) != '/' && peek(s, 1) != '*'))
        return false;
    bool block = peek(s, 1) == '*';
    s->at += 2;
    while (s->at < s->t->n) {
        if (block && peek(s, 0) == '*' && peek(s, 1) == '/') {
            s->at += 2;
            break;
        }
        if (!block && peek(s, 0) == '\n')
            break;
        s->at++;
    }
    return true;
}

/* White space and comments inside one line. */
static void skip_blanks(scan *s)
{
    while (s->at < s->t->n) {
        char c = peek(s, 0);
        if (c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v')
            s->at++;
        else if (!skip_comment(s))
            return;
    }
}

/* A string or character literal, from its quote; raw strings end at )delimiter". */
static void skip_literal(scan *s, bool raw)
{
    char quote = peek(s, 0);
    size_t open = s->at++;
    if (raw) {
        while (s->at < s->t->n && peek(s, 0) != '(')
            s->at++;
        size_t delimiter = s->at - open - 1;
        for (s->at++; s->at < s->t->n; s->at++)
            if (peek(s, 0) == ')' && s->at + delimiter + 1 < s->t->n &&
                memcmp(s->t->c + s->at + 1, s->t->c + open + 1, delimiter) == 0 &&
                s->t->c[s->at + 1 + delimiter] == '"') {
                s->at += delimiter + 2;
                return;
            }
        return;
    }
    while (s->at < s->t->n && peek(s, 0) != '\n') {
        char c = s->t->c[s->at++];
        if (c == '\\' && s->at < s->t->n)
            s->at++;
        else if (c == quote)
            return;
    }
}

static void skip_number(scan *s)
{
    while (is_word(peek(s, 0)) || peek(s, 0) == '.' || (peek(s, 0) == '\'' && is_word(peek(s, 1))))
        s->at++;
}

/* ---- directives ---- */

static bool is_one_of(ws_str w, const char *const *list)
{
    for (; *list; list++)
        if (ws_str_eqz(w, *list))
            return true;
    return false;
}

/* The operand of #include or __has_include, at s->at. */
static bool check_header_name(scan *s, size_t place, const char *what)
{
    skip_blanks(s);
    char open = peek(s, 0), close = open == '<' ? '>' : '"';
    if (open != '<' && open != '"')
        return REJECT(s, place, HX_FORBIDDEN_INCLUDE,
                      "%s must name its header directly, not through a macro", what);
    size_t start = ++s->at;
    while (s->at < s->t->n && peek(s, 0) != close && peek(s, 0) != '\n')
        s->at++;
    ws_str name = {s->t->c + start, s->at - start};
    const char *why = comp_include_refused(name.p, name.n);
    if (s->at < s->t->n && peek(s, 0) == close)
        s->at++;
    if (!why)
        return true;
    return REJECT(s, place, HX_FORBIDDEN_INCLUDE, "%s %c%.*s%c is not allowed: %s", what, open,
                  name.n > 200 ? 200 : (int)name.n, name.p, close, why);
}

/* The rest of a directive's line: only __has_include matters there. */
static bool check_directive_line(scan *s)
{
    while (s->at < s->t->n && peek(s, 0) != '\n') {
        size_t place = s->at;
        char c = peek(s, 0);
        if (skip_comment(s))
            continue;
        if (isdigit((unsigned char)c)) {
            skip_number(s);
        } else if (is_word(c)) {
            ws_str w = take_word(s);
            if (ws_str_eqz(w, "__has_include") || ws_str_eqz(w, "__has_include_next") ||
                ws_str_eqz(w, "__has_embed")) {
                skip_blanks(s);
                if (peek(s, 0) != '(') /* "defined(__has_include)" asks about the operator itself */
                    continue;
                s->at++;
                if (!check_header_name(s, place, "__has_include"))
                    return false;
            }
        } else if (c == '"' || c == '\'') {
            skip_literal(s, false);
        } else {
            s->at++;
        }
    }
    return true;
}

/* A directive, after its '#'. */
static bool check_directive(scan *s, size_t place)
{
    static const char *const opens[] = {"if", "ifdef", "ifndef", NULL};
    static const char *const files[] = {"include_next", "import", "embed", "include_alias", NULL};
    skip_blanks(s);
    char first = peek(s, 0);
    ws_str w = take_word(s);
    if (ws_str_eqz(w, "include") && !check_header_name(s, place, "#include"))
        return false;
    if (is_one_of(w, files))
        return REJECT(s, place, HX_FORBIDDEN_INCLUDE,
                      "#%.*s is not allowed: candidates use #include", WS_STR_ARG(w));
    if (ws_str_eqz(w, "line") || isdigit((unsigned char)first))
        return REJECT(s, place, HX_FORBIDDEN_CONSTRUCT,
                      "#line is not allowed: findings are reported by the source's own lines");
    if (is_one_of(w, opens))
        s->conditional++;
    else if (ws_str_eqz(w, "endif") && s->conditional > 0)
        s->conditional--;
    return check_directive_line(s);
}

/* ---- host code ---- */

static bool has_prefix(ws_str w, const char *prefix)
{
    size_t n = strlen(prefix);
    return w.n > n && memcmp(w.p, prefix, n) == 0;
}

/* cudaMalloc and the like; types (cudaStream_t) are no calls, and two of them exist on the device.
 */
static bool is_runtime_call(ws_str w, char next)
{
    static const char *const device[] = {"cudaGridDependencySynchronize",
                                         "cudaTriggerProgrammaticLaunchCompletion", NULL};
    return next == '(' && has_prefix(w, "cuda") && isupper((unsigned char)w.p[4]) &&
           !is_one_of(w, device);
}

static bool is_library_call(ws_str w, char next)
{
    static const char *const prefix[] = {"cublas", "cudnn", "cufft", "cusparse", "cusolver"};
    for (size_t i = 0; i < WS_COUNT(prefix); i++)
        if (next == '(' && has_prefix(w, prefix[i]))
            return true;
    return false;
}

static bool check_identifier(scan *s, size_t place, ws_str w)
{
    static const char *const returns[] = {"int", "void", "auto", NULL};
    static const char *const bindings[] = {"PYBIND11_MODULE",    "TORCH_LIBRARY",
                                           "TORCH_LIBRARY_IMPL", "TORCH_EXTENSION_NAME",
                                           "TORCH_CHECK",        NULL};
    ws_str before = s->before;
    size_t end = s->at;
    skip_blanks(s);
    char next = peek(s, 0), after = peek(s, 1);
    s->at = end;
    s->before = w;
    if (ws_str_eqz(w, "main") && next == '(' && is_one_of(before, returns))
        return REJECT(
            s, place, HX_FORBIDDEN_CONSTRUCT,
            "host code: a candidate has no main(); the harness launches kernels from the plan");
    if (is_runtime_call(w, next))
        return REJECT(
            s, place, HX_FORBIDDEN_CONSTRUCT,
            "host code: %.*s() is a call of the CUDA runtime; memory, streams and launches "
            "belong to the harness",
            WS_STR_ARG(w));
    if (is_library_call(w, next))
        return REJECT(s, place, HX_FORBIDDEN_CONSTRUCT,
                      "host code: %.*s() is a library call; the kernel must do the work itself",
                      WS_STR_ARG(w));
    if (is_one_of(w, bindings) ||
        ((ws_str_eqz(w, "torch") || ws_str_eqz(w, "at")) && next == ':' && after == ':'))
        return REJECT(
            s, place, HX_FORBIDDEN_CONSTRUCT,
            "host code: '%.*s' belongs to PyTorch; write extern \"C\" __global__ kernels and a "
            "plan, with plain pointers",
            WS_STR_ARG(w));
    return true;
}

static bool check_word(scan *s)
{
    size_t place = s->at;
    ws_str w = take_word(s);
    if (peek(s, 0) == '"' && (w.p[w.n - 1] == 'R') && w.n <= 3) {
        skip_literal(s, true);
        return true;
    }
    if (!s->conditional)
        return check_identifier(s, place, w);
    s->before = (ws_str){0};
    return true;
}

/* One token or directive. */
static bool step(scan *s)
{
    char c = peek(s, 0);
    size_t place = s->at;
    if (c == '\n' || isspace((unsigned char)c)) {
        s->fresh |= c == '\n';
        s->at++;
        return true;
    }
    if (skip_comment(s))
        return true;
    bool fresh = s->fresh;
    s->fresh = false;
    if (is_word(c) && !isdigit((unsigned char)c))
        return check_word(s);
    s->before = (ws_str){0};
    if (fresh && (c == '#' || (c == '%' && peek(s, 1) == ':'))) {
        s->at += c == '#' ? 1 : 2;
        return check_directive(s, place);
    }
    if (isdigit((unsigned char)c) || (c == '.' && isdigit((unsigned char)peek(s, 1)))) {
        skip_number(s);
        return true;
    }
    if (c == '"' || c == '\'') {
        skip_literal(s, false);
        return true;
    }
    if (c == '<' && peek(s, 1) == '<' && peek(s, 2) == '<' && !s->conditional)
        return REJECT(s, place, HX_FORBIDDEN_CONSTRUCT,
                      "host code: <<<...>>> launches a kernel; the plan says what is launched");
    s->at++;
    return true;
}

bool comp_check_source(const char *source, size_t n, hx_diag *d)
{
    *d = (hx_diag){0};
    if (n > COMP_MAX_SOURCE)
        return hx_reject(d, HX_FORBIDDEN_CONSTRUCT, 0, 0,
                         "the source has %zu bytes, candidates may have %d", n, COMP_MAX_SOURCE);
    if (n >= 2 && (memcmp(source, "\xff\xfe", 2) == 0 || memcmp(source, "\xfe\xff", 2) == 0))
        return hx_reject(
            d, HX_FORBIDDEN_CONSTRUCT, 1, 1,
            "the source is UTF-16, which the compiler would read unlike these checks; write UTF-8");
    text t;
    bool good = splice(source, n, &t);
    scan s = {.t = &t, .d = d, .fresh = true};
    if (!good) {
        int line = 1;
        for (const char *p = source; *p; p++)
            line += *p == '\n';
        hx_reject(d, HX_FORBIDDEN_CONSTRUCT, line, 0, "the source has a zero byte");
    }
    while (good && s.at < t.n)
        good = step(&s);
    text_release(&t);
    return good;
}
