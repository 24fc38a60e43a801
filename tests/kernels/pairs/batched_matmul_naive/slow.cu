/* Every product loads both of its operands from global memory. */
/* @plan
{ "launch": [ { "kernel": "bmm", "grid": ["ceil_div(N,32)", "ceil_div(M,8)", "B"], "block": [32, 8], "args": ["a", "b", "c", "M", "N", "K"] } ] }
*/
extern "C" __global__ void bmm(const float *A, const float *B, float *C, int M, int N, int K)
{
    int n = blockIdx.x * 32 + threadIdx.x, m = blockIdx.y * 8 + threadIdx.y;
    size_t z = blockIdx.z;
    if (m >= M || n >= N)
        return;
    float acc = 0.f;
    for (int k = 0; k < K; ++k)
        acc += A[z * M * K + (size_t)m * K + k] * B[z * K * N + (size_t)k * N + n];
    C[z * M * N + (size_t)m * N + n] = acc;
}
