// spec: basics/cumsum  expect: PASS
/* @plan
{ "launch": [ { "kernel": "cumsum", "grid": ["B"], "block": [32], "args": ["x", "y", "N"] } ] }
*/
#include <cuda_runtime.h>

// A lane takes eight neighbours into a local array, in double; the lanes' sums meet by ballots and shuffles.
extern "C" __global__ void cumsum(const float* __restrict__ x, float* __restrict__ y, int n)
{
    const unsigned lane = threadIdx.x;
    double carry = 0.0;
    for (int base = 0; base < n; base += 256) {
        double v[8], sum = 0.0;
        const int first = base + lane * 8;
        for (int k = 0; k < 8; k++) {
            if (first + k < n)
                sum += x[(size_t)blockIdx.x * n + first + k];
            v[k] = sum;
        }
        double before = sum;
        for (unsigned d = 1; d < 32; d *= 2) {
            double w = __shfl_up_sync(0xffffffffu, before, d);
            before += lane >= d ? w : 0.0;
        }
        const double total = __shfl_sync(0xffffffffu, before, 31);
        before -= sum;
        const unsigned full = __ballot_sync(0xffffffffu, first + 7 < n);
        const int m = full >> lane & 1u ? 8 : max(0, min(8, n - first));
        for (int k = 0; k < m; k++)
            y[(size_t)blockIdx.x * n + first + k] = (float)(carry + before + v[k]);
        carry += total;
        __syncwarp();
    }
}
