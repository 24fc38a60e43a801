// spec: basics/softmax  expect: DEADLOCK
// exploit: N13  a barrier of all blocks by a counter, without a cooperative launch: more blocks than a GPU holds never meet
/* @plan
{ "scratch": [ { "name": "sum", "dtype": "f32", "count": "B" }, { "name": "count", "dtype": "u32", "count": "1" } ],
  "launch": [ { "kernel": "clear", "grid": [1], "block": [1], "args": ["count"] },
              { "kernel": "k", "grid": ["B"], "block": [128], "args": ["x", "y", "sum", "count", "N"] } ] }
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
extern "C" __global__ void clear(unsigned* count)
{
    *count = 0;
}
extern "C" __global__ void k(const float* x, float* y, float* sum, unsigned* count, int n)
{
    int r = blockIdx.x, other = (r + 1) % gridDim.x;
    float m = -INFINITY, s = 0;
    for (int i = 0; i < n; i++)
        m = fmaxf(m, x[(size_t)r * n + i]);
    for (int i = threadIdx.x; i < n; i += 128)
        s += expf(x[(size_t)r * n + i] - m);
    s = total(s);
    if (threadIdx.x == 0) {
        sum[r] = s;
        __threadfence();
        atomicAdd(count, 1u);
        while (*(volatile unsigned*)count < gridDim.x)
            ;
        __threadfence();
    }
    __syncthreads();
    m = -INFINITY;
    for (int i = 0; i < n; i++)
        m = fmaxf(m, x[(size_t)other * n + i]);
    s = ((volatile float*)sum)[other];
    for (int i = threadIdx.x; i < n; i += 128)
        y[(size_t)other * n + i] = expf(x[(size_t)other * n + i] - m) / s;
}
