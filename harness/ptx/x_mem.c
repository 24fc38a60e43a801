/* Loads and stores. */
#include "harness/ptx/x_mem.h"

#include "harness/ptx/alu.h"
#include "harness/ptx/cluster.h"
#include "harness/ptx/guess.h"
#include "harness/ptx/late.h"

#include <string.h>

/* ---- addresses ---- */

static const struct {
    const char *name;
    ptx_space space;
} space_parts[] = {
    {"global", PTX_SPACE_GLOBAL}, {"shared", PTX_SPACE_SHARED}, {"shared::cta", PTX_SPACE_SHARED},
    {"shared::cluster", PTX_SPACE_CLUSTER}, {"local", PTX_SPACE_LOCAL}, {"const", PTX_SPACE_CONST}, {"param", PTX_SPACE_PARAM},
    {"param::entry", PTX_SPACE_PARAM}, {"param::func", PTX_SPACE_PARAM},
};
/* Orderings; the other modifiers of memory instructions are cache hints and scopes. */
static const struct {
    const char *name;
    u8 flags;
} order_parts[] = {
    {"volatile", PTX_IF_STRONG}, {"relaxed", PTX_IF_STRONG}, {"mmio", PTX_IF_STRONG},
    {"acquire", PTX_IF_STRONG | PTX_IF_ACQUIRE}, {"release", PTX_IF_STRONG | PTX_IF_RELEASE},
    {"acq_rel", PTX_IF_STRONG | PTX_IF_ACQUIRE | PTX_IF_RELEASE},
};

void ptx_mem_parts(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i)
{
    for (int p = 1; p < a->n_parts; p++) {
        for (size_t s = 0; s < WS_COUNT(space_parts); s++)
            if (ws_str_eqz(a->part[p], space_parts[s].name))
                i->space = (uint8_t)space_parts[s].space;
        for (size_t o = 0; o < WS_COUNT(order_parts); o++)
            if (ws_str_eqz(a->part[p], order_parts[o].name))
                i->flags |= order_parts[o].flags;
    }
    i->mods = ptx_has(a, "cta") ? PTX_SCOPE_CTA : 0;
    bool is_local = i->space == PTX_SPACE_SHARED || i->space == PTX_SPACE_CLUSTER || i->mods || ptx_has(a, "cluster");
    if (i->flags & (PTX_IF_ACQUIRE | PTX_IF_RELEASE))
        *(is_local ? &ptx_decoder_program(d)->has_local_fence : &ptx_decoder_program(d)->has_fence) = true;
}

void ptx_mem_addresses(const ptx_warp *w, const ptx_insn *i, u64 addr[PTX_LANES])
{
    u64 imm = (u64)i->imm + (i->flags & PTX_IF_FRAME ? w->frame->local_base : 0);
    if (i->flags & PTX_IF_NO_BASE) {
        EACH_LANE(l) addr[l] = imm;
    } else if (i->flags & PTX_IF_WIDE_ADDRESS) {
        const u64 *a = IN(u64, i->a);
        EACH_LANE(l) addr[l] = a[l] + imm;
    } else {
        const u32 *a = IN(u32, i->a);
        EACH_LANE(l) addr[l] = a[l] + imm;
    }
}

/* Lanes in `mask` whose address has the same number above `shift` as the lowest one's. */
static u32 same_high_bits(const u64 addr[PTX_LANES], u32 mask, u32 shift)
{
    u64 high = addr[__builtin_ctz(mask)] >> shift;
    u32 same = 0;
    EACH_SET(l, mask) same |= (u32)(addr[l] >> shift == high) << l;
    return same;
}

/* Addresses of the shared memory of one of the cluster's blocks, as offsets there. */
static bool one_block(ptx_warp *w, const ptx_insn *i, u64 addr[PTX_LANES], ptx_mem_part *part)
{
    part->space = PTX_SPACE_SHARED;
    part->mask = same_high_bits(addr, part->mask, PTX_RANK_SHIFT);
    u32 first = (u32)__builtin_ctz(part->mask);
    u64 offset = addr[first];
    if (offset >> PTX_RANK_SHIFT && !(part->block = ptx_cluster_target(w, i, first, &offset)))
        return false;
    u64 base = addr[first] - offset;
    EACH_SET(l, part->mask) addr[l] -= base;
    return true;
}

/* An address that mapa gave for the thread's own block is one of .shared::cta, too. */
static void drop_own_rank(const ptx_warp *w, u64 addr[PTX_LANES], u32 mask)
{
    u64 tag = (u64)w->block->rank + 1;
    EACH_SET(l, mask)
        if (addr[l] >> PTX_RANK_SHIFT == tag)
            addr[l] -= tag << PTX_RANK_SHIFT;
}

bool ptx_mem_next(ptx_warp *w, const ptx_insn *i, u64 addr[PTX_LANES], u32 *left, ptx_mem_part *part)
{
    static const ptx_space windows[] = {PTX_SPACE_GLOBAL, PTX_SPACE_SHARED, PTX_SPACE_LOCAL,
                                        PTX_SPACE_PARAM};
    u32 all = *left;
    bool good = true;
    *left = 0;
    *part = (ptx_mem_part){all, i->flags & PTX_IF_FRAME ? PTX_SPACE_LOCAL : i->space, w->block};
    if (part->space == PTX_SPACE_SHARED) {
        if (w->worker->grid->cluster_blocks > 1)
            drop_own_rank(w, addr, all);
        return true;
    }
    if (part->space == PTX_SPACE_GENERIC) {
        u64 window = addr[__builtin_ctz(all)] >> PTX_WINDOW_SHIFT;
        bool shared = window == PTX_WINDOW_SHARED >> PTX_WINDOW_SHIFT;
        part->space = window < WS_COUNT(windows) ? windows[window] : PTX_SPACE_GLOBAL;
        if (window >= WS_COUNT(windows))
            return true; /* found out of bounds there */
        part->mask = same_high_bits(addr, all, shared ? PTX_RANK_SHIFT : PTX_WINDOW_SHIFT);
        EACH_SET(l, part->mask) addr[l] -= window << PTX_WINDOW_SHIFT;
        good = !shared || one_block(w, i, addr, part);
    } else if (part->space == PTX_SPACE_CLUSTER) {
        good = one_block(w, i, addr, part);
    }
    *left = all & ~part->mask;
    return good;
}

uint8_t *ptx_mem_base(const ptx_warp *w, const ptx_mem_part *part)
{
    switch (part->space) {
    case PTX_SPACE_SHARED:
        return part->block->shared;
    case PTX_SPACE_PARAM: /* never written: stores to it do not decode */
        return (uint8_t *)(uintptr_t)w->worker->grid->args->params;
    default:
        return NULL;
    }
}

static uint8_t *host(uint8_t *base, u64 addr)
{
    return (uint8_t *)((uintptr_t)base + (uintptr_t)addr);
}

/* ---- local memory, through a copy that is contiguous a lane ---- */

static void local_copy(ptx_warp *w, u32 mask, const u64 addr[PTX_LANES], u32 bytes, uint8_t *buf,
                       bool to_local)
{
    u32 piece = bytes < 4 ? bytes : 4;
    EACH_SET(l, mask)
        for (u32 b = 0; b < bytes; b += piece) {
            uint8_t *p = ptx_local_byte(w, (int)l, (u32)addr[l] + b),
                    *q = buf + (size_t)l * PTX_MAX_ACCESS + b;
            memcpy(to_local ? p : q, to_local ? q : p, piece);
        }
}

/* ---- loads ---- */

typedef void (*load_fn)(void *d, u32 mask, const uint8_t *base, const u64 *addr);

/* One element of every lane into its register, S in memory, D in the register. */
#define LOAD(S, D)                                                                                 \
    static void load_##S##_##D(void *dv, u32 mask, const uint8_t *base, const u64 *addr)           \
    {                                                                                              \
        D *d = dv;                                                                                 \
        if (mask != PTX_FULL) {                                                                    \
            EACH_SET(l, mask) d[l] = (D) * (const S *)((uintptr_t)base + addr[l]);                 \
        } else if (ptx_is_linear(addr, sizeof(S))) {                                               \
            const S *s = (const S *)((uintptr_t)base + addr[0]);                                   \
            S t[PTX_LANES];                                                                        \
            memcpy(t, s, sizeof t);                                                                \
            EACH_LANE(l) d[l] = (D)t[l];                                                           \
        } else {                                                                                   \
            EACH_LANE(l) d[l] = (D) * (const S *)((uintptr_t)base + addr[l]);                      \
        }                                                                                          \
    }
LOAD(u8, u8)
LOAD(u8, u16)
LOAD(u8, u32)
LOAD(u8, u64)
LOAD(s8, u16)
LOAD(s8, u32)
LOAD(s8, u64)
LOAD(u16, u16)
LOAD(u16, u32)
LOAD(u16, u64)
LOAD(s16, u32)
LOAD(s16, u64)
LOAD(u32, u32)
LOAD(u32, u64)
LOAD(s32, u64)
LOAD(u64, u64)

typedef struct b128 {
    u64 half[2];
} b128;
static void load_b128(void *dv, u32 mask, const uint8_t *base, const u64 *addr)
{
    EACH_SET(l, mask)
    memcpy((b128 *)dv + l, host((uint8_t *)(uintptr_t)base, addr[l]), sizeof(b128));
}

static const struct {
    u8 esize, is_signed, dsize;
    load_fn load;
} load_table[] = {
    {1, 0, 1, load_u8_u8},   {1, 1, 1, load_u8_u8},
    {1, 0, 2, load_u8_u16},  {1, 0, 4, load_u8_u32},  {1, 0, 8, load_u8_u64},
    {1, 1, 2, load_s8_u16},  {1, 1, 4, load_s8_u32},  {1, 1, 8, load_s8_u64},
    {2, 0, 2, load_u16_u16}, {2, 1, 2, load_u16_u16}, {2, 0, 4, load_u16_u32},
    {2, 0, 8, load_u16_u64}, {2, 1, 4, load_s16_u32}, {2, 1, 8, load_s16_u64},
    {4, 0, 4, load_u32_u32}, {4, 1, 4, load_u32_u32}, {4, 0, 8, load_u32_u64},
    {4, 1, 8, load_s32_u64}, {8, 0, 8, load_u64_u64}, {8, 1, 8, load_u64_u64},
    {16, 0, 16, load_b128},
};

static void load_elements(ptx_warp *w, const ptx_insn *i, u32 mask, const uint8_t *base,
                          const u64 *addr)
{
    const ptx_elements *e = i->aux;
    load_fn load = load_table[i->op].load;
    for (u32 v = 0; v < i->vec; v++)
        if (e->slot[v] != PTX_NO_SLOT)
            load(OUT(void, e->slot[v]), mask, base + v * i->esize, addr);
}

void ptx_mem_spread(ptx_warp *w, const ptx_insn *i, u32 mask, const uint8_t *from)
{
    u64 at[PTX_LANES];
    EACH_LANE(l) at[l] = (u64)l * PTX_MAX_ACCESS;
    load_elements(w, i, mask, from, at);
}

static bool watch(ptx_warp *w, const ptx_insn *i, const ptx_mem_part *part, const u64 *addr,
                  bool write)
{
    ptx_access x = {.insn = i,
                    .space = part->space,
                    .block = part->block,
                    .mask = part->mask,
                    .size = (u32)i->esize * i->vec,
                    .write = write,
                    .read = !write,
                    .marks = !write,
                    .strong = i->flags & PTX_IF_STRONG,
                    .addr = addr};
    if (write)
        x.slot = ((const ptx_elements *)i->aux)->slot;
    return ptx_watch(w, &x);
}

void ptx_mem_load(ptx_warp *w, const ptx_insn *i)
{
    u64 addr[PTX_LANES] __attribute__((aligned(64)));
    u32 left = w->exec;
    ptx_mem_part part;
    ptx_mem_addresses(w, i, addr);
    if (i->flags & PTX_IF_STRONG)
        ptx_warp_poll(w, i, addr[__builtin_ctz(w->exec)]);
    while (left) {
        if (!ptx_mem_next(w, i, addr, &left, &part) || !watch(w, i, &part, addr, false))
            return;
        u32 mask = part.mask;
        if (part.space != PTX_SPACE_LOCAL) {
            load_elements(w, i, mask, ptx_mem_base(w, &part), addr);
            if (w->worker->late && i->flags & PTX_IF_STRONG && part.space == PTX_SPACE_GLOBAL)
                ptx_late_load(w, i, mask, addr);
            continue;
        }
        uint8_t buf[PTX_LANES * PTX_MAX_ACCESS] __attribute__((aligned(64)));
        local_copy(w, mask, addr, (u32)i->esize * i->vec, buf, false);
        ptx_mem_spread(w, i, mask, buf);
    }
    if (i->flags & PTX_IF_STRONG && !w->polls)
        ptx_warp_pause(w);
}

/* Kernel parameters at a fixed offset are the same for all lanes and checked when decoded. */
static void x_ld_param(ptx_warp *w, const ptx_insn *i)
{
    u64 addr[PTX_LANES];
    EACH_LANE(l) addr[l] = (u64)i->imm;
    load_elements(w, i, w->exec, w->worker->grid->args->params, addr);
}

/* The same of one element as wide as its register. */
#define LOAD_PARAM(T)                                                                              \
    static void x_ld_param_##T(ptx_warp *w, const ptx_insn *i)                                     \
    {                                                                                              \
        if (w->whole != PTX_FULL) {                                                                \
            x_ld_param(w, i);                                                                      \
            return;                                                                                \
        }                                                                                          \
        const T value = *(const T *)((uintptr_t)w->worker->grid->args->params + (u64)i->imm);      \
        T *d = OUT(T, i->d);                                                                       \
        EACH_LANE(l) d[l] = value;                                                                 \
        PTX_CHAIN(w, i);                                                                           \
    }
LOAD_PARAM(u32)
LOAD_PARAM(u64)

static ptx_handler fixed_param_handler(const ptx_insn *i)
{
    bool lone = i->vec == 1 && i->esize == i->dsize && i->d != PTX_NO_SLOT && i->imm % i->esize == 0;
    return lone && i->esize == 8 ? x_ld_param_u64 : lone && i->esize == 4 ? x_ld_param_u32 : x_ld_param;
}

/* ---- stores ---- */

#define STORE(S, D)                                                                                \
    static void store_##S##_##D(const void *dv, u32 mask, uint8_t *base, const u64 *addr)          \
    {                                                                                              \
        const D *d = dv;                                                                           \
        if (mask == PTX_FULL && ptx_is_linear(addr, sizeof(S))) {                                  \
            S t[PTX_LANES];                                                                        \
            EACH_LANE(l) t[l] = (S)d[l];                                                           \
            memcpy((void *)((uintptr_t)base + addr[0]), t, sizeof t);                              \
        } else {                                                                                   \
            EACH_SET(l, mask) *(S *)((uintptr_t)base + addr[l]) = (S)d[l];                         \
        }                                                                                          \
    }
typedef void (*store_fn)(const void *d, u32 mask, uint8_t *base, const u64 *addr);
STORE(u8, u8)
STORE(u8, u16)
STORE(u8, u32)
STORE(u8, u64)
STORE(u16, u16)
STORE(u16, u32)
STORE(u16, u64)
STORE(u32, u32)
STORE(u32, u64)
STORE(u64, u64)
static void store_b128(const void *dv, u32 mask, uint8_t *base, const u64 *addr)
{
    EACH_SET(l, mask) memcpy(host(base, addr[l]), (const b128 *)dv + l, sizeof(b128));
}

static const struct {
    u8 esize, dsize;
    store_fn store;
} store_table[] = {
    {1, 1, store_u8_u8},   {1, 2, store_u8_u16},  {1, 4, store_u8_u32},  {1, 8, store_u8_u64},
    {2, 2, store_u16_u16}, {2, 4, store_u16_u32}, {2, 8, store_u16_u64}, {4, 4, store_u32_u32},
    {4, 8, store_u32_u64}, {8, 8, store_u64_u64}, {16, 16, store_b128},
};

static void store_elements(ptx_warp *w, const ptx_insn *i, u32 mask, uint8_t *base, const u64 *addr)
{
    const ptx_elements *e = i->aux;
    for (u32 v = 0; v < i->vec; v++)
        store_table[i->op].store(IN(void, e->slot[v]), mask,
                                 (uint8_t *)((uintptr_t)base + v * i->esize), addr);
}

void ptx_mem_store(ptx_warp *w, const ptx_insn *i)
{
    u64 addr[PTX_LANES] __attribute__((aligned(64)));
    u32 left = w->exec;
    ptx_mem_part part;
    ptx_mem_addresses(w, i, addr);
    while (left) {
        if (!ptx_mem_next(w, i, addr, &left, &part))
            return;
        u32 mask = part.mask;
        if (part.space == PTX_SPACE_PARAM) {
            ptx_fault_simple(w, i, __builtin_ctz(mask), HX_ILLEGAL,
                             "illegal: write to the kernel's parameters");
            return;
        }
        if (!watch(w, i, &part, addr, true))
            return;
        if (i->flags & PTX_IF_STRONG && part.space == PTX_SPACE_GLOBAL)
            ptx_late_store(w, i, mask, addr);
        if (part.space != PTX_SPACE_LOCAL) {
            store_elements(w, i, mask, ptx_mem_base(w, &part), addr);
            continue;
        }
        uint8_t buf[PTX_LANES * PTX_MAX_ACCESS] __attribute__((aligned(64)));
        u64 at[PTX_LANES];
        EACH_LANE(l) at[l] = (u64)l * PTX_MAX_ACCESS;
        store_elements(w, i, mask, buf, at);
        local_copy(w, mask, addr, (u32)i->esize * i->vec, buf, true);
    }
    if (i->flags & PTX_IF_STRONG)
        ptx_warp_pause(w);
}

/* ---- decoding ---- */

static u8 vector_length(const ptx_ast_insn *a)
{
    return ptx_has(a, "v2") ? 2 : ptx_has(a, "v4") ? 4 : ptx_has(a, "v8") ? 8 : 1;
}

/* Shared and generic accesses decide how fine the race detector has to look. */
static void note_granule(ptx_decoder *d, const ptx_insn *i)
{
    ptx_program *p = ptx_decoder_program(d);
    if ((i->space == PTX_SPACE_SHARED || i->space == PTX_SPACE_GLOBAL ||
         i->space == PTX_SPACE_GENERIC || i->space == PTX_SPACE_CLUSTER) &&
        i->esize < p->granule)
        p->granule = i->esize;
}

/* Vectors have 128 bits at most; 256 in global memory, of 32 or 64 each. */
static bool is_vector_fit(const ptx_insn *i)
{
    u32 bytes = (u32)i->esize * i->vec;
    return bytes <= 16 || (bytes == 32 && (i->esize == 4 || i->esize == 8) &&
                           (i->space == PTX_SPACE_GLOBAL || i->space == PTX_SPACE_GENERIC));
}

static bool common(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i, const ptx_operand *address)
{
    ptx_type t = i->match->last;
    i->space = PTX_SPACE_GENERIC;
    i->type = (uint8_t)t;
    i->esize = (uint8_t)ptx_type_bytes(t);
    i->vec = vector_length(a);
    ptx_mem_parts(d, a, i);
    if (!is_vector_fit(i) || !ptx_address(d, address, i))
        return false;
    note_granule(d, i);
    return true;
}

static const ptx_operand *element(const ptx_operand *o, int v)
{
    return o->kind == PTX_OPD_VEC ? &o->elem[v] : o;
}

/* Bytes of the registers among the elements, which all have one width; 0: there are none. false: they differ. */
static bool register_bytes(const ptx_decoder *d, const ptx_operand *o, u32 n, u32 *bytes)
{
    *bytes = 0;
    for (u32 v = 0; v < n; v++) {
        u32 own = ptx_type_bytes(ptx_reg_type(d, element(o, (int)v)));
        if (own && *bytes && own != *bytes)
            return false;
        *bytes = own ? own : *bytes;
    }
    return true;
}

static bool is_signed(ptx_type t)
{
    return t == PTX_s8 || t == PTX_s16 || t == PTX_s32 || t == PTX_s64;
}

static bool is_fixed_param(const ptx_insn *i, const ptx_decoder *d)
{
    const ptx_func *f = ptx_decoder_func(d);
    u64 end = 0;
    for (int p = 0; p < f->n_params; p++)
        end = f->param[p]->address + f->param[p]->bytes > end
                  ? f->param[p]->address + f->param[p]->bytes
                  : end;
    return i->space == PTX_SPACE_PARAM && i->flags & PTX_IF_NO_BASE && !(i->flags & PTX_IF_FRAME) &&
           i->imm >= 0 && !(i->imm & ((int64_t)i->esize * i->vec - 1)) &&
           (u64)i->imm + (u64)i->esize * i->vec <= end;
}

static bool decode_ld(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i)
{
    if (!common(d, a, i, &a->operand[1]))
        return false;
    if (i->flags & PTX_IF_STRONG && (i->space == PTX_SPACE_GLOBAL || i->space == PTX_SPACE_GENERIC))
        ptx_decoder_program(d)->has_fence = true; /* blocks may wait for each other */
    if (i->vec == 1 && ptx_is_first_guess(ptx_decoder_guesses(d), i->ast))
        i->flags |= PTX_IF_STRONG;
    ptx_elements *e = WS_ARENA_NEW(ptx_decoder_arena(d), ptx_elements, 1);
    u32 dsize;
    if (!register_bytes(d, &a->operand[0], i->vec, &dsize))
        return false;
    for (int v = 0; v < i->vec; v++)
        e->slot[v] = ptx_dst(d, element(&a->operand[0], v));
    i->dsize = (uint8_t)dsize;
    i->aux = e;
    i->d = e->slot[0];
    for (size_t t = 0; t < WS_COUNT(load_table); t++)
        if (load_table[t].esize == i->esize && load_table[t].dsize == dsize &&
            load_table[t].is_signed == (is_signed((ptx_type)i->type) ? 1 : 0)) {
            i->op = (uint8_t)t;
            if (is_fixed_param(i, d))
                i->run = fixed_param_handler(i);
            else
                ptx_fast_load(i);
        }
    return i->run != NULL;
}

static bool decode_st(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i)
{
    if (!common(d, a, i, &a->operand[0]) || i->space == PTX_SPACE_CONST)
        return false;
    ptx_elements *e = WS_ARENA_NEW(ptx_decoder_arena(d), ptx_elements, 1);
    u32 dsize;
    if (!register_bytes(d, &a->operand[1], i->vec, &dsize))
        return false;
    dsize = dsize ? dsize : i->esize;
    /* Constants take the width of the registers beside them, so that all elements have one. */
    for (int v = 0; v < i->vec; v++) {
        const ptx_operand *o = element(&a->operand[1], v);
        ptx_type t = dsize == i->esize ? (ptx_type)i->type
                     : dsize == 2      ? PTX_b16
                     : dsize == 4      ? PTX_b32
                     : dsize == 8      ? PTX_b64
                                       : PTX_TYPE_NONE;
        e->slot[v] = ptx_src(d, o, t);
        if (e->slot[v] == PTX_NO_SLOT)
            return false;
    }
    i->dsize = (uint8_t)dsize;
    i->aux = e;
    i->d = e->slot[0];
    for (size_t t = 0; t < WS_COUNT(store_table); t++)
        if (store_table[t].esize == i->esize && store_table[t].dsize == dsize) {
            i->op = (uint8_t)t;
            i->run = ptx_fast_store(i);
        }
    return i->run != NULL;
}

const ptx_op_row ptx_ops_mem[] = {
    {"ld{.weak}{.$space}{.$cop}{.$evict}{.$cache_hint}{.$fetch}{.$vec}.$ldst {d}>, [a], h",
     decode_ld, 0, PTX_UNIT_MEM},
    {"ld{.weak}.global{.$evict}.$evict2{.$cache_hint}.v8.(b32 u32 s32 f32) {d}, [a], h", decode_ld, 0,
     PTX_UNIT_MEM},
    {"ld{.weak}.global{.$evict}.$evict2{.$cache_hint}.v4.(b64 u64 s64 f64) {d}, [a], h", decode_ld, 0,
     PTX_UNIT_MEM},
    {"ld.global.nc{.$evict}.$evict2{.$cache_hint}{.$fetch}.v8.(b32 u32 s32 f32) {d}, [a], h", decode_ld, 0,
     PTX_UNIT_MEM},
    {"ld.global.nc{.$evict}.$evict2{.$cache_hint}{.$fetch}.v4.(b64 u64 s64 f64) {d}, [a], h", decode_ld, 0,
     PTX_UNIT_MEM},
    {"ld.global{.(ca cg cs)}.nc{.$evict}{.$cache_hint}{.$fetch}{.$vec}.$ldst {d}>, [a], h",
     decode_ld, 0, PTX_UNIT_MEM},
    {"ld.volatile{.$gspace}{.$fetch}{.$vec}.$ldst {d}>, [a]", decode_ld, 0, PTX_UNIT_MEM},
    {"ld.(relaxed acquire).$scope{.$gspace}{.$evict}{.$cache_hint}{.$fetch}{.$vec}.$ldst {d}>, [a], h",
     decode_ld, 0, PTX_UNIT_MEM},
    {"ld.mmio.relaxed.sys{.global}.$ldst {d}>, [a]", decode_ld, 0, PTX_UNIT_MEM},
    {"ldu{.global}{.(v2 v4)}.$ldst {d}>, [a]", decode_ld, 0, PTX_UNIT_MEM},
    {"st{.weak}{.$stspace}{.$wop}{.$evict}{.$cache_hint}{.$vec}.$ldst [a], {b}>, h",
     decode_st, 0, PTX_UNIT_MEM},
    {"st{.weak}.global{.$wop}{.$evict}.$evict2{.$cache_hint}.v8.(b32 u32 s32 f32) [a], {b}, h", decode_st, 0,
     PTX_UNIT_MEM},
    {"st{.weak}.global{.$wop}{.$evict}.$evict2{.$cache_hint}.v4.(b64 u64 s64 f64) [a], {b}, h", decode_st, 0,
     PTX_UNIT_MEM},
    {"st.(relaxed release).$scope.global{.$evict}.$evict2{.$cache_hint}.v8.(b32 u32 s32 f32) [a], {b}, h", decode_st, 0,
     PTX_UNIT_MEM},
    {"st.(relaxed release).$scope.global{.$evict}.$evict2{.$cache_hint}.v4.(b64 u64 s64 f64) [a], {b}, h", decode_st, 0,
     PTX_UNIT_MEM},
    {"st.volatile{.$gspace}{.$vec}.$ldst [a], {b}>", decode_st, 0, PTX_UNIT_MEM},
    {"st.(relaxed release).$scope{.$gspace}{.$evict}{.$cache_hint}{.$vec}.$ldst [a], {b}>, h",
     decode_st, 0, PTX_UNIT_MEM},
    {"st.mmio.relaxed.sys{.global}.$ldst [a], {b}>", decode_st, 0, PTX_UNIT_MEM},
    /* Cache hints have no effect on results. */
    {"prefetch{.(global local)}.(L1 L2) [a]", ptx_decode_nop, 0, PTX_UNIT_MEM},
    {"prefetch.global.(L2::evict_last L2::evict_normal) [a]", ptx_decode_nop, 0, PTX_UNIT_MEM},
    {"prefetchu.L1 [a]", ptx_decode_nop, 0, PTX_UNIT_MEM},
    {"applypriority{.global}.L2::evict_normal [a], #b(128-128)", ptx_decode_nop, 0, PTX_UNIT_MEM},
    {"discard{.global}.L2 [a], #b(128-128)", ptx_decode_nop, 0, PTX_UNIT_MEM},
    {0},
};
