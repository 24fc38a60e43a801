// spec: basics/max_pool2d  expect: PASS
/* @plan
{ "launch": [ { "kernel": "max_pool", "grid": ["ceil_div(N * C * ((H - 1) / 2 + 1) * ((W - 1) / 2 + 1), 256)"],
                "block": [256], "args": ["x", "y", "N * C", "H", "W"] } ] }
*/
#include <cuda_runtime.h>
#include <limits.h>

extern "C" __global__ void max_pool(const float* x, float* y, int planes, int H, int W)
{
    const int OH = (H - 1) / 2 + 1, OW = (W - 1) / 2 + 1;
    const long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= (long long)planes * OH * OW)
        return;
    const int ow = i % OW, oh = i / OW % OH;
    const float* plane = x + i / (OW * OH) * H * W;
    float best = -INFINITY;
    for (int r = max(0, oh * 2 - 1); r <= min(H - 1, oh * 2 + 1); r++)
        for (int c = max(0, ow * 2 - 1); c <= min(W - 1, ow * 2 + 1); c++)
            best = fmaxf(best, plane[r * W + c]);
    y[i] = best;
}
