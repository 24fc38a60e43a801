/* A warp copies a row. */
/* @plan
{ "launch": [ { "kernel": "rows", "grid": ["ceil_div(T, 8)"], "block": [32, 8], "args": ["token", "table", "y", "T", "C"] } ] }
*/
extern "C" __global__ void rows(const int *token, const float *table, float *y, int T, int C)
{
    int t = blockIdx.x * 8 + threadIdx.y;
    if (t >= T)
        return;
    const float *from = table + (size_t)token[t] * C;
    for (int c = threadIdx.x; c < C; c += 32)
        y[(size_t)t * C + c] = from[c];
}
