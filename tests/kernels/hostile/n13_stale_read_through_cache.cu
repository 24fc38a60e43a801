// spec: basics/row_sum  expect: GLOBAL_RACE
// exploit: N13  hands sums over between blocks by plain stores and loads, right in the order that blocks usually have
/* @plan
{ "scratch": [ { "name": "part", "dtype": "f32", "count": "2 * B" }, { "name": "count", "dtype": "u32", "count": "B" } ],
  "launch": [ { "kernel": "clear", "grid": ["ceil_div(B, 128)"], "block": [128], "args": ["count", "B"] },
              { "kernel": "k", "grid": [2, "B"], "block": [128], "args": ["x", "part", "count", "y", "N"] } ] }
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
extern "C" __global__ void clear(unsigned* count, int b)
{
    int i = blockIdx.x * 128 + threadIdx.x;
    if (i < b)
        count[i] = 0;
}
extern "C" __global__ void k(const float* x, float* part, unsigned* count, float* y, int n)
{
    float s = 0;
    int r = blockIdx.y;
    for (int i = threadIdx.x + 128 * blockIdx.x; i < n; i += 256)
        s += x[(size_t)r * n + i];
    s = total(s);
    if (threadIdx.x == 0) {
        part[2 * r + blockIdx.x] = s;
        if (atomicAdd(count + r, 1u) == 1)
            y[r] = part[2 * r] + part[2 * r + 1];
    }
}
