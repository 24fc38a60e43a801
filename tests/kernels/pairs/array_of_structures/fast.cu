/* Four lanes read it as vectors of 16 bytes. */
/* @plan
{ "launch": [ { "kernel": "k", "grid": ["ceil_div(N,64)"], "block": [256], "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void k(const float4 *x, float *y, int N)
{
    int t = blockIdx.x * 256 + threadIdx.x, i = t / 4, c = t % 4;
    float s = 0;
    if (i < N) {
        float4 v = x[(size_t)i * 4 + c];
        s = v.x * v.x + v.y * v.y + v.z * v.z + v.w * v.w;
    }
    s += __shfl_xor_sync(~0u, s, 1);
    s += __shfl_xor_sync(~0u, s, 2);
    if (c == 0 && i < N)
        y[i] = sqrtf(s);
}
