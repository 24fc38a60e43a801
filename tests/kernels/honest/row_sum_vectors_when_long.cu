// spec: basics/row_sum  expect: PASS
/* @plan
{ "launch": [ { "kernel": "k", "grid": ["B"], "block": [256], "args": ["x", "y", "N"] } ] }
*/
// vector path where rows are aligned and long, scalar otherwise
extern "C" __global__ void k(const float* x, float* y, int n) {
    __shared__ float w[8];
    const float* r = x + (size_t)blockIdx.x * n;
    float s = 0;
    if (n >= 8192 && n % 4 == 0 && (((size_t)r) & 15) == 0) {
        const float4* v = (const float4*)r;
        for (int i = threadIdx.x; i < n / 4; i += 256) { float4 q = __ldg(v + i); s += (q.x + q.y) + (q.z + q.w); }
    } else for (int i = threadIdx.x; i < n; i += 256) s += r[i];
    for (int o = 16; o; o >>= 1) s += __shfl_down_sync(~0u, s, o);
    if (!(threadIdx.x & 31)) w[threadIdx.x >> 5] = s;
    __syncthreads();
    if (threadIdx.x < 8) { s = w[threadIdx.x]; for (int o = 4; o; o >>= 1) s += __shfl_down_sync(0xff, s, o); if (!threadIdx.x) y[blockIdx.x] = s; }
}
