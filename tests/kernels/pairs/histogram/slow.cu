/* Every element is added to the one histogram in global memory. */
/* @plan
{ "launch": [ { "kernel": "clear", "grid": ["ceil_div(K, 256)"], "block": [256], "args": ["h", "K"] },
              { "kernel": "count", "grid": ["min(ceil_div(N, 256), 1056)"], "block": [256], "args": ["bin", "w", "h", "N"] } ] }
*/
extern "C" __global__ void clear(float *h, int K)
{
    int i = blockIdx.x * 256 + threadIdx.x;
    if (i < K)
        h[i] = 0;
}
extern "C" __global__ void count(const int *bin, const float *w, float *h, int N)
{
    for (int i = blockIdx.x * 256 + threadIdx.x; i < N; i += gridDim.x * 256)
        atomicAdd(&h[bin[i]], w[i]);
}
