#include "harness/ptx/guess.h"

#include "base/mem.h"

#include <stdlib.h>

typedef struct address { /* of a compare-and-swap */
    int reg;
    const ptx_var *var;
    int64_t imm;
    int last;            /* the last instruction that takes it */
} address;

struct ptx_guesses {
    const ptx_func *f;
    address *at;         /* sorted */
    size_t n, cap;
    int *last;           /* per register: the last that compares with it; -1: none */
};

static int compare(const void *x, const void *y)
{
    const address *a = x, *b = y;
    if (a->reg != b->reg)
        return a->reg < b->reg ? -1 : 1;
    if (a->var != b->var)
        return (uintptr_t)a->var < (uintptr_t)b->var ? -1 : 1;
    return (a->imm > b->imm) - (a->imm < b->imm);
}

static bool is_cas(const ptx_ast_insn *a)
{
    bool found = false;
    for (int p = 1; p < a->n_parts && ws_str_eqz(a->part[0], "atom"); p++)
        found |= ws_str_eqz(a->part[p], "cas");
    return found && a->n_operands == 4 && a->operand[1].kind == PTX_OPD_ADDR;
}

static void add(ptx_guesses *g, int reg, const ptx_var *var, int64_t imm, int last)
{
    WS_GROW(g->at, g->n, g->cap);
    g->at[g->n++] = (address){reg, var, imm, last};
}

/* Per register the first instruction that sets it to the address of a variable, NULL: none. */
static const ptx_operand **variables_in(const ptx_func *f)
{
    const ptx_operand **in = ws_calloc((size_t)f->n_regs + 1, sizeof *in);
    for (int k = 0; k < f->n_insns; k++) {
        const ptx_operand *o = f->insn[k].operand;
        if (f->insn[k].n_operands == 2 && o[0].kind == PTX_OPD_REG && o[1].kind == PTX_OPD_VAR &&
            !in[o[0].reg])
            in[o[0].reg] = &o[1];
    }
    return in;
}

static void merge(ptx_guesses *g)
{
    size_t n = 0;
    if (g->n)
        qsort(g->at, g->n, sizeof *g->at, compare);
    for (size_t k = 0; k < g->n; k++)
        if (n && compare(&g->at[n - 1], &g->at[k]) == 0)
            g->at[n - 1].last =
                g->at[k].last > g->at[n - 1].last ? g->at[k].last : g->at[n - 1].last;
        else
            g->at[n++] = g->at[k];
    g->n = n;
}

ptx_guesses *ptx_guesses_new(const ptx_func *f)
{
    ptx_guesses *g = ws_calloc(1, sizeof *g);
    const ptx_operand **in = NULL;
    g->f = f;
    for (int k = 0; k < f->n_insns; k++) {
        const ptx_ast_insn *a = &f->insn[k];
        if (!is_cas(a))
            continue;
        if (!in) {
            in = variables_in(f);
            g->last = ws_malloc(((size_t)f->n_regs + 1) * sizeof *g->last);
            for (int r = 0; r < f->n_regs; r++)
                g->last[r] = -1;
        }
        const ptx_operand *to = &a->operand[1];
        add(g, to->reg, to->var, to->imm, k);
        if (to->reg >= 0 && in[to->reg]) /* the variable by its name is the same address */
            add(g, -1, in[to->reg]->var, (int64_t)((uint64_t)in[to->reg]->imm + (uint64_t)to->imm), k);
        if (a->operand[2].kind == PTX_OPD_REG)
            g->last[a->operand[2].reg] = k;
    }
    free(in);
    merge(g);
    return g;
}

void ptx_guesses_free(ptx_guesses *g)
{
    free(g->at);
    free(g->last);
    free(g);
}

bool ptx_is_first_guess(const ptx_guesses *g, const ptx_ast_insn *load)
{
    const ptx_operand *to = &load->operand[0], *from = &load->operand[1];
    int k = (int)(load - g->f->insn);
    if (!g->n)
        return false;
    const address key = {from->reg, from->var, from->imm, 0};
    const address *at = bsearch(&key, g->at, g->n, sizeof *g->at, compare);
    return (at && at->last > k) || (to->kind == PTX_OPD_REG && g->last[to->reg] > k);
}
