/* Shuffles of floats: compilers move the value into a register of 32 bits, shuffle that and move the result
 * back. Where nobody else reads what the moves give, whole warps shuffle from register to register. */
#include "harness/ptx/compact.h"
#include "harness/ptx/lanes.h"

enum { REACH = 8 /* instructions up to the move */ };

typedef struct alone {
    ptx_handler move; /* of the parts of warps */
} alone;

/* Whole warps leave the move out. */
static void x_left_out(ptx_warp *w, const ptx_insn *i)
{
    if (w->whole != PTX_FULL) {
        ((const alone *)i->aux)->move(w, i);
        return;
    }
    PTX_CHAIN(w, i);
}

/* A move of 32 bits from register to register. */
static bool is_move(const ptx_insn *i)
{
    const ptx_ast_insn *a = i->ast;
    return i->match && !i->guard && !i->aux && ws_str_eqz(a->part[0], "mov") && a->n_parts == 2 &&
           (ws_str_eqz(a->part[1], "b32") || ws_str_eqz(a->part[1], "u32") || ws_str_eqz(a->part[1], "f32")) &&
           a->operand[0].kind == PTX_OPD_REG && a->operand[1].kind == PTX_OPD_REG;
}

typedef struct writes {
    const ptx_code *code;
    uint32_t slot;
    bool found;
} writes;

static void note_write(void *ud, int at, int reg, ptx_reg_use use)
{
    writes *x = ud;
    (void)at;
    x->found |= use == PTX_REG_WRITTEN && x->code->slot[reg] == x->slot;
}

/* The move in front of i that gives register `reg`; other moves may lie between, which leave alone what it takes, and
 * at which nothing can happen to the warp. NULL: there is none. */
static ptx_insn *move_before(const ptx_code *c, ptx_insn *i, int reg)
{
    for (ptx_insn *m = i - 1; m >= c->insn && m >= i - REACH; m--) {
        if ((m + 1)->leader & PTX_LEADS || !m->match || !ws_str_eqz(m->ast->part[0], "mov") || m->guard)
            return NULL;
        if (m->ast->operand[0].kind != PTX_OPD_REG || m->ast->operand[0].reg != reg)
            continue;
        writes x = {.code = c, .slot = m->a};
        for (const ptx_insn *k = m + 1; k < i; k++)
            ptx_visit_registers(k->ast, k->results, 0, note_write, &x);
        return is_move(m) && !x.found ? m : NULL;
    }
    return NULL;
}

static bool is_move_of(const ptx_insn *i, int reg)
{
    return is_move(i) && i->ast->operand[1].reg == reg && !(i->leader & PTX_LEADS);
}

void ptx_fuse_shfl(ptx_program *p, const ptx_code *c, ptx_insn *i, const uint32_t *reads)
{
    const ptx_operand *o = i->ast->operand;
    if (!ptx_is_shfl_route(i) || i->guard || o[0].kind != PTX_OPD_REG || o[1].kind != PTX_OPD_REG)
        return;
    ptx_insn *before = reads[o[1].reg] == 1 ? move_before(c, i, o[1].reg) : NULL;
    bool behind = reads[o[0].reg] == 1 && is_move_of(i + 1, o[0].reg);
    if (!before && !behind)
        return;
    ptx_shfl_with_moves(i, before ? before->a : i->a, behind);
    if (!before)
        return;
    alone *aux = WS_ARENA_NEW(&p->arena, alone, 1);
    aux->move = before->run;
    before->aux = aux;
    before->run = x_left_out;
}
