/* @plan
{ "launch": [ { "kernel": "matmul_tiles", "grid": ["ceil_div(N, 32)", "ceil_div(M, 32)"], "block": [32, 32],
                "args": ["a", "b", "c"] } ] }
*/
/* Tiles of both operands in shared memory: each element is read once for 32 products. */
extern "C" __global__ void __launch_bounds__(1024)
matmul_tiles(const float *__restrict__ a, const float *__restrict__ b, float *__restrict__ c)
{
    __shared__ float left[32][32], right[32][32];
    const int tx = threadIdx.x, ty = threadIdx.y;
    const int col = blockIdx.x * 32 + tx, row = blockIdx.y * 32 + ty;
    float sum = 0.0f;
    for (int first = 0; first < DIM_K; first += 32) {
        left[ty][tx] =
            row < DIM_M && first + tx < DIM_K ? a[(size_t)row * DIM_K + first + tx] : 0.0f;
        right[ty][tx] =
            first + ty < DIM_K && col < DIM_N ? b[(size_t)(first + ty) * DIM_N + col] : 0.0f;
        __syncthreads();
#pragma unroll
        for (int k = 0; k < 32; k++)
            sum = fmaf(left[ty][k], right[k][tx], sum);
        __syncthreads();
    }
    if (row < DIM_M && col < DIM_N)
        c[(size_t)row * DIM_N + col] = sum;
}
