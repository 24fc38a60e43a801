/* All steps in registers. */
/* @plan
{ "launch": [ { "kernel": "all", "grid": ["ceil_div(N, 256)"], "block": [256], "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void all(const float *x, float *y, int N)
{
    int i = blockIdx.x * 256 + threadIdx.x;
    if (i < N) {
        float s = x[i] * 1.5f + 0.25f;
        y[i] = s / (1 + expf(-s)) + x[i];
    }
}
