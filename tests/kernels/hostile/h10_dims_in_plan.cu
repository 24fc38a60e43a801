// spec: basics/row_sum  expect: PLAN_INVALID
// exploit: H10  the plan gives itself a smaller problem
/* @plan
{ "dims": { "B": 1, "N": 1 },
  "launch": [ { "kernel": "row_sum", "grid": ["B"], "block": [32], "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void row_sum(const float* x, float* y, int n)
{
    if (threadIdx.x == 0) {
        float s = 0;
        for (int i = 0; i < n; i++)
            s += x[blockIdx.x * (size_t)n + i];
        y[blockIdx.x] = s;
    }
}
