// spec: basics/matvec  expect: PASS
/* @plan
{
  "tune": {"ROWS": [4, 8]},
  "launch": [
    { "kernel": "mv", "grid": ["ceil_div(M, ROWS)"], "block": [32, "ROWS"],
      "args": ["a", "x", "y", "M", "N"] } ] }
*/
extern "C" __global__ void mv(const float* __restrict__ a, const float* __restrict__ x,
                              float* __restrict__ y, int M, int N) {
    int row = blockIdx.x * ROWS + threadIdx.y;
    if (row >= M)
        return;
    const float* r = a + (size_t)row * N;
    float s = 0.f;
    if ((N & 3) == 0) {
        for (int i = threadIdx.x; i < N / 4; i += 32) {
            float4 p = __ldg(&((const float4*)r)[i]), q = __ldg(&((const float4*)x)[i]);
            s = fmaf(p.x, q.x, fmaf(p.y, q.y, fmaf(p.z, q.z, fmaf(p.w, q.w, s))));
        }
    } else {
        int head = (4 - (((size_t)r >> 2) & 3)) & 3; // align
        if (head > N)
            head = N;
        if (threadIdx.x < head)
            s += r[threadIdx.x] * x[threadIdx.x];
        int body = (N - head) / 4;
        for (int i = threadIdx.x; i < body; i += 32) {
            float4 p = *(const float4*)(r + head + 4 * i);
            const float* q = x + head + 4 * i;
            s += p.x * q[0] + p.y * q[1] + p.z * q[2] + p.w * q[3];
        }
        int done = head + 4 * body;
        if (done + threadIdx.x < N)
            s += r[done + threadIdx.x] * x[done + threadIdx.x];
    }
#pragma unroll
    for (int o = 16; o; o >>= 1) s += __shfl_xor_sync(0xffffffff, s, o);
    if (threadIdx.x == 0)
        y[row] = s;
}
