/* One output a thread: every product loads both of its operands. */
/* @plan
{ "launch": [ { "kernel": "k", "grid": ["ceil_div(W,32)", "ceil_div(H,8)", "N*K"], "block": [32, 8], "args": ["x", "w", "b", "y", "N", "C", "K", "H", "W"] } ] }
*/
extern "C" __global__ void k(const float *x, const float *w, const float *b, float *y, int N, int C,
                             int K, int H, int W)
{
    int ow = blockIdx.x * 32 + threadIdx.x, oh = blockIdx.y * 8 + threadIdx.y, n = blockIdx.z / K,
        k = blockIdx.z % K;
    if (ow >= W || oh >= H)
        return;
    float s = b[k];
    for (int c = 0; c < C; c++)
        for (int i = 0; i < 3; i++)
            for (int j = 0; j < 3; j++) {
                int h = oh + i - 1, v = ow + j - 1;
                if (h >= 0 && h < H && v >= 0 && v < W)
                    s +=
                        x[(((size_t)n * C + c) * H + h) * W + v] * w[((k * C + c) * 3 + i) * 3 + j];
            }
    y[(((size_t)n * K + k) * H + oh) * W + ow] = s;
}
