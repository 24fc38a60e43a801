/* Neighbouring threads have neighbouring rows: a warp touches 32 of them. */
/* @plan
{ "launch": [ { "kernel": "k", "grid": ["ceil_div(M,16)", "ceil_div(N,16)"], "block": [16, 16], "args": ["x", "y", "M", "N"] } ] }
*/
extern "C" __global__ void k(const float *__restrict__ x, float *__restrict__ y, int M, int N)
{
    int r = blockIdx.x * blockDim.x + threadIdx.x;
    int c = blockIdx.y * blockDim.y + threadIdx.y;
    if (r < M && c < N)
        y[r * N + c] = x[r * N + c] * 3.0f;
}
