// spec: basics/relpos_attention  expect: PASS
/* @plan
{
  "tune": {"BR": [16, 32], "BC": [16, 32]},
  "launch": [
    { "kernel": "flash", "grid": ["ceil_div(S, BR)", "H", "B"], "block": ["BR * 4"],
      "args": ["q", "k", "v", "o"] } ] }
*/
// four threads a row, each with a quarter of the head dimension
extern "C" __global__ void __launch_bounds__(BR * 4)
    flash(const float* __restrict__ Q, const float* __restrict__ K, const float* __restrict__ V,
          float* __restrict__ O) {
    constexpr int S = DIM_S, D = DIM_D, Q4 = D / 4;
    __shared__ float sk[BC][D], sv[BC][D];
    const size_t head = ((size_t)blockIdx.z * DIM_H + blockIdx.y) * S * D;
    const int r = threadIdx.x / 4, part = threadIdx.x % 4, row = blockIdx.x * BR + r;
    float q[Q4], acc[Q4] = {0.f};
#pragma unroll
    for (int d = 0; d < Q4; d++)
        q[d] = row < S ? Q[head + (size_t)row * D + part * Q4 + d] * rsqrtf((float)D) : 0.f;
    float m = -1e38f, l = 0.f;
    for (int j0 = 0; j0 < S; j0 += BC) {
        __syncthreads();
        for (int i = threadIdx.x; i < BC * D; i += BR * 4) {
            int j = i / D, d = i % D;
            sk[j][d] = j0 + j < S ? K[head + (size_t)(j0 + j) * D + d] : 0.f;
            sv[j][d] = j0 + j < S ? V[head + (size_t)(j0 + j) * D + d] : 0.f;
        }
        __syncthreads();
        for (int j = 0; j < BC && j0 + j < S; j++) {
            float s = 0.f;
#pragma unroll
            for (int d = 0; d < Q4; d++) s += q[d] * sk[j][part * Q4 + d];
            s += __shfl_xor_sync(0xffffffff, s, 1, 4);
            s += __shfl_xor_sync(0xffffffff, s, 2, 4);
            s += row - (j0 + j);
            float mn = fmaxf(m, s), corr = __expf(m - mn), p = __expf(s - mn);
            l = l * corr + p;
#pragma unroll
            for (int d = 0; d < Q4; d++) acc[d] = acc[d] * corr + p * sv[j][part * Q4 + d];
            m = mn;
        }
    }
    if (row < S)
#pragma unroll
        for (int d = 0; d < Q4; d++) O[head + (size_t)row * D + part * Q4 + d] = acc[d] / l;
}
