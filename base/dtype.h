/* Element types and their exact conversions. Values travel as double: every listed float type and
 * every integer up to 2^53 is exact in it. */
#ifndef BASE_DTYPE_H
#define BASE_DTYPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* name, JSON name, bytes per element, CUDA type in kernel signatures, unit roundoff u (0: exact
 * integer), is a float. tf32 is f32 storage with 10 stored mantissa bits; e2m1 packs two elements a
 * byte, the even one in the low half: ask ws_dtype_size() for the bytes of n elements. */
#define WS_DTYPE_LIST(X)                                                                           \
    X(F64, "f64", 8, "double", 0x1p-53, true)                                                      \
    X(F32, "f32", 4, "float", 0x1p-24, true)                                                       \
    X(TF32, "tf32", 4, "float", 0x1p-11, true)                                                     \
    X(F16, "f16", 2, "__half", 0x1p-11, true)                                                      \
    X(BF16, "bf16", 2, "__nv_bfloat16", 0x1p-8, true)                                              \
    X(E4M3, "e4m3", 1, "__nv_fp8_e4m3", 0x1p-4, true)                                              \
    X(E5M2, "e5m2", 1, "__nv_fp8_e5m2", 0x1p-3, true)                                              \
    X(E2M1, "e2m1", 1, "unsigned char", 0x1p-2, true)                                              \
    X(I64, "i64", 8, "long long", 0, false)                                                        \
    X(I32, "i32", 4, "int", 0, false)                                                              \
    X(I16, "i16", 2, "short", 0, false)                                                            \
    X(I8, "i8", 1, "signed char", 0, false)                                                        \
    X(U8, "u8", 1, "unsigned char", 0, false)                                                      \
    X(BOOL, "bool", 1, "bool", 0, false)

typedef enum ws_dtype {
#define X(name, json, bytes, cuda, u, is_float) WS_##name,
    WS_DTYPE_LIST(X)
#undef X
    WS_DTYPE_COUNT
} ws_dtype;

const char *ws_dtype_name(ws_dtype t);
const char *ws_dtype_cuda(ws_dtype t);
size_t ws_dtype_bytes(ws_dtype t); /* of one element; of a pair for e2m1 */
size_t ws_dtype_size(ws_dtype t, size_t n); /* bytes of n elements */
int ws_dtype_per_byte(ws_dtype t);          /* 2 for e2m1, else 1 */
double ws_dtype_roundoff(ws_dtype t); /* u = half the spacing at 1 */
bool ws_dtype_is_float(ws_dtype t);
bool ws_dtype_parse(const char *name, ws_dtype *out); /* false: unknown name */

/* IEEE 754 binary16 and bfloat16, round to nearest even, subnormals kept, overflow to infinity. */
uint16_t ws_f16_from_f64(double v);
double ws_f16_to_f64(uint16_t h);
uint16_t ws_bf16_from_f64(double v);
double ws_bf16_to_f64(uint16_t h);
/* OCP FP8: e4m3fn (no infinities, 0x7f NaN, saturating) and e5m2 (IEEE-like, saturating as CUDA
 * does). */
uint8_t ws_e4m3_from_f64(double v);
double ws_e4m3_to_f64(uint8_t b);
uint8_t ws_e5m2_from_f64(double v);
double ws_e5m2_to_f64(uint8_t b);
/* OCP FP4: 0 0.5 1 1.5 2 3 4 6 and their negatives, in the low 4 bits; saturating, NaN becomes 6 as
 * in CUDA. */
uint8_t ws_e2m1_from_f64(double v);
double ws_e2m1_to_f64(uint8_t b);

/* The nearest value of type t to v (ties to even). Integers saturate; bool is v != 0. */
double ws_dtype_round(ws_dtype t, double v);
/* dst[i] = round_t(src[i]) in t's storage, and back. n elements. */
void ws_dtype_store(ws_dtype t, void *dst, const double *src, size_t n);
void ws_dtype_load(ws_dtype t, double *dst, const void *src, size_t n);

#endif
