/* Every second lane has the long map to do. */
/* @plan
{ "launch": [ { "kernel": "map", "grid": ["ceil_div(2 * N, 256)"], "block": [256], "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void map(const float *x, float *y, int N)
{
    int i = blockIdx.x * 256 + threadIdx.x;
    if (i >= 2 * N)
        return;
    float v = x[i];
    if (i % 2 == 0) {
        for (int k = 0; k < 3; k++)
            v = erff(tanhf(v));
    } else {
        v *= 2;
    }
    y[i] = v;
}
