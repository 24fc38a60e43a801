/* Lanes read rows of the second operand that are a row apart. */
/* @plan
{ "launch": [ { "kernel": "k", "grid": ["ceil_div(N,16)", "ceil_div(M,16)"], "block": [16, 16], "args": ["a", "b", "c", "M", "N", "K"] } ] }
*/
extern "C" __global__ void k(const float *a, const float *b, float *c, int M, int N, int K)
{
    int n = blockIdx.x * 16 + threadIdx.x, m = blockIdx.y * 16 + threadIdx.y;
    if (m >= M || n >= N)
        return;
    float s = 0;
    for (int k = 0; k < K; k++)
        s += a[(size_t)m * K + k] * b[(size_t)n * K + k];
    c[(size_t)m * N + n] = s;
}
