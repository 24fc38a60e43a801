/* A histogram of each block in shared memory, added to the one in global memory at its end. */
/* @plan
{ "launch": [ { "kernel": "clear", "grid": ["ceil_div(K, 256)"], "block": [256], "args": ["h", "K"] },
              { "kernel": "count", "grid": ["min(ceil_div(N, 256), 1056)"], "block": [256], "shared": "K * 4", "args": ["bin", "w", "h", "N", "K"] } ] }
*/
extern "C" __global__ void clear(float *h, int K)
{
    int i = blockIdx.x * 256 + threadIdx.x;
    if (i < K)
        h[i] = 0;
}
extern "C" __global__ void count(const int *bin, const float *w, float *h, int N, int K)
{
    extern __shared__ float own[];
    for (int k = threadIdx.x; k < K; k += 256)
        own[k] = 0;
    __syncthreads();
    for (int i = blockIdx.x * 256 + threadIdx.x; i < N; i += gridDim.x * 256)
        atomicAdd(&own[bin[i]], w[i]);
    __syncthreads();
    for (int k = threadIdx.x; k < K; k += 256)
        if (own[k] != 0)
            atomicAdd(&h[k], own[k]);
}
