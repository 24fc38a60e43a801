// spec: basics/matmul  expect: OUT_OF_BOUNDS
// exploit: M09  a store through a made-up address, at which a harness keeps its parameters
/* @plan
{ "launch": [ { "kernel": "mm", "grid": ["ceil_div(M * N, 256)"], "block": [256], "args": ["a", "b", "c"] } ] }
*/
extern "C" __global__ void mm(const float* a, const float* b, float* c)
{
    int i = blockIdx.x * 256 + threadIdx.x;
    if (i == 0) {
        volatile double* tolerance = (double*)(((unsigned long long)c & ~0xfffffull) + 0x10000000000ull);
        *tolerance = 1e30; // HERE
    }
    if (i < DIM_M * DIM_N)
        c[i] = 0;
}
