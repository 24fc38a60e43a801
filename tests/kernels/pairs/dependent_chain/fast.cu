/* The same with 16 loads in flight and 4 sums. */
/* @plan
{ "launch": [ { "kernel": "sums", "grid": ["ceil_div(B, 32)"], "block": [32], "args": ["x", "y", "B", "N"] } ] }
*/
extern "C" __global__ void sums(const float *x, float *y, int B, int N)
{
    int column = blockIdx.x * 32 + threadIdx.x, i = 0;
    if (column >= B)
        return;
    float s[4] = {};
    for (; i + 16 <= N; i += 16) {
        float v[16];
#pragma unroll
        for (int k = 0; k < 16; k++)
            v[k] = x[(size_t)(i + k) * B + column];
#pragma unroll
        for (int k = 0; k < 16; k++)
            s[k % 4] += v[k];
    }
    for (; i < N; i++)
        s[0] += x[(size_t)i * B + column];
    y[column] = (s[0] + s[1]) + (s[2] + s[3]);
}
