#include "harness/ptx/strip.h"

#include "harness/ptx/parse.h"

#include <stdlib.h>
#include <string.h>

/* One .global or .const statement of module scope. */
typedef struct statement {
    size_t start, end;   /* in the text, with the semicolon */
    int first_use, uses; /* in stripper.use: statements that its text names */
    bool shares_name;    /* with another one (.extern and the definition): both stay */
    bool live;
} statement;

typedef struct stripper {
    ptx_parser names;    /* used for its lexer and its table of names */
    ws_arena arena;
    char *text;
    size_t n;
    statement *stmt;
    int n_stmts, cap_stmts;
    int *use;
    int n_uses, cap_uses;
    int *queue;          /* live statements whose uses are still to be marked */
    int n_queue;
} stripper;

static size_t offset_of(const stripper *s)
{
    return (size_t)(s->names.lex.tok.s.p - s->text);
}

static void start_pass(stripper *s)
{
    ptx_lexer *l = &s->names.lex;
    l->p = l->line_start = l->text;
    l->line = 1;
    ptx_lex_next(l);
}

/* ---- first pass: which statements there are, and what they declare ---- */

static void declare(stripper *s, ws_str name, int stmt)
{
    ptx_name *e = ptx_name_intern(&s->names, name);
    if (e->sym && e->sym->index != stmt)
        s->stmt[e->sym->index].shares_name = s->stmt[stmt].shares_name = true;
    if (e->sym)
        return;
    e->sym = WS_ARENA_NEW(&s->arena, ptx_symbol, 1);
    e->sym->kind = PTX_SYM_VAR;
    e->sym->name = e;
    e->sym->index = stmt;
}

/* From .global or .const to the semicolon. Names outside brackets and before '=' are declared. */
static void scan_statement(stripper *s, size_t start)
{
    ptx_lexer *l = &s->names.lex;
    WS_GROW(s->stmt, s->n_stmts, s->cap_stmts);
    int stmt = s->n_stmts++;
    s->stmt[stmt] = (statement){.start = start};
    int depth = 0;
    bool in_value = false;
    while (!ptx_lex_is(l, ';') || depth > 0) {
        if (l->tok.kind == PTX_TOK_END)
            ptx_lex_fail_expected(l, "';'");
        if (l->tok.kind == PTX_TOK_PUNCT) {
            int c = l->tok.punct;
            depth += (c == '(' || c == '[' || c == '{') - (c == ')' || c == ']' || c == '}');
            if (depth == 0)
                in_value = c == '=' || (in_value && c != ',');
        } else if (l->tok.kind == PTX_TOK_IDENT && depth == 0 && !in_value) {
            declare(s, l->tok.s, stmt);
        }
        ptx_lex_next(l);
    }
    s->stmt[stmt].end = offset_of(s) + 1;
    ptx_lex_next(l);
}

static bool is_linking(const ptx_lexer *l)
{
    return ptx_lex_is_dot(l, "visible") || ptx_lex_is_dot(l, "extern") ||
           ptx_lex_is_dot(l, "weak") || ptx_lex_is_dot(l, "common");
}

static void find_statements(stripper *s)
{
    ptx_lexer *l = &s->names.lex;
    int depth = 0;
    while (l->tok.kind != PTX_TOK_END) {
        if (depth == 0 && l->tok.kind == PTX_TOK_DOT) {
            size_t start = offset_of(s);
            while (is_linking(l))
                ptx_lex_next(l);
            if (ptx_lex_is_dot(l, "global") || ptx_lex_is_dot(l, "const"))
                scan_statement(s, start);
            else if (l->tok.kind == PTX_TOK_DOT)
                ptx_lex_next(l);
            continue;
        }
        depth += ptx_lex_is(l, '{') - ptx_lex_is(l, '}');
        ptx_lex_next(l);
    }
}

/* ---- second pass: who names whom ---- */

static void mark(stripper *s, int stmt)
{
    if (s->stmt[stmt].live)
        return;
    s->stmt[stmt].live = true;
    s->queue[s->n_queue++] = stmt;
}

static void find_uses(stripper *s)
{
    ptx_lexer *l = &s->names.lex;
    int at = 0; /* first statement that ends behind the token */
    for (; l->tok.kind != PTX_TOK_END; ptx_lex_next(l)) {
        if (l->tok.kind != PTX_TOK_IDENT)
            continue;
        const ptx_symbol *sym = ptx_symbol_find(&s->names, l->tok.s);
        if (!sym)
            continue;
        size_t pos = offset_of(s);
        while (at < s->n_stmts && s->stmt[at].end <= pos)
            at++;
        if (at == s->n_stmts || pos < s->stmt[at].start) {
            mark(s, sym->index);
            continue;
        }
        if (!s->stmt[at].uses++)
            s->stmt[at].first_use = s->n_uses;
        WS_GROW(s->use, s->n_uses, s->cap_uses);
        s->use[s->n_uses++] = sym->index;
    }
}

static void propagate(stripper *s)
{
    for (int i = 0; i < s->n_stmts; i++)
        if (s->stmt[i].shares_name)
            mark(s, i);
    while (s->n_queue) {
        const statement *from = &s->stmt[s->queue[--s->n_queue]];
        for (int u = 0; u < from->uses; u++)
            mark(s, s->use[from->first_use + u]);
    }
}

/* ---- output ---- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* Widens [start, end) to the whole line when it holds nothing else. */
static void widen_to_line(const stripper *s, size_t from, size_t *start, size_t *end)
{
    size_t a = *start, b = *end;
    while (a > from && is_blank(s->text[a - 1]))
        a--;
    while (b < s->n && is_blank(s->text[b]))
        b++;
    if ((a == 0 || s->text[a - 1] == '\n') && b < s->n && s->text[b] == '\n') {
        *start = a;
        *end = b + 1;
    }
}

static ws_status write_rest(const stripper *s, ws_buf *out, ws_err *err)
{
    size_t at = 0;
    for (int i = 0; i < s->n_stmts; i++) {
        size_t start = s->stmt[i].start, end = s->stmt[i].end;
        if (s->stmt[i].live)
            continue;
        widen_to_line(s, at, &start, &end);
        ws_buf_add(out, s->text + at, start - at);
        at = end;
    }
    ws_buf_add(out, s->text + at, s->n - at);
    return out->overflow ? ws_fail(err, WS_ELIMIT, "the PTX has more than %zu bytes", out->max)
                         : WS_OK;
}

static void release(stripper *s)
{
    ws_arena_release(&s->arena);
    free(s->names.bucket);
    free(s->text);
    free(s->stmt);
    free(s->use);
    free(s->queue);
    free(s);
}

ws_status ptx_strip_globals(const char *text, size_t n, ws_buf *out, ws_err *err)
{
    if (n > PTX_MAX_TEXT)
        return ws_fail(err, WS_EINPUT, "the PTX has %zu MiB, more than %d", n >> 20,
                       PTX_MAX_TEXT >> 20);
    stripper *s = ws_calloc(1, sizeof *s); /* on the heap: its fields survive longjmp */
    s->names.arena = &s->arena;
    s->names.range_depth = -1;
    s->text = ws_strndup(text, n);
    s->n = n;
    ptx_lex_init(&s->names.lex, s->text, n, err);
    ws_status st;
    if (setjmp(s->names.lex.on_error)) {
        st = err->status;
    } else {
        start_pass(s);
        find_statements(s);
        s->queue = ws_calloc((size_t)s->n_stmts + 1, sizeof *s->queue);
        start_pass(s);
        find_uses(s);
        propagate(s);
        st = write_rest(s, out, err);
    }
    release(s);
    return st;
}
