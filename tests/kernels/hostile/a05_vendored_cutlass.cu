// spec: basics/matmul  expect: FORBIDDEN_INCLUDE
// exploit: A05  a library's kernel by its headers
/* @plan
{ "launch": [ { "kernel": "mm", "grid": [1], "block": [128], "args": ["a", "b", "c"] } ] }
*/
#include <cutlass/gemm/device/gemm.h>
extern "C" __global__ void mm(const float* a, const float* b, float* c) {}
