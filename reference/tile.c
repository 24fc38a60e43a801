#include "reference/tile.h"
#include "reference/gemm.h"
#include "reference/order.h"

#include <stdbool.h>
#include <string.h>

enum { ROWS = REF_TILE_ROWS, LANES = REF_TILE_LANES };

/* name: a tile in parts of at most R rows and V vectors of W lanes, R V sums in registers. FMA(a,
 * b, c): a b + c of vectors. What is constant after inlining makes the sums registers. */
#define TILE(name, target, W, R, V, FMA)                                                           \
    typedef double name##_vector __attribute__((vector_size(W * 8), aligned(8), may_alias));       \
    target static inline __attribute__((always_inline)) void name##_part(                          \
        int64_t k, int rows, int vectors, const double *x, const double *w, double *tile)          \
    {                                                                                              \
        name##_vector sum[R][V];                                                                   \
        for (int r = 0; r < rows; r++)                                                             \
            for (int v = 0; v < vectors; v++)                                                      \
                sum[r][v] = *(const name##_vector *)(tile + r * LANES + v * W);                    \
        for (; k > 0; k--, x += LANES, w += ROWS) {                                                \
            name##_vector a[V];                                                                    \
            for (int v = 0; v < vectors; v++)                                                      \
                a[v] = *(const name##_vector *)(x + v * W);                                        \
            for (int r = 0; r < rows; r++) {                                                       \
                const name##_vector b = w[r] - (name##_vector){0};                                 \
                for (int v = 0; v < vectors; v++)                                                  \
                    sum[r][v] = FMA(a[v], b, sum[r][v]);                                           \
            }                                                                                      \
        }                                                                                          \
        for (int r = 0; r < rows; r++)                                                             \
            for (int v = 0; v < vectors; v++)                                                      \
                *(name##_vector *)(tile + r * LANES + v * W) = sum[r][v];                          \
    }                                                                                              \
    target static inline __attribute__((always_inline)) void name##_rows(                          \
        int64_t k, int rows, int lanes, const double *x, const double *w, double *tile)            \
    {                                                                                              \
        for (; lanes > 0; lanes -= V * W, x += V * W, tile += V * W) {                             \
            if (lanes > 2 * W && V > 2)                                                            \
                name##_part(k, rows, V, x, w, tile);                                               \
            else if (lanes > W)                                                                    \
                name##_part(k, rows, 2, x, w, tile);                                               \
            else                                                                                   \
                name##_part(k, rows, 1, x, w, tile);                                               \
        }                                                                                          \
    }                                                                                              \
    target static void name(int64_t k, int rows, int lanes, const double *x, const double *w,      \
                            double *tile)                                                          \
    {                                                                                              \
        for (; rows > 0; rows -= R, w += R, tile += R * LANES) {                                   \
            if (rows > R / 2)                                                                      \
                name##_rows(k, R, lanes, x, w, tile);                                              \
            else if (rows > 1)                                                                     \
                name##_rows(k, R / 2, lanes, x, w, tile);                                          \
            else                                                                                   \
                name##_rows(k, 1, lanes, x, w, tile);                                              \
        }                                                                                          \
    }

#define MULTIPLY_ADD(a, b, c) ((c) + (a) * (b))
TILE(plain_tile, , 2, 4, 2, MULTIPLY_ADD)

#if defined(__x86_64__)
#include <immintrin.h>
#define AVX2   __attribute__((target("avx2,fma")))
#define AVX512 __attribute__((target("avx512f")))
#define FMA256(a, b, c)                                                                            \
    ((avx2_tile_vector)_mm256_fmadd_pd((__m256d)(a), (__m256d)(b), (__m256d)(c)))
#define FMA512(a, b, c)                                                                            \
    ((avx512_tile_vector)_mm512_fmadd_pd((__m512d)(a), (__m512d)(b), (__m512d)(c)))
TILE(avx2_tile, AVX2, 4, 4, 3, FMA256)
TILE(avx512_tile, AVX512, 8, 8, 3, FMA512)
#endif

/* ---- the kinds ---- */

typedef struct kind {
    const char *name;
    ref_tile_fn *run;
} kind;

static int find_kinds(kind out[3])
{
    int n = 0;
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f"))
        out[n++] = (kind){"AVX-512", avx512_tile};
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        out[n++] = (kind){"AVX2", avx2_tile};
#endif
    out[n++] = (kind){"plain", plain_tile};
    return n;
}

static kind kind_of(int i)
{
    kind all[3];
    int n = find_kinds(all);
    return i < n ? all[i] : (kind){NULL, NULL};
}

ref_tile_fn *ref_tile_kind(int i)
{
    return kind_of(i).run;
}

const char *ref_tile_name(int i)
{
    return kind_of(i).name;
}

static int used;

void ref_tile_use(int i)
{
    used = i;
}

static void tile_in_order(int64_t k, int rows, int lanes, const double *x, const double *w,
                          double *tile)
{
    ref_gemm(rows, lanes, k, (ref_matrix){w, ROWS, true}, (ref_matrix){x, LANES, false}, tile,
             LANES, true);
}

ref_tile_fn *ref_tile_now(void)
{
    return ref_order_now ? tile_in_order : ref_tile_kind(used);
}
