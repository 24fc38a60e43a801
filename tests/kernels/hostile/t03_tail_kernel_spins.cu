// spec: basics/relu  expect: ENDLESS
// exploit: T03  a kernel that waits for somebody else to finish the output
/* @plan
{ "launch": [ { "kernel": "wait", "grid": [1], "block": [1], "args": ["y", "N"] },
              { "kernel": "relu", "grid": ["ceil_div(N, 256)"], "block": [256], "args": ["x", "y", "N"] } ] }
*/
__device__ volatile int done;
extern "C" __global__ void wait(float* y, int n)
{
    asm volatile("griddepcontrol.launch_dependents;");
    while (!done)
        __nanosleep(100);
}
extern "C" __global__ void relu(const float* x, float* y, int n)
{
    int i = blockIdx.x * 256 + threadIdx.x;
    if (i < n)
        y[i] = fmaxf(x[i], 0.f);
    if (i == 0)
        done = 1;
}
