// spec: kernelbench/level1/037_frobeniusnorm  expect: PASS
// Partial sums of squares by grid-stride float4 loads, one block for their sum, and a scaled copy.
/* @plan
{ "scratch": [ { "name": "partials", "dtype": "f32", "count": 1024 }, { "name": "inv_norm", "dtype": "f32", "count": 1 } ],
  "launch": [ { "kernel": "partial_squares", "grid": [1024], "block": [256], "args": ["x", "partials", "B * C * H * W"] },
              { "kernel": "finish_norm", "grid": [1], "block": [1024], "args": ["partials", "inv_norm"] },
              { "kernel": "scale_copy", "grid": ["min(ceil_div(B * C * H * W, 256), 4096)"], "block": [256],
                "args": ["x", "inv_norm", "div1", "B * C * H * W"] } ] }
*/
__device__ __forceinline__ float block_sum(float v)
{
    static __shared__ float shared[32];
    const int lane = threadIdx.x & 31, wid = threadIdx.x >> 5;
    for (int offset = 16; offset > 0; offset /= 2)
        v += __shfl_down_sync(0xffffffff, v, offset);
    if (lane == 0)
        shared[wid] = v;
    __syncthreads();
    v = (threadIdx.x < blockDim.x / 32) ? shared[lane] : 0.f;
    if (wid == 0)
        for (int offset = 16; offset > 0; offset /= 2)
            v += __shfl_down_sync(0xffffffff, v, offset);
    return v;
}

extern "C" __global__ void partial_squares(const float* __restrict__ x, float* __restrict__ partials, long long n)
{
    const long long n4 = n / 4;
    const float4* x4 = reinterpret_cast<const float4*>(x);
    float sum = 0.f;
    const long long stride = (long long)gridDim.x * blockDim.x;
    const long long start = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    for (long long i = start; i < n4; i += stride) {
        const float4 v = x4[i];
        sum += v.x * v.x + v.y * v.y + v.z * v.z + v.w * v.w;
    }
    for (long long i = n4 * 4 + start; i < n; i += stride)
        sum += x[i] * x[i];
    sum = block_sum(sum);
    if (threadIdx.x == 0)
        partials[blockIdx.x] = sum;
}

extern "C" __global__ void finish_norm(const float* __restrict__ partials, float* __restrict__ inv_norm)
{
    const float sum = block_sum(partials[threadIdx.x]);
    if (threadIdx.x == 0)
        inv_norm[0] = sqrtf(sum);
}

extern "C" __global__ void scale_copy(const float* __restrict__ x, const float* __restrict__ norm, float* __restrict__ y, long long n)
{
    const float d = __ldg(norm);
    for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < n; i += (long long)gridDim.x * blockDim.x)
        y[i] = x[i] / d;
}
