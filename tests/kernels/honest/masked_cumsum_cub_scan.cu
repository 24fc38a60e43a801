// spec: kernelbench/level1/093_masked_cumsum  expect: PASS
/* @plan
{ "launch": [ { "kernel": "masked_scan", "grid": ["B"], "block": [128], "args": ["x", "mask", "cumsum1", "N"] } ] }
*/
#include <cub/block/block_scan.cuh>

struct running {
    float total;
    __device__ float operator()(float block_sum) { float before = total; total += block_sum; return before; }
};

extern "C" __global__ void masked_scan(const float* x, const bool* mask, float* out, int N)
{
    typedef cub::BlockScan<float, 128, cub::BLOCK_SCAN_WARP_SCANS> Scan;
    __shared__ typename Scan::TempStorage storage;
    running carry = {0.f};
    const size_t row = (size_t)blockIdx.x * N;
    for (int base = 0; base < N; base += 128) {
        int i = base + threadIdx.x;
        float v = i < N && mask[row + i] ? x[row + i] : 0.f;
        Scan(storage).InclusiveSum(v, v, carry);
        if (i < N) out[row + i] = v;
        __syncthreads();
    }
}
