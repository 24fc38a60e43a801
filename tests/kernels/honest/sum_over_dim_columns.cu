// spec: kernelbench/level1/047_sum_reduction_over_a_dimension  expect: PASS
// Thirty-two columns a block and eight rows at a time; the eight partial sums meet in shared memory.
/* @plan
{ "launch": [ { "kernel": "sum_dim1", "grid": ["ceil_div(N, 32)", "B"], "block": [32, 8], "args": ["x", "reduce0", "M", "N"] } ] }
*/
extern "C" __global__ void sum_dim1(const float* __restrict__ input, float* __restrict__ output, int dim1, int dim2)
{
    __shared__ float sdata[8][33];
    const int col = blockIdx.x * 32 + threadIdx.x;
    const float* base = input + (size_t)blockIdx.y * dim1 * dim2;
    float s0 = 0.f, s1 = 0.f;
    if (col < dim2) {
        int r = threadIdx.y;
        for (; r + 8 < dim1; r += 16) {
            s0 += base[(size_t)r * dim2 + col];
            s1 += base[(size_t)(r + 8) * dim2 + col];
        }
        if (r < dim1)
            s0 += base[(size_t)r * dim2 + col];
    }
    sdata[threadIdx.y][threadIdx.x] = s0 + s1;
    __syncthreads();
    for (int step = 4; step; step >>= 1) {
        if (threadIdx.y < step)
            sdata[threadIdx.y][threadIdx.x] += sdata[threadIdx.y + step][threadIdx.x];
        __syncthreads();
    }
    if (threadIdx.y == 0 && col < dim2)
        output[(size_t)blockIdx.y * dim2 + col] = sdata[0][threadIdx.x];
}
