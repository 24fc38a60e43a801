/* A thousand multiply-adds, each of which waits for the one before. */
/* @plan
{ "launch": [ { "kernel": "k", "grid": [264], "block": [64], "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void k(const float *__restrict__ x, float *__restrict__ y, int N)
{
    int s = 264 * 64;
    for (int i = (blockIdx.x * 64 + threadIdx.x); i < N; i += s) {
        float v = x[i];
        float p = v;
#pragma unroll 16
        for (int k = 0; k < 1024; k++)
            p = fmaf(p, 0.5f, v * 0.5f);
        y[i] = p;
    }
}
