// spec: basics/max_pool2d  expect: PASS
/* @plan
{
  "launch": [
    { "kernel": "maxpool", "grid": ["ceil_div((W + 1) / 2, 32)", "(H + 1) / 2", "N * C"], "block": [32],
      "args": ["x", "y", "H", "W"] } ] }
*/
extern "C" __global__ void maxpool(const float* x, float* y, int H, int W) {
    const int OH = (H - 1) / 2 + 1, OW = (W - 1) / 2 + 1;
    int ow = blockIdx.x * 32 + threadIdx.x, oh = blockIdx.y;
    if (ow >= OW || oh >= OH)
        return;
    float v[9];
    int n = 0;
    for (int i = -1; i <= 1; i++)
        for (int j = -1; j <= 1; j++) {
            int h = oh * 2 + i, w = ow * 2 + j;
            if (h < 0 || h >= H || w < 0 || w >= W)
                continue;
            v[n++] = x[((size_t)blockIdx.z * H + h) * W + w];
        }
    // insertion sort, to have a local array with a dynamic index
    for (int i = 1; i < n; i++) {
        float k = v[i];
        int j = i - 1;
        while (j >= 0 && v[j] > k) {
            v[j + 1] = v[j];
            j--;
        }
        v[j + 1] = k;
    }
    y[((size_t)blockIdx.z * OH + oh) * OW + ow] = v[n - 1];
}
