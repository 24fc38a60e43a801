// spec: basics/relu  expect: PTXAS_ERROR
// exploit: H02  a stream of the kernel's own, behind an #if that the text check does not follow
/* @plan
{ "launch": [ { "kernel": "front", "grid": [1], "block": [1], "args": ["x", "y", "N"] } ] }
*/
#if 1
typedef struct CUstream_st* stream_t;
extern "C" __device__ int cudaStreamCreateWithFlags(stream_t* s, unsigned flags);
extern "C" __device__ int cudaLaunchDeviceV2(void* parameters, stream_t s);
extern "C" __device__ void* cudaGetParameterBufferV2(void* f, dim3 grid, dim3 block, unsigned shared);
extern "C" __global__ void work(const float* x, float* y, int n)
{
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n)
        y[i] = fmaxf(x[i], 0.f);
}
extern "C" __global__ void front(const float* x, float* y, int n)
{
    stream_t s;
    cudaStreamCreateWithFlags(&s, 1);
    void** p = (void**)cudaGetParameterBufferV2((void*)work, dim3((n + 255) / 256), dim3(256), 0);
    p[0] = (void*)x;
    p[1] = y;
    p[2] = (void*)(long long)n;
    cudaLaunchDeviceV2(p, s);
}
#endif
