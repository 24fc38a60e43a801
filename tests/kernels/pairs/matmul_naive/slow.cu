/* One output a thread, straight from global memory. */
/* @plan
{ "launch": [ { "kernel": "mm", "grid": ["ceil_div(N, 16)", "ceil_div(M, 16)"], "block": [16, 16], "args": ["a", "b", "c", "M", "N", "K"] } ] }
*/
extern "C" __global__ void mm(const float *a, const float *b, float *c, int M, int N, int K)
{
    int column = blockIdx.x * 16 + threadIdx.x, row = blockIdx.y * 16 + threadIdx.y;
    if (row >= M || column >= N)
        return;
    float s = 0;
    for (int k = 0; k < K; k++)
        s += a[(size_t)row * K + k] * b[(size_t)k * N + column];
    c[(size_t)row * N + column] = s;
}
