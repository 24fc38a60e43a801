/* A tile of 65,024 elements a block makes 134 blocks, of which 132 SMs hold one each: the last two are alone. */
/* @plan
{ "launch": [ { "kernel": "map", "grid": ["ceil_div(N, 65024)"], "block": [1024], "shared": 120000, "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void map(const float *x, float *y, int N)
{
    int begin = blockIdx.x * 65024, end = min(begin + 65024, N);
    for (int i = begin + threadIdx.x; i < end; i += 1024) {
        float v = x[i];
        for (int k = 0; k < 8; k++)
            v = tanhf(v);
        y[i] = v;
    }
}
