// spec: basics/relu  expect: FORBIDDEN_CONSTRUCT
// exploit: T01  drops dirty lines, so that writing them back is never paid for
/* @plan
{ "launch": [ { "kernel": "relu", "grid": ["ceil_div(N, 256)"], "block": [256], "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void relu(const float* x, float* y, int n)
{
    int i = blockIdx.x * 256 + threadIdx.x;
    if (i < n)
        y[i] = fmaxf(x[i], 0.f);
    __syncthreads();
    if (threadIdx.x % 32 == 0 && i + 32 <= n)
        asm volatile("discard.global.L2 [%0], 128;" ::"l"(y + i) : "memory");
}
