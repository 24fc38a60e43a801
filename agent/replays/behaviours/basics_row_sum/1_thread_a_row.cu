/* @plan
{ "launch": [ { "kernel": "sum_thread_a_row", "grid": ["ceil_div(B, 64)"], "block": [64], "args": ["x", "y"] } ] }
*/
/* A thread a row: no two of a warp read the same line. Partial sums keep the error small. */
extern "C" __global__ void __launch_bounds__(64)
sum_thread_a_row(const float *__restrict__ x, float *__restrict__ y)
{
    const int row = blockIdx.x * 64 + threadIdx.x;
    if (row >= DIM_B)
        return;
    float total = 0.0f;
    for (int first = 0; first < DIM_N; first += 128) {
        float part = 0.0f;
        for (int i = first; i < first + 128 && i < DIM_N; i++)
            part += x[(size_t)row * DIM_N + i];
        total += part;
    }
    y[row] = total;
}
