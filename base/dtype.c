#include "base/dtype.h"

#include <math.h>
#include <string.h>

static const struct {
    const char *name, *cuda;
    size_t bytes;
    double roundoff;
    bool is_float;
} table[] = {
#define X(id, json, size, type, u, flt) [WS_##id] = {json, type, size, u, flt},
    WS_DTYPE_LIST(X)
#undef X
};

const char *ws_dtype_name(ws_dtype t)
{
    return table[t].name;
}

const char *ws_dtype_cuda(ws_dtype t)
{
    return table[t].cuda;
}

size_t ws_dtype_bytes(ws_dtype t)
{
    return table[t].bytes;
}

int ws_dtype_per_byte(ws_dtype t)
{
    return t == WS_E2M1 ? 2 : 1;
}

size_t ws_dtype_size(ws_dtype t, size_t n)
{
    return t == WS_E2M1 ? n / 2 + n % 2 : n * table[t].bytes;
}

double ws_dtype_roundoff(ws_dtype t)
{
    return table[t].roundoff;
}

bool ws_dtype_is_float(ws_dtype t)
{
    return table[t].is_float;
}

bool ws_dtype_parse(const char *name, ws_dtype *out)
{
    for (int t = 0; t < WS_DTYPE_COUNT; t++)
        if (strcmp(name, table[t].name) == 0) {
            *out = (ws_dtype)t;
            return true;
        }
    return false;
}

/* A small binary float: sign, `ebits` exponent bits, `mbits` stored mantissa bits. `has_inf` says
 * whether the top exponent is reserved (IEEE) or only its all-ones mantissa is NaN (OCP e4m3fn), or
 * nothing at all is (`no_nan`, OCP e2m1). */
typedef struct minifloat {
    int ebits, mbits;
    bool has_inf, saturate, no_nan;
} minifloat;

static const minifloat FORMAT_F16 = {5, 10, true, false, false};
static const minifloat FORMAT_BF16 = {8, 7, true, false, false};
static const minifloat FORMAT_E4M3 = {4, 3, false, true, false};
static const minifloat FORMAT_E5M2 = {5, 2, true, true, false};
static const minifloat FORMAT_E2M1 = {2, 1, false, true, true};

static unsigned largest_finite(const minifloat *f)
{
    unsigned top = ((1u << f->ebits) - 1) << f->mbits;
    if (f->no_nan)
        return top | ((1u << f->mbits) - 1);
    return f->has_inf ? top - 1 : top | ((1u << f->mbits) - 2);
}

static unsigned nan_bits(const minifloat *f)
{
    unsigned all = (1u << (f->ebits + f->mbits)) - 1;
    return all; /* a quiet NaN in every one of these formats */
}

static double decode(const minifloat *f, unsigned bits)
{
    unsigned sign = bits >> (f->ebits + f->mbits);
    unsigned e = bits >> f->mbits & ((1u << f->ebits) - 1), m = bits & ((1u << f->mbits) - 1);
    int bias = (1 << (f->ebits - 1)) - 1;
    double v;
    if (e == (1u << f->ebits) - 1 && f->has_inf)
        v = m ? (double)NAN : (double)INFINITY;
    else if (!f->has_inf && !f->no_nan && (bits & nan_bits(f)) == nan_bits(f))
        v = (double)NAN;
    else if (e == 0)
        v = ldexp((double)m, 1 - bias - f->mbits);
    else
        v = ldexp((double)(m | 1u << f->mbits), (int)e - bias - f->mbits);
    return sign ? -v : v;
}

static unsigned encode(const minifloat *f, double v)
{
    unsigned sign = signbit(v) ? 1u << (f->ebits + f->mbits) : 0;
    int bias = (1 << (f->ebits - 1)) - 1, e = 0;
    if (isnan(v))
        return f->no_nan ? largest_finite(f) : sign | nan_bits(f);
    v = fabs(v);
    unsigned top = largest_finite(f), overflow = f->saturate ? top : top + 1;
    if (isinf(v))
        return sign | overflow;
    if (v == 0)
        return sign;
    frexp(v, &e); /* v = x 2^e, x in [0.5,1) */
    int q = e - 1 < 1 - bias ? 1 - bias - f->mbits : e - 1 - f->mbits; /* exponent of one unit */
    double units = rint(ldexp(v, -q)); /* ties to even; exact scaling */
    if (units >= ldexp(1.0, f->mbits + 1)) {
        units /= 2;
        q++;
    }
    unsigned m = (unsigned)units;
    unsigned biased = m >> f->mbits ? (unsigned)(q + f->mbits + bias) : 0;
    if (biased >= 1u << f->ebits)
        return sign | overflow;
    unsigned bits = biased << f->mbits | (m & ((1u << f->mbits) - 1));
    return sign | (bits > top ? overflow : bits);
}

uint16_t ws_f16_from_f64(double v)
{
    return (uint16_t)encode(&FORMAT_F16, v);
}

double ws_f16_to_f64(uint16_t h)
{
    return decode(&FORMAT_F16, h);
}

uint16_t ws_bf16_from_f64(double v)
{
    return (uint16_t)encode(&FORMAT_BF16, v);
}

double ws_bf16_to_f64(uint16_t h)
{
    return decode(&FORMAT_BF16, h);
}

uint8_t ws_e4m3_from_f64(double v)
{
    return (uint8_t)encode(&FORMAT_E4M3, v);
}

double ws_e4m3_to_f64(uint8_t b)
{
    return decode(&FORMAT_E4M3, b);
}

uint8_t ws_e5m2_from_f64(double v)
{
    return (uint8_t)encode(&FORMAT_E5M2, v);
}

double ws_e5m2_to_f64(uint8_t b)
{
    return decode(&FORMAT_E5M2, b);
}

uint8_t ws_e2m1_from_f64(double v)
{
    return (uint8_t)encode(&FORMAT_E2M1, v);
}

double ws_e2m1_to_f64(uint8_t b)
{
    return decode(&FORMAT_E2M1, b & 0xfu);
}

/* f32 with 13 mantissa bits rounded away, ties to even. */
static float tf32_from_f64(double v)
{
    float f = (float)v;
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    if (!isfinite(f))
        return f;
    u += 0xfff + (u >> 13 & 1);
    u &= ~0x1fffu;
    memcpy(&f, &u, sizeof f);
    return f;
}

static int64_t saturate(double v, double lo, double hi)
{
    if (isnan(v))
        return 0;
    v = rint(v);
    if (v <= lo)
        return (int64_t)lo;
    /* 2^63 - 1 is not a double: the comparison is against 2^63 and the result the largest int64. */
    if (v >= hi)
        return hi >= 0x1p63 ? INT64_MAX : (int64_t)hi;
    return (int64_t)v;
}

static void store_one(ws_dtype t, void *dst, double v)
{
#define STORE(T, value)                                                                            \
    do {                                                                                           \
        T x = (T)(value);                                                                          \
        memcpy(dst, &x, sizeof x);                                                                 \
    } while (0)
    switch (t) {
    case WS_F64: STORE(double, v); break;
    case WS_F32: STORE(float, v); break;
    case WS_TF32: STORE(float, tf32_from_f64(v)); break;
    case WS_F16: STORE(uint16_t, ws_f16_from_f64(v)); break;
    case WS_BF16: STORE(uint16_t, ws_bf16_from_f64(v)); break;
    case WS_E4M3: STORE(uint8_t, ws_e4m3_from_f64(v)); break;
    case WS_E5M2: STORE(uint8_t, ws_e5m2_from_f64(v)); break;
    case WS_E2M1: STORE(uint8_t, ws_e2m1_from_f64(v)); break; /* one element: the low half */
    case WS_I64: STORE(int64_t, saturate(v, -0x1p63, 0x1p63)); break;
    case WS_I32: STORE(int32_t, saturate(v, -0x1p31, 0x1p31 - 1)); break;
    case WS_I16: STORE(int16_t, saturate(v, -32768, 32767)); break;
    case WS_I8: STORE(int8_t, saturate(v, -128, 127)); break;
    case WS_U8: STORE(uint8_t, saturate(v, 0, 255)); break;
    case WS_BOOL: STORE(uint8_t, v != 0); break;
    case WS_DTYPE_COUNT: break;
    }
#undef STORE
}

static double load_one(ws_dtype t, const void *src)
{
#define LOAD(T, expr)                                                                              \
    do {                                                                                           \
        T x;                                                                                       \
        memcpy(&x, src, sizeof x);                                                                 \
        return (double)(expr);                                                                     \
    } while (0)
    switch (t) {
    case WS_F64: LOAD(double, x);
    case WS_F32:
    case WS_TF32: LOAD(float, x);
    case WS_F16: LOAD(uint16_t, ws_f16_to_f64(x));
    case WS_BF16: LOAD(uint16_t, ws_bf16_to_f64(x));
    case WS_E4M3: LOAD(uint8_t, ws_e4m3_to_f64(x));
    case WS_E5M2: LOAD(uint8_t, ws_e5m2_to_f64(x));
    case WS_E2M1: LOAD(uint8_t, ws_e2m1_to_f64(x));
    case WS_I64: LOAD(int64_t, x);
    case WS_I32: LOAD(int32_t, x);
    case WS_I16: LOAD(int16_t, x);
    case WS_I8: LOAD(int8_t, x);
    case WS_U8: LOAD(uint8_t, x);
    case WS_BOOL: LOAD(uint8_t, x != 0);
    case WS_DTYPE_COUNT: break;
    }
#undef LOAD
    return (double)NAN;
}

double ws_dtype_round(ws_dtype t, double v)
{
    unsigned char raw[8];
    if (t == WS_F32)
        return (double)(float)v;
    store_one(t, raw, v);
    return load_one(t, raw);
}

void ws_dtype_store(ws_dtype t, void *dst, const double *src, size_t n)
{
    size_t step = table[t].bytes;
    if (t == WS_F32) { /* the common case, vectorised */
        float *out = dst;
        for (size_t i = 0; i < n; i++)
            out[i] = (float)src[i];
        return;
    }
    if (t == WS_E2M1) {
        uint8_t *out = dst;
        for (size_t i = 0; i < n; i += 2)
            out[i / 2] = (uint8_t)(ws_e2m1_from_f64(src[i]) |
                                   (i + 1 < n ? ws_e2m1_from_f64(src[i + 1]) << 4 : 0));
        return;
    }
    for (size_t i = 0; i < n; i++)
        store_one(t, (char *)dst + i * step, src[i]);
}

void ws_dtype_load(ws_dtype t, double *dst, const void *src, size_t n)
{
    size_t step = table[t].bytes;
    if (t == WS_F32) {
        const float *in = src;
        for (size_t i = 0; i < n; i++)
            dst[i] = (double)in[i];
        return;
    }
    if (t == WS_E2M1) {
        const uint8_t *in = src;
        for (size_t i = 0; i < n; i++)
            dst[i] = ws_e2m1_to_f64((uint8_t)(in[i / 2] >> (i % 2 ? 4 : 0)));
        return;
    }
    for (size_t i = 0; i < n; i++)
        dst[i] = load_one(t, (const char *)src + i * step);
}
