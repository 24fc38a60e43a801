/* Functions: headers with their directives, bodies with nested scopes, labels and instructions. */
#include "harness/ptx/parse.h"

#include <string.h>

static ws_str without_dot(ws_str s)
{
    return (ws_str){s.p + 1, s.n - 1};
}

static bool accept_linking_one(ptx_parser *p, bool *is_extern)
{
    ptx_lexer *l = &p->lex;
    if (ptx_lex_accept_dot(l, "extern")) {
        *is_extern = true;
        return true;
    }
    return ptx_lex_accept_dot(l, "visible") || ptx_lex_accept_dot(l, "weak") ||
           ptx_lex_accept_dot(l, "common");
}

bool ptx_accept_linking(ptx_parser *p, bool *is_extern)
{
    bool any = false;
    while (p->lex.tok.kind == PTX_TOK_DOT && accept_linking_one(p, is_extern))
        any = true;
    return any;
}

/* ---- directives that may stand in a body and at module level ---- */

static int take_int(ptx_parser *p, const char *what)
{
    return (int)ptx_parse_number(p, what, 0, INT32_MAX);
}

/* .file n "path" [, time, size] */
void ptx_parse_file(ptx_parser *p)
{
    ptx_lexer *l = &p->lex;
    int n = (int)ptx_parse_number(p, "the number of .file", 0, PTX_MAX_FILES);
    if (l->tok.kind != PTX_TOK_STRING)
        ptx_lex_fail_expected(l, "a file name");
    ptx_token name = ptx_lex_take(l);
    while (ptx_lex_accept(l, ','))
        (void)ptx_parse_number(p, "a number", 0, INT64_MAX);
    while (p->files.n <= n)
        ptx_list_add(&p->files, NULL);
    p->files.item[n] = ws_arena_strndup(p->arena, name.s.p, name.s.n);
}

/* .section name { ... }: debug information, which nothing here reads. */
void ptx_parse_section(ptx_parser *p)
{
    ptx_lexer *l = &p->lex;
    if (l->tok.kind != PTX_TOK_DOT && l->tok.kind != PTX_TOK_IDENT)
        ptx_lex_fail_expected(l, "the name of the section");
    ptx_lex_next(l);
    ptx_lex_expect(l, '{');
    for (int depth = 1; depth;) {
        if (l->tok.kind == PTX_TOK_END)
            ptx_lex_fail_expected(l, "'}'");
        depth += ptx_lex_is(l, '{') - ptx_lex_is(l, '}');
        ptx_lex_next(l);
    }
}

static void skip_strings(ptx_parser *p)
{
    ptx_lexer *l = &p->lex;
    do {
        if (l->tok.kind != PTX_TOK_STRING)
            ptx_lex_fail_expected(l, "a string");
        ptx_lex_next(l);
    } while (ptx_lex_accept(l, ','));
}

void ptx_parse_pragma(ptx_parser *p)
{
    skip_strings(p);
    ptx_lex_expect(&p->lex, ';');
}

/* ---- headers ---- */

/* ( param, param, ... ) when there is one */
static void parse_params(ptx_parser *p, ptx_var ***out, int **regs, int *n)
{
    ptx_lexer *l = &p->lex;
    int reg[PTX_MAX_VEC];
    ptx_var *var[PTX_MAX_VEC];
    *n = 0;
    if (!ptx_lex_accept(l, '('))
        return;
    if (ptx_lex_accept(l, ')'))
        return;
    do {
        if (*n == PTX_MAX_VEC)
            ptx_lex_fail(l, &l->tok, "more than %d parameters", PTX_MAX_VEC);
        var[*n] = ptx_parse_param(p, &reg[*n]);
        ++*n;
    } while (ptx_lex_accept(l, ','));
    ptx_lex_expect(l, ')');
    *out = WS_ARENA_NEW(p->arena, ptx_var *, *n);
    *regs = WS_ARENA_NEW(p->arena, int, *n);
    memcpy(*out, var, (size_t)*n * sizeof *var);
    memcpy(*regs, reg, (size_t)*n * sizeof *reg);
}

/* One to three integers; those that are absent count as 1. */
static void parse_dims(ptx_parser *p, int dim[3])
{
    ptx_lexer *l = &p->lex;
    dim[0] = dim[1] = dim[2] = 1;
    int n = 0;
    do {
        if (n == 3)
            ptx_lex_fail(l, &l->tok, "more than 3 dimensions");
        dim[n++] = (int)ptx_parse_number(p, "a dimension", 1, INT32_MAX);
    } while (ptx_lex_accept(l, ','));
}

static void skip_parens(ptx_parser *p)
{
    ptx_lexer *l = &p->lex;
    ptx_lex_expect(l, '(');
    for (int depth = 1; depth;) {
        if (l->tok.kind == PTX_TOK_END)
            ptx_lex_fail_expected(l, "')'");
        depth += ptx_lex_is(l, '(') - ptx_lex_is(l, ')');
        ptx_lex_next(l);
    }
}

/* Performance directives between the parameters and the body (PTX ISA 11.4). */
static void parse_directives(ptx_parser *p, ptx_func *f)
{
    ptx_lexer *l = &p->lex;
    int ignored[3];
    while (l->tok.kind == PTX_TOK_DOT) {
        if (ptx_lex_accept_dot(l, "maxntid"))
            parse_dims(p, f->max_ntid);
        else if (ptx_lex_accept_dot(l, "reqntid"))
            parse_dims(p, f->req_ntid);
        else if (ptx_lex_accept_dot(l, "minnctapersm"))
            f->min_ncta = take_int(p, "the number of blocks");
        else if (ptx_lex_accept_dot(l, "reqnctapercluster"))
            parse_dims(p, f->cluster);
        else if (ptx_lex_accept_dot(l, "maxclusterrank"))
            f->max_cluster_rank = take_int(p, "the number of blocks");
        else if (ptx_lex_accept_dot(l, "explicitcluster"))
            f->explicit_cluster = true;
        else if (ptx_lex_accept_dot(l, "blocksareclusters"))
            f->blocks_are_clusters = true;
        else if (ptx_lex_accept_dot(l, "maxnreg") || ptx_lex_accept_dot(l, "maxnctapersm") ||
                 ptx_lex_accept_dot(l, "abi_preserve") ||
                 ptx_lex_accept_dot(l, "abi_preserve_control"))
            parse_dims(p, ignored);
        else if (ptx_lex_accept_dot(l, "pragma"))
            skip_strings(p), (void)ptx_lex_accept(l, ';');
        else if (ptx_lex_accept_dot(l, "attribute"))
            skip_parens(p);
        else if (!ptx_lex_accept_dot(l, "noreturn"))
            ptx_lex_fail_expected(l, "a directive of the function, '{' or ';'");
    }
}

/* ---- bodies ---- */

static void parse_guard(ptx_parser *p, ptx_ast_insn *insn)
{
    insn->guard_neg = ptx_lex_accept(&p->lex, '!');
    insn->guard = ptx_parse_guard(p);
}

static void parse_opcode(ptx_parser *p, ptx_ast_insn *insn)
{
    ptx_lexer *l = &p->lex;
    ws_str part[PTX_MAX_PARTS];
    int n = 1;
    if (l->tok.kind != PTX_TOK_IDENT || *l->tok.s.p == '%')
        ptx_lex_fail_expected(l, "an instruction");
    part[0] = ptx_lex_take(l).s;
    while (l->tok.kind == PTX_TOK_DOT) {
        if (n == PTX_MAX_PARTS)
            ptx_lex_fail(l, &l->tok, "the opcode has more than %d parts", PTX_MAX_PARTS);
        part[n++] = without_dot(ptx_lex_take(l).s);
    }
    insn->n_parts = n;
    insn->part = WS_ARENA_NEW(p->arena, ws_str, n);
    memcpy(insn->part, part, (size_t)n * sizeof *part);
}

static void parse_insn(ptx_parser *p)
{
    ptx_lexer *l = &p->lex;
    const char *start = l->tok.s.p;
    if (++p->total_insns > PTX_MAX_INSNS)
        ptx_lex_fail(l, &l->tok, "more than %d instructions", PTX_MAX_INSNS);
    ptx_ast_insn insn = {.guard = -1, .ptx_line = l->tok.line, .ptx_column = l->tok.column,
                         .src_file = p->src_file, .src_line = p->src_line};
    if (ptx_lex_accept(l, '@'))
        parse_guard(p, &insn);
    parse_opcode(p, &insn);
    ptx_parse_operands(p, &insn);
    if (!ptx_lex_is(l, ';'))
        ptx_lex_fail_expected(l, "',' or ';'");
    insn.text = ws_str_trim((ws_str){start, (size_t)(l->tok.s.p - start)});
    ptx_lex_next(l);
    WS_GROW(p->insn, p->n_insns, p->cap_insns);
    p->insn[p->n_insns++] = insn;
}

/* name: .branchtargets label, label, ...; */
static void parse_targets(ptx_parser *p, const ptx_token *name)
{
    ptx_lexer *l = &p->lex;
    ptx_symbol *s = ptx_symbol_declare(p, name, PTX_SYM_TARGETS);
    int n = 0, first = p->n_fixups;
    do {
        if (l->tok.kind != PTX_TOK_IDENT)
            ptx_lex_fail_expected(l, "a label");
        ptx_token t = ptx_lex_take(l);
        ptx_fixup_add(p, &t, NULL, NULL);
        n++;
    } while (ptx_lex_accept(l, ','));
    ptx_lex_expect(l, ';');
    s->targets = WS_ARENA_NEW(p->arena, int, n);
    s->n_targets = n;
    for (int i = 0; i < n; i++)
        p->fixup[first + i].slot = &s->targets[i];
}

static void skip_to_semicolon(ptx_parser *p)
{
    ptx_lexer *l = &p->lex;
    while (!ptx_lex_is(l, ';')) {
        if (l->tok.kind == PTX_TOK_END)
            ptx_lex_fail_expected(l, "';'");
        ptx_lex_next(l);
    }
    ptx_lex_next(l);
}

/* After "name:". */
static void parse_label(ptx_parser *p, const ptx_token *name)
{
    ptx_lexer *l = &p->lex;
    if (ptx_lex_accept_dot(l, "branchtargets")) {
        parse_targets(p, name);
    } else if (ptx_lex_accept_dot(l, "callprototype") || ptx_lex_accept_dot(l, "calltargets")) {
        ptx_symbol_declare(p, name, PTX_SYM_PROTOTYPE);
        skip_to_semicolon(p);
    } else {
        ptx_symbol_declare(p, name, PTX_SYM_LABEL)->index = p->n_insns;
    }
}

static void parse_declaration(ptx_parser *p)
{
    ptx_lexer *l = &p->lex;
    ptx_space space;
    bool is_extern = false;
    if (ptx_lex_accept_dot(l, "loc")) {
        ptx_parse_loc(p);
    } else if (ptx_lex_accept_dot(l, "reg")) {
        ptx_parse_reg(p);
    } else if (ptx_lex_accept_dot(l, "pragma")) {
        ptx_parse_pragma(p);
    } else if (ptx_lex_accept_dot(l, "file")) {
        ptx_parse_file(p);
    } else {
        (void)ptx_accept_linking(p, &is_extern);
        if (!ptx_space_find(&l->tok, &space))
            ptx_lex_fail_expected(l, "an instruction or a declaration");
        ptx_lex_next(l);
        ptx_parse_vars(p, space, is_extern);
    }
}

/* A label, or an instruction without a guard: which one shows in the character after the name. */
static void parse_named(ptx_parser *p)
{
    ptx_lexer *l = &p->lex;
    const char *c = l->p;
    while (*c == ' ' || (*c >= '\t' && *c <= '\r'))
        c++;
    if (*c != ':') {
        parse_insn(p);
        return;
    }
    ptx_token name = ptx_lex_take(l);
    ptx_lex_expect(l, ':');
    parse_label(p, &name);
}

/* Statements up to the brace that closes the body, whose scope is open. */
static void parse_body(ptx_parser *p)
{
    ptx_lexer *l = &p->lex;
    int outer = p->depth;
    for (;;) {
        if (l->tok.kind == PTX_TOK_IDENT) {
            parse_named(p);
        } else if (l->tok.kind == PTX_TOK_DOT) {
            parse_declaration(p);
        } else if (ptx_lex_is(l, '@')) {
            parse_insn(p);
        } else if (ptx_lex_is(l, '{')) {
            ptx_scope_enter(p, &l->tok);
            ptx_lex_next(l);
        } else if (ptx_lex_is(l, '}')) {
            ptx_scope_leave(p);
            ptx_lex_next(l);
            if (p->depth < outer)
                return;
        } else if (!ptx_lex_accept(l, ';')) {
            ptx_lex_fail_expected(l, "an instruction or '}'");
        }
    }
}

static void *copy_out(ptx_parser *p, const void *from, int n, size_t size)
{
    void *to = ws_arena_alloc(p->arena, (size_t)n * size);
    if (n)
        memcpy(to, from, (size_t)n * size);
    return to;
}

static void finish_body(ptx_parser *p, ptx_func *f)
{
    f->insn = copy_out(p, p->insn, p->n_insns, sizeof *p->insn);
    f->n_insns = p->n_insns;
    f->local = ptx_list_finish(p, &p->locals, &f->n_locals);
    f->shared = ptx_list_finish(p, &p->shared, &f->n_shared);
    f->is_extern = false;
}

/* ---- functions ---- */

/* The function of that name; it may have been declared without a body before. */
static ptx_func *declare_func(ptx_parser *p, const ptx_token *name, bool is_entry)
{
    bool made;
    ptx_symbol *s = ptx_symbol_module(p, name, PTX_SYM_FUNC, &made);
    if (made) {
        s->func = WS_ARENA_NEW(p->arena, ptx_func, 1);
        s->func->name = s->name->z;
        s->func->is_entry = is_entry;
        s->func->is_extern = true;
        ptx_list_add(&p->funcs, s->func);
    } else if (s->kind != PTX_SYM_FUNC || s->func->is_entry != is_entry) {
        ptx_lex_fail(&p->lex, name, "'%.200s' is declared twice", s->name->z);
    }
    return s->func;
}

void ptx_parse_func(ptx_parser *p, bool is_entry)
{
    ptx_lexer *l = &p->lex;
    ptx_func f = {0};
    p->n_insns = p->n_regs = 0;
    p->src_file = p->src_line = 0;
    ptx_scope_enter(p, &l->tok);
    parse_directives(p, &f); /* .attribute and .noreturn may come before the name */
    if (!is_entry)
        parse_params(p, &f.ret, &f.ret_reg, &f.n_rets);
    if (l->tok.kind != PTX_TOK_IDENT)
        ptx_lex_fail_expected(l, "the name of the function");
    ptx_token name = ptx_lex_take(l);
    ptx_func *func = declare_func(p, &name, is_entry);
    f.name = func->name;
    f.is_entry = is_entry;
    f.is_extern = true;
    f.ptx_line = name.line;
    parse_params(p, &f.param, &f.param_reg, &f.n_params);
    parse_directives(p, &f);
    if (ptx_lex_is(l, '{')) {
        if (!func->is_extern)
            ptx_lex_fail(l, &name, "'%.200s' is defined twice", func->name);
        p->func = func;
        ptx_scope_enter(p, &l->tok);
        ptx_lex_next(l);
        parse_body(p);
        finish_body(p, &f);
        p->func = NULL;
    } else {
        ptx_lex_expect(l, ';');
    }
    ptx_scope_leave(p);
    if (f.is_extern && !func->is_extern)
        return; /* declared again after its definition */
    f.reg = copy_out(p, p->reg, p->n_regs, sizeof *p->reg);
    f.n_regs = p->n_regs;
    *func = f;
}
