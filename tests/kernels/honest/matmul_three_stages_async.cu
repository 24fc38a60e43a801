// spec: basics/matmul  expect: PASS
/* @plan
{
  "launch": [
    { "kernel": "mm", "grid": ["ceil_div(N, 16)", "ceil_div(M, 16)"], "block": [16, 16],
      "args": ["a", "b", "c", "M", "N", "K"] } ] }
*/
#include <stdint.h>
__device__ __forceinline__ void cp_async4(void* dst, const void* src, bool pred) {
    uint32_t d = (uint32_t)__cvta_generic_to_shared(dst);
    int n = pred ? 4 : 0;
    asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;\n" ::"r"(d), "l"(src), "r"(n));
}
#define CP_COMMIT() asm volatile("cp.async.commit_group;\n" ::)
#define CP_WAIT(n) asm volatile("cp.async.wait_group %0;\n" ::"n"(n))
extern "C" __global__ void mm(const float* __restrict__ A, const float* __restrict__ B,
                              float* __restrict__ C, int M, int N, int K) {
    __shared__ float As[3][16][17], Bs[3][16][17];
    int tx = threadIdx.x, ty = threadIdx.y, row = blockIdx.y * 16 + ty, col = blockIdx.x * 16 + tx;
    int n = (K + 15) / 16;
    auto load = [&](int t) {
        if (t < n) {
            bool pa = row < M && t * 16 + tx < K, pb = col < N && t * 16 + ty < K;
            cp_async4(&As[t % 3][ty][tx], pa ? A + row * K + t * 16 + tx : A, pa);
            cp_async4(&Bs[t % 3][ty][tx], pb ? B + (t * 16 + ty) * N + col : B, pb);
        }
        CP_COMMIT();
    };
    load(0);
    load(1);
    float acc = 0;
    for (int t = 0; t < n; t++) {
        CP_WAIT(1);
        __syncthreads();
        load(t + 2);
        for (int k = 0; k < 16; k++) acc += As[t % 3][ty][k] * Bs[t % 3][k][tx];
    }
    if (row < M && col < N)
        C[row * N + col] = acc;
}
