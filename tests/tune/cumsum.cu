/* @plan
{ "tune": { "THREADS": [256, 32, 64, 96, 128, 192, 320, 512, 768, 1024], "EACH": [4, 1, 2, 3, 6, 8, 12, 16],
            "STAGE": [0, 1], "SKEW": [0, 1] },
  "require": [ "STAGE || !SKEW", "THREADS * EACH * 4 * STAGE <= 32768" ],
  "launch": [ { "kernel": "cumsum", "grid": ["B"], "block": ["THREADS"], "args": ["x", "y"] } ] }
*/
// A block scans a row, THREADS * EACH elements at a time; with STAGE they go through shared memory,
// with SKEW so that a thread's elements are in other banks than its neighbour's.
static constexpr int N = DIM_N, TILE = THREADS * EACH;

__device__ __forceinline__ int slot(int i)
{
    return SKEW ? i + i / 32 : i;
}

extern "C" __global__ void cumsum(const float *__restrict__ x, float *__restrict__ y)
{
    __shared__ float tile[STAGE ? TILE + TILE / 32 + 1 : 1], warp_sum[THREADS / 32 + 1];
    const float *row = x + (size_t)blockIdx.x * N;
    float *out = y + (size_t)blockIdx.x * N;
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    float carry = 0.f;
    for (int t0 = 0; t0 < N; t0 += TILE) {
        float v[EACH], sum = 0.f;
        if (STAGE) {
            for (int i = threadIdx.x; i < TILE; i += THREADS)
                tile[slot(i) * STAGE] = t0 + i < N ? row[t0 + i] : 0.f;
            __syncthreads();
        }
#pragma unroll
        for (int k = 0; k < EACH; k++) {
            const int i = threadIdx.x * EACH + k;
            sum += STAGE ? tile[slot(i) * STAGE] : t0 + i < N ? row[t0 + i] : 0.f;
            v[k] = sum;
        }
        float before = sum;
        for (int s = 1; s < 32; s *= 2) {
            const float left = __shfl_up_sync(~0u, before, s);
            before += lane >= s ? left : 0.f;
        }
        if (lane == 31)
            warp_sum[warp] = before;
        __syncthreads();
        before += carry - sum;
        for (int w = 0; w < THREADS / 32; w++) {
            before += w < warp ? warp_sum[w] : 0.f;
            carry += warp_sum[w];
        }
        if (STAGE) {
#pragma unroll
            for (int k = 0; k < EACH; k++)
                tile[slot(threadIdx.x * EACH + k) * STAGE] = before + v[k];
            __syncthreads();
            for (int i = threadIdx.x; i < TILE; i += THREADS)
                if (t0 + i < N)
                    out[t0 + i] = tile[slot(i) * STAGE];
        } else {
#pragma unroll
            for (int k = 0; k < EACH; k++)
                if (t0 + threadIdx.x * EACH + k < N)
                    out[t0 + threadIdx.x * EACH + k] = before + v[k];
        }
        __syncthreads();
    }
}
