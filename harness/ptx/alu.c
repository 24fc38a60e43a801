#include "harness/ptx/alu.h"

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
    if (o->kind == PTX_OPD_IMM && bytes < 2)
        return false;
    if (o->kind == PTX_OPD_VAR &&
        (bytes < 4 || o->var->space == PTX_SPACE_LOCAL || o->var->space == PTX_SPACE_PARAM))
        return false;
    if (o->kind == PTX_OPD_FUNC && bytes != 8)
        return false;
    *slot = ptx_src(d, o, t);
    return *slot != PTX_NO_SLOT;
}

bool ptx_alu_operands(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i)
{
    uint32_t *src[] = {&i->a, &i->b, &i->c, &i->d2};
    for (int k = 0, n = 0; k < a->n_operands; k++) {
        const ptx_spec *s = &i->match->form->operand[k];
        ptx_type t = ptx_spec_type_of(s, i->match);
        if (s->kind == PTX_SPEC_DST
                ? !ptx_alu_dst(d, &a->operand[k], ptx_type_bytes(t), &i->d)
                : s->kind == PTX_SPEC_SRC && !ptx_alu_src(d, &a->operand[k], t, src[n++]))
            return false;
    }
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

void ptx_nop(ptx_warp *w, const ptx_insn *i)
{
    (void)w;
    (void)i;
}

bool ptx_decode_nop(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i)
{
    (void)d;
    (void)a;
    i->run = ptx_nop;
    return true;
}
