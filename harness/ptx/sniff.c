#include "harness/ptx/sniff.h"

#include <stdlib.h>

/* A register's depth: 0 it holds no address; else the lowest bit of an address that it has, counted
 * from 1. What was shifted right by 12 has depth 13. */
enum { WHOLE = 1, HIGH = PTX_SNIFF_BIT + WHOLE, MOST = 64 };

typedef struct sniff {
    const ptx_func *f;
    uint8_t *depth;    /* per register */
    uint8_t *writes;   /* per register, at most 2 */
    int64_t *constant; /* of one that is written once, by an immediate */
    bool *is_constant;
    bool *is_pointer;  /* per parameter */
    bool changed;
} sniff;

static bool is_op(const ptx_ast_insn *a, const char *name)
{
    return ws_str_eqz(a->part[0], name);
}

static bool has(const ptx_ast_insn *a, const char *part)
{
    for (int i = 1; i < a->n_parts; i++)
        if (ws_str_eqz(a->part[i], part))
            return true;
    return false;
}

static int depth_of(const sniff *s, const ptx_operand *o)
{
    int most = o->kind == PTX_OPD_REG && o->reg >= 0 ? s->depth[o->reg] : 0;
    for (int e = 0; o->kind == PTX_OPD_VEC && e < o->n_elem; e++) {
        const int d = depth_of(s, &o->elem[e]);
        most = d > most ? d : most;
    }
    return most;
}

static bool find_constant(const sniff *s, const ptx_operand *o, int64_t *v)
{
    if (o->kind == PTX_OPD_IMM && !o->is_float) {
        *v = o->imm;
        return true;
    }
    if (o->kind != PTX_OPD_REG || o->reg < 0 || !s->is_constant[o->reg])
        return false;
    *v = s->constant[o->reg];
    return true;
}

static void raise_to(sniff *s, const ptx_operand *o, int depth)
{
    if (o->kind != PTX_OPD_REG || o->reg < 0 || depth <= s->depth[o->reg])
        return;
    s->depth[o->reg] = (uint8_t)(depth < MOST ? depth : MOST);
    s->changed = true;
}

static int deepest(const sniff *s, const ptx_ast_insn *a)
{
    int most = 0;
    for (int o = 1; o < a->n_operands; o++) {
        const int d = depth_of(s, &a->operand[o]);
        most = d > most ? d : most;
    }
    return most;
}

/* mov.b64 {lo, hi}, address takes it apart, and mov.b64 address, {lo, hi} puts it together. */
static void follow_move(sniff *s, const ptx_ast_insn *a)
{
    const ptx_operand *to = &a->operand[0], *from = &a->operand[1];
    const int depth = deepest(s, a);
    if (to->kind == PTX_OPD_VEC && depth)
        for (int e = 0; e < to->n_elem; e++)
            raise_to(s, &to->elem[e], depth + 64 / (to->n_elem ? to->n_elem : 1) * e);
    else if (from->kind == PTX_OPD_VEC && depth)
        raise_to(s, to, WHOLE);
    else if (from->kind == PTX_OPD_VAR && from->var->space == PTX_SPACE_GLOBAL)
        raise_to(s, to, WHOLE);
    else
        raise_to(s, to, depth);
}

/* An `and` that leaves low bits alone is about alignment. */
static int masked(const sniff *s, const ptx_ast_insn *a, int depth)
{
    for (int o = 1; o < a->n_operands; o++) {
        int64_t mask;
        if (find_constant(s, &a->operand[o], &mask) && mask >= 0 && depth < HIGH &&
            mask < (int64_t)1 << (HIGH - depth))
            return 0;
    }
    return depth;
}

static int shifted(const sniff *s, const ptx_ast_insn *a, int depth, int sign)
{
    int64_t by = 0;
    if (!depth || depth_of(s, &a->operand[1]) != depth || a->n_operands < 3)
        return depth;
    if (!find_constant(s, &a->operand[2], &by))
        by = sign > 0 ? MOST : 0;
    const int64_t d = depth + sign * (by < 0 || by > MOST ? MOST : by);
    return d < WHOLE ? WHOLE : d > MOST ? MOST : (int)d;
}

/* Quotients and remainders by powers of two are shifts and masks by now. */
static int divided(const sniff *s, const ptx_ast_insn *a, int depth)
{
    return depth_of(s, &a->operand[1]) ? MOST : depth;
}

static int followed(const sniff *s, const ptx_ast_insn *a)
{
    const int depth = deepest(s, a);
    if (!depth)
        return 0;
    if (is_op(a, "and"))
        return masked(s, a, depth);
    if (is_op(a, "shr") || is_op(a, "bfe"))
        return shifted(s, a, depth, 1);
    if (is_op(a, "shl"))
        return shifted(s, a, depth, -1);
    if (is_op(a, "div") || is_op(a, "rem") || (is_op(a, "mul") && has(a, "hi")))
        return divided(s, a, depth);
    if (is_op(a, "sub") && a->n_operands == 3 && depth_of(s, &a->operand[1]) &&
        depth_of(s, &a->operand[2]))
        return 0;
    return depth;
}

static int parameter(const sniff *s, const ptx_var *v)
{
    for (int p = 0; v && p < s->f->n_params; p++)
        if (s->f->param[p] == v)
            return p;
    return -1;
}

/* A parameter is a pointer when a register that it was loaded to is used as an address. */
static void follow_parameter(sniff *s, const ptx_ast_insn *a)
{
    const ptx_operand *to = &a->operand[0];
    const int p = parameter(s, a->operand[1].var);
    if (p < 0 || a->operand[1].imm || to->kind != PTX_OPD_REG || to->reg < 0)
        return;
    if (s->is_pointer[p])
        raise_to(s, to, WHOLE);
    else if (s->depth[to->reg] == WHOLE && s->writes[to->reg] == 1)
        s->is_pointer[p] = s->changed = true;
}

/* What the instruction makes of addresses; of memory and calls nothing is known. */
static void follow(sniff *s, const ptx_ast_insn *a)
{
    if (a->n_operands < 2)
        return;
    if (is_op(a, "ld")) {
        if (has(a, "param"))
            follow_parameter(s, a);
    } else if (is_op(a, "cvta")) {
        raise_to(s, &a->operand[1], has(a, "to") ? WHOLE : 0);
        const bool to_shared = has(a, "to") && (has(a, "shared") || has(a, "local"));
        if (!to_shared)
            raise_to(s, &a->operand[0], WHOLE);
    } else if (is_op(a, "mov")) {
        follow_move(s, a);
    } else if (!is_op(a, "st") && !is_op(a, "atom") && !is_op(a, "red") && !is_op(a, "setp") &&
               !is_op(a, "call") && !is_op(a, "mapa")) {
        raise_to(s, &a->operand[0], followed(s, a));
    }
}

/* High bits of an address, or all of it beside a number. */
static bool compares(const sniff *s, const ptx_ast_insn *a)
{
    int64_t number;
    const int depth = deepest(s, a);
    if (depth >= HIGH)
        return true;
    for (int o = 1; depth && o < a->n_operands; o++)
        if (find_constant(s, &a->operand[o], &number) && number >> (HIGH - depth) != 0 &&
            number != -1)
            return true;
    return false;
}

static bool is_decided(const sniff *s, const ptx_ast_insn *a)
{
    if (a->n_operands < 2)
        return false;
    if (is_op(a, "setp") || is_op(a, "set") || is_op(a, "slct"))
        return compares(s, a);
    if (is_op(a, "cvt"))
        return deepest(s, a) && (ptx_type_find(a->part[a->n_parts - 2]) == PTX_f32 ||
                                 ptx_type_find(a->part[a->n_parts - 2]) == PTX_f64);
    const bool stores = is_op(a, "st") || is_op(a, "red") || is_op(a, "atom");
    for (int o = 0; (stores || is_op(a, "ld")) && o < a->n_operands; o++) {
        const ptx_operand *x = &a->operand[o];
        if (x->kind == PTX_OPD_ADDR ? x->reg >= 0 && s->depth[x->reg] >= HIGH
                                    : (o || stores) && depth_of(s, x) >= HIGH)
            return true;
    }
    return false;
}

static void note_constants(sniff *s)
{
    for (int i = 0; i < s->f->n_insns; i++) {
        const ptx_ast_insn *a = &s->f->insn[i];
        const ptx_operand *to = a->n_operands ? &a->operand[0] : NULL;
        if (!to || to->kind != PTX_OPD_REG || to->reg < 0)
            continue;
        s->writes[to->reg] += s->writes[to->reg] < 2;
        s->is_constant[to->reg] = s->writes[to->reg] == 1 && is_op(a, "mov") &&
                                  a->n_operands == 2 && a->operand[1].kind == PTX_OPD_IMM &&
                                  !a->operand[1].is_float;
        if (s->is_constant[to->reg])
            s->constant[to->reg] = a->operand[1].imm;
    }
}

const ptx_ast_insn *ptx_find_sniffed(const ptx_func *kernel)
{
    const size_t n = (size_t)kernel->n_regs + 1;
    sniff s = {.f = kernel, .depth = ws_calloc(n, 1), .writes = ws_calloc(n, 1), .changed = true,
               .constant = ws_calloc(n, sizeof(int64_t)), .is_constant = ws_calloc(n, sizeof(bool)),
               .is_pointer = ws_calloc((size_t)kernel->n_params + 1, sizeof(bool))};
    const ptx_ast_insn *found = NULL;
    for (int p = 0; p < kernel->n_params; p++)
        s.is_pointer[p] = kernel->param[p]->is_ptr;
    note_constants(&s);
    while (s.changed) {
        s.changed = false;
        for (int i = 0; i < kernel->n_insns; i++)
            follow(&s, &kernel->insn[i]);
    }
    for (int i = 0; i < kernel->n_insns && !found; i++)
        if (is_decided(&s, &kernel->insn[i]))
            found = &kernel->insn[i];
    free(s.depth);
    free(s.writes);
    free(s.constant);
    free(s.is_constant);
    free(s.is_pointer);
    return found;
}
