/* Atomics. Lanes go one after the other, lowest first; each step is atomic for the host too, since
 * blocks run on several threads. */
#include "base/dtype.h"
#include "harness/ptx/alu.h"
#include "harness/ptx/field_step.h"
#include "harness/ptx/fp.h"
#include "harness/ptx/late.h"
#include "harness/ptx/x_mem.h"

#include <string.h>

enum { MAX_VEC = 8 };

typedef struct atom {
    u64 (*step)(void *p, u64 b, u64 c); /* gives the old value */
    u32 d[MAX_VEC], b[MAX_VEC], c;
    u64 prime; /* sums over a field (field.h), else 0 */
} atom;

/* ---- one lane ---- */

#define RMW(name, S, T, expr)                                                                      \
    static u64 at_##name##_##S##T(void *p, u64 bv, u64 cv)                                         \
    {                                                                                              \
        u##S old = __atomic_load_n((u##S *)p, __ATOMIC_RELAXED), next;                             \
        const T b = (T)bv, c = (T)cv;                                                              \
        (void)b, (void)c;                                                                          \
        do {                                                                                       \
            const T a = (T)old;                                                                    \
            (void)a;                                                                               \
            next = (u##S)(expr);                                                                   \
        } while (!__atomic_compare_exchange_n((u##S *)p, &old, next, false, __ATOMIC_SEQ_CST,      \
                                              __ATOMIC_RELAXED));                                  \
        return old;                                                                                \
    }
#define RMW_BOTH(name, expr32, expr64) RMW(name, 32, u32, expr32) RMW(name, 64, u64, expr64)
RMW_BOTH(add, a + b, a + b)
RMW_BOTH(exch, b, b)
RMW_BOTH(cas, a == b ? c : a, a == b ? c : a)
RMW_BOTH(and, a & b, a & b)
RMW_BOTH(or, a | b, a | b)
RMW_BOTH(xor, a ^ b, a ^ b)
RMW_BOTH(min, a < b ? a : b, a < b ? a : b)
RMW_BOTH(max, a > b ? a : b, a > b ? a : b)
RMW(min, 32, s32, a < b ? a : b)
RMW(max, 32, s32, a > b ? a : b)
RMW(min, 64, s64, a < b ? a : b)
RMW(max, 64, s64, a > b ? a : b)
RMW(inc, 32, u32, a >= b ? 0 : a + 1)
RMW(dec, 32, u32, a == 0 || a > b ? b : a - 1)
RMW(cas, 16, u16, a == b ? c : a)

static u64 fadd32(u32 a, u32 b)
{
    return fp_bits(fp_canon(fp_of_bits(a) + fp_of_bits(b)));
}
/* As in global memory: subnormal numbers are flushed. */
static u64 fadd32_ftz(u32 a, u32 b)
{
    return fp_bits(fp_flush(fp_canon(fp_flush(fp_of_bits(a)) + fp_flush(fp_of_bits(b)))));
}
static u64 fadd64(u64 a, u64 b)
{
    return fp_bits64(fp_of_bits64(a) + fp_of_bits64(b));
}
static u32 fmin32(u32 a, u32 b)
{
    return fp_bits(fp_min(fp_of_bits(a), fp_of_bits(b)));
}
static u32 fmax32(u32 a, u32 b)
{
    return fp_bits(fp_max(fp_of_bits(a), fp_of_bits(b)));
}
/* Sums of two halves are exact in double, and round once. */
static u16 hadd(u16 a, u16 b)
{
    return ws_f16_from_f64(ws_f16_to_f64(a) + ws_f16_to_f64(b));
}
static u16 badd(u16 a, u16 b)
{
    return ws_bf16_from_f64(ws_bf16_to_f64(a) + ws_bf16_to_f64(b));
}
/* The number when one operand is NaN; -0 < +0. */
static u16 hpick(u16 a, u16 b, bool bf, bool max)
{
    f32 x = bf ? fp_of_bits((u32)a << 16) : (f32)ws_f16_to_f64(a),
        y = bf ? fp_of_bits((u32)b << 16) : (f32)ws_f16_to_f64(b);
    if (x != x && y != y)
        return 0x7fff;
    f32 r = max ? fp_max(x, y) : fp_min(x, y);
    return fp_bits(r) == fp_bits(x) ? a : b;
}
static u32 pair(u16 lo, u16 hi)
{
    return (u32)lo | (u32)hi << 16;
}
RMW(fadd, 32, u32, fadd32(a, b))
RMW(fadd_ftz, 32, u32, fadd32_ftz(a, b))
RMW(fadd, 64, u64, fadd64(a, b))
RMW(fmin, 32, u32, fmin32(a, b))
RMW(fmax, 32, u32, fmax32(a, b))
RMW(hadd, 16, u16, hadd(a, b))
RMW(badd, 16, u16, badd(a, b))
RMW(hadd, 32, u32, pair(hadd((u16)a, (u16)b), hadd((u16)(a >> 16), (u16)(b >> 16))))
RMW(badd, 32, u32, pair(badd((u16)a, (u16)b), badd((u16)(a >> 16), (u16)(b >> 16))))
RMW(hmin, 16, u16, hpick(a, b, false, false))
RMW(hmin, 32, u32,
    pair(hpick((u16)a, (u16)b, false, false), hpick((u16)(a >> 16), (u16)(b >> 16), false, false)))
RMW(hmax, 16, u16, hpick(a, b, false, true))
RMW(hmax, 32, u32,
    pair(hpick((u16)a, (u16)b, false, true), hpick((u16)(a >> 16), (u16)(b >> 16), false, true)))
RMW(bmin, 16, u16, hpick(a, b, true, false))
RMW(bmin, 32, u32,
    pair(hpick((u16)a, (u16)b, true, false), hpick((u16)(a >> 16), (u16)(b >> 16), true, false)))
RMW(bmax, 16, u16, hpick(a, b, true, true))
RMW(bmax, 32, u32,
    pair(hpick((u16)a, (u16)b, true, true), hpick((u16)(a >> 16), (u16)(b >> 16), true, true)))

/* Over a field, c is the prime. */
RMW(field_add, 16, u16, field_add(a, b, (u32)cv))
RMW(field_add, 32, u32, field_add(field_of32(a), field_of32(b), (u32)cv) << 16)
RMW(field_add, 64, u64, (u64)field_add(field_of64(a), field_of64(b), (u32)cv) << 48)
static u64 at_field_add_x2(void *p, u64 b, u64 prime)
{
    u16 *half = p; /* atomic one by one, as on the GPU */
    u64 low = at_field_add_16u16(half, b & 0xffff, prime);
    return low | at_field_add_16u16(half + 1, b >> 16 & 0xffff, prime) << 16;
}
static u64 (*const field_steps[])(void *p, u64 b, u64 c) = {
    [PTX_f16] = at_field_add_16u16, [PTX_bf16] = at_field_add_16u16,
    [PTX_f32] = at_field_add_32u32, [PTX_f64] = at_field_add_64u64,
    [PTX_f16x2] = at_field_add_x2,  [PTX_bf16x2] = at_field_add_x2,
};

static const struct {
    const char *op;
    ptx_type type;
    u64 (*step)(void *p, u64 b, u64 c);
} steps[] = {
    {"add", PTX_u32, at_add_32u32},    {"add", PTX_s32, at_add_32u32},
    {"add", PTX_u64, at_add_64u64},
    {"add", PTX_s64, at_add_64u64},    {"add", PTX_f32, at_fadd_32u32},
    {"add", PTX_f64, at_fadd_64u64},
    {"add", PTX_f16, at_hadd_16u16},   {"add", PTX_bf16, at_badd_16u16},
    {"add", PTX_f16x2, at_hadd_32u32},
    {"add", PTX_bf16x2, at_badd_32u32}, {"exch", PTX_b32, at_exch_32u32},
    {"exch", PTX_b64, at_exch_64u64},
    {"cas", PTX_b16, at_cas_16u16},    {"cas", PTX_b32, at_cas_32u32},
    {"cas", PTX_b64, at_cas_64u64},
    {"and", PTX_b32, at_and_32u32},    {"and", PTX_b64, at_and_64u64},
    {"or", PTX_b32, at_or_32u32},
    {"or", PTX_b64, at_or_64u64},      {"xor", PTX_b32, at_xor_32u32},
    {"xor", PTX_b64, at_xor_64u64},
    {"min", PTX_u32, at_min_32u32},    {"min", PTX_s32, at_min_32s32},
    {"min", PTX_u64, at_min_64u64},
    {"min", PTX_s64, at_min_64s64},    {"max", PTX_u32, at_max_32u32},
    {"max", PTX_s32, at_max_32s32},
    {"max", PTX_u64, at_max_64u64},    {"max", PTX_s64, at_max_64s64},
    {"inc", PTX_u32, at_inc_32u32},
    {"dec", PTX_u32, at_dec_32u32},    {"min", PTX_f32, at_fmin_32u32},
    {"max", PTX_f32, at_fmax_32u32},
    {"min", PTX_f16, at_hmin_16u16},   {"max", PTX_f16, at_hmax_16u16},
    {"min", PTX_f16x2, at_hmin_32u32},
    {"max", PTX_f16x2, at_hmax_32u32}, {"min", PTX_bf16, at_bmin_16u16},
    {"max", PTX_bf16, at_bmax_16u16},
    {"min", PTX_bf16x2, at_bmin_32u32}, {"max", PTX_bf16x2, at_bmax_32u32},
};

/* ---- a warp ---- */

static u64 element(const ptx_warp *w, u32 slot, u32 lane, u32 bytes)
{
    u64 v = 0;
    memcpy(&v, IN(uint8_t, slot) + (size_t)lane * bytes, bytes);
    return v;
}

/* exch, or cas, of 16 bytes; programs that have it run on one worker. */
static bool step_wide(ptx_warp *w, const atom *at, u32 lane, void *p)
{
    uint8_t old[16];
    const uint8_t *b = IN(uint8_t, at->b[0]) + 16 * (size_t)lane;
    memcpy(old, p, 16);
    if (at->c == PTX_NO_SLOT)
        memcpy(p, b, 16);
    else if (memcmp(old, b, 16) == 0)
        memcpy(p, IN(uint8_t, at->c) + 16 * (size_t)lane, 16);
    bool changed = memcmp(old, p, 16) != 0;
    if (at->d[0] != PTX_NO_SLOT)
        memcpy(OUT(uint8_t, at->d[0]) + 16 * (size_t)lane, old, 16);
    return changed;
}

/* false: no lane changed anything. */
static bool step_lanes(ptx_warp *w, const ptx_insn *i, const atom *at, u32 mask, uint8_t *base,
                       const u64 *addr)
{
    bool changed = false,
         flush = !base && at->step == at_fadd_32u32; /* global addresses are the host's */
    u64 (*step)(void *, u64, u64) = flush ? at_fadd_ftz_32u32 : at->step;
    EACH_SET(l, i->esize == 16 ? mask : 0)
        changed |= step_wide(w, at, l, (void *)((uintptr_t)base + addr[l]));
    if (i->esize == 16)
        return changed;
    EACH_SET(l, mask)
        for (u32 v = 0; v < i->vec; v++) {
            void *p = (void *)((uintptr_t)base + addr[l] + v * i->esize);
            u64 c = at->c == PTX_NO_SLOT ? at->prime : element(w, at->c, l, i->esize);
            u64 old = step(p, element(w, at->b[v], l, i->esize), c);
            changed |= memcmp(p, &old, i->esize) != 0;
            if (at->d[v] != PTX_NO_SLOT)
                memcpy(OUT(uint8_t, at->d[v]) + (size_t)l * i->esize, &old, i->esize);
        }
    return changed;
}

static void x_atom(ptx_warp *w, const ptx_insn *i)
{
    u64 addr[PTX_LANES];
    u32 left = w->exec;
    ptx_mem_part part;
    ptx_mem_addresses(w, i, addr);
    while (left) {
        if (!ptx_mem_next(w, i, addr, &left, &part))
            return;
        ptx_space space = part.space;
        u32 mask = part.mask;
        if (space == PTX_SPACE_LOCAL || space == PTX_SPACE_PARAM) {
            ptx_fault_simple(w, i, __builtin_ctz(mask), HX_ILLEGAL,
                             "illegal: atomic on memory that is private to a thread");
            return;
        }
        ptx_access x = {.insn = i,
                        .space = space,
                        .block = part.block,
                        .mask = mask,
                        .size = (u32)i->esize * i->vec,
                        .write = true,
                        .read = true,
                        .atomic = true,
                        .strong = true,
                        .addr = addr};
        if (!ptx_watch(w, &x))
            return;
        if (w->worker->late && space == PTX_SPACE_GLOBAL)
            ptx_late_atomic(w, mask, addr, x.size);
        bool changed = step_lanes(w, i, i->aux, mask, ptx_mem_base(w, &part), addr);
        if (!changed)
            ptx_warp_poll(w, i, addr[__builtin_ctz(mask)]);
        if (changed || !w->polls)
            ptx_warp_pause(w);
    }
}

/* ---- decoding ---- */

static bool is_operation(ws_str part)
{
    for (size_t s = 0; s < WS_COUNT(steps); s++)
        if (ws_str_eqz(part, steps[s].op))
            return true;
    return false;
}

static bool choose_step(const ptx_ast_insn *a, ptx_type t, atom *at)
{
    for (int p = 1; p < a->n_parts; p++)
        for (size_t s = 0; is_operation(a->part[p]) && s < WS_COUNT(steps); s++)
            if (steps[s].type == t && ws_str_eqz(a->part[p], steps[s].op))
                at->step = steps[s].step;
    return at->step != NULL;
}

static bool decode_values(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i, atom *at, int address)
{
    ptx_type t = i->match->last;
    const ptx_operand *b = &a->operand[address + 1], *dst = address ? &a->operand[0] : NULL;
    for (u32 v = 0; v < i->vec; v++) {
        if (!ptx_alu_src(d, i->vec > 1 ? &b->elem[v] : b, t, &at->b[v]))
            return false;
        at->d[v] = dst ? ptx_dst(d, i->vec > 1 ? &dst->elem[v] : dst) : PTX_NO_SLOT;
    }
    at->c = PTX_NO_SLOT;
    return !ptx_has(a, "cas") || ptx_alu_src(d, &a->operand[address + 2], t, &at->c);
}

/* `selector`: where the address stands: 1 in atom, 0 in red. */
static bool decode_atom(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i)
{
    ptx_type t = i->match->last;
    int address = i->op;
    atom *at = WS_ARENA_NEW(ptx_decoder_arena(d), atom, 1);
    i->space = PTX_SPACE_GENERIC;
    i->esize = (uint8_t)ptx_type_bytes(t);
    i->vec = ptx_has(a, "v2") ? 2 : ptx_has(a, "v4") ? 4 : ptx_has(a, "v8") ? 8 : 1;
    i->aux = at;
    ptx_program *p = ptx_decoder_program(d);
    p->serial |= i->esize == 16;
    if (i->esize && i->esize < p->granule)
        p->granule = i->esize;
    ptx_mem_parts(d, a, i);
    if (!(choose_step(a, t, at) || i->esize == 16) ||
        !ptx_address(d, &a->operand[address], i) || !decode_values(d, a, i, at, address))
        return false;
    if (ptx_decoder_field(d) && ptx_type_is_float(t)) {
        at->step = field_steps[t];
        at->prime = ptx_decoder_field(d)->prime;
    }
    i->flags |= PTX_IF_STRONG;
    i->run = x_atom;
    return true;
}

const ptx_op_row ptx_ops_atom[] = {
    {"atom{.$sem}{.$scope}{.$gspace}.(and or xor){.$cache_hint}.(b32 b64) d, [a], b, h",
     decode_atom, 1, PTX_UNIT_MEM},
    {"atom{.$sem}{.$scope}{.$gspace}.add{.$cache_hint}.(u32 s32 u64 f32 f64) d, [a], b, h",
     decode_atom, 1, PTX_UNIT_MEM},
    {"atom{.$sem}{.$scope}{.$gspace}.add.noftz{.$cache_hint}.(f16 f16x2 bf16 bf16x2) d, [a], b, h",
     decode_atom, 1, PTX_UNIT_MEM},
    {"atom{.$sem}{.$scope}{.$gspace}.(inc dec){.$cache_hint}.u32 d, [a], b, h",
     decode_atom, 1, PTX_UNIT_MEM},
    {"atom{.$sem}{.$scope}{.$gspace}.(min max){.$cache_hint}.(u32 s32 u64 s64) d, [a], b, h",
     decode_atom, 1, PTX_UNIT_MEM},
    {"atom{.$sem}{.$scope}{.$gspace}.exch{.$cache_hint}.(b32 b64) d, [a], b, h",
     decode_atom, 1, PTX_UNIT_MEM},
    {"atom{.$sem}{.$scope}{.$gspace}.cas.(b16 b32 b64) d, [a], b, c", decode_atom, 1, PTX_UNIT_MEM},
    {"atom{.$sem}{.$scope}{.$gspace}.exch.b128 d, [a], b", decode_atom, 1, PTX_UNIT_MEM},
    {"atom{.$sem}{.$scope}{.$gspace}.cas.b128 d, [a], b, c", decode_atom, 1, PTX_UNIT_MEM},
    {"atom{.$sem}{.$scope}{.global}.add{.$cache_hint}.(v2 v4).f32 {d}, [a], {b}, h",
     decode_atom, 1, PTX_UNIT_MEM},
    {"atom{.$sem}{.$scope}{.global}.(add min max).noftz{.$cache_hint}.(v2 v4 v8).(f16 bf16) {d}, "
     "[a], {b}, h", decode_atom, 1, PTX_UNIT_MEM},
    {"atom{.$sem}{.$scope}{.global}.(add min max).noftz{.$cache_hint}.(v2 v4).(f16x2 bf16x2) {d}, "
     "[a], {b}, h", decode_atom, 1, PTX_UNIT_MEM},
    {"red{.(relaxed release)}{.$scope}{.$gspace}.(and or xor){.$cache_hint}.(b32 b64) [a], b, h",
     decode_atom, 0, PTX_UNIT_MEM},
    {"red{.(relaxed release)}{.$scope}{.$gspace}.add{.$cache_hint}.(u32 s32 u64 f32 f64) [a], b, h",
     decode_atom, 0, PTX_UNIT_MEM},
    {"red{.(relaxed release)}{.$scope}{.$gspace}.add.noftz{.$cache_hint}.(f16 f16x2 bf16 bf16x2) "
     "[a], b, h", decode_atom, 0, PTX_UNIT_MEM},
    {"red{.(relaxed release)}{.$scope}{.$gspace}.(inc dec){.$cache_hint}.u32 [a], b, h",
     decode_atom, 0, PTX_UNIT_MEM},
    {"red{.(relaxed release)}{.$scope}{.$gspace}.(min max){.$cache_hint}.(u32 s32 u64 s64) [a], b, "
     "h", decode_atom, 0, PTX_UNIT_MEM},
    {"red{.(relaxed release)}{.$scope}{.global}.add{.$cache_hint}.(v2 v4).f32 [a], {b}, h",
     decode_atom, 0, PTX_UNIT_MEM},
    {"red{.(relaxed release)}{.$scope}{.global}.(add min max).noftz{.$cache_hint}.(v2 v4 v8).(f16 "
     "bf16) [a], {b}, h", decode_atom, 0, PTX_UNIT_MEM},
    {"red{.(relaxed release)}{.$scope}{.global}.(add min max).noftz{.$cache_hint}.(v2 v4).(f16x2 "
     "bf16x2) [a], {b}, h", decode_atom, 0, PTX_UNIT_MEM},
    {0},
};
