/* Addresses in one step: compilers widen an index, add a base, scale by the size of an element and add
 * another base in up to four instructions, each of which moves 256 bytes a warp twice. Where nobody else
 * reads what comes between, whole warps do it at once; the parts of warps, and whoever steps one by one,
 * still go through the instructions. */
#include "harness/ptx/compact.h"
#include "harness/ptx/lanes.h"

#include <stdlib.h>

typedef struct fused {
    ptx_handler first; /* of the first instruction alone */
} fused;

/* In the first instruction: a is x, c the slot of the last summand, d2 that of the first, imm the
 * shift, and 256 times the number of instructions that follow. */
#define SUM(name, T, expr)                                                                         \
    static void x_##name(ptx_warp *w, const ptx_insn *i)                                           \
    {                                                                                              \
        if (w->whole != PTX_FULL) {                                                                \
            ((const fused *)i->aux)->first(w, i);                                                  \
            return;                                                                                \
        }                                                                                          \
        const ptx_insn *last = i + (i->imm >> 8);                                                  \
        const T *x = IN(T, i->a);                                                                  \
        const u64 *c = IN(u64, i->c);                                                              \
        __attribute__((unused)) const u64 *b = IN(u64, i->d2);                                     \
        const u32 s = (u8)i->imm;                                                                  \
        u64 *d = OUT(u64, last->d);                                                                \
        _Pragma("GCC ivdep") EACH_LANE(l) d[l] = ((expr) << s) + c[l];                             \
        w->insn = last + 1;                                                                        \
        PTX_CHAIN(w, last);                                                                        \
    }
SUM(scaled_s32, s32, (u64)(s64)x[l])
SUM(scaled_u32, u32, (u64)x[l])
SUM(scaled_u64, u64, x[l])
SUM(indexed_s32, s32, (u64)(s64)x[l] + b[l])
SUM(indexed_u32, u32, (u64)x[l] + b[l])

/* ---- finding them ---- */

typedef struct reads {
    uint32_t *n; /* per register */
} reads;

static void count_read(void *ud, int at, int reg, ptx_reg_use use)
{
    reads *r = ud;
    (void)at;
    r->n[reg] += use != PTX_REG_WRITTEN;
}

typedef enum kind { OTHER, WIDEN_S32, WIDEN_U32, SHIFT, ADD } kind;
static const struct {
    const char *name;
    kind kind;
    bool multiplies; /* by its third operand, which has to be a power of two */
} kinds[] = {
    {"cvt.s64.s32", WIDEN_S32, false}, {"cvt.u64.u32", WIDEN_U32, false}, {"mul.wide.s32", WIDEN_S32, true},
    {"mul.wide.u32", WIDEN_U32, true}, {"shl.b64", SHIFT, false},         {"add.s64", ADD, false},
    {"add.u64", ADD, false},
};

/* One of the instructions, and the shift in it. */
typedef struct part {
    ptx_insn *insn;
    kind kind;
    u32 shift;
} part;

/* A number between 1 and `most`. */
static bool is_number(const ptx_operand *o, int64_t most)
{
    return o->kind == PTX_OPD_IMM && !o->is_float && o->imm >= 1 && o->imm <= most;
}

/* cvt takes registers wider than its source's type, whose lanes lie further apart. */
static bool is_of_size(const ptx_func *f, const ptx_operand *o, uint32_t bytes)
{
    return o->kind != PTX_OPD_REG || (o->reg >= 0 && ptx_type_bytes(f->reg[o->reg].type) == bytes);
}

static part part_of(const ptx_func *f, ptx_insn *i)
{
    const ptx_ast_insn *a = i->ast;
    const ws_str *last = &a->part[a->n_parts - 1];
    const ws_str name = {a->part[0].p, (size_t)(last->p + last->n - a->part[0].p)};
    part p = {.insn = i};
    if (i->guard || !i->match || a->n_operands < 2 || a->operand[0].kind != PTX_OPD_REG || a->operand[0].reg < 0)
        return p;
    for (size_t k = 0; k < WS_COUNT(kinds); k++) {
        if (!ws_str_eqz(name, kinds[k].name))
            continue;
        const ptx_operand *by = &a->operand[a->n_operands - 1];
        bool is_power = is_number(by, 1 << 30) && !(by->imm & (by->imm - 1));
        if ((kinds[k].multiplies && !is_power) || (kinds[k].kind == SHIFT && !is_number(by, 32)))
            return p;
        if (kinds[k].kind != SHIFT && kinds[k].kind != ADD && !is_of_size(f, &a->operand[1], sizeof(u32)))
            return p;
        p.kind = kinds[k].kind;
        p.shift = kinds[k].multiplies ? (u32)__builtin_ctzll((u64)by->imm) : p.kind == SHIFT ? (u32)by->imm : 0;
    }
    return p;
}

/* Whether `next` is of that kind, follows in the same basic block, and alone reads what `p` gives. */
static bool leads_to(const ptx_func *f, const ptx_code *c, const reads *r, const part *p, kind wanted,
                     part *next)
{
    ptx_insn *i = p->insn + 1;
    int reg = p->insn->ast->operand[0].reg;
    if (i >= c->insn + c->n - 1 || i->leader || r->n[reg] != 1)
        return false;
    *next = part_of(f, i);
    if (next->kind != wanted)
        return false;
    const ptx_operand *o = i->ast->operand;
    return (o[1].kind == PTX_OPD_REG && o[1].reg == reg) ||
           (wanted == ADD && o[2].kind == PTX_OPD_REG && o[2].reg == reg);
}

/* The slot of the summand that is not `p`'s result. */
static u32 summand(const part *add, const part *p)
{
    const ptx_operand *o = add->insn->ast->operand;
    return o[1].kind == PTX_OPD_REG && o[1].reg == p->insn->ast->operand[0].reg ? add->insn->b : add->insn->a;
}

static void fuse(ptx_program *p, const part *first, const part *last, u32 shift, u32 c, ptx_handler run)
{
    ptx_insn *i = first->insn;
    fused *aux = WS_ARENA_NEW(&p->arena, fused, 1);
    aux->first = i->run;
    i->aux = aux;
    i->run = run;
    i->c = c;
    i->imm = (int64_t)(shift | (u32)(last->insn - i) << 8);
}

static void fuse_from(ptx_program *p, const ptx_code *c, const ptx_func *f, const reads *r, ptx_insn *i)
{
    part first = part_of(f, i), second, third, fourth;
    bool widens = first.kind == WIDEN_S32 || first.kind == WIDEN_U32, is_signed = first.kind == WIDEN_S32;
    ptx_handler scaled = first.kind == SHIFT ? x_scaled_u64 : is_signed ? x_scaled_s32 : x_scaled_u32;
    if (i->aux || !(widens || first.kind == SHIFT))
        return;
    if (leads_to(f, c, r, &first, ADD, &second)) {
        if (widens && !first.shift && leads_to(f, c, r, &second, SHIFT, &third) &&
            leads_to(f, c, r, &third, ADD, &fourth)) {
            i->d2 = summand(&second, &first);
            fuse(p, &first, &fourth, third.shift, summand(&fourth, &third), is_signed ? x_indexed_s32 : x_indexed_u32);
        } else {
            fuse(p, &first, &second, first.shift, summand(&second, &first), scaled);
        }
    } else if (widens && leads_to(f, c, r, &first, SHIFT, &second) && leads_to(f, c, r, &second, ADD, &third)) {
        fuse(p, &first, &third, first.shift + second.shift, summand(&third, &second), scaled);
    }
}

void ptx_fuse(ptx_program *p, ptx_code *c, const ptx_func *f)
{
    reads r = {ws_calloc((size_t)f->n_regs + 1, sizeof *r.n)};
    for (int n = 0; n < f->n_insns; n++) {
        ptx_visit_registers(&f->insn[n], c->insn[n].results, n, count_read, &r);
        if (f->insn[n].guard >= 0)
            r.n[f->insn[n].guard]++;
    }
    for (int n = 0; n < f->n_insns; n++)
        fuse_from(p, c, f, &r, &c->insn[n]);
    for (int n = 0; n + 2 < f->n_insns; n++)
        ptx_fuse_fma(&c->insn[n], r.n);
    for (int n = 1; n + 1 < f->n_insns; n++)
        ptx_fuse_shfl(p, c, &c->insn[n], r.n);
    free(r.n);
}
