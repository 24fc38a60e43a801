// spec: basics/max_pool2d  expect: PASS
// A tile of outputs a block, its inputs with their halo in shared memory.
/* @plan
{ "launch": [ { "kernel": "k", "grid": ["ceil_div((W - 1) / 2 + 1, 16)", "ceil_div((H - 1) / 2 + 1, 16)", "N * C"], "block": [16, 16], "args": ["x", "y", "H", "W"] } ] }
*/
extern "C" __global__ void k(const float* x, float* y, int h, int w)
{
    __shared__ float tile[33][33];
    const int oh = (h - 1) / 2 + 1, ow = (w - 1) / 2 + 1;
    const float* plane = x + (size_t)blockIdx.z * h * w;
    for (int i = threadIdx.y * 16 + threadIdx.x; i < 33 * 33; i += 256) {
        int r = blockIdx.y * 32 - 1 + i / 33, q = blockIdx.x * 32 - 1 + i % 33;
        tile[i / 33][i % 33] = r >= 0 && r < h && q >= 0 && q < w ? plane[(size_t)r * w + q] : -INFINITY;
    }
    __syncthreads();
    const int r = blockIdx.y * 16 + threadIdx.y, q = blockIdx.x * 16 + threadIdx.x;
    if (r >= oh || q >= ow)
        return;
    float m = -INFINITY;
    for (int a = 0; a < 3; a++)
        for (int b = 0; b < 3; b++)
            m = fmaxf(m, tile[threadIdx.y * 2 + a][threadIdx.x * 2 + b]);
    y[((size_t)blockIdx.z * oh + r) * ow + q] = m;
}
