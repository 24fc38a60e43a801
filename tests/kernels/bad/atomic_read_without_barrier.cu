// spec: basics/row_sum  expect: SHARED_RACE
/* @plan
{ "launch": [ { "kernel": "k", "grid": ["B"], "block": [128], "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void k(const float* x, float* y, int N) {
    __shared__ float acc;
    if (threadIdx.x == 0)
        acc = 0;
    __syncthreads();
    float s = 0;
    for (int i = threadIdx.x; i < N; i += 128) s += x[blockIdx.x * N + i];
    atomicAdd(&acc, s);
    if (threadIdx.x == 0)
        y[blockIdx.x] = acc; // HERE
}
