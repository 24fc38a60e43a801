// spec: basics/cumsum  expect: PASS
/* @plan
{ "launch": [ { "kernel": "scan", "grid": ["B"], "block": [128], "args": ["x", "y", "N"] } ] }
*/
#include <cub/cub.cuh>
struct PrefixOp {
    float running;
    __device__ PrefixOp(float r) : running(r) {}
    __device__ float operator()(float agg) {
        float old = running;
        running += agg;
        return old;
    }
};
extern "C" __global__ void scan(const float* x, float* y, int N) {
    using Load = cub::BlockLoad<float, 128, 4, cub::BLOCK_LOAD_TRANSPOSE>;
    using Store = cub::BlockStore<float, 128, 4, cub::BLOCK_STORE_TRANSPOSE>;
    using Scan = cub::BlockScan<float, 128>;
    __shared__ union {
        typename Load::TempStorage l;
        typename Store::TempStorage s;
        typename Scan::TempStorage sc;
    } t;
    PrefixOp op(0.f);
    for (int base = 0; base < N; base += 512) {
        float v[4];
        int valid = min(512, N - base);
        Load(t.l).Load(x + (size_t)blockIdx.x * N + base, v, valid, 0.f);
        __syncthreads();
        Scan(t.sc).InclusiveSum(v, v, op);
        __syncthreads();
        Store(t.s).Store(y + (size_t)blockIdx.x * N + base, v, valid);
        __syncthreads();
    }
}
