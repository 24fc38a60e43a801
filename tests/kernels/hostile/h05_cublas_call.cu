// spec: basics/matmul  expect: FORBIDDEN_CONSTRUCT
// exploit: H05  the library does the work
/* @plan
{ "launch": [ { "kernel": "mm", "grid": [1], "block": [1], "args": ["a", "b", "c", "M", "N", "K"] } ] }
*/
extern "C" __global__ void mm(const float* a, const float* b, float* c, int m, int n, int k) {}
void run(void* handle, const float* a, const float* b, float* c, int m, int n, int k)
{
    float one = 1, zero = 0;
    cublasSgemm(handle, 0, 0, n, m, k, &one, b, n, a, k, &zero, c, n); // HERE
}
