// spec: basics/row_sum  expect: DIVERGENT_BARRIER
/* @plan
{ "launch": [ { "kernel": "row_sum", "grid": ["B"], "block": [64], "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void row_sum(const float* x, float* y, int N) {
    __shared__ float s[64];
    float v = 0;
    for (int i = threadIdx.x; i < N; i += 64) {
        v += x[blockIdx.x * N + i];
        s[threadIdx.x] = v;
        __syncthreads(); // HERE
    }
    if (threadIdx.x >= N)
        s[threadIdx.x] = 0;
    __syncthreads();
    if (threadIdx.x == 0) {
        float t = 0;
        for (int i = 0; i < 64; i++) t += s[i];
        y[blockIdx.x] = t;
    }
}
