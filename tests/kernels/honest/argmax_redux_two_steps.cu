// spec: basics/argmax  expect: PASS
/* @plan
{ "launch": [ { "kernel": "argmax", "grid": ["ceil_div(B, 8)"], "block": [256], "args": ["x", "y", "B", "N"] } ] }
*/
// A warp a row: the greatest of the ordered bits by redux.sync, then the least index that has it.
extern "C" __global__ void argmax(const float* __restrict__ x, long long* __restrict__ y, int rows, int n)
{
    const int row = blockIdx.x * 8 + threadIdx.x / 32, lane = threadIdx.x % 32;
    if (row >= rows)
        return;
    unsigned best = 0, at = 0xffffffffu;
    for (int i = lane; i < n; i += 32) {
        unsigned u = __float_as_uint(x[(size_t)row * n + i] + 0.f);
        u ^= (unsigned)((int)u >> 31) | 0x80000000u;
        if (u > best || at == 0xffffffffu)
            best = u, at = i;
    }
    const unsigned most = __reduce_max_sync(0xffffffffu, best);
    const unsigned first = __reduce_min_sync(0xffffffffu, best == most ? at : 0xffffffffu);
    if (lane == 0)
        y[row] = first;
}
