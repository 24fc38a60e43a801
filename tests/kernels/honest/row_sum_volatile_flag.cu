// spec: basics/row_sum  expect: PASS
/* @plan
{ "launch": [ { "kernel": "k", "grid": ["B"], "block": [64], "args": ["x", "y", "N"] } ] }
*/
// producer warp hands over to consumer warp through a volatile flag
extern "C" __global__ void k(const float* x, float* y, int N) {
    __shared__ volatile int flag;
    __shared__ volatile float box;
    if (threadIdx.x == 0)
        flag = 0;
    __syncthreads();
    float s = 0;
    int i = threadIdx.x;
again:
    if (i < N) {
        s += x[(size_t)blockIdx.x * N + i];
        i += 64;
        goto again;
    }
    for (int o = 16; o; o >>= 1) s += __shfl_down_sync(0xffffffff, s, o);
    if (threadIdx.x == 32) {
        box = s;
        __threadfence_block();
        flag = 1;
    }
    if (threadIdx.x == 0) {
        while (flag == 0)
            ;
        __threadfence_block();
        y[blockIdx.x] = s + box;
    }
}
