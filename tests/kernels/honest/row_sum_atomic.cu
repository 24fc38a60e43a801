// spec: basics/row_sum  expect: PASS
/* @plan
{ "launch": [ { "kernel": "clear", "grid": ["ceil_div(B, 128)"], "block": [128], "args": ["y", "B"] },
              { "kernel": "add_parts", "grid": ["ceil_div(N, 1024)", "B"], "block": [128],
                "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void clear(float* y, int b)
{
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < b)
        y[i] = 0.0f;
}

// A block sums 1024 elements of a row and adds its part to the row's sum.
extern "C" __global__ void add_parts(const float* x, float* y, int n)
{
    __shared__ float total;
    if (threadIdx.x == 0)
        total = 0.0f;
    __syncthreads();
    float s = 0.0f;
    const int end = min(n, (int)(blockIdx.x + 1) * 1024);
    for (int i = blockIdx.x * 1024 + threadIdx.x; i < end; i += blockDim.x)
        s += x[(size_t)blockIdx.y * n + i];
    for (int d = 16; d; d >>= 1)
        s += __shfl_xor_sync(0xffffffff, s, d);
    if (threadIdx.x % 32 == 0)
        atomicAdd(&total, s);
    __syncthreads();
    if (threadIdx.x == 0)
        atomicAdd(&y[blockIdx.y], total);
}
