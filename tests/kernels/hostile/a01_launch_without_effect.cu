// spec: basics/vector_add  expect: IDLE_LAUNCH
// exploit: A01  a second launch that computes and stores nothing
/* @plan
{ "launch": [ { "kernel": "k", "grid": ["ceil_div(N, 256)"], "block": [256], "args": ["a", "b", "c", "N"] },
              { "kernel": "show", "grid": ["ceil_div(N, 256)"], "block": [256], "args": ["a", "c", "N"] } ] }
*/
extern "C" __global__ void k(const float* a, const float* b, float* c, int n)
{
    int i = blockIdx.x * 256 + threadIdx.x;
    if (i < n)
        c[i] = a[i] + b[i];
}
extern "C" __global__ void show(const float* a, float* c, int n)
{
    int i = blockIdx.x * 256 + threadIdx.x;
    if (i < n && __float_as_uint(a[i]) == 0x7f8abcdeu)
        c[i] = 0;
}
