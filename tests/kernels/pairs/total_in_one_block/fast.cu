/* Many blocks, one atomic each. */
/* @plan
{ "launch": [ { "kernel": "clear", "grid": [1], "block": [1], "args": ["y"] },
              { "kernel": "total", "grid": ["min(ceil_div(N, 256), 2048)"], "block": [256], "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void clear(float *y)
{
    *y = 0;
}
extern "C" __global__ void total(const float *x, float *y, int N)
{
    __shared__ float part[8];
    float s = 0;
    for (int i = blockIdx.x * 256 + threadIdx.x; i < N; i += gridDim.x * 256)
        s += x[i];
    for (int o = 16; o; o /= 2)
        s += __shfl_xor_sync(~0u, s, o);
    if (threadIdx.x % 32 == 0)
        part[threadIdx.x / 32] = s;
    __syncthreads();
    if (threadIdx.x == 0) {
        for (int k = 1; k < 8; k++)
            s += part[k];
        atomicAdd(y, s);
    }
}
