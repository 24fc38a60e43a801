#include "harness/ptx/numbers.h"

#include "base/mem.h"

#include <stdlib.h>

typedef struct number {
    const ptx_ast_insn *set; /* by the first, NULL: nowhere */
    bool again;              /* by others, too */
} number;

struct ptx_numbers {
    number *of; /* per register */
};

static void note(ptx_numbers *n, const ptx_ast_insn *a, int reg)
{
    if (reg < 0)
        return;
    n->of[reg].again |= n->of[reg].set != NULL;
    n->of[reg].set = n->of[reg].set ? n->of[reg].set : a;
}

static void note_operand(ptx_numbers *n, const ptx_ast_insn *a, const ptx_operand *o)
{
    note(n, a, o->reg);
    note(n, a, o->reg2);
    for (int e = 0; e < o->n_elem; e++)
        note_operand(n, a, &o->elem[e]);
}

/* Results come first; what a call changes stands anywhere in it. */
ptx_numbers *ptx_numbers_new(const ptx_func *f)
{
    ptx_numbers *n = ws_calloc(1, sizeof *n);
    n->of = ws_calloc((size_t)f->n_regs + 1, sizeof *n->of);
    for (int i = 0; i < f->n_insns; i++) {
        const ptx_ast_insn *a = &f->insn[i];
        int last = ws_str_eqz(a->part[0], "call") ? a->n_operands : a->n_operands ? 1 : 0;
        for (int o = 0; o < last; o++)
            note_operand(n, a, &a->operand[o]);
    }
    return n;
}

void ptx_numbers_free(ptx_numbers *n)
{
    free(n->of);
    free(n);
}

static bool immediate(const ptx_operand *o, uint32_t *value)
{
    *value = (uint32_t)o->imm;
    return o->kind == PTX_OPD_IMM && !o->is_float;
}

bool ptx_numbers_find(const ptx_numbers *n, const ptx_ast_insn *a, const ptx_operand *o, uint32_t *value)
{
    if (o->kind != PTX_OPD_REG || o->reg < 0)
        return immediate(o, value);
    const number *r = &n->of[o->reg];
    const ptx_ast_insn *m = r->set;
    return m && !r->again && m < a && m->guard < 0 && m->n_operands == 2 && m->n_parts == 2 &&
           ws_str_eqz(m->part[0], "mov") && ptx_type_bytes(ptx_type_find(m->part[1])) == 4 &&
           m->operand[0].kind == PTX_OPD_REG && immediate(&m->operand[1], value);
}
