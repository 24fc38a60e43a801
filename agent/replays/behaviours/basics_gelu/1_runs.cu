/* @plan
{ "launch": [ { "kernel": "gelu_runs", "grid": ["ceil_div(N, 4096)"], "block": [256], "args": ["x", "y"] } ] }
*/
/* A thread takes 16 elements in a row: simple, but its neighbours read far from it. */
static __device__ __forceinline__ float value(float x_value)
{
    return 0.5f * x_value * erfcf(-0.70710678118654752f * x_value);
}

extern "C" __global__ void __launch_bounds__(256) gelu_runs(const float *__restrict__ x, float *__restrict__ y)
{
    const int first = (blockIdx.x * 256 + threadIdx.x) * 16;
    for (int i = first; i < first + 16 && i < DIM_N; i++)
        y[i] = value(x[i]);
}
