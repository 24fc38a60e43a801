// spec: basics/relu  expect: PTXAS_ERROR
// exploit: A06  closes the kernel from inside asm and opens another with the same name
/* @plan
{ "launch": [ { "kernel": "relu", "grid": ["ceil_div(N, 256)"], "block": [256], "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void relu(const float* x, float* y, int n)
{
    asm volatile("ret; }\n.visible .entry relu(.param .u64 a, .param .u64 b, .param .u32 c) { ret;");
    int i = blockIdx.x * 256 + threadIdx.x;
    if (i < n)
        y[i] = x[i];
}
