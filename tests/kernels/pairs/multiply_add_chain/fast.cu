/* Four chains side by side. */
/* @plan
{ "launch": [ { "kernel": "k", "grid": [264], "block": [64], "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void k(const float *__restrict__ x, float *__restrict__ y, int N)
{
    int s = 264 * 64;
    for (int i = (blockIdx.x * 64 + threadIdx.x); i < N; i += s) {
        float v = x[i];
        float p[4] = {v, v, v, v};
#pragma unroll 4
        for (int k = 0; k < 256; k++) {
#pragma unroll
            for (int j = 0; j < 4; j++)
                p[j] = fmaf(p[j], 0.5f, v * 0.5f);
        }
        y[i] = (p[0] + p[1] + p[2] + p[3]) * 0.25f;
    }
}
