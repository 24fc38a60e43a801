#include "harness/ptx/compare.h"

/* `only`: 'i' integers, 'u' unsigned, 'f' floating point, 0 all. An operator of both has a row for
 * each. */
static const struct {
    const char *name;
    char only;
    uint8_t base;
    bool swap, invert;
} operators[] = {
    {"eq", 0, CMP_EQ, false, false},    {"ne", 'i', CMP_EQ, false, true},
    {"ne", 'f', CMP_LG, false, false},  {"lt", 0, CMP_LT, false, false},
    {"gt", 0, CMP_LT, true, false},     {"le", 'i', CMP_LT, true, true},
    {"le", 'f', CMP_LE, false, false},  {"ge", 'i', CMP_LT, false, true},
    {"ge", 'f', CMP_LE, true, false},   {"lo", 'u', CMP_LT, false, false},
    {"hi", 'u', CMP_LT, true, false},   {"ls", 'u', CMP_LT, true, true},
    {"hs", 'u', CMP_LT, false, true},   {"equ", 'f', CMP_LG, false, true},
    {"neu", 'f', CMP_EQ, false, true},  {"ltu", 'f', CMP_LE, true, true},
    {"leu", 'f', CMP_LT, true, true},   {"gtu", 'f', CMP_LE, false, true},
    {"geu", 'f', CMP_LT, false, true},  {"num", 'f', CMP_NUM, false, false},
    {"nan", 'f', CMP_NUM, false, true},
};

static bool is_unsigned(ptx_type t)
{
    return t == PTX_u16 || t == PTX_u32 || t == PTX_u64;
}

int ptx_cmp_decode(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i, bool is_float)
{
    static const char *const bools[] = {"and", "or", "xor"};
    ptx_type t = i->match->last;
    int found = -1;
    bool neg = false;
    i->op = i->type = 0;
    for (size_t k = 0; k < WS_COUNT(operators); k++) {
        char only = operators[k].only;
        if (ptx_has(a, operators[k].name) &&
            (!only || (only == 'u' ? is_unsigned(t) : is_float == (only == 'f'))))
            found = (int)k;
    }
    for (uint8_t b = 0; b < WS_COUNT(bools); b++)
        i->op = ptx_has(a, bools[b]) ? b + 1 : i->op;
    bool swap = operators[found].swap;
    if (!ptx_alu_src(d, &a->operand[1], t, swap ? &i->b : &i->a) ||
        !ptx_alu_src(d, &a->operand[2], t, swap ? &i->a : &i->b) ||
        (i->op && !ptx_alu_pred_src(d, &a->operand[3], &i->c, &neg)))
        return -1;
    i->type = neg;
    i->imm = operators[found].invert ? UINT32_MAX : 0;
    return operators[found].base;
}

void ptx_cmp_store_bool(ptx_warp *w, const ptx_insn *i, u32 t)
{
    u32 p = ptx_cmp_bool(w, i, t), q = ptx_cmp_bool(w, i, ~t);
    ptx_set_pred(w, i->d, p);
    ptx_set_pred(w, i->d2, q);
}
