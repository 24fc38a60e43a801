/* What the memory instructions of a function share, told when it is decoded: accesses of one basic block through
 * one address register that nothing changes in between find its shape told already. */
#include "harness/ptx/engine.h"

#include <stdlib.h>

typedef struct seen {
    uint32_t block;     /* the leader's index + 1, 0: not seen */
    uint8_t shape, bytes, space;
} seen;

static void forget(const ptx_operand *o, seen *reg)
{
    if (o->kind == PTX_OPD_REG) {
        if (o->reg >= 0)
            reg[o->reg].block = 0;
        if (o->reg2 >= 0)
            reg[o->reg2].block = 0;
    }
    if (o->kind == PTX_OPD_VEC)
        for (int e = 0; e < o->n_elem; e++)
            forget(&o->elem[e], reg);
}

/* Results come first; what a call changes stands anywhere in it. */
static void forget_results(const ptx_ast_insn *a, seen *reg)
{
    int n = ws_str_eqz(a->part[0], "call") ? a->n_operands : a->n_operands ? 1 : 0;
    for (int o = 0; o < n; o++)
        forget(&a->operand[o], reg);
}

static const ptx_operand *address_of(const ptx_ast_insn *a)
{
    for (int o = 0; o < a->n_operands; o++)
        if (a->operand[o].kind == PTX_OPD_ADDR)
            return &a->operand[o];
    return NULL;
}

/* Loads, moves and arithmetic: nothing that others of the block may see. */
static bool is_quiet(const ptx_insn *i)
{
    static const uint32_t units = 1u << PTX_UNIT_F32 | 1u << PTX_UNIT_F64 | 1u << PTX_UNIT_F16 |
                                  1u << PTX_UNIT_I32 | 1u << PTX_UNIT_IMUL | 1u << PTX_UNIT_SFU |
                                  1u << PTX_UNIT_CVT | 1u << PTX_UNIT_SELECT;
    const ws_str name = i->ast->part[0];
    return units >> i->unit & 1 || ws_str_eqz(name, "mov") || ws_str_eqz(name, "cvta") ||
           (ws_str_eqz(name, "ld") && !(i->flags & PTX_IF_STRONG));
}

enum { LEAST_QUIET = 3 }; /* loads that are worth noting together */

/* Every load of a row or a lone place from shared memory is one request, of as many wavefronts as the others through its
 * shape: they are counted together, and their reads are noted together where they are quiet. */
static void count_uses(ptx_code *c)
{
    uint32_t left[PTX_SHAPES] = {0}, quiet = 0;
    for (uint32_t n = c->n; n-- > 0;) {
        ptx_insn *i = &c->insn[n];
        if (i->shape == PTX_SHAPE_PRIVATE)
            i->ahead = 0; /* each is told on its own */
        if (i->ahead && !left[i->shape])
            quiet |= 1u << i->shape;
        left[i->shape] += i->ahead;
        if (!is_quiet(i))
            quiet = 0;
        i->uses = left[i->shape];
        i->quiet = i->ahead && i->uses >= LEAST_QUIET && quiet >> i->shape & 1;
        if (i->leader)
            memset(left, 0, sizeof left);
    }
}

/* Accesses whose shape nobody else of their basic block uses need not keep it. */
static void find_lone_uses(ptx_code *c)
{
    for (uint32_t n = 0, end; n < c->n; n = end) {
        uint32_t users[PTX_SHAPES] = {0};
        for (end = n; end == n || (end < c->n && !c->insn[end].leader); end++)
            if (address_of(c->insn[end].ast))
                users[c->insn[end].shape]++;
        users[PTX_SHAPE_PRIVATE] = 1;
        for (uint32_t k = n; k < end; k++)
            if (users[c->insn[k].shape] == 1)
                ptx_fast_once(&c->insn[k]);
    }
}

void ptx_sites_number(ptx_code *c, const ptx_func *f)
{
    seen *reg = ws_calloc((size_t)f->n_regs + 1, sizeof *reg);
    uint32_t block = 0;
    uint8_t next = 0;
    for (int n = 0; n < f->n_insns; n++) {
        ptx_insn *i = &c->insn[n];
        const ptx_operand *at = address_of(i->ast);
        if (i->leader == PTX_LEADS_ON && next > PTX_SHAPES / 2)
            i->leader |= PTX_LEADS; /* the shapes of a run are told apart */
        if (i->leader) {
            block = (uint32_t)n + 1;
            next = i->leader == PTX_LEADS_ON ? next : 0;
        }
        i->site = (uint8_t)(n % PTX_SITES);
        i->place = (uint32_t)c->index << 24 | ((uint32_t)n & 0xffffff);
        i->shape = PTX_SHAPE_PRIVATE;
        if (at && at->reg >= 0) {
            seen *s = &reg[at->reg];
            uint8_t bytes = (uint8_t)(i->esize * i->vec);
            if (s->block == block && s->bytes == bytes && s->space == i->space)
                i->shape = s->shape;
            else if (next < PTX_SHAPE_PRIVATE) {
                i->shape = next++;
                *s = (seen){block, i->shape, bytes, i->space};
            }
        }
        forget_results(i->ast, reg);
    }
    free(reg);
    count_uses(c);
    find_lone_uses(c);
}
