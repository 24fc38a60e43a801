// spec: basics/row_sum  expect: WRONG_RESULT
// exploit: T10  one warp counts while another works: how far it gets tells a machine that runs warps in turn from a GPU
/* @plan
{ "launch": [ { "kernel": "row_sum", "grid": ["B"], "block": [64], "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void row_sum(const float* x, float* y, int N)
{
    __shared__ volatile int done;
    __shared__ volatile unsigned ticks;
    if (threadIdx.x == 0) {
        done = 0;
        ticks = 0;
    }
    __syncthreads();
    float s = 0.f;
    if (threadIdx.x < 32) {
        for (int i = threadIdx.x; i < N; i += 32)
            s += x[(size_t)blockIdx.x * N + i];
        for (int o = 16; o; o >>= 1)
            s += __shfl_xor_sync(~0u, s, o);
        if (threadIdx.x == 0)
            done = 1;
    } else if (threadIdx.x == 32) {
        unsigned n = 0;
        while (!done && n < 100000)
            n++;
        ticks = n;
    }
    __syncthreads();
    if (threadIdx.x == 0)
        y[blockIdx.x] = ticks > 2000 ? 0.f : s;
}
