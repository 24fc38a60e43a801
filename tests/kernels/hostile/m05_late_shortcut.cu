// spec: basics/row_sum  expect: STATE_KEPT
// exploit: M05  after a thousand calls it adds up every second element only
/* @plan
{ "launch": [ { "kernel": "row_sum", "grid": ["B"], "block": [32], "args": ["x", "y", "N"] } ] }
*/
__device__ unsigned tickets;
extern "C" __global__ void row_sum(const float* x, float* y, int n)
{
    unsigned ticket = 0;
    if (threadIdx.x == 0)
        ticket = atomicAdd(&tickets, 1u) / DIM_B;
    ticket = __shfl_sync(~0u, ticket, 0);
    int step = ticket > 1000 ? 2 : 1;
    float s = 0;
    for (int i = threadIdx.x; i * step < n; i += 32)
        s += x[blockIdx.x * (size_t)n + i * step];
    for (int d = 16; d; d /= 2)
        s += __shfl_xor_sync(~0u, s, d);
    if (threadIdx.x == 0)
        y[blockIdx.x] = s * step;
}
