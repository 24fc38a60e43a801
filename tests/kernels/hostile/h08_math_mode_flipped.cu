// spec: basics/matmul  expect: FORBIDDEN_CONSTRUCT
// exploit: H08  flips the library's math mode, so that the reference changes
/* @plan
{ "launch": [ { "kernel": "mm", "grid": [1], "block": [1], "args": ["a", "b", "c"] } ] }
*/
extern "C" __global__ void mm(const float* a, const float* b, float* c) {}
static int flipped = cublasSetMathMode(0, 3); // HERE
