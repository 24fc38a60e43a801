/* @plan
{ "tune": { "TX": [32, 8, 16, 64, 128], "TY": [32, 8, 16, 64, 128], "BX": [32, 8, 16, 64],
            "BY": [8, 2, 4, 16], "PAD": [1, 0] },
  "require": [ "TX % BX == 0", "TY % BY == 0", "BX * BY >= 32", "TX % BY == 0",
               "(TX + PAD) * TY * 4 <= 49152" ],
  "launch": [ { "kernel": "transpose", "grid": ["ceil_div(N, TX)", "ceil_div(M, TY)"],
                "block": ["BX", "BY"], "args": ["x", "y"] } ] }
*/
// A tile of TX columns and TY rows goes through shared memory.
extern "C" __global__ void transpose(const float *__restrict__ x, float *__restrict__ y)
{
    __shared__ float tile[TY][TX + PAD];
    const int x0 = blockIdx.x * TX, y0 = blockIdx.y * TY;
    for (int j = threadIdx.y; j < TY; j += BY)
#pragma unroll
        for (int i = threadIdx.x; i < TX; i += BX)
            if (y0 + j < DIM_M && x0 + i < DIM_N)
                tile[j][i] = x[(size_t)(y0 + j) * DIM_N + x0 + i];
    __syncthreads();
    for (int i = threadIdx.y; i < TX; i += BY)
        for (int j = threadIdx.x; j < TY; j += BX)
            if (y0 + j < DIM_M && x0 + i < DIM_N)
                y[(size_t)(x0 + i) * DIM_M + y0 + j] = tile[j][i];
}
