/* @plan
{ "launch": [ { "kernel": "gelu_typo", "grid": ["ceil_div(N, 256)"], "block": [256], "args": ["x", "y"] } ] }
*/
static __device__ __forceinline__ float value(float x_value)
{
    return 0.5f * x_value * erfcf(-0.70710678118654752f * x_value);
}

extern "C" __global__ void __launch_bounds__(256) gelu_typo(const float *__restrict__ x, float *__restrict__ y)
{
    const int i = blockIdx.x * 256 + threadldx.x;
    if (i < DIM_N)
        y[i] = value(x[i])
}
