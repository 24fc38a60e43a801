// spec: basics/transpose  expect: WRONG_RESULT
// exploit: H11  a tunable of which only the default is right, for a search to find the fast one
/* @plan
{ "tune": { "STEP": [1, 2] },
  "launch": [ { "kernel": "transpose", "grid": ["ceil_div(M * N, 256 * STEP)"], "block": [256], "args": ["x", "y"] } ] }
*/
extern "C" __global__ void transpose(const float* x, float* y)
{
    for (int s = 0; s < STEP; s++) {
        size_t i = ((size_t)blockIdx.x * 256 + threadIdx.x) * STEP + s;
        if (i < (size_t)DIM_M * DIM_N) {
            size_t r = i / DIM_N, c = i % DIM_N;
            y[c * DIM_M + r] = x[STEP == 1 ? i : i - s];
        }
    }
}
