/* One output a thread. */
/* @plan
{ "launch": [ { "kernel": "bmm", "grid": ["ceil_div(N,16)", "ceil_div(M,16)", "B"], "block": [16, 16], "args": ["a", "b", "c", "M", "N", "K"] } ] }
*/
extern "C" __global__ void bmm(const float *A, const float *B, float *C, int M, int N, int K)
{
    __shared__ float sa[16][16], sb[16][17];
    int tx = threadIdx.x, ty = threadIdx.y, n = blockIdx.x * 16 + tx, m = blockIdx.y * 16 + ty;
    size_t z = blockIdx.z;
    float acc = 0.f;
    for (int k0 = 0; k0 < K; k0 += 16) {
        sa[ty][tx] = (m < M && k0 + tx < K) ? A[z * M * K + (size_t)m * K + k0 + tx] : 0.f;
        sb[ty][tx] = (k0 + ty < K && n < N) ? B[z * K * N + (size_t)(k0 + ty) * N + n] : 0.f;
        __syncthreads();
#pragma unroll
        for (int k = 0; k < 16; ++k)
            acc += sa[ty][k] * sb[k][tx];
        __syncthreads();
    }
    if (m < M && n < N)
        C[z * M * N + (size_t)m * N + n] = acc;
}
