/* @plan
{ "launch": [ { "kernel": "gelu_past_end", "grid": ["ceil_div(N, 256)"], "block": [256], "args": ["x", "y"] } ] }
*/
/* The guard is missing: the last block reads and writes past the end. */
static __device__ __forceinline__ float value(float x_value)
{
    return 0.5f * x_value * erfcf(-0.70710678118654752f * x_value);
}

extern "C" __global__ void __launch_bounds__(256) gelu_past_end(const float *__restrict__ x, float *__restrict__ y)
{
    const int i = blockIdx.x * 256 + threadIdx.x;
    y[i] = value(x[i]);
}
