/* A thread for each row. */
/* @plan
{ "launch": [ { "kernel": "k", "grid": ["ceil_div(B,128)"], "block": [128], "args": ["x", "y", "B", "N"] } ] }
*/
extern "C" __global__ void k(const float *x, float *y, int B, int N)
{
    int r = blockIdx.x * 128 + threadIdx.x;
    if (r >= B)
        return;
    const float *p = x + (size_t)r * N;
    float *q = y + (size_t)r * N;
    float m = -INFINITY;
    for (int i = 0; i < N; i++)
        m = fmaxf(m, p[i]);
    float s = 0;
    for (int i = 0; i < N; i++) {
        float e = __expf(p[i] - m);
        q[i] = e;
        s += e;
    }
    float z = 1.f / s;
    for (int i = 0; i < N; i++)
        q[i] *= z;
}
