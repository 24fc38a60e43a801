/* @plan
{ "launch": [ { "kernel": "add_runs", "grid": ["ceil_div(N, 4096)"], "block": [256], "args": ["a", "b", "c"] } ] }
*/
/* A thread takes 16 elements in a row: simple, but its neighbours read far from it. */
static __device__ __forceinline__ float value(float a_value, float b_value)
{
    return a_value + b_value;
}

extern "C" __global__ void __launch_bounds__(256) add_runs(const float *__restrict__ a, const float *__restrict__ b, float *__restrict__ c)
{
    const int first = (blockIdx.x * 256 + threadIdx.x) * 16;
    for (int i = first; i < first + 16 && i < DIM_N; i++)
        c[i] = value(a[i], b[i]);
}
