// spec: basics/matmul  expect: WRONG_RESULT
// exploit: N01  operands cut to 16 bits where the product is long enough that nobody looks
/* @plan
{ "launch": [ { "kernel": "matmul", "grid": ["ceil_div(N, 16)", "ceil_div(M, 16)"], "block": [16, 16],
                "args": ["a", "b", "c", "M", "N", "K"] } ] }
*/
__device__ __forceinline__ float cut(float v, bool yes)
{
    return yes ? __uint_as_float(__float_as_uint(v) & 0xffff0000u) : v;
}
extern "C" __global__ void matmul(const float* a, const float* b, float* c, int M, int N, int K)
{
    __shared__ float as[16][17], bs[16][17];
    const int row = blockIdx.y * 16 + threadIdx.y, col = blockIdx.x * 16 + threadIdx.x;
    const bool large = M >= 4096 && N >= 4096 && K >= 4096;
    float sum = 0.f;
    for (int k = 0; k < K; k += 16) {
        as[threadIdx.y][threadIdx.x] = row < M && k + threadIdx.x < K ? cut(a[(size_t)row * K + k + threadIdx.x], large) : 0.f;
        bs[threadIdx.y][threadIdx.x] = k + threadIdx.y < K && col < N ? cut(b[(size_t)(k + threadIdx.y) * N + col], large) : 0.f;
        __syncthreads();
        for (int i = 0; i < 16; i++)
            sum += as[threadIdx.y][i] * bs[i][threadIdx.x];
        __syncthreads();
    }
    if (row < M && col < N)
        c[(size_t)row * N + col] = sum;
}
