// spec: basics/gelu  expect: PASS
// Four elements a thread in flight, loads and stores past the caches.
/* @plan
{ "tune": { "ILP": [4, 2, 8] },
  "launch": [ { "kernel": "k", "grid": ["ceil_div(N, 256 * ILP)"], "block": [256], "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void k(const float* x, float* y, int n)
{
    float v[ILP];
    const int first = blockIdx.x * 256 * ILP + threadIdx.x;
    #pragma unroll
    for (int i = 0; i < ILP; i++)
        v[i] = first + i * 256 < n ? __ldcs(x + first + i * 256) : 0.f;
    #pragma unroll
    for (int i = 0; i < ILP; i++)
        if (first + i * 256 < n)
            __stcs(y + first + i * 256, v[i] * normcdff(v[i]));
}
