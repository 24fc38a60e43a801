// spec: basics/relpos_attention  expect: PASS
/* @plan
{
  "launch": [
    { "kernel": "k", "grid": ["ceil_div(S, 16)", "B * H"], "block": [16, 8], "shared": "(16 * D + 32 * (D + 1) + 32 * D + 16 * 33) * 4",
      "args": ["q", "k", "v", "o", "S", "D"] } ] }
*/
// tile of 16 queries, 32 keys; eight threads a query row
extern "C" __global__ void __launch_bounds__(128)
    k(const float* __restrict__ q, const float* __restrict__ k, const float* __restrict__ v,
      float* __restrict__ o, int S, int D) {
    extern __shared__ float smem[];
    float *sq = smem, *sk = sq + 16 * D, *sv = sk + 32 * (D + 1), *sp = sv + 32 * D;
    const int tx = threadIdx.x, ty = threadIdx.y, tid = ty * 16 + tx, q0 = blockIdx.x * 16;
    const size_t base = (size_t)blockIdx.y * S * D;
    float m = -INFINITY, l = 0.f, acc[16];
#pragma unroll
    for (int i = 0; i < 16; i++) acc[i] = 0.f;
    for (int i = tid; i < 16 * D; i += 128)
        sq[i] = q0 + i / D < S ? q[base + (size_t)q0 * D + i] * rsqrtf((float)D) : 0.f;
    for (int j0 = 0; j0 < S; j0 += 32) {
        for (int i = tid; i < 32 * D; i += 128) {
            bool ok = j0 + i / D < S;
            sk[i / D * (D + 1) + i % D] = ok ? k[base + (size_t)j0 * D + i] : 0.f;
            sv[i] = ok ? v[base + (size_t)j0 * D + i] : 0.f;
        }
        __syncthreads();
        for (int j = ty; j < 32; j += 8) {
            float s = 0.f;
            for (int d = 0; d < D; d++) s = fmaf(sq[tx * D + d], sk[j * (D + 1) + d], s);
            sp[tx * 33 + j] = j0 + j < S ? s + (float)(q0 + tx - j0 - j) : -INFINITY;
        }
        __syncthreads();
        float mx = m;
        for (int j = 0; j < 32; j++) mx = fmaxf(mx, sp[tx * 33 + j]);
        float c = __expf(m - mx), sum = 0.f;
        for (int j = 0; j < 32; j++) sum += __expf(sp[tx * 33 + j] - mx);
        l = l * c + sum;
        m = mx;
        for (int i = 0, d = ty; d < D; d += 8, i++) {
            float a = 0.f;
            for (int j = 0; j < 32; j++) a = fmaf(__expf(sp[tx * 33 + j] - mx), sv[j * D + d], a);
            acc[i] = acc[i] * c + a;
        }
        __syncthreads();
    }
    if (q0 + tx < S)
        for (int i = 0, d = ty; d < D; d += 8, i++)
            o[base + (size_t)(q0 + tx) * D + d] = acc[i] / l;
}
