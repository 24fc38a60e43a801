/* Each element computes the functions of its row anew. */
/* @plan
{ "launch": [ { "kernel": "scale", "grid": ["ceil_div(N, 4096)", "B"], "block": [256], "args": ["x", "s", "y", "N"] } ] }
*/
static __device__ float factor(float s)
{
    return powf(fabsf(s) + 1, 1.25f) * tanhf(s) / (1 + expf(-s));
}
extern "C" __global__ void scale(const float *x, const float *s, float *y, int N)
{
    size_t row = (size_t)blockIdx.y * N;
    int begin = blockIdx.x * 4096 + threadIdx.x;
#pragma unroll 4
    for (int i = begin; i < min(begin + 4096, N); i += 256)
        y[row + i] = x[row + i] * factor(s[blockIdx.y]);
}
