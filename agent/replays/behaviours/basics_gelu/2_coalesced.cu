/* @plan
{ "launch": [ { "kernel": "gelu_coalesced", "grid": ["ceil_div(N, 256)"], "block": [256], "args": ["x", "y"] } ] }
*/
/* A thread an element: neighbours read neighbours. */
static __device__ __forceinline__ float value(float x_value)
{
    return 0.5f * x_value * erfcf(-0.70710678118654752f * x_value);
}

extern "C" __global__ void __launch_bounds__(256) gelu_coalesced(const float *__restrict__ x, float *__restrict__ y)
{
    const int i = blockIdx.x * 256 + threadIdx.x;
    if (i < DIM_N)
        y[i] = value(x[i]);
}
