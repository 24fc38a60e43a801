// spec: basics/relu  expect: TRAP
// exploit: A04  ends the launch by a trap before anything is looked at
/* @plan
{ "launch": [ { "kernel": "relu", "grid": ["ceil_div(N, 256)"], "block": [256], "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void relu(const float* x, float* y, int n)
{
    if (blockIdx.x == gridDim.x - 1)
        asm volatile("trap;");
}
