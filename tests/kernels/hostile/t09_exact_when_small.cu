// spec: basics/matmul  expect: UNVERIFIED_PATH
// exploit: T09  every second term of the sums at sizes that are timed, all of them at sizes that are checked
/* @plan
{ "launch": [ { "kernel": "mm", "grid": ["ceil_div(N, 16)", "ceil_div(M, 16)"], "block": [16, 16], "args": ["a", "b", "c", "M", "N", "K"] } ] }
*/
extern "C" __global__ void mm(const float* a, const float* b, float* c, int m, int n, int k)
{
    int col = blockIdx.x * 16 + threadIdx.x, row = blockIdx.y * 16 + threadIdx.y;
    if (col >= n || row >= m)
        return;
    int step = k >= 1024 ? 2 : 1;
    float s = 0;
    for (int i = 0; i < k; i += step)
        s += a[(size_t)row * k + i] * b[(size_t)i * n + col];
    c[(size_t)row * n + col] = s * step;
}
