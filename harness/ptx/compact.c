/* Liveness by basic blocks, then linear scan. A register has one stretch of the text, from the
 * first to the last instruction at which its value may still be wanted; two of one class share a
 * place when their stretches are disjoint. */
#include "harness/ptx/compact.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

enum { NONE = -1 };
#define MAX_SET_BYTES (64u << 20) /* of one table; larger functions keep what lives across blocks */

typedef struct block {
    int from, to;         /* instructions [from, to) */
    int next[2]; /* blocks, NONE: none; others are in the targets of the last instruction */
} block;

typedef struct stretch {
    int from, to;         /* instructions, both included; from > to: never used */
    int next_from, next_to; /* lists of registers that begin, and end, at one instruction */
} stretch;

typedef struct liveness {
    const ptx_func *f;
    const uint16_t *results;
    block *block;
    int n_blocks;
    int *block_of;        /* per instruction that begins one, else NONE */
    int *global; /* per register: number among those that live across blocks, NONE: it does not */
    int *reg_of;          /* the other way round */
    int n_globals;
    size_t words;         /* of a set of globals */
    uint64_t *in, *kill;  /* sets, by block */
    uint64_t *out;        /* one set */
    int *changed, *seen;  /* per block: when `in` has changed last, when it was computed last */
    int now;              /* the block that is visited, counted from 1 */
    int *mark;            /* per register: the last one that has written it, by `now` */
    stretch *stretch;
} liveness;

int ptx_place_class(ptx_type t)
{
    switch (t == PTX_pred ? 0 : ptx_type_bytes(t)) {
    case 0: return PTX_PLACE_PRED;
    case 1: return PTX_PLACE_1;
    case 2: return PTX_PLACE_2;
    case 4: return PTX_PLACE_4;
    case 8: return PTX_PLACE_8;
    default: return PTX_PLACE_16;
    }
}

/* ---- the registers of an instruction ---- */

static void visit_operand(const ptx_operand *o, bool writes, int at, ptx_reg_visit visit, void *ud)
{
    bool is_address = o->kind == PTX_OPD_ADDR;
    ptx_reg_use use = is_address ? PTX_REG_ADDRESS : writes ? PTX_REG_WRITTEN : PTX_REG_READ;
    if (o->reg >= 0)
        visit(ud, at, o->reg, use);
    if (o->reg2 >= 0) /* of `_|p`, too */
        visit(ud, at, o->reg2, use);
    for (int e = 0; e < o->n_elem; e++)
        visit_operand(&o->elem[e], writes && o->kind == PTX_OPD_VEC, at, visit, ud);
}

void ptx_visit_registers(const ptx_ast_insn *a, uint16_t results, int at, ptx_reg_visit visit,
                         void *ud)
{
    for (int writes = 0; writes < 2; writes++)
        for (int o = 0; o < a->n_operands; o++)
            if ((results >> o & 1) == writes)
                visit_operand(&a->operand[o], writes, at, visit, ud);
}

/* Reads first, then writes. What a guarded instruction writes may stay as it was, so it counts as
 * read. */
static void visit_insn(liveness *v, int at, ptx_reg_visit visit)
{
    const ptx_ast_insn *a = &v->f->insn[at];
    if (a->guard >= 0)
        visit(v, at, a->guard, PTX_REG_READ);
    ptx_visit_registers(a, a->guard >= 0 ? 0 : v->results[at], at, visit, v);
}

/* ---- blocks ---- */

static bool is_jump(const ptx_ast_insn *a)
{
    return a->part[0].p[0] == 'b' &&
           (ws_str_eqz(a->part[0], "bra") || ws_str_eqz(a->part[0], "brx"));
}

static bool is_end(const ptx_ast_insn *a)
{
    return ws_str_eqz(a->part[0], "ret") || ws_str_eqz(a->part[0], "exit");
}

static void begin_block(liveness *v, int at)
{
    if (at < v->f->n_insns)
        v->block_of[at] = 0;
}

static void find_blocks(liveness *v)
{
    const ptx_func *f = v->f;
    for (int i = 0; i < f->n_insns; i++)
        v->block_of[i] = i ? NONE : 0;
    for (int i = 0; i < f->n_insns; i++) {
        const ptx_ast_insn *a = &f->insn[i];
        if (is_jump(a) || is_end(a))
            begin_block(v, i + 1);
        for (int o = 0; o < a->n_operands; o++) {
            const ptx_operand *p = &a->operand[o];
            if (p->kind == PTX_OPD_LABEL)
                begin_block(v, p->target);
            for (int t = 0; p->kind == PTX_OPD_TARGETS && t < p->n_targets; t++)
                begin_block(v, p->targets[t]);
        }
    }
    for (int i = 0; i < f->n_insns; i++)
        if (v->block_of[i] != NONE)
            v->block_of[i] = v->n_blocks++;
    v->block = ws_calloc((size_t)v->n_blocks + 1, sizeof *v->block);
    for (int i = 0, b = NONE; i < f->n_insns; i++) {
        if (v->block_of[i] != NONE)
            v->block[b = v->block_of[i]].from = i;
        v->block[b].to = i + 1;
    }
}

static int block_at(const liveness *v, int at)
{
    return at < v->f->n_insns ? v->block_of[at] : NONE;
}

static void link_blocks(liveness *v)
{
    for (int b = 0; b < v->n_blocks; b++) {
        const ptx_ast_insn *last = &v->f->insn[v->block[b].to - 1];
        bool jumps = is_jump(last);
        bool goes_on = last->guard >= 0 || !(jumps || is_end(last));
        v->block[b].next[0] = goes_on ? block_at(v, v->block[b].to) : NONE;
        v->block[b].next[1] = NONE;
        for (int o = 0; jumps && o < last->n_operands; o++)
            if (last->operand[o].kind == PTX_OPD_LABEL)
                v->block[b].next[1] = block_at(v, last->operand[o].target);
    }
}

static void unite(liveness *v, uint64_t *to, int b)
{
    for (size_t w = 0; b != NONE && w < v->words; w++)
        to[w] |= v->in[(size_t)b * v->words + w];
}

/* What is wanted at the end of block b, into v->out. */
static void wanted_after(liveness *v, int b)
{
    const ptx_ast_insn *last = &v->f->insn[v->block[b].to - 1];
    memset(v->out, 0, v->words * sizeof *v->out);
    unite(v, v->out, v->block[b].next[0]);
    unite(v, v->out, v->block[b].next[1]);
    for (int o = 0; o < last->n_operands; o++)
        for (int t = 0; last->operand[o].kind == PTX_OPD_TARGETS && t < last->operand[o].n_targets;
             t++)
            unite(v, v->out, block_at(v, last->operand[o].targets[t]));
}

/* ---- liveness ---- */

static void note_global(void *ud, int at, int reg, ptx_reg_use use)
{
    liveness *v = ud;
    (void)at;
    if (use == PTX_REG_WRITTEN)
        v->mark[reg] = v->now;
    else if (v->mark[reg] != v->now && v->global[reg] == NONE)
        v->global[reg] = v->n_globals++;
}

static void note_sets(void *ud, int at, int reg, ptx_reg_use use)
{
    liveness *v = ud;
    bool writes = use == PTX_REG_WRITTEN;
    int g = v->global[reg];
    size_t row = (size_t)(v->now - 1) * v->words;
    (void)at;
    if (g != NONE && v->mark[reg] != v->now)
        (writes ? v->kill : v->in)[row + (size_t)g / 64] |= 1ull << g % 64;
    if (writes)
        v->mark[reg] = v->now;
}

static void extend(void *ud, int at, int reg, ptx_reg_use use)
{
    liveness *v = ud;
    stretch *s = &v->stretch[reg];
    (void)use;
    s->from = at < s->from ? at : s->from;
    s->to = at > s->to ? at : s->to;
}

static void visit_blocks(liveness *v, ptx_reg_visit visit)
{
    memset(v->mark, 0, (size_t)v->f->n_regs * sizeof *v->mark);
    for (v->now = 1; v->now <= v->n_blocks; v->now++)
        for (int i = v->block[v->now - 1].from; i < v->block[v->now - 1].to; i++)
            visit_insn(v, i, visit);
}

/* What block b wants from what its successors want. */
static bool compute(liveness *v, int b)
{
    uint64_t *in = v->in + (size_t)b * v->words, *kill = v->kill + (size_t)b * v->words,
             changed = 0;
    wanted_after(v, b);
    for (size_t w = 0; w < v->words; w++) {
        uint64_t more = v->out[w] & ~kill[w] & ~in[w];
        changed |= more;
        in[w] |= more;
    }
    return changed;
}

/* Whether a successor of b has changed since b was computed. */
static bool is_stale(const liveness *v, int b)
{
    const ptx_ast_insn *last = &v->f->insn[v->block[b].to - 1];
    bool stale = false;
    for (int n = 0; n < 2; n++)
        stale |= v->block[b].next[n] != NONE && v->changed[v->block[b].next[n]] >= v->seen[b];
    for (int o = 0; o < last->n_operands; o++)
        for (int t = 0; last->operand[o].kind == PTX_OPD_TARGETS && t < last->operand[o].n_targets;
             t++) {
            int to = block_at(v, last->operand[o].targets[t]);
            stale |= to != NONE && v->changed[to] >= v->seen[b];
        }
    return stale;
}

/* Until nothing changes; blocks from the last to the first, as liveness flows. */
static void solve(liveness *v)
{
    int now = 1;
    for (bool changed = true; changed;) {
        changed = false;
        for (int b = v->n_blocks - 1; b >= 0; b--) {
            if (!is_stale(v, b))
                continue;
            v->seen[b] = ++now;
            if (compute(v, b)) {
                v->changed[b] = now;
                changed = true;
            }
        }
    }
}

/* The registers of `set` that `done` has not yet are wanted at instruction `at`. */
static void extend_set(liveness *v, const uint64_t *set, uint64_t *done, int at)
{
    for (size_t w = 0; w < v->words; w++) {
        for (uint64_t left = set[w] & ~done[w]; left; left &= left - 1)
            extend(v, at, v->reg_of[64 * w + (size_t)__builtin_ctzll(left)], PTX_REG_READ);
        done[w] |= set[w];
    }
}

/* Also to where blocks begin and end: the first one that wants a register decides, and the last
 * one. */
static void extend_over_blocks(liveness *v)
{
    uint64_t *done = ws_calloc(v->words + 1, sizeof *done);
    for (int b = 0; b < v->n_blocks; b++)
        extend_set(v, v->in + (size_t)b * v->words, done, v->block[b].from);
    memset(done, 0, v->words * sizeof *done);
    for (int b = v->n_blocks - 1; b >= 0; b--) {
        wanted_after(v, b);
        extend_set(v, v->out, done, v->block[b].to - 1);
    }
    free(done);
    for (int g = 0; g < v->n_globals; g++)
        if (v->in[g / 64] >> g % 64 & 1) /* wanted at the start: undefined, at least on some path */
            v->stretch[v->reg_of[g]] = (stretch){.from = 0, .to = v->f->n_insns - 1};
}

static void find_stretches(liveness *v)
{
    for (int r = 0; r < v->f->n_regs; r++) {
        v->global[r] = NONE;
        v->stretch[r] = (stretch){.from = v->f->n_insns, .to = NONE};
    }
    visit_blocks(v, note_global);
    for (int r = 0; r < v->f->n_regs; r++)
        if (v->global[r] != NONE)
            v->reg_of[v->global[r]] = r;
    visit_blocks(v, extend);
    v->words = ((size_t)v->n_globals + 63) / 64;
    if (v->words * sizeof *v->in * (size_t)v->n_blocks > MAX_SET_BYTES) {
        for (int g = 0; g < v->n_globals; g++)
            v->stretch[v->reg_of[g]] = (stretch){.from = 0, .to = v->f->n_insns - 1};
        return;
    }
    v->in = ws_calloc(v->words * (size_t)v->n_blocks + 1, sizeof *v->in);
    v->kill = ws_calloc(v->words * (size_t)v->n_blocks + 1, sizeof *v->kill);
    v->out = ws_calloc(v->words + 1, sizeof *v->out);
    v->changed = ws_calloc((size_t)v->n_blocks, sizeof *v->changed);
    v->seen = ws_calloc((size_t)v->n_blocks, sizeof *v->seen);
    visit_blocks(v, note_sets);
    solve(v);
    extend_over_blocks(v);
}

/* ---- places ---- */

typedef struct free_list {
    uint32_t *place;
    int n;
} free_list;

/* first[i]: of the list of registers whose stretch begins, or ends, at instruction i. */
static void list_by_place(const liveness *v, int *first_from, int *first_to)
{
    for (int i = 0; i < v->f->n_insns; i++)
        first_from[i] = first_to[i] = NONE;
    for (int r = v->f->n_regs - 1; r >= 0; r--) {
        stretch *s = &v->stretch[r];
        if (s->from > s->to)
            continue;
        s->next_from = first_from[s->from];
        s->next_to = first_to[s->to];
        first_from[s->from] = first_to[s->to] = r;
    }
}

/* The result of an instruction has another place than its sources. */
static void scan(const liveness *v, uint32_t *place, uint32_t count[PTX_PLACES])
{
    const ptx_func *f = v->f;
    int *first = ws_calloc(2 * (size_t)f->n_insns + 1, sizeof *first);
    uint32_t *room = ws_calloc((size_t)f->n_regs * PTX_PLACES + 1, sizeof *room);
    free_list free_at[PTX_PLACES];
    for (int c = 0; c < PTX_PLACES; c++)
        free_at[c] = (free_list){.place = room + (size_t)c * (size_t)f->n_regs};
    list_by_place(v, first, first + f->n_insns);
    for (int i = 0; i < f->n_insns; i++) {
        for (int r = first[i]; r != NONE; r = v->stretch[r].next_from) {
            int c = ptx_place_class(f->reg[r].type);
            place[r] = free_at[c].n ? free_at[c].place[--free_at[c].n] : count[c]++;
        }
        for (int r = first[f->n_insns + i]; r != NONE; r = v->stretch[r].next_to) {
            free_list *l = &free_at[ptx_place_class(f->reg[r].type)];
            l->place[l->n++] = place[r];
        }
    }
    free(first);
    free(room);
}

void ptx_compact(const ptx_func *f, const uint16_t *results, uint32_t *place,
                 uint32_t count[PTX_PLACES])
{
    size_t regs = (size_t)f->n_regs + 1, insns = (size_t)f->n_insns + 1;
    memset(count, 0, PTX_PLACES * sizeof *count);
    memset(place, 0, (size_t)f->n_regs * sizeof *place);
    if (!f->n_insns)
        return;
    liveness v = {.f = f, .results = results};
    v.block_of = ws_calloc(insns, sizeof *v.block_of);
    v.global = ws_calloc(regs, sizeof *v.global);
    v.reg_of = ws_calloc(regs, sizeof *v.reg_of);
    v.mark = ws_calloc(regs, sizeof *v.mark);
    v.stretch = ws_calloc(regs, sizeof *v.stretch);
    find_blocks(&v);
    link_blocks(&v);
    find_stretches(&v);
    scan(&v, place, count);
    void *all[] = {v.block,   v.block_of, v.global, v.reg_of, v.mark,    v.stretch,
                   v.in,      v.kill,     v.out,    v.changed, v.seen};
    for (size_t k = 0; k < WS_COUNT(all); k++)
        free(all[k]);
}
