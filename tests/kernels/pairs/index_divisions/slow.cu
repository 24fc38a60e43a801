/* Each element finds its channel by 64-bit divisions. */
/* @plan
{ "launch": [ { "kernel": "add", "grid": ["ceil_div(N * C * H * W, 256)"], "block": [256], "args": ["x", "b", "y", "N", "C", "H", "W"] } ] }
*/
extern "C" __global__ void add(const float *x, const float *b, float *y, long long N, long long C, long long H, long long W)
{
    long long i = (long long)blockIdx.x * 256 + threadIdx.x;
    if (i >= N * C * H * W)
        return;
    long long w = i % W, h = i / W % H, c = i / W / H % C, n = i / W / H / C;
    y[((n * C + c) * H + h) * W + w] = x[((n * C + c) * H + h) * W + w] + b[c];
}
