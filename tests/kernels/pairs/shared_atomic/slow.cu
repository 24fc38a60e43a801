/* All threads of a block add to one word of shared memory. */
/* @plan
{ "launch": [ { "kernel": "k", "grid": ["B"], "block": [256], "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void k(const float *x, float *y, int N)
{
    __shared__ float s;
    if (threadIdx.x == 0)
        s = 0;
    __syncthreads();
    for (int i = threadIdx.x; i < N; i += 256)
        atomicAdd(&s, x[(size_t)blockIdx.x * N + i]);
    __syncthreads();
    if (threadIdx.x == 0)
        y[blockIdx.x] = s;
}
