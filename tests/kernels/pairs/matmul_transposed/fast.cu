/* Tiles of both operands, loaded along their rows. */
/* @plan
{ "launch": [ { "kernel": "k", "grid": ["ceil_div(N,16)", "ceil_div(M,16)"], "block": [16, 16], "args": ["a", "b", "c", "M", "N", "K"] } ] }
*/
extern "C" __global__ void k(const float *a, const float *b, float *c, int M, int N, int K)
{
    __shared__ float sa[16][17], sb[16][17];
    int tx = threadIdx.x, ty = threadIdx.y, n = blockIdx.x * 16 + tx, m = blockIdx.y * 16 + ty,
        nr = blockIdx.x * 16 + ty;
    float s = 0;
    for (int k0 = 0; k0 < K; k0 += 16) {
        sa[ty][tx] = (m < M && k0 + tx < K) ? a[(size_t)m * K + k0 + tx] : 0;
        sb[ty][tx] = (nr < N && k0 + tx < K) ? b[(size_t)nr * K + k0 + tx] : 0;
        __syncthreads();
        for (int k = 0; k < 16; k++)
            s += sa[ty][k] * sb[tx][k];
        __syncthreads();
    }
    if (m < M && n < N)
        c[(size_t)m * N + n] = s;
}
