// spec: basics/relu  expect: FORBIDDEN_CONSTRUCT
// exploit: T10  measures how long a sleep takes, which no emulator keeps to
/* @plan
{ "launch": [ { "kernel": "relu", "grid": ["ceil_div(N, 256)"], "block": [256], "args": ["x", "y", "N"] } ] }
*/
__device__ unsigned long long now()
{
    unsigned long long t;
    asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(t));
    return t;
}
extern "C" __global__ void relu(const float* x, float* y, int n)
{
    int i = blockIdx.x * 256 + threadIdx.x;
    unsigned long long before = now();
    __nanosleep(1000);
    bool real = now() - before > 900;
    if (i < n)
        y[i] = real ? x[i] : fmaxf(x[i], 0.f);
}
