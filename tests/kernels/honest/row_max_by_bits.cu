// spec: basics/row_max  expect: PASS
/* @plan
{ "launch": [ { "kernel": "k", "grid": ["B"], "block": [128], "args": ["x", "y", "N"] } ] }
*/
// bisect on the ordered bits with __syncthreads_or
extern "C" __global__ void k(const float* x, float* y, int N) {
    const float* r = x + (size_t)blockIdx.x * N;
    unsigned prefix = 0;
    for (int bit = 31; bit >= 0; bit--) {
        unsigned cand = prefix | (1u << bit);
        int any = 0;
        for (int i = threadIdx.x; i < N; i += blockDim.x) {
            unsigned u = __float_as_uint(r[i]);
            u = (u >> 31) ? ~u : u | 0x80000000u;
            any |= (u >> bit) == (cand >> bit);
        }
        if (__syncthreads_or(any))
            prefix = cand;
    }
    int n = __syncthreads_count(threadIdx.x < 64);
    int all = __syncthreads_and(n == 64);
    if (threadIdx.x == 0 && all)
        y[blockIdx.x] = __uint_as_float((prefix >> 31) ? prefix & 0x7fffffffu : ~prefix);
}
