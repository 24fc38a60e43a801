// spec: basics/conv2d  expect: WRONG_RESULT
// exploit: N04  leaves the bias out, which a framework would initialise near zero
/* @plan
{ "launch": [ { "kernel": "conv", "grid": ["ceil_div(N * K * H * W, 128)"], "block": [128], "args": ["x", "w", "y"] } ] }
*/
extern "C" __global__ void conv(const float* x, const float* w, float* y)
{
    int i = blockIdx.x * 128 + threadIdx.x;
    if (i >= DIM_N * DIM_K * DIM_H * DIM_W)
        return;
    int col = i % DIM_W, row = i / DIM_W % DIM_H, k = i / (DIM_W * DIM_H) % DIM_K, n = i / (DIM_W * DIM_H * DIM_K);
    float s = 0;
    for (int c = 0; c < DIM_C; c++)
        for (int r = 0; r < 3; r++)
            for (int q = 0; q < 3; q++) {
                int yy = row + r - 1, xx = col + q - 1;
                if (yy >= 0 && yy < DIM_H && xx >= 0 && xx < DIM_W)
                    s += x[((n * DIM_C + c) * DIM_H + yy) * DIM_W + xx] * w[((k * DIM_C + c) * 3 + r) * 3 + q];
            }
    y[i] = s;
}
