// spec: basics/matmul  expect: PASS
/* @plan
{ "launch": [ { "kernel": "mm3x", "grid": ["ceil_div(N, 8)", "ceil_div(M, 16)"], "block": [32], "args": ["a", "b", "c", "M", "N", "K"] } ] }
*/
// Each operand as a sum of two tf32 numbers; three of the four products carry f32's precision.
__device__ __forceinline__ void split(float v, unsigned& hi, unsigned& lo) {
    asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(hi) : "f"(v));
    float rest = v - __uint_as_float(hi);
    asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(lo) : "f"(rest));
}
__device__ __forceinline__ void mma(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
    asm volatile(
        "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
extern "C" __global__ void mm3x(const float* A, const float* B, float* C, int M, int N, int K) {
    const int g = threadIdx.x >> 2, t = threadIdx.x & 3, m0 = blockIdx.y * 16, n0 = blockIdx.x * 8;
    float small[4] = {}, big[4] = {};
    for (int k0 = 0; k0 < K; k0 += 8) {
        unsigned ah[4], al[4], bh[2], bl[2];
#pragma unroll
        for (int i = 0; i < 4; ++i) {
            int r = m0 + g + (i & 1) * 8, k = k0 + t + (i >> 1) * 4;
            split(r < M && k < K ? A[(size_t)r * K + k] : 0.f, ah[i], al[i]);
        }
#pragma unroll
        for (int i = 0; i < 2; ++i) {
            int k = k0 + t + i * 4, n = n0 + g;
            split(k < K && n < N ? B[(size_t)k * N + n] : 0.f, bh[i], bl[i]);
        }
        mma(small, al, bh);
        mma(small, ah, bl);
        mma(big, ah, bh);
    }
#pragma unroll
    for (int i = 0; i < 4; ++i) {
        int r = m0 + g + (i >> 1) * 8, n = n0 + 2 * t + (i & 1);
        if (r < M && n < N) C[(size_t)r * N + n] = big[i] + small[i];
    }
}
