// spec: basics/cumsum  expect: SHARED_RACE
/* @plan
{
  "tune": {"BLOCK": [32, 256]},
  "launch": [
    { "kernel": "scan", "grid": ["B"], "block": ["BLOCK"],
      "args": ["x", "y", "N"] } ] }
*/
extern "C" __global__ void scan(const float* x, float* y, int N) {
    __shared__ float buf[BLOCK];
    float carry = 0;
    for (int base = 0; base < N; base += BLOCK) {
        int i = base + threadIdx.x;
        buf[threadIdx.x] = i < N ? x[blockIdx.x * N + i] : 0.f; // HERE
        __syncwarp();
        float s = 0;
        for (int k = 0; k <= threadIdx.x; k++) s += buf[k];
        if (i < N)
            y[blockIdx.x * N + i] = carry + s;
        for (int k = 0; k < BLOCK; k++) carry += buf[k];
        __syncwarp();
    }
}
