/* Undefined values between registers and memory. A byte of memory is undefined when nobody wrote it, or when what was
 * written is a copy of such a byte; of the latter the block remembers the load that it comes from. */
#include "harness/ptx/known.h"
#include "harness/ptx/local.h"
#include "harness/ptx/undef.h"
#include "harness/ptx/x_matrix.h"
#include "harness/ptx/x_mem.h"

#include <stdlib.h>
#include <string.h>

enum { MAP_ENTRIES = 4096, PROBES = 8, WORD_SHIFT = 2 };

/* ---- where undefined values in memory come from ---- */

typedef struct entry {
    u64 key;        /* 0: none */
    ptx_origin from;
    bool computed;
} entry;
struct ptx_undef_map {
    entry entry[MAP_ENTRIES];
};

static u64 key_of(const ptx_warp *w, ptx_space space, u64 addr, u32 lane)
{
    u64 thread = space == PTX_SPACE_LOCAL ? (u64)w->id * PTX_LANES + lane + 1 : 0;
    return addr >> WORD_SHIFT | thread << 45 | (u64)space << 57 | 1ull << 63;
}

/* The entry of the key; else one to be used for it, or NULL. */
static entry *find_entry(struct ptx_undef_map *m, u64 key, bool add)
{
    u64 hash = key * 0x9e3779b97f4a7c15ull >> 40;
    for (u32 p = 0; p < PROBES; p++) {
        entry *e = &m->entry[(hash + p) % MAP_ENTRIES];
        if (e->key == key || (add && !e->key))
            return e;
    }
    return add ? &m->entry[hash % MAP_ENTRIES] : NULL;
}

static void remember(ptx_block *b, u64 key, const ptx_origin *from, bool computed)
{
    if (!from)
        return;
    if (!b->undef)
        b->undef = ws_calloc(1, sizeof *b->undef);
    *find_entry(b->undef, key, true) = (entry){key, *from, computed};
}

static entry *recall(const ptx_warp *w, ptx_space space, u64 addr, u32 lane)
{
    return w->block->undef ? find_entry(w->block->undef, key_of(w, space, addr, lane), false) : NULL;
}

void ptx_undef_forget(ptx_block *b)
{
    free(b->undef);
    b->undef = NULL;
}

/* ---- loads ---- */

typedef struct bytes { /* of each lane's access: all ones, or zero */
    u8 lane[PTX_LANES][PTX_MAX_ACCESS] __attribute__((aligned(64)));
} bytes;

static u8 *local_state(const ptx_warp *w, u32 lane, u64 at)
{
    return w->local_state + (size_t)(at >> 2) * 4 * PTX_LANES + lane * 4 + (at & 3);
}

/* Copies of structures in local memory take their padding along: there, what nobody wrote counts when it is all of the
 * access. Parameters count when they are copies. */
static bool local_bytes(const ptx_warp *w, const ptx_access *x, u32 lane, u8 *out)
{
    bool any = false, copied = false;
    for (u32 b = 0; b < x->size; b++)
        any |= *local_state(w, lane, x->addr[lane] + b) & PTX_INIT;
    for (u32 b = 0; b < x->size; b++) {
        bool copy = *local_state(w, lane, x->addr[lane] + b) & PTX_COPIED;
        out[b] = copy || !(any || x->insn->space == PTX_SPACE_PARAM) ? 0xff : 0;
        copied |= out[b] != 0;
    }
    return copied;
}

static bool state_bytes(const ptx_access *x, const u8 *state, u64 base, u32 lane, u8 *out)
{
    bool some = false;
    for (u32 b = 0; b < x->size; b++) {
        out[b] = state[x->addr[lane] - base + b] & PTX_INIT ? 0 : 0xff;
        some |= out[b] != 0;
    }
    return some;
}

/* What is stored there came from elsewhere, or else this load is the origin. */
static u16 load_origin(ptx_warp *w, const ptx_access *x, u32 lane, const u8 *undefined)
{
    u32 at = 0;
    while (!undefined[at])
        at++;
    bool own = !x->block || x->block == w->block;
    const entry *e = own ? recall(w, x->space, x->addr[lane] + at, lane) : NULL;
    if (e)
        return ptx_undef_new(w, &e->from) | (e->computed ? PTX_ORIGIN_COMPUTED : 0);
    return ptx_undef_new(w, &(ptx_origin){.warp = w,
                                          .insn = x->insn,
                                          .addr = x->addr[lane],
                                          .size = x->size,
                                          .lane = (u8)lane,
                                          .space = (u8)x->space});
}

/* Of a row of matrix m: lane 8 m + r has its address. Lanes 4 r to 4 r + 3 hold it, unless it is transposed. */
static u16 matrix_origin(const u16 id[PTX_LANES], u32 m, u32 lane)
{
    u16 first = id[8 * m + lane / 4];
    for (u32 r = 0; r < 8 && !first; r++)
        first = id[8 * m + r];
    return first;
}

static void name_origins(ptx_warp *w, const ptx_insn *i, u32 lanes, const u16 id[PTX_LANES])
{
    ptx_names t;
    u32 m = 0;
    ptx_undef_names(w->frame->code, i, &t);
    for (int k = 0; k < t.n; k++) {
        if (t.reg[k].use != PTX_REG_WRITTEN)
            continue;
        EACH_SET(l, ptx_undef_lanes(w->frame, &t.reg[k]) & lanes)
            *ptx_undef_origin(w->frame, &t.reg[k], l) = i->flow == PTX_FLOW_MATRIX ? matrix_origin(id, m & 3, l) : id[l];
        m++;
    }
}

static void load_into(const ptx_frame *f, const ptx_access *x, u32 lanes, const bytes *v, const u16 id[PTX_LANES])
{
    EACH_SET(l, lanes)
    {
        memcpy(f->undef->bits + x->into->at + l * x->into->lane_bytes + x->into_at, v->lane[l], x->size);
        *ptx_undef_origin(f, x->into, l) = id[l];
    }
}

void ptx_undef_load(ptx_warp *w, const ptx_access *x, const u8 *state, u64 base)
{
    const ptx_insn *i = x->insn;
    bytes v = {0};
    u16 id[PTX_LANES] = {0};
    u32 bad = 0;
    EACH_SET(l, x->mask)
        if (state ? state_bytes(x, state, base, l, v.lane[l]) : local_bytes(w, x, l, v.lane[l]))
            bad |= 1u << l;
    if (!bad)
        return;
    ptx_undef_begin(w);
    EACH_SET(l, bad) id[l] = load_origin(w, x, l, v.lane[l]);
    if (x->into) {
        load_into(w->frame, x, bad, &v, id);
        return;
    }
    uint8_t *regs = w->regs;
    w->regs = w->frame->undef->bits; /* the very load, of undefined bits */
    if (i->flow == PTX_FLOW_MATRIX)
        ptx_matrix_spread(w, i, v.lane[0], PTX_MAX_ACCESS);
    else
        ptx_mem_spread(w, i, x->mask, v.lane[0]);
    w->regs = regs;
    name_origins(w, i, i->flow == PTX_FLOW_MATRIX ? PTX_FULL : x->mask, id);
}

/* ---- stores ---- */

/* The undefined bytes of each lane's store, and the origin of the first of them. */
static u32 stored_bytes(const ptx_warp *w, const ptx_insn *i, bytes *v, u16 id[PTX_LANES])
{
    const ptx_elements *e = i->aux;
    u32 bad = 0;
    for (u32 k = 0; k < i->vec; k++) {
        const ptx_named r = {e->slot[k], i->dsize * PTX_LANES, i->dsize, PTX_REG_READ};
        const u8 *bits = w->frame->undef->bits + e->slot[k];
        EACH_SET(l, w->exec)
        {
            u32 some = 0;
            for (u32 b = 0; b < i->esize; b++) {
                v->lane[l][k * i->esize + b] = bits[l * i->dsize + b] ? 0xff : 0;
                some |= bits[l * i->dsize + b];
            }
            if (some) {
                id[l] = ptx_undef_first(id[l], *ptx_undef_origin(w->frame, &r, l));
                bad |= 1u << l;
            }
        }
    }
    return bad;
}

/* Whether a lane's store of n bytes to global memory counts as a use. A copy of a few undefined bytes may be padding,
 * unless they are the first ones, or another lane has something at their place. */
static bool is_output(const bytes *v, u32 n, u32 lanes, u32 lane, u16 id)
{
    if (id & PTX_ORIGIN_COMPUTED || v->lane[lane][0])
        return true;
    for (u32 b = 0; b < n; b++)
        if (v->lane[lane][b])
            EACH_SET(l, lanes)
                if (!v->lane[l][b])
                    return true;
    return false;
}

static u8 *state_at(ptx_warp *w, const ptx_mem_part *part, u64 addr, u32 lane, bool *is_global)
{
    *is_global = false;
    if (part->space == PTX_SPACE_SHARED)
        return part->block->shared_state + addr;
    if (part->space == PTX_SPACE_LOCAL)
        return w->local_state ? local_state(w, lane, addr) : NULL;
    ptx_alloc *a = ptx_memory_find(w->worker->grid->mem, addr);
    if (!a)
        return NULL;
    *is_global = !a->on_heap;
    a->all_init = false;
    return a->state + (addr - a->lo);
}

/* Marks the bytes. Those of local memory lie in words by lane. */
static void mark_copied(ptx_warp *w, const ptx_mem_part *part, u64 addr, u32 lane, const u8 *undefined, u32 n)
{
    bool is_global;
    for (u32 b = 0; b < n; b++) {
        u8 *s = undefined[b] ? state_at(w, part, addr + b, lane, &is_global) : NULL;
        if (s)
            *s = part->space == PTX_SPACE_LOCAL ? PTX_COPIED : PTX_WRITTEN;
    }
}

/* The part's lanes of `bad` have stored n bytes each; `lanes`: of all that store. The origin of what was used. */
static u16 store_part(ptx_warp *w, const ptx_mem_part *part, u32 bad, u32 lanes, const u64 *addr, const bytes *v, u32 n,
                      const u16 id[PTX_LANES])
{
    u16 used = 0;
    EACH_SET(l, part->mask & bad)
    {
        bool is_global;
        state_at(w, part, addr[l], l, &is_global);
        if (is_global && is_output(v, n, lanes, l, id[l]))
            used = ptx_undef_first(used, id[l]);
        mark_copied(w, part, addr[l], l, v->lane[l], n);
        if (part->space == PTX_SPACE_SHARED)
            ptx_known_forget(w, part->block, (u32)addr[l], n);
        if (part->space == PTX_SPACE_SHARED && part->block != w->block)
            continue;
        for (u32 b = 0; b < n; b += n - b < 4 ? n - b : 4)
            remember(w->block, key_of(w, part->space, addr[l] + b, l), ptx_undef_named(w, id[l]),
                     id[l] & PTX_ORIGIN_COMPUTED);
    }
    if (part->space == PTX_SPACE_GLOBAL) /* what sites know of initialisation is no longer so */
        memset(w->worker->site, 0, sizeof w->worker->site);
    return used;
}

void ptx_undef_store(ptx_warp *w, const ptx_insn *i)
{
    u64 addr[PTX_LANES] __attribute__((aligned(64)));
    u32 left = w->exec, lanes = left;
    u16 id[PTX_LANES] = {0}, used = 0;
    bytes v = {0};
    u32 bad = stored_bytes(w, i, &v, id);
    ptx_mem_part part;
    ptx_mem_addresses(w, i, addr);
    while (left && ptx_mem_next(w, i, addr, &left, &part))
        used = ptx_undef_first(used, store_part(w, &part, bad, lanes, addr, &v, (u32)i->esize * i->vec, id));
    if (used)
        ptx_undef_use(w, i, used);
}

void ptx_undef_stored(ptx_warp *w, const ptx_access *x, const ptx_named *r, u32 at)
{
    u32 bad = 0;
    u16 id[PTX_LANES] = {0};
    bytes v = {0};
    EACH_SET(l, x->mask)
    {
        const u8 *bits = w->frame->undef->bits + r->at + l * r->lane_bytes + at;
        for (u32 b = 0; b < x->size; b++) {
            v.lane[l][b] = bits[b] ? 0xff : 0;
            bad |= bits[b] ? 1u << l : 0;
        }
        id[l] = bad >> l & 1 ? *ptx_undef_origin(w->frame, r, l) : 0;
    }
    ptx_mem_part part = {x->mask, x->space, x->block ? x->block : w->block};
    u16 used = bad ? store_part(w, &part, bad, x->mask, x->addr, &v, x->size, id) : 0;
    if (used)
        ptx_undef_use(w, x->insn, used);
}

static u16 any_origin(const ptx_frame *f, const ptx_named *r)
{
    u16 id = 0;
    EACH_SET(l, ptx_undef_lanes(f, r)) id = ptx_undef_first(id, *ptx_undef_origin(f, r, l));
    return id;
}

void ptx_undef_stored_rows(ptx_warp *w, const ptx_insn *i, const u64 *addr, const u8 row[][16], u32 lanes, u32 rows)
{
    ptx_names t;
    u32 bad = 0;
    u16 id[PTX_LANES] = {0};
    bytes v = {0};
    ptx_undef_names(w->frame->code, i, &t);
    EACH_SET(l, lanes)
    {
        u32 m = l / rows;
        memcpy(v.lane[l], row[l], 16);
        for (u32 b = 0; b < 16; b++)
            bad |= row[l][b] ? 1u << l : 0;
        for (int k = 0; k < t.n && bad >> l & 1; k++)
            if (t.reg[k].use == PTX_REG_READ && m-- == 0)
                id[l] = any_origin(w->frame, &t.reg[k]);
        bad &= id[l] ? PTX_FULL : ~(1u << l);
    }
    ptx_mem_part part = {lanes, PTX_SPACE_SHARED, w->block};
    store_part(w, &part, bad, lanes, addr, &v, 16, id);
}

void ptx_undef_same(ptx_warp *w, const ptx_named *to, const ptx_named *from)
{
    memcpy(w->frame->undef->bits + to->at, w->frame->undef->bits + from->at, to->bytes);
    EACH_LANE(l) *ptx_undef_origin(w->frame, to, (u32)l) = *ptx_undef_origin(w->frame, from, (u32)l);
}

/* ---- asynchronous copies ---- */

void ptx_undef_take(const ptx_access *x, const u8 *state, u64 base)
{
    if (!*x->taken)
        *x->taken = ws_calloc(1, sizeof **x->taken);
    EACH_SET(l, x->mask)
    {
        (*x->taken)->from[l] = x->addr[l] - x->into_at;
        state_bytes(x, state, base, l, (*x->taken)->undefined[l] + x->into_at);
    }
}

void ptx_undef_arrived(ptx_warp *w, const ptx_insn *insn, const ptx_taken *t, u32 lanes, const u64 *to, u32 n)
{
    ptx_mem_part part = {lanes, PTX_SPACE_SHARED, w->block};
    EACH_SET(l, lanes)
    {
        ptx_origin o = {w, insn, t->from[l], n, (u8)l, PTX_SPACE_GLOBAL};
        mark_copied(w, &part, to[l], l, t->undefined[l], n);
        for (u32 b = 0; b < n; b++)
            if (t->undefined[l][b])
                remember(w->block, key_of(w, PTX_SPACE_SHARED, to[l] + b, l), &o, false);
    }
}

/* ---- calls ---- */

bool ptx_undef_used_local(ptx_warp *w, const ptx_insn *i, int lane, u32 at, u32 n)
{
    for (u32 b = 0; w->undef && w->local_state && b < n; b++) {
        if (at + b >= w->local_bytes || !(*local_state(w, (u32)lane, at + b) & PTX_COPIED))
            continue;
        const entry *e = recall(w, PTX_SPACE_LOCAL, at + b, (u32)lane);
        if (e)
            ptx_watch_undefined(w, &e->from, i);
        if (e)
            return true;
    }
    return false;
}

void ptx_undef_copy_local(ptx_warp *w, u32 to, u32 from, u32 n, u32 lanes)
{
    EACH_SET(l, w->local_state ? lanes : 0)
        for (u32 b = 0; b < n; b++) {
            bool copied = *local_state(w, l, from + b) & PTX_COPIED;
            const entry *e = copied ? recall(w, PTX_SPACE_LOCAL, from + b, l) : NULL;
            *local_state(w, l, to + b) = copied ? PTX_COPIED : PTX_INIT;
            if (e) {
                ptx_origin o = e->from;
                remember(w->block, key_of(w, PTX_SPACE_LOCAL, to + b, l), &o, e->computed);
            }
        }
}
