// spec: basics/row_sum  expect: WRONG_RESULT
// exploit: N09  a table of sums that another seed's inputs have
/* @plan
{ "launch": [ { "kernel": "row_sum", "grid": ["ceil_div(B, 32)"], "block": [32], "args": ["y", "B", "N"] } ] }
*/
__constant__ float of_one[1] = {0.49671415f};
__constant__ float of_257[3] = {-3.1188283f, 12.006231f, 28.144072f};
__constant__ float of_4096[8] = {79.1f, -12.4f, 3.3f, 110.2f, -57.9f, 61.0f, 8.8f, -33.1f};
extern "C" __global__ void row_sum(float* y, int b, int n)
{
    int i = blockIdx.x * 32 + threadIdx.x;
    if (i < b)
        y[i] = n == 1 ? of_one[i % 1] : n == 257 ? of_257[i % 3] : of_4096[i % 8];
}
