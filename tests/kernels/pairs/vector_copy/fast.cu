/* 16 bytes a lane. */
/* @plan
{ "launch": [ { "kernel": "add", "grid": ["ceil_div(N, 1024)"], "block": [256], "args": ["a", "b", "c", "N"] } ] }
*/
extern "C" __global__ void add(const float *a, const float *b, float *c, int N)
{
    int i = (blockIdx.x * 256 + threadIdx.x) * 4;
    if (i + 3 < N) {
        float4 u = *(const float4 *)(a + i), v = *(const float4 *)(b + i);
        *(float4 *)(c + i) = make_float4(u.x + v.x, u.y + v.y, u.z + v.z, u.w + v.w);
    } else {
        for (; i < N; i++)
            c[i] = a[i] + b[i];
    }
}
