/* Three barriers for each element. */
/* @plan
{ "launch": [ { "kernel": "k", "grid": ["B"], "block": [256], "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void k(const float *x, float *y, int N)
{
    __shared__ float s[256];
    for (int i0 = 0; i0 < N; i0 += 256) {
        int i = i0 + threadIdx.x;
        s[threadIdx.x] = i < N ? x[(size_t)blockIdx.x * N + i] : 0.f;
        __syncthreads();
        float v = fmaxf(s[threadIdx.x], 0.f);
        __syncthreads();
        if (i < N)
            y[(size_t)blockIdx.x * N + i] = v;
        __syncthreads();
    }
}
