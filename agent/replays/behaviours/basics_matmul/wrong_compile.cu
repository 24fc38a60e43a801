/* @plan
{ "launch": [ { "kernel": "matmul_typo", "grid": ["ceil_div(N, 32)", "ceil_div(M, 8)"], "block": [32, 8],
                "args": ["a", "b", "c"] } ] }
*/
/* A thread an element of c. */
extern "C" __global__ void __launch_bounds__(256)
matmul_typo(const float *__restrict__ a, const float *__restrict__ b, float *__restrict__ c)
{
    const int col = blockIdx.x * 32 + threadIdx.x, row = blockIdx.y * 8 + threadIdx.y;
    if (row >= DIM_M || col >= DIM_N)
        return;
    flaot sum = 0.0f;
    for (int k = 0; k < DIM_K; k++)
        sum = fmaf(a[(size_t)row * DIM_K + k], b[(size_t)k * DIM_N + col], sum);
    c[(size_t)row * DIM_N + col] = sum;
}
