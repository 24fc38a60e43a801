/* 16 launches of 32 blocks. */
/* @plan
{ "launch": [ { "kernel": "k", "grid": ["ceil_div(N,256)"], "block": [256], "args": ["x", "y", 0, "N"] }, { "kernel": "k", "grid": ["ceil_div(N,256)"], "block": [256], "args": ["x", "y", "1 * N", "N"] }, { "kernel": "k", "grid": ["ceil_div(N,256)"], "block": [256], "args": ["x", "y", "2 * N", "N"] }, { "kernel": "k", "grid": ["ceil_div(N,256)"], "block": [256], "args": ["x", "y", "3 * N", "N"] }, { "kernel": "k", "grid": ["ceil_div(N,256)"], "block": [256], "args": ["x", "y", "4 * N", "N"] }, { "kernel": "k", "grid": ["ceil_div(N,256)"], "block": [256], "args": ["x", "y", "5 * N", "N"] }, { "kernel": "k", "grid": ["ceil_div(N,256)"], "block": [256], "args": ["x", "y", "6 * N", "N"] }, { "kernel": "k", "grid": ["ceil_div(N,256)"], "block": [256], "args": ["x", "y", "7 * N", "N"] }, { "kernel": "k", "grid": ["ceil_div(N,256)"], "block": [256], "args": ["x", "y", "8 * N", "N"] }, { "kernel": "k", "grid": ["ceil_div(N,256)"], "block": [256], "args": ["x", "y", "9 * N", "N"] }, { "kernel": "k", "grid": ["ceil_div(N,256)"], "block": [256], "args": ["x", "y", "10 * N", "N"] }, { "kernel": "k", "grid": ["ceil_div(N,256)"], "block": [256], "args": ["x", "y", "11 * N", "N"] }, { "kernel": "k", "grid": ["ceil_div(N,256)"], "block": [256], "args": ["x", "y", "12 * N", "N"] }, { "kernel": "k", "grid": ["ceil_div(N,256)"], "block": [256], "args": ["x", "y", "13 * N", "N"] }, { "kernel": "k", "grid": ["ceil_div(N,256)"], "block": [256], "args": ["x", "y", "14 * N", "N"] }, { "kernel": "k", "grid": ["ceil_div(N,256)"], "block": [256], "args": ["x", "y", "15 * N", "N"] } ] }
*/
extern "C" __global__ void k(const float *x, float *y, int base, int N)
{
    int i = blockIdx.x * 256 + threadIdx.x;
    if (i < N)
        y[base + i] = 1.f / (1.f + expf(-x[base + i]));
}
