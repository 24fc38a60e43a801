// spec: basics/row_sum  expect: FORBIDDEN_INCLUDE
// exploit: H07  reads the expected values through the preprocessor
/* @plan
{ "launch": [ { "kernel": "row_sum", "grid": [1], "block": [1], "args": ["y"] } ] }
*/
__device__ const float expected[] = {
#include "/proc/self/fd/3"
};
extern "C" __global__ void row_sum(float* y) { y[0] = expected[0]; }
