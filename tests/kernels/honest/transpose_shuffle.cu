// spec: basics/transpose  expect: PASS
/* @plan
{
  "launch": [
    { "kernel": "tr", "grid": ["ceil_div(N, 4)", "ceil_div(M, 4)"], "block": [32],
      "args": ["x", "y", "M", "N"] } ] }
*/
// each warp moves a 4x4 tile twice (upper half repeats) through registers with shuffles
extern "C" __global__ void tr(const float* x, float* y, int M, int N) {
    int l = threadIdx.x & 15, r = l >> 2, c = l & 3;
    int gr = blockIdx.y * 4 + r, gc = blockIdx.x * 4 + c;
    float v = (gr < M && gc < N) ? x[gr * N + gc] : 0.f;
    v = __shfl_sync(0xffffffff, v, c * 4 + r, 16);
    int orow = blockIdx.x * 4 + r, ocol = blockIdx.y * 4 + c;
    if (threadIdx.x < 16 && orow < N && ocol < M)
        y[orow * M + ocol] = v;
}
