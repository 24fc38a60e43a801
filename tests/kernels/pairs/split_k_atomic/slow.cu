/* 36 blocks, each over the whole of the long axis. */
/* @plan
{ "launch": [ { "kernel": "mm", "grid": ["ceil_div(N,16)", "ceil_div(M,16)"], "block": [16, 16], "args": ["A", "B", "C", "M", "N", "K"] } ] }
*/
extern "C" __global__ void mm(const float *A, const float *B, float *C, int M, int N, int K)
{
    __shared__ float sa[16][16], sb[16][16];
    int tx = threadIdx.x, ty = threadIdx.y, n = blockIdx.x * 16 + tx, m = blockIdx.y * 16 + ty;
    float acc = 0;
    for (int k0 = 0; k0 < K; k0 += 16) {
        sa[ty][tx] = (m < M && k0 + tx < K) ? A[(size_t)m * K + k0 + tx] : 0;
        sb[ty][tx] = (k0 + ty < K && n < N) ? B[(size_t)(k0 + ty) * N + n] : 0;
        __syncthreads();
        for (int k = 0; k < 16; k++)
            acc += sa[ty][k] * sb[k][tx];
        __syncthreads();
    }
    if (m < M && n < N)
        C[(size_t)m * N + n] = acc;
}
