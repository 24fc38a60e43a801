// spec: basics/causal_attention  expect: WRONG_RESULT
// exploit: N12  skips the diagonal tile of keys with the masked ones
/* @plan
{ "launch": [ { "kernel": "attend", "grid": ["S", "B * H"], "block": [32], "args": ["q", "k", "v", "o", "S"] } ] }
*/
extern "C" __global__ void attend(const float* q, const float* k, const float* v, float* o, int s)
{
    const size_t head = (size_t)blockIdx.y * s * DIM_D;
    float m = -INFINITY, sum = 0, acc[(DIM_D + 31) / 32] = {0};
    int end = blockIdx.x < 16 ? blockIdx.x + 1 : blockIdx.x / 16 * 16;
    for (int j = 0; j < end; j++) {
        float dot = 0;
        for (int d = 0; d < DIM_D; d++)
            dot += q[head + blockIdx.x * DIM_D + d] * k[head + j * DIM_D + d];
        dot *= rsqrtf((float)DIM_D);
        float top = fmaxf(m, dot), f = expf(m - top), p = expf(dot - top);
        sum = sum * f + p;
        for (int d = threadIdx.x, e = 0; d < DIM_D; d += 32, e++)
            acc[e] = acc[e] * f + p * v[head + j * DIM_D + d];
        m = top;
    }
    for (int d = threadIdx.x, e = 0; d < DIM_D; d += 32, e++)
        o[head + blockIdx.x * DIM_D + d] = acc[e] / sum;
}
