/* The tree of the first half, quarter, eighth: whole warps stop, and lanes read side by side. */
/* @plan
{ "launch": [ { "kernel": "sums", "grid": ["B"], "block": [256], "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void sums(const float *x, float *y, int N)
{
    __shared__ float part[256];
    float s = 0;
    for (int i = threadIdx.x; i < N; i += 256)
        s += x[(size_t)blockIdx.x * N + i];
    part[threadIdx.x] = s;
    __syncthreads();
    for (int o = 128; o; o /= 2) {
        if (threadIdx.x < o)
            part[threadIdx.x] += part[threadIdx.x + o];
        __syncthreads();
    }
    if (threadIdx.x == 0)
        y[blockIdx.x] = part[0];
}
