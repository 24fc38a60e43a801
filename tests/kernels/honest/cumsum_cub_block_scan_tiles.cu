// spec: basics/cumsum  expect: PASS
// cub::BlockScan over tiles of a row with a running prefix.
/* @plan
{ "launch": [ { "kernel": "k", "grid": ["B"], "block": [128], "args": ["x", "y", "N"] } ] }
*/
#include <cub/block/block_load.cuh>
#include <cub/block/block_scan.cuh>
#include <cub/block/block_store.cuh>
struct running {
    float total;
    __device__ float operator()(float tile)
    {
        float before = total;
        total += tile;
        return before;
    }
};
extern "C" __global__ void k(const float* x, float* y, int n)
{
    typedef cub::BlockLoad<float, 128, 4, cub::BLOCK_LOAD_TRANSPOSE> load;
    typedef cub::BlockStore<float, 128, 4, cub::BLOCK_STORE_TRANSPOSE> store;
    typedef cub::BlockScan<float, 128> scan;
    __shared__ union { typename load::TempStorage l; typename store::TempStorage s; typename scan::TempStorage c; } room;
    running prefix = {0.f};
    for (int at = 0; at < n; at += 512) {
        float v[4];
        const int left = n - at;
        load(room.l).Load(x + (size_t)blockIdx.x * n + at, v, left, 0.f);
        __syncthreads();
        scan(room.c).InclusiveSum(v, v, prefix);
        __syncthreads();
        store(room.s).Store(y + (size_t)blockIdx.x * n + at, v, left);
        __syncthreads();
    }
}
