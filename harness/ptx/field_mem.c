/* Loads and stores in field mode: whether memory holds what they take it for. */
#include "harness/ptx/field_step.h"
#include "harness/ptx/ops.h"
#include "harness/ptx/x_mem.h"

#include <stdlib.h>

static const ptx_field_step *step_of(const ptx_warp *w, const ptx_insn *i)
{
    return &w->frame->code->field[i - w->frame->code->insn];
}

/* ---- bytes ---- */

typedef struct place {      /* of one access of one lane */
    uint8_t *kind;          /* NULL: nobody knows */
    bool is_variable, is_shared;
} place;

static place find(ptx_warp *w, const ptx_mem_part *part, u64 addr, u64 bytes)
{
    if (part->space == PTX_SPACE_SHARED) {
        ptx_block *b = part->block;
        u64 all = w->worker->grid->shared_bytes;
        if (!b->kind)
            b->kind = ws_calloc(all + 1, 1);
        return (place){addr <= all && bytes <= all - addr ? b->kind + addr : NULL, false, true};
    }
    const ptx_alloc *a = ptx_memory_find(w->worker->grid->mem, addr);
    if (!ptx_alloc_holds(a, addr, bytes) || !a->kind)
        return (place){0};
    return (place){a->kind + (addr - a->lo), a->is_variable, false};
}

static uint8_t kinds(const place *p, u32 at, u32 bytes)
{
    u64 all = 0, part;
    u32 b = 0;
    for (; b + 8 <= bytes; b += 8) {
        memcpy(&part, p->kind + at + b, 8);
        all |= part;
    }
    for (; b < bytes; b++)
        all |= p->kind[at + b];
    all |= all >> 32;
    all |= all >> 16;
    return (uint8_t)(all | all >> 8);
}

/* ---- one element ---- */

static bool take(ptx_warp *w, const ptx_insn *i, ptx_field_class *c, uint8_t found, bool unknown)
{
    if (!c)
        return true;
    if (unknown && c->holds != PTX_HOLDS_FLOAT)
        found |= PTX_HOLDS_FLOAT;
    if (!c->holds)
        found |= atomic_fetch_or(&c->seen, found);
    else
        found |= c->holds;
    if (found == PTX_HOLDS_BOTH)
        ptx_field_leave(w, i, "takes the bits of floating-point numbers for integers, or integers "
                              "for floating-point numbers");
    return found != PTX_HOLDS_BOTH;
}

/* What a store leaves behind. */
static uint8_t given(const ptx_field_step *s, u32 e)
{
    ptx_field_class *c = s->access->of[e];
    return !c ? s->access->constant[e] : c->holds ? c->holds : atomic_load(&c->seen);
}

/* Elements of `size` bytes one after the other. *constants: numbers of a variable's initialiser. */
static bool check_place(ptx_warp *w, const ptx_insn *i, const ptx_field_step *s, const place *p,
                        u32 n, u32 size, u32 *constants)
{
    for (u32 e = 0; e < n; e++) {
        u32 at = e * size;
        uint8_t all = p->kind ? kinds(p, at, size) : 0, found = all & PTX_HOLDS_BOTH;
        ptx_field_class *c = s->access->of[e];
        bool blind = p->is_shared ? s->blind_shared : s->blind_global && !(all & PTX_HOLDS_GIVEN);
        *constants += p->kind && !found && p->is_variable && c && c->holds == PTX_HOLDS_FLOAT;
        if (!take(w, i, c, found, !p->kind || blind))
            return false;
    }
    return true;
}

static bool put_place(ptx_warp *w, const ptx_insn *i, const ptx_field_step *s, const place *p,
                      u32 n, u32 size)
{
    for (u32 e = 0; e < n; e++) {
        uint8_t holds = given(s, e);
        if (!p->is_shared && holds == PTX_HOLDS_INT && kinds(p, e * size, size) & PTX_HOLDS_FLOAT) {
            ptx_field_leave(w, i, "stores an integer where floating-point numbers are");
            return false;
        }
        memset(p->kind + e * size, holds, size);
    }
    return true;
}

void ptx_field_wrote(ptx_warp *w, ptx_space space, const u64 addr[PTX_LANES], u32 bytes)
{
    const ptx_mem_part part = {.mask = PTX_FULL, .space = space, .block = w->block};
    EACH_LANE(l)
    {
        place p = find(w, &part, addr[l], bytes);
        if (p.kind)
            memset(p.kind, PTX_HOLDS_FLOAT, bytes);
    }
}

/* ---- local memory: a mark a byte of the frames, for all threads together ---- */

static bool use_local(ptx_warp *w, const ptx_insn *i, u64 addr, bool loads, bool stores)
{
    const ptx_field_step *s = step_of(w, i);
    atomic_uchar *holds = w->worker->grid->program->field_local;
    for (u32 e = 0; e < s->access->n; e++) {
        uint8_t found = 0;
        for (u32 b = 0; b < i->esize; b++) {
            atomic_uchar *at = &holds[(addr + e * i->esize + b) % PTX_FIELD_LOCAL];
            found |= stores ? atomic_fetch_or(at, given(s, e)) : atomic_load(at);
        }
        if (loads && !take(w, i, s->access->of[e], found, false))
            return false;
    }
    return true;
}

/* ---- parameters and constants ---- */

/* What was loaded are numbers, and becomes elements. */
static bool encode_loaded(ptx_warp *w, const ptx_insn *i, const ptx_field_step *s)
{
    const ptx_elements *to = i->aux;
    ptx_type t = i->match->last;
    for (u32 e = 0; e < s->access->n; e++) {
        const ptx_field_class *c = s->access->of[e];
        if (!c || c->holds != PTX_HOLDS_FLOAT)
            continue;
        t = ptx_type_is_float(t) ? t : i->dsize == 4 ? PTX_f32 : i->dsize == 8 ? PTX_f64 : t;
        if (!ptx_type_is_float(t) || i->dsize != i->esize) {
            ptx_field_leave(w, i, "reads a constant as a number of a format that is not clear");
            return false;
        }
        EACH_SET(l, w->exec) {
            u64 v = 0;
            uint8_t *at = OUT(uint8_t, to->slot[e]) + (size_t)l * i->dsize;
            memcpy(&v, at, i->dsize);
            v = ptx_field_encode(ptx_field_prime(w), t, v);
            memcpy(at, &v, i->dsize);
        }
    }
    return true;
}

/* ---- a warp ---- */

static bool is_same(const ptx_field_access *a)
{
    for (u32 e = 1; e < a->n; e++)
        if (a->of[e] != a->of[0] || a->constant[e] != a->constant[0])
            return false;
    return true;
}

typedef struct visit { /* of an instruction to memory */
    ptx_warp *w;
    const ptx_insn *i;
    const ptx_field_step *s;
    bool loads, stores;
    u32 elements, constants; /* looked at, and of these constants of variables */
} visit;

static bool visit_place(visit *v, const ptx_mem_part *part, u64 addr, u32 n, u32 size)
{
    if (part->space == PTX_SPACE_LOCAL)
        return use_local(v->w, v->i, addr, v->loads, v->stores);
    place p = find(v->w, part, addr, (u64)n * size);
    v->elements += n;
    return (!v->loads || check_place(v->w, v->i, v->s, &p, n, size, &v->constants)) &&
           (!v->stores || !p.kind || put_place(v->w, v->i, v->s, &p, n, size));
}

/* Lanes at one address are visited once, those that lie in a row together. */
static bool visit_lanes(visit *v, const ptx_mem_part *part, const u64 *addr)
{
    const ptx_field_access *a = v->s->access;
    const u32 size = v->i->esize, bytes = size * a->n;
    const bool whole = part->mask == PTX_FULL && !(bytes & (bytes - 1));
    if (whole && ptx_is_uniform(addr))
        return visit_place(v, part, addr[0], a->n, size);
    if (whole && part->space != PTX_SPACE_LOCAL && is_same(a) && ptx_is_linear(addr, bytes))
        return visit_place(v, part, addr[0], 1, bytes * PTX_LANES);
    EACH_SET(l, part->mask)
        if (!visit_place(v, part, addr[l], a->n, size))
            return false;
    return true;
}

static bool visit_all(visit *v)
{
    u64 addr[PTX_LANES] __attribute__((aligned(64)));
    u32 left = v->w->exec;
    ptx_mem_part part;
    ptx_mem_addresses(v->w, v->i, addr);
    while (left) {
        if (!ptx_mem_next(v->w, v->i, addr, &left, &part))
            return false;
        if (part.space != PTX_SPACE_PARAM && !visit_lanes(v, &part, addr))
            return false;
    }
    if (v->constants && (v->constants != v->elements || v->stores))
        ptx_field_leave(v->w, v->i, "reads constants in memory beside elements of the field");
    return !v->constants || (v->constants == v->elements && !v->stores);
}

void ptx_field_access_memory(ptx_warp *w, const ptx_insn *i)
{
    const ws_str op = i->ast->part[0];
    visit v = {.w = w, .i = i, .s = step_of(w, i), .loads = !ws_str_eqz(op, "st"),
               .stores = !ws_str_eqz(op, "ld") && !ws_str_eqz(op, "ldu")};
    const bool parameter = i->space == PTX_SPACE_PARAM && !(i->flags & PTX_IF_FRAME);
    const u32 whole = w->whole;
    if (!parameter && !visit_all(&v))
        return;
    w->whole = 0; /* it comes back here */
    v.s->run(w, i);
    w->whole = whole;
    if (parameter || v.constants)
        encode_loaded(w, i, v.s);
}
