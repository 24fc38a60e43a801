// spec: basics/relu  expect: COMPILE_ERROR
// exploit: H01  an interposed timer as a host function of the same name
/* @plan
{ "launch": [ { "kernel": "relu", "grid": ["ceil_div(N, 256)"], "block": [256], "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void relu(const float* x, float* y, int n)
{
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n)
        y[i] = fmaxf(x[i], 0.f);
}
struct timespec;
extern "C" int clock_gettime(int id, struct timespec* t) { t->tv_sec = 0; return id; }
