/* @plan
{ "tune":   { "BLOCK": [256, 128, 512] },
  "launch": [ { "kernel": "add_vectors", "grid": ["ceil_div(N, 4 * BLOCK) + 1"], "block": ["BLOCK"],
                "args": ["a", "b", "c"] } ] }
*/
/* Four elements in one access; the last N % 4 one by one. */
static __device__ __forceinline__ float value(float a_value, float b_value)
{
    return a_value + b_value;
}

extern "C" __global__ void __launch_bounds__(BLOCK) add_vectors(const float *__restrict__ a, const float *__restrict__ b, float *__restrict__ c)
{
    const int at = blockIdx.x * BLOCK + threadIdx.x;
    if (at < DIM_N / 4) {
        const float4 v_a = reinterpret_cast<const float4 *>(a)[at];
        const float4 v_b = reinterpret_cast<const float4 *>(b)[at];
        float4 r;
        r.x = value(v_a.x, v_b.x);
        r.y = value(v_a.y, v_b.y);
        r.z = value(v_a.z, v_b.z);
        r.w = value(v_a.w, v_b.w);
        reinterpret_cast<float4 *>(c)[at] = r;
    } else if (at == DIM_N / 4) {
        for (int i = DIM_N / 4 * 4; i < DIM_N; i++)
            c[i] = value(a[i], b[i]);
    }
}
