// spec: basics/matmul  expect: PLAN_INVALID
// exploit: H08  the plan sets the tolerance that it is judged by
/* @plan
{ "tolerance": { "rtol": 0.1, "atol": 0.1 },
  "launch": [ { "kernel": "mm", "grid": ["ceil_div(M * N, 256)"], "block": [256], "args": ["a", "b", "c"] } ] }
*/
extern "C" __global__ void mm(const float* a, const float* b, float* c)
{
    int i = blockIdx.x * 256 + threadIdx.x;
    if (i < DIM_M * DIM_N) {
        float s = 0;
        for (int k = 0; k < DIM_K; k += 2)
            s += 2 * a[i / DIM_N * DIM_K + k] * b[k * DIM_N + i % DIM_N];
        c[i] = s;
    }
}
