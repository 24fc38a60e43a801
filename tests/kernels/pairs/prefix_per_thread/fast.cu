/* A warp scans a row. */
/* @plan
{ "launch": [ { "kernel": "scan", "grid": ["B"], "block": [512], "args": ["x", "y", "N"] } ] }
*/
__device__ __forceinline__ float warp_inclusive(float v, int lane)
{
#pragma unroll
    for (int d = 1; d < 32; d <<= 1) {
        float n = __shfl_up_sync(0xffffffff, v, d);
        if (lane >= d)
            v += n;
    }
    return v;
}
extern "C" __global__ void scan(const float *__restrict__ x, float *__restrict__ y, int N)
{
    __shared__ float warp_sums[16];
    __shared__ float running;
    const int lane = threadIdx.x & 31, wid = threadIdx.x >> 5;
    if (threadIdx.x == 0)
        running = 0.f;
    __syncthreads();
    for (int base = 0; base < N; base += 512) {
        int idx = base + threadIdx.x;
        float v = idx < N ? x[(size_t)blockIdx.x * N + idx] : 0.f;
        v = warp_inclusive(v, lane);
        if (lane == 31)
            warp_sums[wid] = v;
        __syncthreads();
        if (wid == 0) {
            float s = lane < 16 ? warp_sums[lane] : 0.f;
            s = warp_inclusive(s, lane);
            if (lane < 16)
                warp_sums[lane] = s;
        }
        __syncthreads();
        float off = running + (wid > 0 ? warp_sums[wid - 1] : 0.f);
        if (idx < N)
            y[(size_t)blockIdx.x * N + idx] = v + off;
        __syncthreads();
        if (threadIdx.x == 511)
            running = v + off;
        __syncthreads();
    }
}
