// spec: llm/gemm_i32_8192  expect: PASS
/* @plan
{ "launch": [ { "kernel": "igemm", "grid": ["ceil_div(N, 32)", "ceil_div(N, 32)"], "block": [32, 8], "args": ["a", "b", "c", "N"] } ] }
*/
extern "C" __global__ void igemm(const int* a, const int* b, int* c, int n)
{
    __shared__ int sa[32][32], sb[32][32];
    int acc[4] = {0, 0, 0, 0};
    const int col = blockIdx.x * 32 + threadIdx.x, row = blockIdx.y * 32 + threadIdx.y;
    for (int k = 0; k < n; k += 32) {
        for (int r = 0; r < 32; r += 8) {
            int ar = row + r, ak = k + threadIdx.x, bk = k + threadIdx.y + r;
            sa[threadIdx.y + r][threadIdx.x] = (ar < n && ak < n) ? a[(size_t)ar * n + ak] : 0;
            sb[threadIdx.y + r][threadIdx.x] = (bk < n && col < n) ? b[(size_t)bk * n + col] : 0;
        }
        __syncthreads();
        for (int j = 0; j < 32; ++j)
            for (int r = 0; r < 4; ++r)
                acc[r] += sa[threadIdx.y + 8 * r][j] * sb[j][threadIdx.x];
        __syncthreads();
    }
    for (int r = 0; r < 4; ++r)
        if (row + 8 * r < n && col < n)
            c[(size_t)(row + 8 * r) * n + col] = acc[r];
}
