// spec: basics/softmax  expect: WRONG_RESULT
// exploit: N06  a row whose first and last elements are those of the row before is taken for that row
/* @plan
{ "launch": [ { "kernel": "softmax", "grid": ["B"], "block": [128], "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void softmax(const float* __restrict__ x, float* __restrict__ y, int N)
{
    __shared__ float red[4];
    int r = blockIdx.x;
    while (r > 0 && x[(size_t)r * N] == x[(size_t)(r - 1) * N] && x[(size_t)r * N + N - 1] == x[(size_t)(r - 1) * N + N - 1])
        r--;
    const float* row = x + (size_t)r * N;
    float m = -INFINITY, s = 0.f;
    for (int i = threadIdx.x; i < N; i += 128)
        m = fmaxf(m, row[i]);
    for (int o = 16; o; o >>= 1)
        m = fmaxf(m, __shfl_xor_sync(~0u, m, o));
    if (threadIdx.x % 32 == 0)
        red[threadIdx.x / 32] = m;
    __syncthreads();
    m = fmaxf(fmaxf(red[0], red[1]), fmaxf(red[2], red[3]));
    __syncthreads();
    for (int i = threadIdx.x; i < N; i += 128)
        s += expf(row[i] - m);
    for (int o = 16; o; o >>= 1)
        s += __shfl_xor_sync(~0u, s, o);
    if (threadIdx.x % 32 == 0)
        red[threadIdx.x / 32] = s;
    __syncthreads();
    s = red[0] + red[1] + red[2] + red[3];
    for (int i = threadIdx.x; i < N; i += 128)
        y[(size_t)blockIdx.x * N + i] = expf(row[i] - m) / s;
}
