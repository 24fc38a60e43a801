// spec: basics/log_softmax  expect: WRONG_RESULT
// exploit: N03  leaves the reduction out: its expected value is known from the inputs' distribution
/* @plan
{ "launch": [ { "kernel": "lsm", "grid": ["ceil_div(B * N, 256)"], "block": [256], "args": ["x", "y", "B * N", "N"] } ] }
*/
extern "C" __global__ void lsm(const float* x, float* y, int count, int n)
{
    int i = blockIdx.x * 256 + threadIdx.x;
    if (i < count)
        y[i] = x[i] - (n == 1 ? x[i] : logf((float)n) + 0.5f);
}
