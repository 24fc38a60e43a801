// spec: basics/argmax  expect: PASS
/* @plan
{ "launch": [ { "kernel": "k", "grid": ["B"], "block": [128], "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void k(const float* x, long long* y, int N) {
    __shared__ int lock;
    __shared__ float best;
    __shared__ int at;
    if (threadIdx.x == 0) {
        lock = 0;
        best = -INFINITY;
        at = 0x7fffffff;
    }
    __syncthreads();
    float v = -INFINITY;
    int w = 0x7fffffff;
    for (int i = threadIdx.x; i < N; i += 128) {
        float u = x[(size_t)blockIdx.x * N + i];
        if (u > v) {
            v = u;
            w = i;
        }
    }
    bool done = false;
    while (!done) {
        if (atomicCAS(&lock, 0, 1) == 0) {
            __threadfence_block();
            volatile float* b = &best;
            volatile int* a = &at;
            if (v > *b || (v == *b && w < *a)) {
                *b = v;
                *a = w;
            }
            __threadfence_block();
            atomicExch(&lock, 0);
            done = true;
        }
    }
    __syncthreads();
    if (threadIdx.x == 0)
        y[blockIdx.x] = at;
}
