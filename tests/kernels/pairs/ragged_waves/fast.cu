/* A tile of 65,536 elements makes 132 blocks: one wave. */
/* @plan
{ "launch": [ { "kernel": "map", "grid": ["ceil_div(N, 65536)"], "block": [1024], "shared": 120000, "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void map(const float *x, float *y, int N)
{
    int begin = blockIdx.x * 65536, end = min(begin + 65536, N);
    for (int i = begin + threadIdx.x; i < end; i += 1024) {
        float v = x[i];
        for (int k = 0; k < 8; k++)
            v = tanhf(v);
        y[i] = v;
    }
}
