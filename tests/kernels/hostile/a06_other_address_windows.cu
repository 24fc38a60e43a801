// spec: basics/relu  expect: OUT_OF_BOUNDS
// exploit: A06  walks the shared window beyond what the block has
/* @plan
{ "launch": [ { "kernel": "relu", "grid": ["ceil_div(N, 256)"], "block": [256], "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void relu(const float* x, float* y, int n)
{
    __shared__ float own[4];
    int i = blockIdx.x * 256 + threadIdx.x;
    unsigned at = (unsigned)__cvta_generic_to_shared(own) + 1024 + threadIdx.x * 4;
    float v;
    asm volatile("ld.shared.f32 %0, [%1];" : "=f"(v) : "r"(at)); // HERE
    if (i < n)
        y[i] = v > 0 ? v : fmaxf(x[i], 0.f);
}
