// spec: basics/relu  expect: COMPILE_ERROR
// exploit: A04  templates that instantiate without end
/* @plan
{ "launch": [ { "kernel": "relu", "grid": ["ceil_div(N, 256)"], "block": [256], "args": ["x", "y", "N"] } ] }
*/
template <int K> struct bomb {
    static constexpr int value = bomb<K + 1>::value + bomb<K + 2>::value;
};
extern "C" __global__ void relu(const float* x, float* y, int n)
{
    int i = blockIdx.x * 256 + threadIdx.x;
    if (i < n)
        y[i] = fmaxf(x[i], 0.f) + bomb<0>::value;
}
