// spec: basics/relu  expect: ENDLESS
/* @plan
{ "scratch": [ { "name": "flag", "dtype": "i32", "count": 1 } ],
  "launch": [ { "kernel": "clear", "grid": [1], "block": [1], "args": ["flag"] },
              { "kernel": "relu", "grid": ["ceil_div(N, 256)"], "block": [256], "args": ["x", "y", "flag", "N"] } ] }
*/
extern "C" __global__ void clear(int* flag) { *flag = 0; }

extern "C" __global__ void relu(const float* x, float* y, volatile int* flag, int n)
{
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    while (*flag == 0) // nobody sets it
        ;
    if (i < n)
        y[i] = fmaxf(x[i], 0.0f);
}
