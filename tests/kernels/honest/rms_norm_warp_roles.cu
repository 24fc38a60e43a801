// spec: basics/rms_norm  expect: PASS
/* @plan
{ "launch": [ { "kernel": "rms_norm", "grid": ["min(B, 264)"], "block": [160], "args": ["x", "gamma", "y", "B", "N"] } ] }
*/
// One warp brings pieces of rows, four warps take them: named barriers say when a buffer is full or free.
#define PIECE 1024
__device__ __forceinline__ void wait_at(int id) { asm volatile("bar.sync %0, 160;" ::"r"(id) : "memory"); }
__device__ __forceinline__ void tell(int id) { asm volatile("bar.arrive %0, 160;" ::"r"(id) : "memory"); }
enum { FULL = 1, FREE = 3, SUMS = 5 }; // two of each

extern "C" __global__ void rms_norm(const float* x, const float* gamma, float* y, int rows, int n)
{
    __shared__ float piece[2][PIECE];
    __shared__ float part[4];
    const int pieces = (n + PIECE - 1) / PIECE;
    int turn = 0;
    if (threadIdx.x >= 128) {
        const int lane = threadIdx.x - 128;
        for (int row = blockIdx.x; row < rows; row += gridDim.x)
            for (int p = 0; p < pieces; p++, turn++) {
                const int b = turn & 1;
                if (turn >= 2)
                    wait_at(FREE + b);
                for (int i = lane; i < PIECE; i += 32)
                    piece[b][i] = p * PIECE + i < n ? x[(size_t)row * n + p * PIECE + i] : 0.f;
                tell(FULL + b);
            }
        return;
    }
    const int total = ((rows - 1 - (int)blockIdx.x) / (int)gridDim.x + 1) * pieces;
    for (int row = blockIdx.x; row < rows; row += gridDim.x) {
        float s = 0.f;
        for (int p = 0; p < pieces; p++, turn++) {
            const int b = turn & 1;
            wait_at(FULL + b);
            for (int i = threadIdx.x; i < PIECE; i += 128)
                s = fmaf(piece[b][i], piece[b][i], s);
            if (turn + 2 < total)
                tell(FREE + b);
        }
        for (int d = 16; d; d >>= 1)
            s += __shfl_xor_sync(0xffffffffu, s, d);
        if (threadIdx.x % 32 == 0)
            part[threadIdx.x / 32] = s;
        asm volatile("bar.sync %0, 128;" ::"r"((int)SUMS) : "memory");
        const float r = rsqrtf((part[0] + part[1] + part[2] + part[3]) / n + 1e-5f);
        asm volatile("bar.sync %0, 128;" ::"r"((int)SUMS) : "memory");
        for (int i = threadIdx.x; i < n; i += 128)
            y[(size_t)row * n + i] = x[(size_t)row * n + i] * r * gamma[i];
    }
}
