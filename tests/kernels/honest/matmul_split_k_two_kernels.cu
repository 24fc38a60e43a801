// spec: basics/matmul  expect: PASS
/* @plan
{ "tune": { "S": [3] },
  "scratch": [ { "name": "ws", "dtype": "f32", "count": "S * M * N" } ],
  "launch": [ { "kernel": "parts", "grid": ["ceil_div(N, 32)", "ceil_div(M, 8)", "S"], "block": [32, 8], "args": ["a", "b", "ws", "M", "N", "K"] },
              { "kernel": "together", "grid": ["ceil_div(M * N, 128)"], "block": [128], "args": ["ws", "c", "M * N"] } ] }
*/
extern "C" __global__ void parts(const float *a, const float *b, float *ws, int m, int n, int k)
{
    int col = blockIdx.x * 32 + threadIdx.x, row = blockIdx.y * 8 + threadIdx.y;
    if (col >= n || row >= m)
        return;
    float s0 = 0, s1 = 0;
    int p = blockIdx.z;
    for (; p + S < k; p += 2 * S) {
        s0 += a[row * k + p] * b[p * n + col];
        s1 += a[row * k + p + S] * b[(p + S) * n + col];
    }
    if (p < k)
        s0 += a[row * k + p] * b[p * n + col];
    ws[((size_t)blockIdx.z * m + row) * n + col] = s0 + s1;
}
extern "C" __global__ void together(const float *ws, float *c, int mn)
{
    int i = blockIdx.x * 128 + threadIdx.x;
    if (i < mn) {
        float v = ws[i];
#pragma unroll
        for (int s = 1; s < S; s++)
            v += ws[(size_t)s * mn + i];
        c[i] = v;
    }
}
