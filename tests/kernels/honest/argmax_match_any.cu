// spec: basics/argmax  expect: PASS
/* @plan
{ "launch": [ { "kernel": "k", "grid": ["B"], "block": [32], "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void k(const float* x, long long* y, int N) {
    const float* r = x + (size_t)blockIdx.x * N;
    unsigned best = 0;
    int at = 0x7fffffff;
    for (int base = 0; base < N; base += 32) {
        int i = base + threadIdx.x;
        unsigned u = 0;
        if (i < N) {
            u = __float_as_uint(r[i]);
            u ^= (unsigned)((int)u >> 31) | 0x80000000u;
        }
        unsigned m = __reduce_max_sync(0xffffffffu, u);
        unsigned who = __ballot_sync(0xffffffffu, u == m);
        unsigned same = __match_any_sync(0xffffffffu, u);
        int first = __ffs(who) - 1;
        if (__popc(same) < 1 || __clz(__brev(who)) != first)
            __trap();
        if (m > best) {
            best = m;
            at = base + first;
        }
    }
    if (threadIdx.x == 0)
        y[blockIdx.x] = at;
}
