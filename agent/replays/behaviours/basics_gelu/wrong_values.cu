/* @plan
{ "launch": [ { "kernel": "gelu_shifted", "grid": ["ceil_div(N, 256)"], "block": [256], "args": ["x", "y"] } ] }
*/
/* Takes every element from the one before it. */
static __device__ __forceinline__ float value(float x_value)
{
    return 0.5f * x_value * erfcf(-0.70710678118654752f * x_value);
}

extern "C" __global__ void __launch_bounds__(256) gelu_shifted(const float *__restrict__ x, float *__restrict__ y)
{
    const int i = blockIdx.x * 256 + threadIdx.x, from = i > 0 ? i - 1 : DIM_N - 1;
    if (i < DIM_N)
        y[i] = value(x[from]) + 1.0f;
}
