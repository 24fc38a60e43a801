/* 4 x 4 outputs a thread. */
/* @plan
{ "launch": [ { "kernel": "bmm", "grid": ["ceil_div(N,64)", "ceil_div(M,64)", "B"], "block": [16, 16], "args": ["a", "b", "c", "M", "N", "K"] } ] }
*/
extern "C" __global__ void bmm(const float *A, const float *B, float *C, int M, int N, int K)
{
    __shared__ float sa[16][65], sb[16][64];
    int tx = threadIdx.x, ty = threadIdx.y, t = ty * 16 + tx, n0 = blockIdx.x * 64,
        m0 = blockIdx.y * 64;
    size_t z = blockIdx.z;
    float acc[4][4] = {{0}};
    for (int k0 = 0; k0 < K; k0 += 16) {
        for (int i = t; i < 1024; i += 256) {
            int r = i / 16, k = i % 16;
            sa[k][r] =
                (m0 + r < M && k0 + k < K) ? A[z * M * K + (size_t)(m0 + r) * K + k0 + k] : 0.f;
        }
        for (int i = t; i < 1024; i += 256) {
            int k = i / 64, r = i % 64;
            sb[k][r] =
                (k0 + k < K && n0 + r < N) ? B[z * K * N + (size_t)(k0 + k) * N + n0 + r] : 0.f;
        }
        __syncthreads();
#pragma unroll
        for (int k = 0; k < 16; ++k) {
            float a[4], b[4];
#pragma unroll
            for (int i = 0; i < 4; i++) {
                a[i] = sa[k][ty * 4 + i];
                b[i] = sb[k][tx + 16 * i];
            }
#pragma unroll
            for (int i = 0; i < 4; i++)
#pragma unroll
                for (int j = 0; j < 4; j++)
                    acc[i][j] += a[i] * b[j];
        }
        __syncthreads();
    }
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < 4; j++) {
            int m = m0 + ty * 4 + i, n = n0 + tx + 16 * j;
            if (m < M && n < N)
                C[z * M * N + (size_t)m * N + n] = acc[i][j];
        }
}
