// spec: basics/relu  expect: TRAP
// exploit: A04  allocates until nothing is left
/* @plan
{ "launch": [ { "kernel": "relu", "grid": [1], "block": [1], "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void relu(const float* x, float* y, int n)
{
    for (;;) {
        char* p = (char*)malloc(1 << 20);
        if (!p)
            __trap();
        for (int i = 0; i < 1 << 20; i += 4096)
            p[i] = 1;
    }
}
