/* A thread has both of two: all lanes do the same. */
/* @plan
{ "launch": [ { "kernel": "map", "grid": ["ceil_div(N, 256)"], "block": [256], "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void map(const float2 *x, float2 *y, int N)
{
    int i = blockIdx.x * 256 + threadIdx.x;
    if (i >= N)
        return;
    float2 v = x[i];
    for (int k = 0; k < 3; k++)
        v.x = erff(tanhf(v.x));
    v.y *= 2;
    y[i] = v;
}
