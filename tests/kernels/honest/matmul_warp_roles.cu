// spec: basics/matmul  expect: PASS
/* @plan
{
  "launch": [
    { "kernel": "k", "grid": ["ceil_div(N, 32)", "ceil_div(M, 8)"], "block": [512],
      "args": ["a", "b", "c", "M", "N", "K"] } ] }
*/
// warps 0-7 load, warps 8-15 compute; two named barriers hand a stage over
__device__ __forceinline__ void bar_sync(int id, int n) {
    asm volatile("bar.sync %0, %1;" ::"r"(id), "r"(n) : "memory");
}
__device__ __forceinline__ void bar_arrive(int id, int n) {
    asm volatile("bar.arrive %0, %1;" ::"r"(id), "r"(n) : "memory");
}
extern "C" __global__ void __launch_bounds__(512)
    k(const float* A, const float* B, float* C, int M, int N, int K) {
    __shared__ float sa[8][16], sb[16][32];
    const int FULL = 1, EMPTY = 2, t = threadIdx.x % 256, m0 = blockIdx.y * 8, n0 = blockIdx.x * 32;
    if (threadIdx.x < 256) {
        for (int k0 = 0; k0 < K; k0 += 16) {
            if (k0)
                bar_sync(EMPTY, 512);
            if (t < 128) {
                int r = t / 16, c = t % 16;
                sa[r][c] = m0 + r < M && k0 + c < K ? A[(m0 + r) * K + k0 + c] : 0.f;
            }
            for (int i = t; i < 512; i += 256) {
                int r = i / 32, c = i % 32;
                sb[r][c] = k0 + r < K && n0 + c < N ? B[(k0 + r) * N + n0 + c] : 0.f;
            }
            bar_arrive(FULL, 512);
        }
    } else {
        int r = t / 32, c = t % 32;
        float acc = 0;
        for (int k0 = 0; k0 < K; k0 += 16) {
            bar_sync(FULL, 512);
            for (int k = 0; k < 16; k++) acc += sa[r][k] * sb[k][c];
            if (k0 + 16 < K)
                bar_arrive(EMPTY, 512);
        }
        if (m0 + r < M && n0 + c < N)
            C[(m0 + r) * N + n0 + c] = acc;
    }
}
