// spec: basics/matmul  expect: PASS
// Split K: the slices of a tile add to the output one after the other, by a semaphore each.
/* @plan
{ "scratch": [ { "name": "turn", "dtype": "u32", "count": "ceil_div(M, 16) * ceil_div(N, 16)" } ],
  "launch": [ { "kernel": "clear", "grid": ["ceil_div(ceil_div(M, 16) * ceil_div(N, 16), 128)"], "block": [128], "args": ["turn", "ceil_div(M, 16) * ceil_div(N, 16)"] },
              { "kernel": "gemm", "grid": ["ceil_div(N, 16)", "ceil_div(M, 16)", 4], "block": [16, 16], "args": ["a", "b", "c", "turn", "M", "N", "K"] } ] }
*/
extern "C" __global__ void clear(unsigned* turn, int n)
{
    int i = blockIdx.x * 128 + threadIdx.x;
    if (i < n)
        turn[i] = 0;
}
extern "C" __global__ void gemm(const float* a, const float* b, float* c, unsigned* turn, int M, int N, int K)
{
    __shared__ float ta[16][17], tb[16][17];
    const int row = blockIdx.y * 16 + threadIdx.y, col = blockIdx.x * 16 + threadIdx.x;
    const int per = (K + 63) / 64 * 16, begin = blockIdx.z * per, end = min(K, begin + per);
    unsigned* mine = turn + blockIdx.y * gridDim.x + blockIdx.x;
    float s = 0;
    for (int k0 = begin; k0 < end; k0 += 16) {
        ta[threadIdx.y][threadIdx.x] = row < M && k0 + threadIdx.x < end ? a[(size_t)row * K + k0 + threadIdx.x] : 0.f;
        tb[threadIdx.y][threadIdx.x] = col < N && k0 + threadIdx.y < end ? b[(size_t)(k0 + threadIdx.y) * N + col] : 0.f;
        __syncthreads();
        #pragma unroll
        for (int k = 0; k < 16; k++)
            s += ta[threadIdx.y][k] * tb[k][threadIdx.x];
        __syncthreads();
    }
    if (threadIdx.x == 0 && threadIdx.y == 0) {
        unsigned now;
        do
            asm volatile("ld.acquire.gpu.global.u32 %0, [%1];" : "=r"(now) : "l"(mine) : "memory");
        while (now != blockIdx.z);
    }
    __syncthreads();
    if (row < M && col < N)
        c[(size_t)row * N + col] = blockIdx.z ? __ldcg(c + (size_t)row * N + col) + s : s;
    __syncthreads();
    if (threadIdx.x == 0 && threadIdx.y == 0) {
        __threadfence();
        asm volatile("st.release.gpu.global.u32 [%0], %1;" :: "l"(mine), "r"(blockIdx.z + 1) : "memory");
    }
}
