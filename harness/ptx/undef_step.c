/* One instruction of a warp that has undefined registers: see undef.h. */
#include "harness/ptx/lanes.h"
#include "harness/ptx/undef.h"

#include <string.h>

enum { MAX_PURE = 48 /* registers of an instruction that is run on other values */, REG_BYTES = 16 * PTX_LANES };

typedef struct trial {
    const ptx_names *t;
    ptx_frame *f;
    u32 lanes, carry; /* lanes that execute; the condition codes before */
    u8 before[MAX_PURE][REG_BYTES], after[MAX_PURE][REG_BYTES], differs[MAX_PURE][REG_BYTES];
    u32 carry_after, carry_differs;
} trial;

/* ---- other values ---- */

enum { ZERO, ONES, SIGN, MOST, BIG, TINY, NEGATIVE, VALUES };

/* The same for all lanes: the extremes of integers, numbers beyond most others in floating point, and every bit
 * both ways. */
static u64 value(int which, u32 lane_bytes)
{
    const u64 huge = 0x7b7b7b7b7b7b7b7b, sign = lane_bytes == 2   ? 0x8000800080008000
                                                : lane_bytes == 4 ? 0x8000000080000000
                                                : lane_bytes      ? 0x8000000000000000
                                                                  : 0x5555555555555555;
    const u64 values[VALUES] = {0, ~0ull, sign, ~sign, huge, ~huge, huge | sign};
    return values[which];
}

/* Of the first, third, ... source and of the others. */
static const u8 trials[][2] = {
    {ZERO, ONES}, {ONES, ZERO}, {SIGN, MOST}, {MOST, SIGN}, {BIG, TINY}, {TINY, BIG}, {NEGATIVE, BIG}, {BIG, NEGATIVE},
};
enum { TRIALS = WS_COUNT(trials) };

static bool is_read(const ptx_named *r)
{
    return r->use != PTX_REG_WRITTEN;
}

/* The bits of register r that are undefined, from `from`. */
static void set_bits(const trial *x, const ptx_named *r, const u8 *from)
{
    u8 *reg = x->f->regs + r->at;
    const u8 *bits = x->f->undef->bits + r->at;
    for (u32 b = 0; b < r->bytes; b++)
        reg[b] = (u8)((reg[b] & ~bits[b]) | (from[b] & bits[b]));
}

static void set_values(const trial *x, const u8 which[2])
{
    for (int k = 0, n = 0; k < x->t->n; k++) {
        const ptx_named *r = &x->t->reg[k];
        if (!is_read(r))
            continue;
        u64 row[REG_BYTES / 8], v = value(which[n++ & 1], r->lane_bytes);
        for (u32 q = 0; q < WS_COUNT(row); q++)
            row[q] = v;
        set_bits(x, r, (const u8 *)row);
    }
}

/* Makes the two sides of a comparison equal, as far as that is possible. */
static void set_equal(ptx_warp *w, const trial *x, const ptx_insn *i)
{
    for (int k = 0; k < x->t->n; k++) {
        const ptx_named *r = &x->t->reg[k];
        if (is_read(r) && r->lane_bytes && (r->at == i->a || r->at == i->b))
            set_bits(x, r, IN(u8, r->at == i->a ? i->b : i->a));
    }
}

/* ---- running on other values ---- */

static void keep(const trial *x, u8 to[][REG_BYTES])
{
    for (int k = 0; k < x->t->n; k++)
        memcpy(to[k], x->f->regs + x->t->reg[k].at, x->t->reg[k].bytes);
}

static void put_back(ptx_warp *w, const trial *x)
{
    for (int k = 0; k < x->t->n; k++)
        memcpy(x->f->regs + x->t->reg[k].at, x->before[k], x->t->reg[k].bytes);
    w->carry = x->carry;
    w->exec = x->lanes;
}

static void compare(const ptx_warp *w, trial *x)
{
    for (int k = 0; k < x->t->n; k++) {
        const ptx_named *r = &x->t->reg[k];
        const u8 *now = x->f->regs + r->at;
        for (u32 b = 0; b < r->bytes && !is_read(r); b++)
            x->differs[k][b] |= (u8)(now[b] ^ x->after[k][b]);
    }
    x->carry_differs |= w->carry ^ x->carry_after;
}

static void try_values(ptx_warp *w, const ptx_insn *i, trial *x)
{
    for (u32 k = 0; k < TRIALS + (i->flow == PTX_FLOW_COMPARE); k++) {
        put_back(w, x);
        if (k < TRIALS)
            set_values(x, trials[k]);
        else
            set_equal(w, x, i);
        w->carry = (w->carry & ~w->undef->carry) | ((0 - (k & 1)) & w->undef->carry);
        i->run(w, i);
        compare(w, x);
    }
    put_back(w, x);
}

/* ---- where results come from ---- */

/* Of the undefined sources of the lanes, the one that was loaded first. */
static u16 first_origin(const ptx_warp *w, const trial *x, u32 lanes)
{
    u16 id = w->undef->carry & lanes ? w->undef->carry_id : 0;
    for (int k = 0; k < x->t->n; k++)
        if (is_read(&x->t->reg[k]))
            EACH_SET(l, ptx_undef_lanes(x->f, &x->t->reg[k]) & lanes)
                id = ptx_undef_first(id, *ptx_undef_origin(x->f, &x->t->reg[k], l));
    return id;
}

/* By shuffling the origins of the values. */
static void shuffled_origins(ptx_warp *w, const ptx_insn *i, const trial *x, u16 id[PTX_LANES])
{
    const ptx_named *a = &x->t->reg[0];
    u16 any = first_origin(w, x, PTX_FULL);
    EACH_LANE(l) id[l] = any;
    if (i->ast->operand[1].kind != PTX_OPD_REG || i->d == PTX_NO_SLOT)
        return;
    put_back(w, x);
    u32 *from = (u32 *)(void *)(x->f->regs + a->at), had = ptx_undef_lanes(x->f, a);
    EACH_LANE(l) from[l] = had >> l & 1 ? *ptx_undef_origin(x->f, a, (u32)l) : 0;
    i->run(w, i);
    const u32 *to = OUT(u32, i->d);
    EACH_SET(l, x->lanes)
        id[l] = to[l] && to[l] <= UINT16_MAX ? (u16)to[l] : any; /* not from a lane that takes no part */
}

static void find_origins(ptx_warp *w, const ptx_insn *i, const trial *x, u16 id[PTX_LANES])
{
    if (i->flow == PTX_FLOW_SHUFFLE) {
        shuffled_origins(w, i, x, id);
        return;
    }
    u16 any = i->flow == PTX_FLOW_LANES ? first_origin(w, x, x->lanes) : 0;
    EACH_LANE(l) id[l] = any ? any : first_origin(w, x, 1u << l);
    if (i->flow != PTX_FLOW_COPY)
        EACH_LANE(l) id[l] |= PTX_ORIGIN_COMPUTED;
}

static void mark_results(ptx_warp *w, const trial *x, const u16 id[PTX_LANES])
{
    for (int k = 0; k < x->t->n; k++) {
        const ptx_named *r = &x->t->reg[k];
        if (is_read(r))
            continue;
        u8 *bits = x->f->undef->bits + r->at;
        ptx_undef_clear(x->f, r, x->lanes);
        for (u32 b = 0; b < r->bytes; b++)
            bits[b] |= x->differs[k][b];
        EACH_SET(l, ptx_undef_lanes(x->f, r) & x->lanes) *ptx_undef_origin(x->f, r, l) = id[l];
    }
    w->undef->carry = (w->undef->carry & ~x->lanes) | (x->carry_differs & x->lanes);
    if (x->carry_differs)
        w->undef->carry_id = id[__builtin_ctz(x->carry_differs)];
}

/* Registers of the running frame depend on nothing but others there; those that wait for other lanes have to be
 * complete before they are tried. */
static void execute_pure(ptx_warp *w, const ptx_insn *i, const ptx_names *t)
{
    trial x = {.t = t, .f = w->frame, .lanes = w->exec, .carry = w->carry};
    u16 id[PTX_LANES];
    keep(&x, x.before);
    i->run(w, i);
    if (w->event)
        return; /* all of the lanes wait, or a fault */
    keep(&x, x.after);
    x.carry_after = w->carry;
    x.lanes &= w->active;
    try_values(w, i, &x);
    find_origins(w, i, &x, id);
    put_back(w, &x);
    mark_results(w, &x, id);
    for (int k = 0; k < t->n; k++)
        if (!is_read(&t->reg[k]))
            memcpy(x.f->regs + t->reg[k].at, x.after[k], t->reg[k].bytes);
    w->carry = x.carry_after;
}

/* ---- stepping ---- */

/* The origin of what is undefined among the executing lanes' sources, of addresses alone or of all; 0: none. */
static u16 find_use(const ptx_warp *w, const ptx_names *t, bool addresses)
{
    u16 id = 0;
    for (int k = 0; k < t->n; k++)
        if (addresses ? t->reg[k].use == PTX_REG_ADDRESS : is_read(&t->reg[k]))
            EACH_SET(l, ptx_undef_lanes(w->frame, &t->reg[k]) & w->exec)
                id = ptx_undef_first(id, *ptx_undef_origin(w->frame, &t->reg[k], l));
    return id;
}

static bool touches_carry(const ptx_warp *w, const ptx_insn *i)
{
    const ws_str *name = &i->ast->part[0];
    return w->undef->carry & w->exec &&
           (ptx_has(i->ast, "cc") || ws_str_eqz(*name, "addc") || ws_str_eqz(*name, "subc") || ws_str_eqz(*name, "madc"));
}

static void execute(ptx_warp *w, const ptx_insn *i)
{
    ptx_names t;
    ptx_undef_names(w->frame->code, i, &t);
    bool memory = i->flow >= PTX_FLOW_MEMORY;
    bool pure = i->flow >= PTX_FLOW_COPY && i->flow <= PTX_FLOW_LANES && t.n <= MAX_PURE && i->match;
    u16 some = i->flow == PTX_FLOW_NONE ? 0 : find_use(w, &t, false), bad = memory ? find_use(w, &t, true) : pure ? 0 : some;
    if (bad) {
        ptx_undef_use(w, i, bad);
        if (w->event != PTX_EV_FAULT)
            i->run(w, i);
        return;
    }
    if (pure && (some || touches_carry(w, i))) {
        execute_pure(w, i, &t);
        return;
    }
    for (int k = 0; k < t.n; k++)
        if (!is_read(&t.reg[k]))
            ptx_undef_clear(w->frame, &t.reg[k], w->exec);
    u32 lanes = w->exec;
    i->run(w, i);
    if (some && i->flow == PTX_FLOW_STORE && w->event != PTX_EV_FAULT) {
        w->exec = lanes;
        ptx_undef_store(w, i);
    }
}

/* The origin of an undefined guard; 0: it is defined. */
static u16 find_guard(const ptx_warp *w, const ptx_insn *i)
{
    const ptx_named guard = {w->frame->code->pred_at + 4 * (i->guard - 1), 4, 0, PTX_REG_READ};
    u32 lanes = i->guard ? ptx_undef_lanes(w->frame, &guard) & w->active : 0;
    u16 id = 0;
    EACH_SET(l, lanes) id = ptx_undef_first(id, *ptx_undef_origin(w->frame, &guard, l));
    return id;
}

void ptx_undef_step(ptx_warp *w)
{
    const ptx_insn *i = w->insn++;
    u16 bad = w->undef->on && w->frame->undef ? find_guard(w, i) : 0;
    if (bad) {
        ptx_undef_use(w, i, bad);
        if (w->event == PTX_EV_FAULT)
            return;
    }
    w->exec = w->active;
    w->whole = 0; /* no chains of several */
    w->easy_shapes = w->race_shapes = 0;
    if (i->guard)
        w->exec &= w->pred[i->guard - 1] ^ (i->guard_neg ? PTX_FULL : 0u);
    if (!w->exec)
        return;
    if (w->undef->on && w->frame->undef)
        execute(w, i);
    else
        i->run(w, i);
}
