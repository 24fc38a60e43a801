typedef int I;
typedef unsigned U;
typedef long long Q;
typedef float F;
typedef double D;
typedef bool B;
#define DEV static __device__ __forceinline__
#define CALLED static __device__ __noinline__
#define INLINED static __device__ __forceinline__
DEV I mulhi32(I a, I b) { return __mulhi(a, b); }
DEV U umulhi32(U a, U b) { return __umulhi(a, b); }
DEV Q mulhi64(Q a, Q b) { return __mul64hi(a, b); }
DEV I clz32(U a) { return __clz((int)a); }
DEV I popc32(U a) { return __popc(a); }
DEV U brev32(U a) { return __brev(a); }
DEV I ffs32(U a) { return __ffs((int)a); }
DEV I clz64(Q a) { return __clzll(a); }
DEV I popc64(Q a) { return __popcll((unsigned long long)a); }
DEV U funnel_left(U a, U b, U c) { return __funnelshift_l(a, b, c); }
DEV U byte_perm(U a, U b, U c) { return __byte_perm(a, b, c); }
DEV I float_to_int(F a) { return __float2int_rz(a); }
DEV I float_to_int_near(F a) { return __float2int_rn(a); }
DEV U float_to_uint(F a) { return __float2uint_rz(a); }
DEV Q float_to_long(F a) { return __float2ll_rz(a); }
DEV I double_to_int(D a) { return __double2int_rz(a); }
DEV Q double_to_long(D a) { return __double2ll_rz(a); }
DEV I float_bits(F a) { return __float_as_int(a); }
DEV Q double_bits(D a) { return __double_as_longlong(a); }
DEV F min_float(F a, F b) { return fminf(a, b); }
DEV F max_float(F a, F b) { return fmaxf(a, b); }
DEV D min_double(D a, D b) { return fmin(a, b); }
DEV F saturate(F a) { return __saturatef(a); }
DEV I half_bits(F a)
{
    unsigned short h;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(h) : "f"(a));
    return h;
}
DEV F half_round(F a)
{
    F r;
    asm("{.reg .f16 h; cvt.rn.f16.f32 h, %1; cvt.f32.f16 %0, h;}" : "=f"(r) : "f"(a));
    return r;
}
DEV F bfloat_round(F a)
{
    F r;
    asm("{.reg .b16 h; cvt.rn.bf16.f32 h, %1; mov.b32 %0, {0, h};}" : "=f"(r) : "f"(a));
    return r;
}

/* Steps between the segments of a kernel, where threads of a block meet. N threads a block. */
#define KERNEL(name) extern "C" __global__ void name(const I *in, U *out)
#define BEGIN                                                                                      \
    __shared__ I sh[N];                                                                            \
    __shared__ U bins[16];                                                                         \
    int tid = threadIdx.x;                                                                         \
    LANE self, *L = &self;                                                                         \
    lane_init(L, in, tid, blockIdx.x);
#define RUN(segment) segment(L, tid);
#define SHARED_SWAP(to, from, factor, plus)                                                        \
    sh[tid] = L->from;                                                                             \
    __syncthreads();                                                                               \
    L->to = sh[(tid * factor + plus) % N];                                                         \
    __syncthreads();
#define HISTOGRAM(to, from)                                                                        \
    if (tid < 16) bins[tid] = 0;                                                                   \
    __syncthreads();                                                                               \
    atomicAdd(&bins[L->from & 15], (U)tid + 1);                                                    \
    __syncthreads();                                                                               \
    L->to = bins[tid & 15];                                                                        \
    __syncthreads();
#define TREE(to, from)                                                                             \
    sh[tid] = L->from;                                                                             \
    __syncthreads();                                                                               \
    for (int n = N / 2; n > 0; n /= 2) {                                                           \
        if (tid < n) sh[tid] = i_add(sh[tid], i_xor(sh[tid + n], n));                              \
        __syncthreads();                                                                           \
    }                                                                                              \
    L->to = sh[0];                                                                                 \
    __syncthreads();
#define SHUFFLE(kind, to, from, by) L->to = __shfl_##kind##sync(~0u, L->from, by);
#define SHUFFLE_SIDES(to, from, cut)                                                               \
    if ((tid & 31) < cut)                                                                          \
        L->to = __shfl_sync((1u << cut) - 1, L->from, (tid * 5 + 1) % cut);                        \
    else                                                                                           \
        L->to = __shfl_down_sync(~((1u << cut) - 1), L->from, 1);
#define BALLOT(to, from) L->to = __ballot_sync(~0u, L->from & 1);
#define MATCH(to, from) L->to = __match_any_sync(~0u, L->from & 3);
#define REDUX(to, from) L->to = __reduce_add_sync(~0u, (U)L->from);
#define COUNT(to, from) L->to = __syncthreads_count(L->from > 0);
#define END lane_store(L, out, tid + N * blockIdx.x);
