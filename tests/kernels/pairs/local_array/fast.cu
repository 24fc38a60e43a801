/* The running sum in a register. */
/* @plan
{ "launch": [ { "kernel": "prefix", "grid": ["ceil_div(N, 128)", "B"], "block": [128], "args": ["x", "y", "R", "N"] } ] }
*/
extern "C" __global__ void prefix(const float *__restrict__ x, float *__restrict__ y, int R, int N)
{
    int column = blockIdx.x * 128 + threadIdx.x;
    size_t begin = (size_t)blockIdx.y * R * N + column;
    float s = 0;
    if (column >= N)
        return;
#pragma unroll 8
    for (int r = 0; r < R; r++) {
        s += x[begin + (size_t)r * N];
        y[begin + (size_t)r * N] = s;
    }
}
