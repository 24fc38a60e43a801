// spec: basics/matmul  expect: PASS
/* @plan
{ "scratch": [ { "name": "partial", "dtype": "f32", "count": "G * 256" }, { "name": "flag", "dtype": "i32", "count": "G" } ],
  "tune": { "G": [6] },
  "launch": [ { "kernel": "lower", "grid": ["ceil_div(G, 128)"], "block": [128], "args": ["flag"] },
              { "kernel": "gemm", "grid": ["G"], "block": [16, 16], "cooperative": true,
                "args": ["a", "b", "c", "partial", "flag"] } ] }
*/
/* Stream-K with a fix-up: the block that begins a tile finishes it, with what later blocks leave in scratch. */
extern "C" __global__ void lower(int *flag)
{
    int i = blockIdx.x * 128 + threadIdx.x;
    if (i < G)
        flag[i] = 0;
}

extern "C" __global__ void gemm(const float *a, const float *b, float *c, float *partial, int *flag)
{
    __shared__ float as[16][17], bs[16][17];
    const int x = threadIdx.x, y = threadIdx.y, lane = y * 16 + x;
    const int across = (DIM_N + 15) / 16, down = (DIM_M + 15) / 16, steps = (DIM_K + 15) / 16;
    const int total = across * down * steps, each = (total + G - 1) / G;
    int at = blockIdx.x * each;
    const int stop = min(at + each, total);
    while (at < stop) {
        const int tile = at / steps, from = at % steps, to = min(steps, from + stop - at);
        const int row = tile / across * 16 + y, col = tile % across * 16 + x;
        float sum = 0;
        for (int s = from; s < to; s++) {
            const int ka = s * 16 + x, kb = s * 16 + y;
            as[y][x] = row < DIM_M && ka < DIM_K ? a[(size_t)row * DIM_K + ka] : 0;
            bs[y][x] = col < DIM_N && kb < DIM_K ? b[(size_t)kb * DIM_N + col] : 0;
            __syncthreads();
            for (int k = 0; k < 16; k++)
                sum = fmaf(as[y][k], bs[k][x], sum);
            __syncthreads();
        }
        at += to - from;
        if (from > 0) {
            partial[blockIdx.x * 256 + lane] = sum;
            __threadfence();
            __syncthreads();
            if (lane == 0)
                atomicExch(&flag[blockIdx.x], 1);
            continue;
        }
        for (int done = to, from_block = blockIdx.x + 1; done < steps; from_block++) {
            if (lane == 0)
                while (atomicAdd(&flag[from_block], 0) == 0)
                    __nanosleep(64);
            __syncthreads();
            __threadfence();
            sum += partial[from_block * 256 + lane];
            done = min(steps, done + each);
        }
        if (row < DIM_M && col < DIM_N)
            c[(size_t)row * DIM_N + col] = sum;
    }
}
