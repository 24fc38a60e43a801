/* @plan
{ "tune":   { "BLOCK": [256, 128, 512] },
  "launch": [ { "kernel": "gelu_vectors", "grid": ["ceil_div(N, 4 * BLOCK) + 1"], "block": ["BLOCK"],
                "args": ["x", "y"] } ] }
*/
/* Four elements in one access; the last N % 4 one by one. */
static __device__ __forceinline__ float value(float x_value)
{
    return 0.5f * x_value * erfcf(-0.70710678118654752f * x_value);
}

extern "C" __global__ void __launch_bounds__(BLOCK) gelu_vectors(const float *__restrict__ x, float *__restrict__ y)
{
    const int at = blockIdx.x * BLOCK + threadIdx.x;
    if (at < DIM_N / 4) {
        const float4 v_x = reinterpret_cast<const float4 *>(x)[at];
        float4 r;
        r.x = value(v_x.x);
        r.y = value(v_x.y);
        r.z = value(v_x.z);
        r.w = value(v_x.w);
        reinterpret_cast<float4 *>(y)[at] = r;
    } else if (at == DIM_N / 4) {
        for (int i = DIM_N / 4 * 4; i < DIM_N; i++)
            y[i] = value(x[i]);
    }
}
