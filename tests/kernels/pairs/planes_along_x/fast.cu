/* Neighbouring threads have neighbouring outputs of a plane. */
/* @plan
{ "launch": [ { "kernel": "k", "grid": ["ceil_div((H+1)/2 * ((W+1)/2), 256)", "N*C"], "block": [256], "args": ["x", "y", "N*C", "H", "W"] } ] }
*/
extern "C" __global__ void k(const float *x, float *y, int P, int H, int W)
{
    int p = blockIdx.y;
    int OH = (H + 1) / 2, OW = (W + 1) / 2;
    int o = blockIdx.x * 256 + threadIdx.x;
    if (o >= OH * OW)
        return;
    int oh = o / OW, ow = o % OW;
    float m = -INFINITY;
    for (int i = -1; i < 2; i++)
        for (int j = -1; j < 2; j++) {
            int h = 2 * oh + i, w = 2 * ow + j;
            if (h >= 0 && h < H && w >= 0 && w < W)
                m = fmaxf(m, x[((size_t)p * H + h) * W + w]);
        }
    y[(size_t)p * OH * OW + o] = m;
}
