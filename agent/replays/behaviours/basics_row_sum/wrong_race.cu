/* @plan
{ "launch": [ { "kernel": "sum_race", "grid": ["B"], "block": [128], "args": ["x", "y"] } ] }
*/
/* Every warp writes the row's sum, each over the others. */
extern "C" __global__ void __launch_bounds__(128)
sum_race(const float *__restrict__ x, float *__restrict__ y)
{
    float part = 0.0f;
    for (int i = threadIdx.x; i < DIM_N; i += 128)
        part += x[(size_t)blockIdx.x * DIM_N + i];
    for (int offset = 16; offset > 0; offset /= 2)
        part += __shfl_xor_sync(0xffffffffu, part, offset);
    if (threadIdx.x % 32 == 0)
        y[blockIdx.x] = part;
}
