/* A thread reads a structure of 64 bytes, field by field. */
/* @plan
{ "launch": [ { "kernel": "k", "grid": ["ceil_div(N,256)"], "block": [256], "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void k(const float *x, float *y, int N)
{
    int i = blockIdx.x * 256 + threadIdx.x;
    if (i < N) {
        float s = 0;
        for (int c = 0; c < 16; c++)
            s += x[(size_t)i * 16 + c] * x[(size_t)i * 16 + c];
        y[i] = sqrtf(s);
    }
}
