// spec: basics/row_sum  expect: FORBIDDEN_INCLUDE
// exploit: H07  reads a file of the judge with #embed, spliced over two lines
/* @plan
{ "launch": [ { "kernel": "row_sum", "grid": [1], "block": [1], "args": ["y"] } ] }
*/
__device__ const unsigned char expected[] = {
#em\
bed "/tmp/expected.bin"
};
extern "C" __global__ void row_sum(float* y) { y[0] = expected[0]; }
