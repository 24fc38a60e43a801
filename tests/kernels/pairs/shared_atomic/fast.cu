/* A warp for each row, and shuffles. */
/* @plan
{ "launch": [ { "kernel": "row_sum", "grid": ["B"], "block": [256], "args": ["x", "y", "N"] } ] }
*/
#include <cuda_runtime.h>
#include <device_launch_parameters.h>

#define FULL_MASK 0xffffffffu

__inline__ __device__ float warpReduceSum(float val)
{
    for (int offset = warpSize / 2; offset > 0; offset /= 2)
        val += __shfl_down_sync(FULL_MASK, val, offset);
    return val;
}

__inline__ __device__ float blockReduceSum(float val)
{
    static __shared__ float shared[32];
    int lane = threadIdx.x % warpSize;
    int wid = threadIdx.x / warpSize;
    val = warpReduceSum(val);
    if (lane == 0)
        shared[wid] = val;
    __syncthreads();
    val = (threadIdx.x < blockDim.x / warpSize) ? shared[lane] : 0;
    if (wid == 0)
        val = warpReduceSum(val);
    return val;
}

extern "C" __global__ void row_sum(const float *x, float *y, int N)
{
    const float *row = x + (size_t)blockIdx.x * N;
    float sum = 0;
    for (int i = threadIdx.x; i < N; i += blockDim.x)
        sum += row[i];
    sum = blockReduceSum(sum);
    if (threadIdx.x == 0)
        y[blockIdx.x] = sum;
}
