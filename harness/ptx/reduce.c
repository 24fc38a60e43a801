#include "harness/ptx/reduce.h"

#include "harness/ptx/field_step.h"
#include "harness/ptx/half.h"

static const char *const names[PTX_RED_COUNT] = {"add", "min", "max", "and",
                                                 "or",  "xor", "inc", "dec"};

ptx_red ptx_red_find(const ptx_ast_insn *a)
{
    for (int r = 0; r < PTX_RED_COUNT; r++)
        if (ptx_has(a, names[r]))
            return (ptx_red)r;
    return PTX_RED_COUNT;
}

bool ptx_red_has(ptx_red op, ptx_type element)
{
    bool bits = op == PTX_RED_AND || op == PTX_RED_OR || op == PTX_RED_XOR;
    switch (element) {
    case PTX_f16:
    case PTX_bf16:
        return op <= PTX_RED_MAX;
    case PTX_f32:
    case PTX_f64:
        return op == PTX_RED_ADD;
    case PTX_u32:
        return op < PTX_RED_COUNT && !bits;
    case PTX_s32:
    case PTX_u64:
        return op <= PTX_RED_MAX;
    case PTX_s64:
        return op == PTX_RED_MIN || op == PTX_RED_MAX;
    case PTX_b32:
    case PTX_b64:
        return bits;
    default:
        return false;
    }
}

static u64 combine_int(ptx_red op, bool is_signed, u64 a, u64 b)
{
    bool less = is_signed ? (s64)a < (s64)b : a < b;
    switch (op) {
    case PTX_RED_ADD:
        return a + b;
    case PTX_RED_MIN:
        return less ? a : b;
    case PTX_RED_MAX:
        return less ? b : a;
    case PTX_RED_AND:
        return a & b;
    case PTX_RED_OR:
        return a | b;
    case PTX_RED_XOR:
        return a ^ b;
    case PTX_RED_INC:
        return a >= b ? 0 : a + 1;
    default:
        return a == 0 || a > b ? b : a - 1;
    }
}

static u64 combine_half(ptx_red op, bool bf, u64 a, u64 b)
{
    f32 x = bf ? fp_of_bits((u32)a << 16) : (f32)ws_f16_to_f64((u16)a);
    f32 y = bf ? fp_of_bits((u32)b << 16) : (f32)ws_f16_to_f64((u16)b);
    f32 v = op == PTX_RED_ADD ? x + y : op == PTX_RED_MIN ? fp_min(x, y) : fp_max(x, y);
    return half_round(v, bf, PTX_RN);
}

/* The sum over a field; the two are codes of elements. */
static u64 combine_field(ptx_type element, u32 prime, u64 a, u64 b)
{
    switch (ptx_type_bytes(element)) {
    case 2:
        return field_add((u32)a, (u32)b, prime);
    case 4:
        return (u64)field_add(field_of32((u32)a), field_of32((u32)b), prime) << 16;
    default:
        return (u64)field_add(field_of64(a), field_of64(b), prime) << 48;
    }
}

static u64 combine(ptx_red op, ptx_type element, u32 prime, u64 a, u64 b)
{
    if (prime && ptx_type_is_float(element))
        return combine_field(element, prime, a, b);
    switch (element) {
    case PTX_f32: /* add.f32 flushes subnormal inputs and results (ISA 9.7.9.25.4.2) */
        return fp_bits(fp_canon(
            fp_flush(fp_flush(fp_of_bits((u32)a)) + fp_flush(fp_of_bits((u32)b)))));
    case PTX_f64:
        return fp_bits64(fp_of_bits64(a) + fp_of_bits64(b));
    case PTX_f16:
    case PTX_bf16:
        return combine_half(op, element == PTX_bf16, a, b);
    case PTX_s32:
        return combine_int(op, true, (u64)(s64)(s32)a, (u64)(s64)(s32)b);
    default:
        return combine_int(op, element == PTX_s64, a, b);
    }
}

#define REDUCE(T)                                                                                  \
    static void reduce_##T(ptx_red op, ptx_type e, u32 prime, T *to, const T *from, u32 n)         \
    {                                                                                              \
        for (u32 k = 0; k < n; k++) {                                                              \
            T old = __atomic_load_n(&to[k], __ATOMIC_RELAXED), next;                               \
            do                                                                                     \
                next = (T)combine(op, e, prime, old, from[k]);                                     \
            while (!__atomic_compare_exchange_n(&to[k], &old, next, false, __ATOMIC_RELAXED,       \
                                                __ATOMIC_RELAXED));                                \
        }                                                                                          \
    }
REDUCE(u16)
REDUCE(u32)
REDUCE(u64)

void ptx_reduce(ptx_red op, ptx_type element, u32 prime, void *to, const void *from, u32 bytes)
{
    switch (ptx_type_bytes(element)) {
    case 2:
        reduce_u16(op, element, prime, to, from, bytes / 2);
        break;
    case 4:
        reduce_u32(op, element, prime, to, from, bytes / 4);
        break;
    default:
        reduce_u64(op, element, prime, to, from, bytes / 8);
    }
}
