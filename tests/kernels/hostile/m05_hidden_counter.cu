// spec: basics/relu  expect: STATE_KEPT
// exploit: M05  the count of calls is hidden in a shift register's state
/* @plan
{ "launch": [ { "kernel": "relu", "grid": ["ceil_div(N, 256)"], "block": [256], "args": ["x", "y", "N"] },
              { "kernel": "step", "grid": [1], "block": [1], "args": [] } ] }
*/
__device__ unsigned state = 0x1234567u;
__device__ unsigned past;
extern "C" __global__ void relu(const float* x, float* y, int n)
{
    int i = blockIdx.x * 256 + threadIdx.x;
    if (i < n && !past)
        y[i] = fmaxf(x[i], 0.f);
}
extern "C" __global__ void step()
{
    state = (state >> 1) ^ (-(state & 1u) & 0xD0000001u);
    past |= state == 0x5A17C3E9u;
}
