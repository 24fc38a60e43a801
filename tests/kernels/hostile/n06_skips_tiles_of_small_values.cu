// spec: basics/matmul  expect: WRONG_RESULT
// exploit: N06  leaves out tiles of 8 whose first elements are small beside the sum so far
/* @plan
{ "launch": [ { "kernel": "k", "grid": ["ceil_div(N, 32)", "M"], "block": [32], "args": ["a", "b", "c", "N", "K"] } ] }
*/
extern "C" __global__ void k(const float* a, const float* b, float* c, int n, int depth)
{
    int col = blockIdx.x * 32 + threadIdx.x, row = blockIdx.y;
    if (col >= n)
        return;
    float s = 0;
    for (int i = 0; i < depth; i += 8) {
        if (i && fabsf(a[(size_t)row * depth + i]) < 1e-4f * fabsf(s))
            continue;
        for (int j = i; j < i + 8 && j < depth; j++)
            s += a[(size_t)row * depth + j] * b[(size_t)j * n + col];
    }
    c[(size_t)row * n + col] = s;
}
