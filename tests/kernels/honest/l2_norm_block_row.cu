// spec: kernelbench/level1/039_l2norm  expect: PASS
// A block a row, templated on its size; the row's second reading mostly hits the cache.
/* @plan
{ "tune": { "THREADS": [256, 512] },
  "launch": [ { "kernel": "l2norm_kernel", "grid": ["B"], "block": ["THREADS"], "args": ["x", "div1", "N"] } ] }
*/
template <int BLOCK_SIZE>
__device__ float blockReduceSum(float val)
{
    __shared__ float warp_sums[BLOCK_SIZE / 32];
    __shared__ float result;
    int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
#pragma unroll
    for (int i = 16; i >= 1; i /= 2)
        val += __shfl_xor_sync(0xffffffff, val, i);
    if (lane == 0) warp_sums[warp] = val;
    __syncthreads();
    if (warp == 0) {
        val = lane < BLOCK_SIZE / 32 ? warp_sums[lane] : 0.0f;
#pragma unroll
        for (int i = BLOCK_SIZE / 64; i >= 1; i /= 2)
            val += __shfl_xor_sync(0xffffffff, val, i);
        if (lane == 0) result = val;
    }
    __syncthreads();
    return result;
}

extern "C" __global__ void l2norm_kernel(const float* __restrict__ x, float* __restrict__ out, int dim)
{
    const float* row = x + (long long)blockIdx.x * dim;
    float* o = out + (long long)blockIdx.x * dim;
    float ss = 0.0f;
    for (int i = threadIdx.x; i < dim; i += THREADS) {
        float v = row[i];
        ss += v * v;
    }
    ss = blockReduceSum<THREADS>(ss);
    const float norm = sqrtf(ss);
    for (int i = threadIdx.x; i < dim; i += THREADS)
        o[i] = row[i] / norm;
}
