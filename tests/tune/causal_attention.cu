/* @plan
{ "tune": { "QUERIES": [32, 8, 16, 64], "LANES": [4, 1, 2, 8], "KEYS": [32, 8, 16, 48, 64], "PAD": [0, 1, 4],
            "SKIP": [1, 0] },
  "require": [ "QUERIES * LANES >= 32 && QUERIES * LANES <= 512", "D % LANES == 0",
               "KEYS * (2 * D + PAD) * 4 <= 49152" ],
  "launch": [ { "kernel": "attend", "grid": ["ceil_div(S, QUERIES)", "B * H"], "block": ["LANES", "QUERIES"],
                "args": ["q", "k", "v", "o"] } ] }
*/
// LANES threads share a query and its output; keys and values come KEYS at a time.
static constexpr int D = DIM_D, S = DIM_S, EACH = D / LANES;

extern "C" __global__ void __launch_bounds__(QUERIES * LANES)
attend(const float *__restrict__ q, const float *__restrict__ k, const float *__restrict__ v,
       float *__restrict__ y)
{
    __shared__ float sk[KEYS][D + PAD], sv[KEYS][D];
    const size_t base = (size_t)blockIdx.y * S * D;
    const int row = blockIdx.x * QUERIES + threadIdx.y, thread = threadIdx.y * LANES + threadIdx.x;
    float mine[EACH], out[EACH] = {}, m = -INFINITY, sum = 0.f;
#pragma unroll
    for (int e = 0; e < EACH; e++)
        mine[e] = row < S ? q[base + (size_t)row * D + threadIdx.x + e * LANES] * rsqrtf((float)D) : 0.f;
    const int end = SKIP ? min(S, (blockIdx.x + 1) * QUERIES) : S;
    for (int k0 = 0; k0 < end; k0 += KEYS) {
        for (int i = thread; i < KEYS * D; i += QUERIES * LANES) {
            const int r = i / D, c = i % D;
            sk[r][c] = k0 + r < S ? k[base + (size_t)(k0 + r) * D + c] : 0.f;
            sv[r][c] = k0 + r < S ? v[base + (size_t)(k0 + r) * D + c] : 0.f;
        }
        __syncthreads();
        for (int j = 0; j < KEYS; j++) {
            float s = 0.f;
#pragma unroll
            for (int e = 0; e < EACH; e++)
                s = fmaf(mine[e], sk[j][threadIdx.x + e * LANES], s);
            for (int d = LANES / 2; d; d /= 2)
                s += __shfl_xor_sync(~0u, s, d);
            if (k0 + j > row || k0 + j >= S)
                continue;
            const float n = fmaxf(m, s), scale = __expf(m - n), p = __expf(s - n);
            m = n;
            sum = sum * scale + p;
#pragma unroll
            for (int e = 0; e < EACH; e++)
                out[e] = out[e] * scale + p * sv[j][threadIdx.x + e * LANES];
        }
        __syncthreads();
    }
#pragma unroll
    for (int e = 0; e < EACH; e++)
        if (row < S)
            y[base + (size_t)row * D + threadIdx.x + e * LANES] = out[e] / sum;
}
