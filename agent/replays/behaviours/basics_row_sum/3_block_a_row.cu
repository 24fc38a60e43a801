/* @plan
{ "tune":   { "BLOCK": [256, 128, 512] },
  "launch": [ { "kernel": "sum_block_a_row", "grid": ["B"], "block": ["BLOCK"], "args": ["x", "y"] } ] }
*/
/* A block a row, four elements in one access where the row's length allows it. */
constexpr int WIDTH = DIM_N % 4 == 0 ? 4 : 1;

struct alignas(4 * WIDTH) pack {
    float f[WIDTH];
};

extern "C" __global__ void __launch_bounds__(BLOCK)
sum_block_a_row(const float *__restrict__ x, float *__restrict__ y)
{
    __shared__ float sums[BLOCK / 32];
    const pack *row = reinterpret_cast<const pack *>(x + (size_t)blockIdx.x * DIM_N);
    float part = 0.0f;
#pragma unroll 4
    for (int i = threadIdx.x; i < DIM_N / WIDTH; i += BLOCK) {
        const pack v = row[i];
        float four = 0.0f;
#pragma unroll
        for (int e = 0; e < WIDTH; e++)
            four += v.f[e];
        part += four;
    }
    for (int offset = 16; offset > 0; offset /= 2)
        part += __shfl_xor_sync(0xffffffffu, part, offset);
    if (threadIdx.x % 32 == 0)
        sums[threadIdx.x / 32] = part;
    __syncthreads();
    if (threadIdx.x == 0) {
        float total = 0.0f;
        for (int w = 0; w < BLOCK / 32; w++)
            total += sums[w];
        y[blockIdx.x] = total;
    }
}
