/* One warp of eight has 64 rounds. */
/* @plan
{ "launch": [ { "kernel": "k", "grid": ["ceil_div(N,256)"], "block": [256], "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void k(const float *x, float *y, int N)
{
    int i = blockIdx.x * 256 + threadIdx.x;
    if (i >= N)
        return;
    float v = x[i];
    int n = (i / 32) % 8 == 0 ? 64 : 1;
    for (int k = 0; k < n; k++)
        v = v * 1.0f + 0.0f * __sinf(v);
    y[i] = v;
}
