/* PTX text to AST: the module level. See parse.h for the plan of the parser's files. */
#include "harness/ptx/parse.h"

#include <stdlib.h>
#include <string.h>

/* .alias a, b; where a is declared without a body and b is defined. */
static void parse_alias(ptx_parser *p)
{
    ptx_lexer *l = &p->lex;
    for (int i = 0; i < 2; i++) {
        if (l->tok.kind != PTX_TOK_IDENT)
            ptx_lex_fail_expected(l, "the name of a function");
        ptx_token t = ptx_lex_take(l);
        const ptx_symbol *s = ptx_symbol_find(p, t.s);
        if (!s || s->kind != PTX_SYM_FUNC)
            ptx_lex_fail(l, &t, "'%.*s' is not a function", (int)(t.s.n < 200 ? t.s.n : 200),
                         t.s.p);
        if (i == 0 && !s->func->is_extern)
            ptx_lex_fail(l, &t, "the alias '%.200s' has a body", s->name->z);
        ptx_list_add(&p->aliases, s->func);
        ptx_lex_expect(l, i ? ';' : ',');
    }
}

static void parse_statement(ptx_parser *p)
{
    ptx_lexer *l = &p->lex;
    ptx_linking linking;
    ptx_space space;
    if (ptx_lex_accept_dot(l, "file")) {
        ptx_parse_file(p);
    } else if (ptx_lex_accept_dot(l, "section")) {
        ptx_parse_section(p);
    } else if (ptx_lex_accept_dot(l, "pragma")) {
        ptx_parse_pragma(p);
    } else if (ptx_lex_accept_dot(l, "address_size")) {
        ptx_parse_address_size(p);
    } else if (ptx_lex_accept_dot(l, "alias")) {
        parse_alias(p);
    } else if (ptx_lex_accept_dot(l, "reg")) {
        ptx_parse_reg(p);
    } else {
        linking = ptx_accept_linking(p);
        if (linking == PTX_LINK_COMMON && !ptx_lex_is_dot(l, "global"))
            ptx_lex_fail_expected(l, "'.global'");
        if (ptx_lex_accept_dot(l, "entry")) {
            ptx_parse_func(p, true, linking);
        } else if (ptx_lex_accept_dot(l, "func")) {
            ptx_parse_func(p, false, linking);
        } else if (ptx_space_find(&l->tok, &space)) {
            ptx_lex_next(l);
            ptx_parse_vars(p, space, linking);
        } else {
            ptx_lex_fail_expected(l, "a function, a variable or a directive");
        }
    }
}

/* Names in initialisers may be declared later; now all are known. */
static void check_relocs(ptx_parser *p)
{
    for (int i = 0; i < p->n_pending; i++) {
        const ptx_pending_symbol *w = &p->pending[i];
        const ptx_symbol *s = w->name->sym;
        if (!s || (s->kind != PTX_SYM_VAR && s->kind != PTX_SYM_FUNC))
            ptx_lex_fail(&p->lex, &w->tok, "unknown name '%.200s'", w->name->z);
    }
}

static void resolve_aliases(ptx_parser *p)
{
    for (int i = 0; i + 1 < p->aliases.n; i += 2) {
        ptx_func *alias = p->aliases.item[i];
        const ptx_func *of = p->aliases.item[i + 1];
        const char *name = alias->name;
        *alias = *of;
        alias->name = name;
    }
}

static void parse_module(ptx_parser *p)
{
    ptx_lexer *l = &p->lex;
    ptx_lex_next(l);
    ptx_parse_version(p);
    ptx_parse_target(p);
    while (l->tok.kind != PTX_TOK_END)
        parse_statement(p);
    check_relocs(p);
    resolve_aliases(p);
    p->ast->var = ptx_list_finish(p, &p->vars, &p->ast->n_vars);
    p->ast->func = ptx_list_finish(p, &p->funcs, &p->ast->n_funcs);
    for (int f = 0; f < p->ast->n_funcs; f++)
        p->ast->func[f]->address = PTX_FUNC_BASE + (uint64_t)f * PTX_FUNC_STEP;
    p->ast->file = ptx_list_finish(p, &p->files, &p->ast->n_files);
}

static void release(ptx_parser *p)
{
    ptx_list *const lists[] = {&p->vars, &p->funcs, &p->files, &p->locals, &p->shared, &p->aliases};
    for (size_t i = 0; i < WS_COUNT(lists); i++)
        free(lists[i]->item);
    free(p->bucket);
    free(p->insn);
    free(p->reg);
    free(p->elem);
    free(p->fixup);
    free(p->pending);
    free(p->init);
    free(p->place);
    free(p);
}

ws_status ptx_parse(ws_arena *a, const char *text, size_t n, ptx_ast **out, ws_err *err)
{
    if (n > PTX_MAX_TEXT)
        return ws_fail(err, WS_EINPUT, "the PTX has %zu MiB, more than %d", n >> 20,
                       PTX_MAX_TEXT >> 20);
    /* On the heap, so that its fields keep their values across longjmp. */
    ptx_parser *p = ws_calloc(1, sizeof *p);
    p->arena = a;
    p->range_depth = -1;
    p->ast = WS_ARENA_NEW(a, ptx_ast, 1);
    p->ast->arena = a;
    /* The AST keeps views of the text. */
    ptx_lex_init(&p->lex, ws_arena_strndup(a, text, n), n, err);
    if (setjmp(p->lex.on_error)) {
        release(p);
        return err->status;
    }
    parse_module(p);
    *out = p->ast;
    release(p);
    return WS_OK;
}
