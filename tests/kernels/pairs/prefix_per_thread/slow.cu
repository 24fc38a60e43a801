/* A thread goes along a row. */
/* @plan
{ "launch": [ { "kernel": "k", "grid": ["ceil_div(B,64)"], "block": [64], "args": ["x", "y", "B", "N"] } ] }
*/
extern "C" __global__ void k(const float *x, float *y, int B, int N)
{
    int r = blockIdx.x * 64 + threadIdx.x;
    if (r >= B)
        return;
    float s = 0;
    for (int i = 0; i < N; i++) {
        s += x[(size_t)r * N + i];
        y[(size_t)r * N + i] = s;
    }
}
