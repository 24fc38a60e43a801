// spec: basics/cross_entropy  expect: PASS
/* @plan
{ "scratch": [ { "name": "nll", "dtype": "f32", "count": "B" } ],
  "launch": [ { "kernel": "rows", "grid": ["B"], "block": [128], "args": ["x", "t", "nll", "C"] },
              { "kernel": "mean", "grid": [1], "block": [256], "args": ["nll", "loss", "B"] } ] }
*/
template <int THREADS> struct block {
    static constexpr int warps = THREADS / 32;
    template <typename T, typename Op> static __device__ T reduce(T v, T none, Op op)
    {
        __shared__ T part[warps];
#pragma unroll
        for (int d = 16; d; d >>= 1)
            v = op(v, __shfl_xor_sync(0xffffffffu, v, d));
        __syncthreads();
        if (threadIdx.x % 32 == 0)
            part[threadIdx.x / 32] = v;
        __syncthreads();
        v = none;
#pragma unroll
        for (int w = 0; w < warps; w++)
            v = op(v, part[w]);
        return v;
    }
};
struct greater {
    __device__ float operator()(float a, float b) const { return fmaxf(a, b); }
};
struct plus {
    template <typename T> __device__ T operator()(T a, T b) const { return a + b; }
};

extern "C" __global__ void rows(const float* x, const long long* t, float* nll, int c)
{
    const float* row = x + (size_t)blockIdx.x * c;
    float most = -INFINITY, sum = 0.f;
    for (int i = threadIdx.x; i < c; i += 128)
        most = fmaxf(most, row[i]);
    most = block<128>::reduce(most, -INFINITY, greater());
    for (int i = threadIdx.x; i < c; i += 128)
        sum += expf(row[i] - most);
    sum = block<128>::reduce(sum, 0.f, plus());
    if (threadIdx.x == 0)
        nll[blockIdx.x] = logf(sum) + most - row[t[blockIdx.x]];
}

extern "C" __global__ void mean(const float* nll, float* loss, int b)
{
    float s = 0.f, lost = 0.f; // Kahan's sum
    for (int i = threadIdx.x; i < b; i += 256) {
        const float v = nll[i] - lost, next = s + v;
        lost = next - s - v;
        s = next;
    }
    s = block<256>::reduce(s, 0.f, plus());
    if (threadIdx.x == 0)
        *loss = s / (float)b;
}
