/* @plan
{ "launch": [ { "kernel": "add_coalesced", "grid": ["ceil_div(N, 256)"], "block": [256], "args": ["a", "b", "c"] } ] }
*/
/* A thread an element: neighbours read neighbours. */
static __device__ __forceinline__ float value(float a_value, float b_value)
{
    return a_value + b_value;
}

extern "C" __global__ void __launch_bounds__(256) add_coalesced(const float *__restrict__ a, const float *__restrict__ b, float *__restrict__ c)
{
    const int i = blockIdx.x * 256 + threadIdx.x;
    if (i < DIM_N)
        c[i] = value(a[i], b[i]);
}
