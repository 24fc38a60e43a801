/* The long axis in 64 pieces, whose sums atomics add up. */
/* @plan
{ "launch": [ { "kernel": "zero", "grid": ["ceil_div(M*N,256)"], "block": [256], "args": ["C", "M*N"] }, { "kernel": "mm", "grid": ["ceil_div(N,16)", "ceil_div(M,16)", 64], "block": [16, 16], "args": ["A", "B", "C", "M", "N", "K"] } ] }
*/
extern "C" __global__ void zero(float *C, int n)
{
    int i = blockIdx.x * 256 + threadIdx.x;
    if (i < n)
        C[i] = 0;
}
extern "C" __global__ void mm(const float *A, const float *B, float *C, int M, int N, int K)
{
    __shared__ float sa[16][16], sb[16][16];
    int tx = threadIdx.x, ty = threadIdx.y, n = blockIdx.x * 16 + tx, m = blockIdx.y * 16 + ty;
    float acc = 0;
    int per = ((K + 63) / 64 + 15) / 16 * 16, kb = blockIdx.z * per, ke = min(kb + per, K);
    for (int k0 = kb; k0 < ke; k0 += 16) {
        sa[ty][tx] = (m < M && k0 + tx < ke) ? A[(size_t)m * K + k0 + tx] : 0;
        sb[ty][tx] = (k0 + ty < ke && n < N) ? B[(size_t)(k0 + ty) * N + n] : 0;
        __syncthreads();
        for (int k = 0; k < 16; k++)
            acc += sa[ty][k] * sb[k][tx];
        __syncthreads();
    }
    if (m < M && n < N)
        atomicAdd(&C[(size_t)m * N + n], acc);
}
