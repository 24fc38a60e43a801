// spec: basics/softmax  expect: WRONG_RESULT
/* @plan
{ "launch": [ { "kernel": "sm", "grid": ["B"], "block": [32], "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void sm(const float* x, float* y, int N) {
    float s = 0;
    for (int i = threadIdx.x; i < N; i += 32) s += expf(x[blockIdx.x * N + i]);
    for (int o = 16; o; o >>= 1) s += __shfl_xor_sync(~0u, s, o);
    for (int i = threadIdx.x; i < N; i += 32)
        y[blockIdx.x * N + i] = expf(x[blockIdx.x * N + i]) / s;
}
