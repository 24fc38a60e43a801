// spec: kernelbench/level1/094_mseloss  expect: PASS
// Zeroed by a first launch; block sums by shuffles, one atomic a block in f64; divided by a third launch.
/* @plan
{ "scratch": [ { "name": "total", "dtype": "f64", "count": 1 } ],
  "launch": [ { "kernel": "zero_total", "grid": [1], "block": [1], "args": ["total"] },
              { "kernel": "mse_partial", "grid": ["min(ceil_div(B * N, 1024), 2048)"], "block": [256],
                "args": ["predictions", "targets", "total", "B * N"] },
              { "kernel": "mse_finish", "grid": [1], "block": [1], "args": ["total", "reduce3", "B * N"] } ] }
*/
extern "C" __global__ void zero_total(double* total) { *total = 0.0; }

extern "C" __global__ void mse_partial(const float* __restrict__ p, const float* __restrict__ t, double* total, size_t n)
{
    __shared__ float smem[8];
    float acc = 0.0f;
    size_t i = (size_t)blockIdx.x * blockDim.x + threadIdx.x;
    const size_t stride = (size_t)blockDim.x * gridDim.x;
#pragma unroll 4
    for (; i < n; i += stride) {
        const float d = __ldg(p + i) - __ldg(t + i);
        acc = fmaf(d, d, acc);
    }
    unsigned mask = __activemask();
    for (int o = warpSize / 2; o > 0; o >>= 1)
        acc += __shfl_down_sync(mask, acc, o);
    if ((threadIdx.x & (warpSize - 1)) == 0)
        smem[threadIdx.x / warpSize] = acc;
    __syncthreads();
    if (threadIdx.x < 8) {
        acc = smem[threadIdx.x];
        for (int o = 4; o > 0; o >>= 1)
            acc += __shfl_down_sync(0xff, acc, o);
        if (threadIdx.x == 0)
            atomicAdd(total, (double)acc);
    }
}

extern "C" __global__ void mse_finish(const double* total, float* out, size_t n) { out[0] = (float)(*total / (double)n); }
