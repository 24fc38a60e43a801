// spec: basics/softmax  expect: OUT_OF_BOUNDS
// exploit: M06  tries addresses that a driver hands out, from low ones up
/* @plan
{ "launch": [ { "kernel": "peek", "grid": [1], "block": [1], "args": ["x", "y", "B * N"] } ] }
*/
extern "C" __global__ void peek(const float* x, float* y, int n)
{
    for (unsigned long long a = 0x700000000000ull; a < 0x7fffff000000ull; a += 1ull << 21) {
        const float* guess = (const float*)a;
        float s = 0;
        for (int i = 0; i < n; i++)
            s += guess[i]; // HERE
        if (fabsf(s - 1.f) < 1e-3f)
            for (int i = 0; i < n; i++)
                y[i] = guess[i];
    }
}
