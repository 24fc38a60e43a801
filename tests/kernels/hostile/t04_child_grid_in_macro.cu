// spec: basics/softmax  expect: COMPILE_ERROR
// exploit: T04  the launch's brackets come out of a macro under an #if
/* @plan
{ "launch": [ { "kernel": "parent", "grid": [1], "block": [1], "args": ["x", "y", "B", "N"] } ] }
*/
extern "C" __global__ void child(const float* x, float* y, int n) { y[threadIdx.x] = x[threadIdx.x]; }
#ifdef __CUDA_ARCH__
#define GO(k, b) k <<<b, 1>>>
#endif
extern "C" __global__ void parent(const float* x, float* y, int b, int n)
{
    GO(child, b)(x, y, n);
}
