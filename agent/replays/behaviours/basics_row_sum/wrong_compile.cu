/* @plan
{ "launch": [ { "kernel": "sum_typo", "grid": ["ceil_div(B, 4)"], "block": [128], "args": ["x", "y"] } ] }
*/
/* Uses a shuffle that is gone. */
extern "C" __global__ void __launch_bounds__(128)
sum_typo(const float *__restrict__ x, float *__restrict__ y)
{
    const int row = blockIdx.x * 4 + threadIdx.x / 32, lane = threadIdx.x % 32;
    if (row >= DIM_B)
        return;
    float part = 0.0f;
    for (int i = lane; i < DIM_N; i += 32)
        part += x[(size_t)row * DIM_N + i];
    for (int offset = 16; offset > 0; offset /= 2)
        part += __shfl_xor(0xffffffffu, part, offset);
    if (lane == 0)
        y[row] = part;
}
