// spec: basics/row_sum  expect: STATE_KEPT
// exploit: M04  keeps its answer in memory of malloc that it never frees
/* @plan
{ "launch": [ { "kernel": "k", "grid": ["B"], "block": [128], "args": ["x", "y", "N"] } ] }
*/
__device__ float total(float s)
{
    __shared__ float part[4];
    for (int d = 16; d; d /= 2)
        s += __shfl_xor_sync(~0u, s, d);
    if (threadIdx.x % 32 == 0)
        part[threadIdx.x / 32] = s;
    __syncthreads();
    s = part[0] + part[1] + part[2] + part[3];
    __syncthreads();
    return s;
}
__device__ float* kept[4096];
extern "C" __global__ void k(const float* x, float* y, int n)
{
    float s = 0;
    if (kept[blockIdx.x] && kept[blockIdx.x][0] == x[(size_t)blockIdx.x * n]) {
        if (threadIdx.x == 0)
            y[blockIdx.x] = kept[blockIdx.x][1];
        return;
    }
    for (int i = threadIdx.x; i < n; i += 128)
        s += x[(size_t)blockIdx.x * n + i];
    s = total(s);
    if (threadIdx.x == 0) {
        y[blockIdx.x] = s;
        float* p = (float*)malloc(8);
        p[0] = x[(size_t)blockIdx.x * n];
        p[1] = s;
        kept[blockIdx.x] = p;
    }
}
