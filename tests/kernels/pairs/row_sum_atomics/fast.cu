/* One atomic a block of 1024 elements. */
/* @plan
{ "launch": [ { "kernel": "z", "grid": ["ceil_div(B,256)"], "block": [256], "args": ["y", "B"] }, { "kernel": "k", "grid": ["ceil_div(N,1024)", "B"], "block": [256], "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void z(float *y, int B)
{
    int i = blockIdx.x * 256 + threadIdx.x;
    if (i < B)
        y[i] = 0;
}
extern "C" __global__ void k(const float *x, float *y, int N)
{
    __shared__ float w[8];
    float s = 0;
    for (int j = 0; j < 4; j++) {
        int i = blockIdx.x * 1024 + j * 256 + threadIdx.x;
        if (i < N)
            s += x[(size_t)blockIdx.y * N + i];
    }
    for (int o = 16; o; o >>= 1)
        s += __shfl_down_sync(~0u, s, o);
    if (threadIdx.x % 32 == 0)
        w[threadIdx.x / 32] = s;
    __syncthreads();
    if (threadIdx.x == 0) {
        for (int j = 1; j < 8; j++)
            s += w[j];
        atomicAdd(&y[blockIdx.y], s);
    }
}
