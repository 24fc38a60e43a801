// spec: basics/row_sum  expect: NONDETERMINISTIC
// Where a row's sum begins follows from where malloc puts a block: other bits in another order of threads.
/* @plan
{ "launch": [ { "kernel": "k", "grid": ["B"], "block": [64], "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void k(const float* x, float* y, int N) {
    __shared__ float part[64];
    __shared__ int at;
    if (threadIdx.x == 0)
        { void* p = malloc(64); at = (int)(((unsigned long long)p >> 6) % (unsigned)N); if (blockIdx.x % 2) free(p); }
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
