// spec: basics/transpose  expect: PASS
// Tiles of 32 by 32 through shared memory, loads of four where rows allow it.
/* @plan
{ "launch": [ { "kernel": "k", "grid": ["ceil_div(N, 32)", "ceil_div(M, 32)"], "block": [8, 32], "args": ["x", "y", "M", "N"] } ] }
*/
extern "C" __global__ void k(const float* x, float* y, int m, int n)
{
    __shared__ float tile[32][33];
    const int r0 = blockIdx.y * 32, c0 = blockIdx.x * 32, r = r0 + threadIdx.y, c = c0 + threadIdx.x * 4;
    if (r < m && n % 4 == 0 && c < n) {
        float4 v = *reinterpret_cast<const float4*>(x + (size_t)r * n + c);
        tile[threadIdx.y][threadIdx.x * 4] = v.x;
        tile[threadIdx.y][threadIdx.x * 4 + 1] = v.y;
        tile[threadIdx.y][threadIdx.x * 4 + 2] = v.z;
        tile[threadIdx.y][threadIdx.x * 4 + 3] = v.w;
    } else if (r < m) {
        for (int i = 0; i < 4; i++)
            if (c + i < n)
                tile[threadIdx.y][threadIdx.x * 4 + i] = x[(size_t)r * n + c + i];
    }
    __syncthreads();
    for (int i = 0; i < 4; i++)
        if (c0 + threadIdx.y < n && r0 + threadIdx.x + 8 * i < m)
            y[(size_t)(c0 + threadIdx.y) * m + r0 + threadIdx.x + 8 * i] = tile[threadIdx.x + 8 * i][threadIdx.y];
}
