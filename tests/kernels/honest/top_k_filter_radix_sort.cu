// spec: llm/top_k_filter  expect: PASS
/* @plan
{ "launch": [ { "kernel": "top_k", "grid": ["B"], "block": [256], "args": ["logits", "p", "V"] } ] }
*/
#include <cub/block/block_load.cuh>
#include <cub/block/block_radix_sort.cuh>
#include <cub/block/block_reduce.cuh>

// Sorts chunks of 1024 with the 50 best so far among them; the 50th of the last sort is the threshold.
constexpr int THREADS = 256, ITEMS = 4, CHUNK = THREADS * ITEMS, KEEP = 50;

extern "C" __global__ void __launch_bounds__(THREADS) top_k(const float* logits, float* p, int V)
{
    using Sort = cub::BlockRadixSort<float, THREADS, ITEMS>;
    using Sum = cub::BlockReduce<float, THREADS>;
    __shared__ union {
        typename Sort::TempStorage sort;
        typename Sum::TempStorage sum;
    } tmp;
    __shared__ float best[KEEP];
    __shared__ float total;
    const float* row = logits + (size_t)blockIdx.x * V;
    if (threadIdx.x < KEEP) best[threadIdx.x] = -INFINITY;
    __syncthreads();
    for (int base = 0; base < V; base += CHUNK - KEEP) {
        float key[ITEMS];
        for (int k = 0; k < ITEMS; ++k) {
            int at = threadIdx.x * ITEMS + k;
            int i = base + at - KEEP;
            key[k] = at < KEEP ? best[at] : i < V ? row[i] : -INFINITY;
        }
        __syncthreads();
        Sort(tmp.sort).SortDescending(key);
        for (int k = 0; k < ITEMS; ++k) {
            int at = threadIdx.x * ITEMS + k;
            if (at < KEEP) best[at] = key[k];
        }
        __syncthreads();
    }
    const float top = best[0], least = best[KEEP - 1];
    float s = 0.f;
    for (int i = threadIdx.x; i < V; i += THREADS)
        if (row[i] >= least) s += expf(row[i] - top);
    s = Sum(tmp.sum).Sum(s);
    if (threadIdx.x == 0) total = s;
    __syncthreads();
    for (int i = threadIdx.x; i < V; i += THREADS)
        p[(size_t)blockIdx.x * V + i] = row[i] >= least ? expf(row[i] - top) / total : 0.f;
}
