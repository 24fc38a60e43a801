// spec: basics/cumsum  expect: PASS
/* @plan
{
  "scratch": [{"name": "state", "dtype": "u64", "count": "B * ceil_div(N, 256)"}, {"name": "ticket", "dtype": "u32", "count": 1}],
  "launch": [
    { "kernel": "init", "grid": ["ceil_div(B * ceil_div(N, 256), 256)"], "block": [256],
      "args": ["state", "ticket", "B * ceil_div(N, 256)"] },
    { "kernel": "scan", "grid": ["B * ceil_div(N, 256)"], "block": [256],
      "args": ["x", "y", "state", "ticket", "N"] } ] }
*/
// decoupled look-back, one packed word a tile: flag in the high half, value in the low
extern "C" __global__ void init(unsigned long long* state, unsigned* ticket, int n) {
    int i = blockIdx.x * 256 + threadIdx.x;
    if (i < n)
        state[i] = 0;
    if (i == 0)
        *ticket = 0;
}
__device__ __forceinline__ unsigned long long pack(unsigned flag, float v) {
    return (unsigned long long)flag << 32 | __float_as_uint(v);
}
extern "C" __global__ void scan(const float* x, float* y, unsigned long long* state,
                                unsigned* ticket, int N) {
    __shared__ float s[256];
    __shared__ unsigned tile_sh;
    __shared__ float prefix_sh;
    if (threadIdx.x == 0)
        tile_sh = atomicAdd(ticket, 1u);
    __syncthreads();
    const int tiles = (N + 255) / 256, tile = tile_sh, row = tile / tiles, t = tile % tiles;
    const int i = t * 256 + threadIdx.x;
    float v = i < N ? x[(size_t)row * N + i] : 0.f;
    s[threadIdx.x] = v;
    __syncthreads();
    for (int o = 1; o < 256; o *= 2) {
        float a = threadIdx.x >= o ? s[threadIdx.x - o] : 0.f;
        __syncthreads();
        s[threadIdx.x] += a;
        __syncthreads();
    }
    if (threadIdx.x == 0) {
        float total = s[255], before = 0.f;
        if (t > 0) {
            atomicExch(&state[tile], pack(1, total));
            for (int p = tile - 1; p >= row * tiles; p--) {
                unsigned long long w;
                do {
                    w = atomicAdd(&state[p], 0ull);
                } while ((w >> 32) == 0);
                before += __uint_as_float((unsigned)w);
                if ((w >> 32) == 2)
                    break;
            }
        }
        atomicExch(&state[tile], pack(2, before + total));
        prefix_sh = before;
    }
    __syncthreads();
    if (i < N)
        y[(size_t)row * N + i] = s[threadIdx.x] + prefix_sh;
}
