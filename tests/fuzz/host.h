/* The host's side of the random kernels: one thread of the block after the other, step by step. */
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
typedef int I;
typedef unsigned U;
typedef long long Q;
typedef float F;
typedef double D;
typedef bool B;
#define DEV static inline __attribute__((unused))
#define CALLED static __attribute__((unused))
#define INLINED static __attribute__((unused))
DEV I mulhi32(I a, I b) { return (I)((Q)a * b >> 32); }
DEV U umulhi32(U a, U b) { return (U)((uint64_t)a * b >> 32); }
DEV Q mulhi64(Q a, Q b) { return (Q)((__int128)a * b >> 64); }
DEV I clz32(U a) { return a ? __builtin_clz(a) : 32; }
DEV I popc32(U a) { return __builtin_popcount(a); }
DEV U brev32(U a)
{
    U r = 0;
    for (int b = 0; b < 32; b++) r |= (a >> b & 1) << (31 - b);
    return r;
}
DEV I ffs32(U a) { return __builtin_ffs((I)a); }
DEV I clz64(Q a) { return a ? __builtin_clzll((unsigned long long)a) : 64; }
DEV I popc64(Q a) { return __builtin_popcountll((unsigned long long)a); }
DEV U funnel_left(U a, U b, U c) { return (U)(((uint64_t)b << 32 | a) << (c & 31) >> 32); }
DEV U byte_perm(U a, U b, U c)
{
    uint64_t both = (uint64_t)b << 32 | a;
    U r = 0;
    for (int k = 0; k < 4; k++) r |= (U)(both >> (8 * (c >> (4 * k) & 7)) & 255) << (8 * k);
    return r;
}
DEV I float_to_int(F a) { return a >= 0x1p31f ? INT32_MAX : a < -0x1p31f ? INT32_MIN : (I)a; }
DEV I float_to_int_near(F a) { return float_to_int(rintf(a)); }
DEV U float_to_uint(F a) { return a >= 0x1p32f ? UINT32_MAX : a <= -1 ? 0 : (U)(Q)a; }
DEV Q float_to_long(F a) { return a >= 0x1p63f ? INT64_MAX : a < -0x1p63f ? INT64_MIN : (Q)a; }
DEV I double_to_int(D a) { return a >= 0x1p31 ? INT32_MAX : a <= -0x1p31 ? INT32_MIN : (I)a; }
DEV Q double_to_long(D a) { return a >= 0x1p63 ? INT64_MAX : a < -0x1p63 ? INT64_MIN : (Q)a; }
DEV I float_bits(F a) { I i; memcpy(&i, &a, 4); return i; }
DEV Q double_bits(D a) { Q i; memcpy(&i, &a, 8); return i; }
DEV F min_float(F a, F b)
{
    return a != a ? b : b != b ? a : a == b ? (signbit(a) ? a : b) : a < b ? a : b;
}
DEV F max_float(F a, F b)
{
    return a != a ? b : b != b ? a : a == b ? (signbit(a) ? b : a) : a > b ? a : b;
}
DEV D min_double(D a, D b)
{
    return a != a ? b : b != b ? a : a == b ? (signbit(a) ? a : b) : a < b ? a : b;
}
DEV F saturate(F a) { return a > 0 ? (a < 1 ? a : 1) : 0; }
DEV I half_bits(F a) { _Float16 h = (_Float16)a; uint16_t b; memcpy(&b, &h, 2); return b; }
DEV F half_round(F a) { return (F)(_Float16)a; }
DEV F bfloat_round(F a)
{
    U u;
    memcpy(&u, &a, 4);
    if (a != a) return a;
    u = (u + 0x7fff + (u >> 16 & 1)) & 0xffff0000u;
    memcpy(&a, &u, 4);
    return a;
}

#define KERNEL(name) void name(const I *in, U *out, int blockIdx_x)
#define EACH for (int tid = 0; tid < N; tid++)
#define L (&lane[tid])
#define BEGIN                                                                                      \
    LANE lane[N];                                                                                  \
    I sh[N];                                                                                       \
    U bins[16];                                                                                    \
    (void)sh, (void)bins;                                                                          \
    EACH lane_init(L, in, tid, blockIdx_x);
#define RUN(segment) EACH segment(L, tid);
#define SHARED_SWAP(to, from, factor, plus)                                                        \
    EACH sh[tid] = L->from;                                                                        \
    EACH L->to = sh[(tid * factor + plus) % N];
#define HISTOGRAM(to, from)                                                                        \
    memset(bins, 0, sizeof bins);                                                                  \
    EACH bins[L->from & 15] += (U)tid + 1;                                                         \
    EACH L->to = bins[tid & 15];
#define TREE(to, from)                                                                             \
    EACH sh[tid] = L->from;                                                                        \
    for (int n = N / 2; n > 0; n /= 2)                                                             \
        for (int t = 0; t < n; t++) sh[t] = i_add(sh[t], i_xor(sh[t + n], n));                     \
    EACH L->to = sh[0];
/* Lane t of each warp gets what lane `source` has. */
#define FROM_LANE(to, from, source)                                                                \
    EACH sh[tid] = i_of_u((U)L->from);                                                             \
    EACH                                                                                           \
    {                                                                                              \
        int lane_ = tid & 31, s_ = (source);                                                       \
        L->to = sh[(tid & ~31) + (s_ >= 0 && s_ < 32 ? s_ : lane_)];                               \
    }
#define SHUFFLE(kind, to, from, by) FROM_LANE(to, from, SHUFFLE_##kind(by))
#define SHUFFLE_up_(by) lane_ - (by)
#define SHUFFLE_down_(by) lane_ + (by)
#define SHUFFLE_xor_(by) (lane_ ^ (by))
#define SHUFFLE_(by) ((by) & 31)
#define SHUFFLE_SIDES(to, from, cut)                                                               \
    FROM_LANE(to, from, lane_ < cut ? (tid * 5 + 1) % cut : lane_ + 1)
#define WARP_SUM(to, from, value)                                                                  \
    EACH sh[tid] = (L->from);                                                                      \
    EACH                                                                                           \
    {                                                                                              \
        U sum_ = 0;                                                                                \
        for (int o = 0; o < 32; o++) {                                                             \
            int x = sh[(tid & ~31) + o], mine = sh[tid];                                           \
            (void)mine;                                                                            \
            sum_ += (value);                                                                       \
        }                                                                                          \
        L->to = sum_;                                                                              \
    }
#define BALLOT(to, from) WARP_SUM(to, from, (U)(x & 1) << o)
#define MATCH(to, from) WARP_SUM(to, from, (U)((x & 3) == (mine & 3)) << o)
#define REDUX(to, from) WARP_SUM(to, from, (U)x)
#define COUNT(to, from) { int n_ = 0; EACH n_ += L->from > 0; EACH L->to = n_; }
#define END EACH lane_store(L, out, tid + N * blockIdx_x);
