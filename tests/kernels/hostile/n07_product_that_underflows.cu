// spec: kernelbench/level1/090_cumprod  expect: WRONG_RESULT
// exploit: N07  cuts the scan off where products of its benign inputs have vanished
/* @plan
{ "launch": [ { "kernel": "scan", "grid": ["B"], "block": [1], "args": ["x", "cumprod0", "N"] } ] }
*/
extern "C" __global__ void scan(const float* x, float* y, int n)
{
    float p = 1;
    for (int i = 0; i < n; i++) {
        p = i < 24 ? p * x[blockIdx.x * (size_t)n + i] : 0.f;
        y[blockIdx.x * (size_t)n + i] = p;
    }
}
