/* @plan
{ "launch": [ { "kernel": "add_past_end", "grid": ["ceil_div(N, 256)"], "block": [256], "args": ["a", "b", "c"] } ] }
*/
/* The guard is missing: the last block reads and writes past the end. */
static __device__ __forceinline__ float value(float a_value, float b_value)
{
    return a_value + b_value;
}

extern "C" __global__ void __launch_bounds__(256) add_past_end(const float *__restrict__ a, const float *__restrict__ b, float *__restrict__ c)
{
    const int i = blockIdx.x * 256 + threadIdx.x;
    c[i] = value(a[i], b[i]);
}
