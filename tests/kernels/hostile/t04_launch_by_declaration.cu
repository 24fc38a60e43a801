// spec: basics/relu  expect: PTXAS_ERROR
// exploit: T04  declares the device runtime's launch itself, its name pasted together
/* @plan
{ "launch": [ { "kernel": "parent", "grid": [1], "block": [1], "args": ["x", "y", "N"] } ] }
*/
#define PASTE(a, b) a##b
extern "C" __device__ int PASTE(cuda, LaunchDevice)(void*, void*, dim3, dim3, unsigned, void*);
extern "C" __global__ void work(const float* x, float* y, int n)
{
    int i = blockIdx.x * 256 + threadIdx.x;
    if (i < n)
        y[i] = fmaxf(x[i], 0.f);
}
extern "C" __global__ void parent(const float* x, float* y, int n)
{
    void* p[3] = {(void*)x, y, (void*)(long long)n};
    PASTE(cuda, LaunchDevice)((void*)work, p, dim3((n + 255) / 256), dim3(256), 0, 0);
}
