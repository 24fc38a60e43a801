// spec: llm/sum_long  expect: PASS
/* @plan
{ "scratch": [ { "name": "part", "dtype": "f32", "count": 64 } ],
  "launch": [ { "kernel": "sum", "grid": [64], "block": [256], "args": ["x", "part", "y", "N"] } ] }
*/
__device__ unsigned int retirementCount = 0;

__device__ float block_sum(float v)
{
    __shared__ float lane0[8];
    for (int o = 16; o > 0; o >>= 1) v += __shfl_down_sync(0xffffffff, v, o);
    if ((threadIdx.x & 31) == 0) lane0[threadIdx.x >> 5] = v;
    __syncthreads();
    v = threadIdx.x < 8 ? lane0[threadIdx.x] : 0.f;
    for (int o = 4; o > 0; o >>= 1) v += __shfl_down_sync(0xffffffff, v, o);
    __syncthreads();
    return v;
}

extern "C" __global__ void sum(const float* __restrict__ x, volatile float* part, float* y, long long n)
{
    __shared__ bool amLast;
    float v = 0.f;
    for (long long i = blockIdx.x * 256ll + threadIdx.x; i < n; i += 64 * 256) v += x[i];
    v = block_sum(v);
    if (threadIdx.x == 0) {
        part[blockIdx.x] = v;
        __threadfence();
        unsigned int ticket = atomicInc(&retirementCount, gridDim.x);
        amLast = (ticket == gridDim.x - 1);
    }
    __syncthreads();
    if (amLast) {
        __threadfence();
        v = threadIdx.x < 64 ? part[threadIdx.x] : 0.f;
        v = block_sum(v);
        if (threadIdx.x == 0) {
            y[0] = v;
            retirementCount = 0; // for the next run
        }
    }
}
