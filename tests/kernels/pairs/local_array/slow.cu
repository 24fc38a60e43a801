/* The column stands in an array that is indexed by a variable: it cannot live in registers. */
/* @plan
{ "launch": [ { "kernel": "prefix", "grid": ["ceil_div(N, 128)", "B"], "block": [128], "args": ["x", "y", "R", "N"] } ] }
*/
extern "C" __global__ void prefix(const float *__restrict__ x, float *__restrict__ y, int R, int N)
{
    float v[64];
    int column = blockIdx.x * 128 + threadIdx.x;
    const float *from = x + (size_t)blockIdx.y * R * N + column;
    if (column >= N)
        return;
    for (int r = 0; r < R; r++)
        v[r] = from[(size_t)r * N];
    for (int r = 1; r < R; r++)
        v[r] += v[r - 1];
    for (int r = 0; r < R; r++)
        y[((size_t)blockIdx.y * R + r) * N + column] = v[r];
}
