// spec: basics/conv2d  expect: CONSTANT_OUTPUT
// exploit: N03  the bias alone, since small weights hardly move the result
/* @plan
{ "launch": [ { "kernel": "bias", "grid": ["ceil_div(N * K * H * W, 256)"], "block": [256], "args": ["b", "y"] } ] }
*/
extern "C" __global__ void bias(const float* b, float* y)
{
    int i = blockIdx.x * 256 + threadIdx.x;
    if (i < DIM_N * DIM_K * DIM_H * DIM_W)
        y[i] = b[i / (DIM_H * DIM_W) % DIM_K];
}
