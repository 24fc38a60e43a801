#include "harness/ptx/alu.h"

#include <string.h>

static bool has_width(const ptx_decoder *d, const ptx_operand *o, uint32_t bytes)
{
    ptx_type t = ptx_reg_type(d, o);
    return t != PTX_TYPE_NONE && t != PTX_pred && ptx_type_bytes(t) == bytes;
}

bool ptx_alu_dst(ptx_decoder *d, const ptx_operand *o, uint32_t bytes, uint32_t *slot)
{
    if (o->kind == PTX_OPD_SINK) {
        *slot = ptx_sink(d);
        return true;
    }
    if (o->kind != PTX_OPD_REG || !has_width(d, o, bytes))
        return false;
    *slot = ptx_dst(d, o);
    return true;
}

bool ptx_alu_src(ptx_decoder *d, const ptx_operand *o, ptx_type t, uint32_t *slot)
{
    uint32_t bytes = ptx_type_bytes(t);
    if (o->kind == PTX_OPD_REG && !has_width(d, o, bytes))
        return false;
    if (o->kind == PTX_OPD_IMM && (bytes < 2 || bytes > 8))
        return false;
    if (o->kind == PTX_OPD_VAR &&
        (bytes < 4 || o->var->space == PTX_SPACE_LOCAL || o->var->space == PTX_SPACE_PARAM))
        return false;
    if (o->kind == PTX_OPD_FUNC && bytes != 8)
        return false;
    *slot = ptx_src(d, o, t);
    return *slot != PTX_NO_SLOT;
}

bool ptx_alu_operands(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i, ptx_type t, int n)
{
    uint32_t *src[] = {&i->a, &i->b, &i->c};
    if (a->n_operands != n || t == PTX_TYPE_NONE ||
        !ptx_alu_dst(d, &a->operand[0], ptx_type_bytes(t), &i->d))
        return false;
    for (int k = 1; k < n; k++)
        if (!ptx_alu_src(d, &a->operand[k], t, src[k - 1]))
            return false;
    return true;
}

bool ptx_alu_pred_src(ptx_decoder *d, const ptx_operand *o, uint32_t *pred, bool *neg)
{
    if (o->kind != PTX_OPD_IMM && ptx_reg_type(d, o) != PTX_pred)
        return false;
    *pred = ptx_pred_src(d, o, neg);
    return true;
}

bool ptx_alu_pred_dst(ptx_decoder *d, const ptx_operand *o, uint32_t *pred)
{
    if (o->kind != PTX_OPD_SINK && ptx_reg_type(d, o) != PTX_pred)
        return false;
    *pred = ptx_pred_dst(d, o);
    return true;
}

uint32_t ptx_alu_second(ptx_decoder *d, const ptx_operand *o)
{
    bool has = o->reg2 >= 0 && (o->kind == PTX_OPD_REG || o->kind == PTX_OPD_SINK);
    ptx_operand second = {.kind = has ? PTX_OPD_REG : PTX_OPD_SINK, .reg = o->reg2, .reg2 = -1};
    uint32_t pred;
    return ptx_alu_pred_dst(d, &second, &pred) ? pred : PTX_NO_SLOT;
}

static bool has_word(const char *words, ws_str w)
{
    for (const char *p = words; *p;) {
        size_t n = strcspn(p, " ");
        if (n == w.n && memcmp(p, w.p, n) == 0)
            return true;
        p += n + (p[n] == ' ');
    }
    return false;
}

bool ptx_alu_only(const ptx_ast_insn *a, int n_types, const char *allowed)
{
    for (int p = 1; p < a->n_parts - n_types; p++)
        if (!has_word(allowed, a->part[p]))
            return false;
    return true;
}
