/* The operands of an instruction. Vectors and argument lists are gathered on the parser's stack and
 * copied to the arena when they are complete. */
#include "harness/ptx/parse.h"

#include <ctype.h>
#include <string.h>

static const char *const special_registers[] = {
    "%tid",
    "%ntid",
    "%ctaid",
    "%nctaid",
    "%laneid",
    "%warpid",
    "%nwarpid",
    "%smid",
    "%nsmid",
    "%gridid",
    "%clusterid",
    "%nclusterid",
    "%cluster_ctaid",
    "%cluster_nctaid",
    "%cluster_ctarank",
    "%cluster_nctarank",
    "%is_explicit_cluster",
    "%lanemask_eq",
    "%lanemask_le",
    "%lanemask_lt",
    "%lanemask_ge",
    "%lanemask_gt",
    "%clock",
    "%clock_hi",
    "%clock64",
    "%globaltimer",
    "%globaltimer_lo",
    "%globaltimer_hi",
    "%total_smem_size",
    "%aggr_smem_size",
    "%dynamic_smem_size",
    "%reserved_smem_offset_begin",
    "%reserved_smem_offset_end",
    "%reserved_smem_offset_cap",
    "%reserved_smem_offset_0",
    "%reserved_smem_offset_1",
    "%current_graph_exec",
};

/* %envreg0 .. 31, %pm0 .. 7, %pm0_64 .. */
static bool is_numbered_special(ws_str s)
{
    return (s.n > 7 && memcmp(s.p, "%envreg", 7) == 0) ||
           (s.n > 3 && memcmp(s.p, "%pm", 3) == 0 && s.p[3] >= '0' && s.p[3] <= '9');
}

static bool is_special(ws_str s)
{
    for (size_t i = 0; i < WS_COUNT(special_registers); i++)
        if (ws_str_eqz(s, special_registers[i]))
            return true;
    return is_numbered_special(s);
}

static ptx_operand operand_of(ptx_operand_kind kind)
{
    return (ptx_operand){.kind = kind, .reg = -1, .reg2 = -1};
}

_Noreturn static void fail_unknown(ptx_parser *p, const ptx_token *t)
{
    const ptx_symbol *range = ptx_symbol_find_range(p, t->s);
    int n = (int)(t->s.n < 200 ? t->s.n : 200);
    if (range)
        ptx_lex_fail(&p->lex, t, "register '%.*s' is outside %.100s<%llu>", n, t->s.p,
                     range->name->z, (unsigned long long)range->count);
    ptx_lex_fail(&p->lex, t, "unknown %s '%.*s'", *t->s.p == '%' ? "register" : "name", n, t->s.p);
}

static ptx_operand parse_constant_operand(ptx_parser *p)
{
    ptx_constant c = ptx_parse_constant(p);
    ptx_operand o = operand_of(PTX_OPD_IMM);
    o.imm = (int64_t)c.bits;
    o.is_float = c.is_float;
    o.float_bytes = c.float_bytes;
    return o;
}

/* A predicate register by name. */
static int parse_predicate(ptx_parser *p)
{
    if (p->lex.tok.kind != PTX_TOK_IDENT)
        ptx_lex_fail_expected(&p->lex, "a predicate register");
    ptx_token t = ptx_lex_take(&p->lex);
    const ptx_symbol *s = ptx_symbol_find(p, t.s);
    if (!s)
        fail_unknown(p, &t);
    if (s->kind != PTX_SYM_REG || p->reg[s->index].type != PTX_pred)
        ptx_lex_fail(&p->lex, &t, "'%.200s' is not a predicate register", s->name->z);
    return s->index;
}

int ptx_parse_guard(ptx_parser *p)
{
    return parse_predicate(p);
}

/* + constant, when there is one; -4 is written +-4. */
static int64_t parse_displacement(ptx_parser *p)
{
    return ptx_lex_accept(&p->lex, '+') ? ptx_parse_integer(p) : 0;
}

/* The second destination of a|b. */
static void parse_second(ptx_parser *p, ptx_operand *o)
{
    if (!ptx_lex_accept(&p->lex, '|'))
        return;
    if (ptx_lex_is_ident(&p->lex, "_"))
        ptx_lex_next(&p->lex);
    else
        o->reg2 = parse_predicate(p);
}

static ptx_operand parse_special(ptx_parser *p, const ptx_token *t)
{
    ptx_lexer *l = &p->lex;
    ptx_operand o = operand_of(PTX_OPD_SREG);
    ws_str s = t->s;
    if (l->tok.kind == PTX_TOK_DOT) {
        if (l->tok.s.p != s.p + s.n)
            ptx_lex_fail_expected(l, "the end of the operand");
        s.n += l->tok.s.n;
        ptx_lex_next(l);
    }
    o.text = ptx_name_intern(p, s)->z;
    return o;
}

/* The part of a register that a video instruction looks at: %r1.b0 */
static void parse_part(ptx_parser *p, ptx_operand *o)
{
    ptx_lexer *l = &p->lex;
    ws_str s = l->tok.s;
    if (l->tok.kind != PTX_TOK_DOT)
        return;
    if (!p->selects || s.n < 2)
        ptx_lex_fail(l, &l->tok, "only video instructions take a part of a register (%.*s)",
                     WS_STR_ARG(s));
    o->text = ptx_name_intern(p, (ws_str){s.p + 1, s.n - 1})->z;
    ptx_lex_next(l);
}

/* Labels of this scope are known; others may still be declared in it, so that they wait for its
 * end. */
static ptx_operand operand_of_symbol(ptx_parser *p, const ptx_symbol *s)
{
    ptx_operand o = operand_of(PTX_OPD_FUNC);
    switch (s->kind) {
    case PTX_SYM_REG:
        o.kind = PTX_OPD_REG;
        o.reg = s->index;
        parse_second(p, &o);
        parse_part(p, &o);
        break;
    case PTX_SYM_VAR:
        o.kind = PTX_OPD_VAR;
        o.var = s->var;
        o.imm = parse_displacement(p);
        if (ptx_lex_is(&p->lex, '['))
            ptx_lex_fail(&p->lex, &p->lex.tok,
                         "an indexed variable is not supported; use [name+bytes]");
        break;
    case PTX_SYM_LABEL:
        o.kind = PTX_OPD_LABEL;
        o.target = s->index;
        break;
    case PTX_SYM_TARGETS:
        o.kind = PTX_OPD_TARGETS;
        o.targets = s->targets;
        o.n_targets = s->n_targets;
        break;
    case PTX_SYM_PROTOTYPE:
    case PTX_SYM_FUNC:
        o.text = s->name->z;
        break;
    }
    return o;
}

/* `slot` is where the operand will be, for a name that is declared later; NULL: none may be. */
static ptx_operand parse_name(ptx_parser *p, ptx_operand *slot)
{
    ptx_token t = ptx_lex_take(&p->lex);
    if (ws_str_eqz(t.s, "_")) {
        ptx_operand o = operand_of(PTX_OPD_SINK);
        parse_second(p, &o);
        return o;
    }
    const ptx_symbol *s = ptx_symbol_find(p, t.s);
    if (s && (s->kind < PTX_SYM_LABEL || s->depth == p->depth))
        return operand_of_symbol(p, s);
    if (*t.s.p == '%' && is_special(t.s))
        return parse_special(p, &t);
    if (*t.s.p == '%' || !slot)
        fail_unknown(p, &t);
    ptx_fixup_add(p, &t, slot, NULL);
    return operand_of(PTX_OPD_LABEL);
}

static void push_elem(ptx_parser *p, ptx_operand o)
{
    WS_GROW(p->elem, p->n_elems, p->cap_elems);
    p->elem[p->n_elems++] = o;
}

static void finish_elems(ptx_parser *p, int first, ptx_operand *o)
{
    o->n_elem = p->n_elems - first;
    o->elem = WS_ARENA_NEW(p->arena, ptx_operand, o->n_elem);
    if (o->n_elem)
        memcpy(o->elem, p->elem + first, (size_t)o->n_elem * sizeof *o->elem);
    p->n_elems = first;
}

static ptx_operand parse_elem(ptx_parser *p)
{
    if (p->lex.tok.kind == PTX_TOK_IDENT && !ptx_lex_is_ident(&p->lex, "WARP_SZ"))
        return parse_name(p, NULL);
    return parse_constant_operand(p);
}

/* Pushes the elements up to `close`, after the opening brace. */
static void parse_elems(ptx_parser *p, int close)
{
    int first = p->n_elems;
    if (ptx_lex_accept(&p->lex, close))
        return;
    do {
        if (p->n_elems - first >= PTX_MAX_VEC)
            ptx_lex_fail(&p->lex, &p->lex.tok, "more than %d elements", PTX_MAX_VEC);
        push_elem(p, parse_elem(p));
    } while (ptx_lex_accept(&p->lex, ','));
    ptx_lex_expect(&p->lex, close);
}

static ptx_operand parse_vector(ptx_parser *p, int close)
{
    ptx_operand o = operand_of(PTX_OPD_VEC);
    int first = p->n_elems;
    ptx_lex_next(&p->lex);
    parse_elems(p, close);
    finish_elems(p, first, &o);
    return o;
}

/* [base], [base + displacement], [constant], [base, {coordinates}] */
static ptx_operand parse_address(ptx_parser *p)
{
    ptx_lexer *l = &p->lex;
    ptx_lex_next(l);
    ptx_operand o;
    if (l->tok.kind == PTX_TOK_IDENT && !ptx_lex_is_ident(l, "WARP_SZ")) {
        ptx_token t = l->tok;
        o = parse_name(p, NULL);
        if (o.kind == PTX_OPD_REG && o.reg2 < 0)
            o.imm = parse_displacement(p);
        else if (o.kind != PTX_OPD_VAR)
            ptx_lex_fail(l, &t, "expected an address, found '%.*s'",
                         (int)(t.s.n < 200 ? t.s.n : 200), t.s.p);
    } else {
        o = operand_of(PTX_OPD_ADDR);
        o.imm = ptx_parse_integer(p);
    }
    o.kind = PTX_OPD_ADDR;
    int first = p->n_elems;
    while (ptx_lex_accept(l, ',')) {
        if (p->n_elems - first >= PTX_MAX_VEC)
            ptx_lex_fail(l, &l->tok, "more than %d elements", PTX_MAX_VEC);
        if (ptx_lex_accept(l, '{'))
            parse_elems(p, '}');
        else
            push_elem(p, parse_elem(p));
    }
    ptx_lex_expect(l, ']');
    if (p->n_elems > first)
        finish_elems(p, first, &o);
    (void)ptx_lex_accept_dot(l, "unified");
    return o;
}

static ptx_operand parse_not(ptx_parser *p)
{
    ptx_lex_next(&p->lex);
    if (p->lex.tok.kind == PTX_TOK_IDENT && !ptx_lex_is_ident(&p->lex, "WARP_SZ")) {
        ptx_operand o = operand_of(PTX_OPD_REG);
        o.reg = parse_predicate(p);
        o.neg_pred = true;
        return o;
    }
    ptx_operand o = operand_of(PTX_OPD_IMM);
    o.imm = !ptx_parse_integer(p);
    return o;
}

/* -%r1 of vmad, whose constants are negated as any. */
static bool is_negated_name(const ptx_parser *p)
{
    const ptx_lexer *l = &p->lex;
    if (!p->selects || !ptx_lex_is(l, '-'))
        return false;
    unsigned char next = (unsigned char)l->tok.s.p[l->tok.s.n];
    return next == '%' || next == '_' || next == '$' || isalpha(next);
}

static ptx_operand parse_negated(ptx_parser *p)
{
    ptx_lex_next(&p->lex);
    ptx_token t = p->lex.tok;
    ptx_operand o = parse_name(p, NULL);
    if (o.kind != PTX_OPD_REG)
        ptx_lex_fail(&p->lex, &t, "only registers can be negated");
    o.neg_pred = true;
    return o;
}

/* "vadd", "vset4" and so on */
static bool is_video(ws_str opcode)
{
    static const char *const names[] = {"vadd", "vsub", "vavrg", "vabsdiff", "vmin", "vmax", "vshl",
                                        "vshr", "vset", "vmad"};
    char last = opcode.n ? opcode.p[opcode.n - 1] : 0;
    opcode.n -= last == '2' || last == '4';
    for (size_t k = 0; k < WS_COUNT(names); k++)
        if (ws_str_eqz(opcode, names[k]))
            return true;
    return false;
}

static bool is_constant_start(const ptx_lexer *l)
{
    const ptx_token *t = &l->tok;
    return t->kind == PTX_TOK_INT || t->kind == PTX_TOK_FLOAT || t->kind == PTX_TOK_IDENT ||
           (t->kind == PTX_TOK_PUNCT &&
            (t->punct == '+' || t->punct == '-' || t->punct == '~' || t->punct == '('));
}

static ptx_operand parse_operand(ptx_parser *p, bool is_call, bool is_first, ptx_operand *slot)
{
    ptx_lexer *l = &p->lex;
    if (l->tok.kind == PTX_TOK_IDENT && !ptx_lex_is_ident(l, "WARP_SZ"))
        return parse_name(p, slot);
    if (ptx_lex_is(l, '['))
        return parse_address(p);
    if (ptx_lex_is(l, '{'))
        return parse_vector(p, '}');
    if (is_call && ptx_lex_is(l, '('))
        return parse_vector(p, ')');
    if (ptx_lex_is(l, '!'))
        return parse_not(p);
    if (is_negated_name(p))
        return parse_negated(p);
    if (!is_constant_start(l))
        ptx_lex_fail_expected(l, is_first ? "an operand or ';'" : "an operand");
    return parse_constant_operand(p);
}

void ptx_parse_operands(ptx_parser *p, ptx_ast_insn *insn)
{
    ptx_lexer *l = &p->lex;
    ptx_operand opd[PTX_MAX_OPERANDS];
    int n = 0, first_fixup = p->n_fixups;
    bool is_call = ws_str_eqz(insn->part[0], "call");
    p->selects = is_video(insn->part[0]);
    if (!ptx_lex_is(l, ';')) {
        do {
            if (n == PTX_MAX_OPERANDS)
                ptx_lex_fail(l, &l->tok, "more than %d operands", PTX_MAX_OPERANDS);
            opd[n] = parse_operand(p, is_call, n == 0, &opd[n]);
            n++;
        } while (ptx_lex_accept(l, ','));
    }
    insn->n_operands = n;
    if (!n)
        return;
    insn->operand = WS_ARENA_NEW(p->arena, ptx_operand, n);
    memcpy(insn->operand, opd, (size_t)n * sizeof *opd);
    for (int i = first_fixup; i < p->n_fixups; i++)
        p->fixup[i].operand = insn->operand + (p->fixup[i].operand - opd);
}
