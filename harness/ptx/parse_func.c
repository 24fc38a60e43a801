/* Functions: headers with their directives, bodies with nested scopes, labels and instructions. */
#include "harness/ptx/parse.h"

#include <string.h>

static ws_str without_dot(ws_str s)
{
    return (ws_str){s.p + 1, s.n - 1};
}

ptx_linking ptx_accept_linking(ptx_parser *p)
{
    static const char *const names[] = {[PTX_LINK_EXTERN] = "extern",
                                        [PTX_LINK_VISIBLE] = "visible",
                                        [PTX_LINK_WEAK] = "weak",
                                        [PTX_LINK_COMMON] = "common"};
    for (int k = PTX_LINK_EXTERN; k <= PTX_LINK_COMMON; k++)
        if (ptx_lex_accept_dot(&p->lex, names[k])) {
            for (int other = PTX_LINK_EXTERN; other <= PTX_LINK_COMMON; other++)
                if (ptx_lex_is_dot(&p->lex, names[other]))
                    ptx_lex_fail(&p->lex, &p->lex.tok, "a second linking directive after .%s", names[k]);
            return (ptx_linking)k;
        }
    return PTX_LINK_NONE;
}

/* ---- directives that may stand in a body and at module level ---- */

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
static void parse_params(ptx_parser *p, bool is_entry, ptx_var ***out, int **regs, int *n)
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
        var[*n] = ptx_parse_param(p, is_entry, &reg[*n]);
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

/* Performance directives between the parameters and the body (PTX ISA 11.4, 11.7, 11.8). */
typedef enum directive {
    D_MAXNTID, D_REQNTID, D_MINNCTA, D_CLUSTER, D_CLUSTER_RANK, D_EXPLICIT, D_CLUSTERS, D_NUMBERS,
    D_PRAGMA, D_ATTRIBUTE, D_FLAG
} directive;
static const struct {
    const char *name;
    directive kind;
    bool entry, func;
} directives[] = {
    {"maxntid", D_MAXNTID, true, false},
    {"reqntid", D_REQNTID, true, false},
    {"minnctapersm", D_MINNCTA, true, false},
    {"maxnctapersm", D_NUMBERS, true, false},
    {"maxnreg", D_NUMBERS, true, false},
    {"reqnctapercluster", D_CLUSTER, true, false},
    {"maxclusterrank", D_CLUSTER_RANK, true, false},
    {"explicitcluster", D_EXPLICIT, true, false},
    {"blocksareclusters", D_CLUSTERS, true, false},
    {"abi_preserve", D_NUMBERS, false, true},
    {"abi_preserve_control", D_NUMBERS, false, true},
    {"noreturn", D_FLAG, false, true},
    {"pragma", D_PRAGMA, true, true},
    {"attribute", D_ATTRIBUTE, true, true},
};

static size_t find_directive(const ptx_parser *p)
{
    size_t i = 0;
    while (i < WS_COUNT(directives) && !ptx_lex_is_dot(&p->lex, directives[i].name))
        i++;
    return i;
}

/* Returns the kinds that were there, as bits. */
static uint32_t parse_directives(ptx_parser *p, ptx_func *f, bool is_entry)
{
    ptx_lexer *l = &p->lex;
    int ignored[3];
    uint32_t seen = 0;
    while (l->tok.kind == PTX_TOK_DOT) {
        size_t i = find_directive(p);
        if (i == WS_COUNT(directives))
            ptx_lex_fail_expected(l, "a directive of the function, '{' or ';'");
        if (is_entry ? !directives[i].entry : !directives[i].func)
            ptx_lex_fail(l, &l->tok, "%s cannot have .%s", is_entry ? "a kernel" : "a function that is no kernel",
                         directives[i].name);
        ptx_lex_next(l);
        seen |= 1u << directives[i].kind;
        switch (directives[i].kind) {
        case D_MAXNTID: parse_dims(p, f->max_ntid); break;
        case D_REQNTID: parse_dims(p, f->req_ntid); break;
        case D_CLUSTER: parse_dims(p, f->cluster); break;
        case D_NUMBERS: parse_dims(p, ignored); break;
        case D_MINNCTA: f->min_ncta = (int)ptx_parse_number(p, "the number of blocks", 1, INT32_MAX); break;
        case D_PRAGMA: ptx_parse_pragma(p); break;
        case D_ATTRIBUTE: skip_parens(p); break;
        case D_CLUSTER_RANK: f->max_cluster_rank = (int)ptx_parse_number(p, "the number of blocks", 1, INT32_MAX); break;
        case D_EXPLICIT: f->explicit_cluster = true; break;
        case D_CLUSTERS: f->blocks_are_clusters = true; break;
        case D_FLAG: break;
        }
    }
    return seen;
}

static void check_directives(ptx_parser *p, const ptx_token *name, uint32_t seen)
{
    if (seen >> D_MAXNTID & 1 && seen >> D_REQNTID & 1)
        ptx_lex_fail(&p->lex, name, "'%.*s' has both .maxntid and .reqntid", (int)(name->s.n < 200 ? name->s.n : 200),
                     name->s.p);
    if (seen >> D_CLUSTERS & 1 && !(seen >> D_REQNTID & 1 && seen >> D_CLUSTER & 1))
        ptx_lex_fail(&p->lex, name, ".blocksareclusters needs .reqntid and .reqnctapercluster");
    if (seen >> D_CLUSTER & 1 && seen >> D_CLUSTER_RANK & 1)
        ptx_lex_fail(&p->lex, name, "'%.*s' has both .reqnctapercluster and .maxclusterrank",
                     (int)(name->s.n < 200 ? name->s.n : 200), name->s.p);
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

/* 'f'loating point, 'i'nteger, or 'b'its, which go with both. */
static char kind_of(ptx_type t)
{
    const char *name = ptx_type_name(t);
    return *name == 'f' || name[1] == 'f' ? 'f' : *name == 'b' ? 'b' : 'i';
}

static bool kinds_fit(char a, char b)
{
    return a == b || a == 'b' || b == 'b';
}

/* Whether the argument `o` can be that of the parameter: type and state space (PTX ISA 7.1). */
static bool argument_fits(const ptx_parser *p, const ptx_operand *o, const ptx_var *v)
{
    switch (o->kind) {
    case PTX_OPD_REG:
        return !v->is_array && p->reg[o->reg].type != PTX_pred && ptx_type_bytes(p->reg[o->reg].type) == v->bytes &&
               kinds_fit(kind_of(p->reg[o->reg].type), kind_of(v->type));
    case PTX_OPD_VAR:
        return o->var->space == PTX_SPACE_PARAM && o->var->is_array == v->is_array && o->var->bytes == v->bytes &&
               (!v->is_array || o->var->align == v->align);
    case PTX_OPD_IMM:
        return !v->is_array && kinds_fit(o->is_float ? 'f' : 'i', kind_of(v->type));
    case PTX_OPD_SINK:
        return !v->is_array;
    default:
        return false;
    }
}

static void check_arguments(ptx_parser *p, const ptx_token *at, const ptx_operand *o, ptx_var *const *param,
                            int n_params, const char *what)
{
    int n = o && o->kind == PTX_OPD_VEC ? o->n_elem : 0;
    if (n != n_params)
        ptx_lex_fail(&p->lex, at, "the call has %d %ss, the function %d", n, what, n_params);
    for (int i = 0; i < n; i++)
        if (!argument_fits(p, &o->elem[i], param[i]))
            ptx_lex_fail(&p->lex, at, "%s %d of the call does not fit '%.200s'", what, i + 1, param[i]->name);
}

/* A direct call against the function's parameters. */
static void check_call(ptx_parser *p, const ptx_token *at, const ptx_ast_insn *insn)
{
    int first = insn->n_operands && insn->operand[0].kind == PTX_OPD_VEC;
    if (first >= insn->n_operands || insn->operand[first].kind != PTX_OPD_FUNC)
        return;
    const ptx_symbol *s = ptx_symbol_find(p, ws_str_of(insn->operand[first].text));
    if (!s || s->kind != PTX_SYM_FUNC)
        return;
    const ptx_func *f = s->func == p->func ? p->head : s->func;
    if (f->is_entry)
        ptx_lex_fail(&p->lex, at, "'%.200s' is a kernel, which cannot be called", s->name->z);
    const ptx_operand *args = first + 1 < insn->n_operands ? &insn->operand[first + 1] : NULL;
    check_arguments(p, at, first ? &insn->operand[0] : NULL, f->ret, f->n_rets, "result");
    check_arguments(p, at, args, f->param, f->n_params, "argument");
}

/* ---- .reg parameters ---- */

static void push_insn(ptx_parser *p, const ptx_ast_insn *insn)
{
    WS_GROW(p->insn, p->n_insns, p->cap_insns);
    p->insn[p->n_insns++] = *insn;
}

/* A value that a function takes or gives in a register passes through a variable: this is the load, or the store, where
 * `at` stands and under its guard. */
static void push_move(ptx_parser *p, const ptx_ast_insn *at, bool is_store, const ptx_var *v, int reg)
{
    static const char *const loads[] = {[1] = "ld.param.b8", [2] = "ld.param.b16", [4] = "ld.param.b32",
                                        [8] = "ld.param.b64", [16] = "ld.param.b128"};
    static const char *const stores[] = {[1] = "st.param.b8", [2] = "st.param.b16", [4] = "st.param.b32",
                                         [8] = "st.param.b64", [16] = "st.param.b128"};
    const char *text = (is_store ? stores : loads)[v->bytes];
    ptx_ast_insn insn = *at;
    insn.text = ws_str_of(text);
    insn.n_parts = 3;
    insn.part = WS_ARENA_NEW(p->arena, ws_str, insn.n_parts);
    for (int k = 0; k < insn.n_parts; k++) {
        insn.part[k] = (ws_str){text, strcspn(text, ".")}; /* all of one text, as when they were read */
        text += insn.part[k].n + 1;
    }
    insn.n_operands = 2;
    insn.operand = WS_ARENA_NEW(p->arena, ptx_operand, insn.n_operands);
    insn.operand[!is_store] = (ptx_operand){.kind = PTX_OPD_ADDR, .reg = -1, .reg2 = -1, .var = v};
    insn.operand[is_store] = (ptx_operand){.kind = PTX_OPD_REG, .reg = reg, .reg2 = -1};
    push_insn(p, &insn);
}

static void push_moves(ptx_parser *p, const ptx_ast_insn *at, bool is_store, ptx_var *const *v, const int *reg, int n)
{
    for (int k = 0; k < n; k++)
        if (reg[k] >= 0)
            push_move(p, at, is_store, v[k], reg[k]);
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
    ptx_token operands = l->tok;
    ptx_parse_operands(p, &insn);
    if (!ptx_lex_is(l, ';'))
        ptx_lex_fail_expected(l, "',' or ';'");
    if (ws_str_eqz(insn.part[0], "call"))
        check_call(p, &operands, &insn);
    insn.text = ws_str_trim((ws_str){start, (size_t)(l->tok.s.p - start)});
    ptx_lex_next(l);
    if (p->head->n_rets && ws_str_eqz(insn.part[0], "ret"))
        push_moves(p, &insn, true, p->head->ret, p->head->ret_reg, p->head->n_rets);
    push_insn(p, &insn);
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
    if (ptx_lex_accept_dot(l, "loc")) {
        ptx_parse_loc(p);
    } else if (ptx_lex_accept_dot(l, "reg")) {
        ptx_parse_reg(p);
    } else if (ptx_lex_accept_dot(l, "pragma")) {
        ptx_parse_pragma(p);
    } else if (ptx_lex_accept_dot(l, "file")) {
        ptx_parse_file(p);
    } else {
        ptx_linking linking = ptx_accept_linking(p);
        if (!ptx_space_find(&l->tok, &space))
            ptx_lex_fail_expected(l, "an instruction or a declaration");
        ptx_lex_next(l);
        ptx_parse_vars(p, space, linking);
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

static bool same_params(ptx_var *const *a, int n, ptx_var *const *b, int m)
{
    for (int i = 0; n == m && i < n; i++)
        if (a[i]->type != b[i]->type || a[i]->bytes != b[i]->bytes || a[i]->space != b[i]->space)
            return false;
    return n == m;
}

/* A function may be declared before it is defined, with the same parameters. */
static void check_again(ptx_parser *p, const ptx_token *name, const ptx_func *before, const ptx_func *now)
{
    if (before->ptx_line && !(same_params(before->param, before->n_params, now->param, now->n_params) &&
                              same_params(before->ret, before->n_rets, now->ret, now->n_rets)))
        ptx_lex_fail(&p->lex, name, "'%.200s' was declared with other parameters in line %d", before->name,
                     before->ptx_line);
}

void ptx_parse_func(ptx_parser *p, bool is_entry, ptx_linking linking)
{
    ptx_lexer *l = &p->lex;
    ptx_func f = {0};
    p->n_insns = p->n_regs = 0;
    p->src_file = p->src_line = 0;
    ptx_scope_enter(p, &l->tok);
    while (!is_entry && ptx_lex_accept_dot(l, "attribute"))
        skip_parens(p);
    if (!is_entry)
        parse_params(p, false, &f.ret, &f.ret_reg, &f.n_rets);
    if (l->tok.kind != PTX_TOK_IDENT)
        ptx_lex_fail_expected(l, "the name of the function");
    ptx_token name = ptx_lex_take(l);
    ptx_func *func = declare_func(p, &name, is_entry);
    f.name = func->name;
    f.is_entry = is_entry;
    f.is_extern = true;
    f.ptx_line = name.line;
    parse_params(p, is_entry, &f.param, &f.param_reg, &f.n_params);
    check_again(p, &name, func, &f);
    check_directives(p, &name, parse_directives(p, &f, is_entry));
    if (ptx_lex_is(l, '{')) {
        if (!func->is_extern)
            ptx_lex_fail(l, &name, "'%.200s' is defined twice", func->name);
        if (linking == PTX_LINK_EXTERN)
            ptx_lex_fail(l, &name, "the .extern function '%.200s' has a body", func->name);
        p->func = func;
        p->head = &f;
        ptx_scope_enter(p, &l->tok);
        ptx_lex_next(l);
        ptx_ast_insn at = {.guard = -1, .ptx_line = name.line, .ptx_column = name.column};
        push_moves(p, &at, false, f.param, f.param_reg, f.n_params);
        parse_body(p);
        push_moves(p, &at, true, f.ret, f.ret_reg, f.n_rets);
        finish_body(p, &f);
        p->func = NULL;
        p->head = NULL;
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
