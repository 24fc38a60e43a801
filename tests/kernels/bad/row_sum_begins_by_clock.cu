// spec: basics/row_sum  expect: FORBIDDEN_CONSTRUCT
// Where a row's sum begins is read off the clock: other bits in another order of threads, were clocks allowed.
/* @plan
{ "launch": [ { "kernel": "k", "grid": ["B"], "block": [64], "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void k(const float* x, float* y, int N) {
    __shared__ float part[64];
    __shared__ int at;
    if (threadIdx.x == 0)
        at = (int)((unsigned long long)clock64() % (unsigned)N);
    __syncthreads();
    float s = 0;
    for (int i = threadIdx.x; i < N; i += 64)
        s += x[(size_t)blockIdx.x * N + (i + at) % N];
    part[threadIdx.x] = s;
    __syncthreads();
    if (threadIdx.x == 0) {
        s = 0;
        for (int i = 0; i < 64; i++) s += part[i];
        y[blockIdx.x] = s;
    }
}
