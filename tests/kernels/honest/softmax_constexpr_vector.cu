// spec: basics/softmax  expect: PASS
/* @plan
{ "launch": [ { "kernel": "softmax", "grid": ["B"], "block": [256], "args": ["x", "y", "N"] } ] }
*/
// One pass for the maximum and the rescaled sum, one to write; vectors of four where rows are multiples of four.
struct running {
    float most = -INFINITY, sum = 0.f;
    __device__ void add(float v)
    {
        if (v > most) {
            sum *= __expf(most - v);
            most = v;
        }
        sum += __expf(v - most);
    }
    __device__ void join(float m, float s)
    {
        const float top = fmaxf(most, m);
        if (top == -INFINITY)
            return;
        sum = sum * __expf(most - top) + s * __expf(m - top);
        most = top;
    }
};

template <int VEC, typename F> __device__ __forceinline__ void each(const float* row, int n, F&& f)
{
    if constexpr (VEC == 4) {
        const float4* v = reinterpret_cast<const float4*>(row);
        for (int i = threadIdx.x; i < n / 4; i += blockDim.x) {
            const float4 q = __ldg(v + i);
            f(4 * i, q.x), f(4 * i + 1, q.y), f(4 * i + 2, q.z), f(4 * i + 3, q.w);
        }
    } else {
        static_assert(VEC == 1, "scalars or fours");
        for (int i = threadIdx.x; i < n; i += blockDim.x)
            f(i, __ldg(row + i));
    }
}

template <int VEC> __device__ void row_softmax(const float* __restrict__ in, float* __restrict__ out, int n)
{
    __shared__ float tops[8], sums[8];
    running r;
    each<VEC>(in, n, [&](int, float v) { r.add(v); });
#pragma unroll
    for (int d = 16; d; d >>= 1)
        r.join(__shfl_xor_sync(0xffffffffu, r.most, d), __shfl_xor_sync(0xffffffffu, r.sum, d));
    if (threadIdx.x % 32 == 0)
        tops[threadIdx.x / 32] = r.most, sums[threadIdx.x / 32] = r.sum;
    __syncthreads();
    running all;
#pragma unroll
    for (int w = 0; w < 8; w++)
        all.join(tops[w], sums[w]);
    const float scale = 1.f / all.sum;
    each<VEC>(in, n, [=](int i, float v) { out[i] = __expf(v - all.most) * scale; });
}

extern "C" __global__ void softmax(const float* x, float* y, int n)
{
    const size_t at = (size_t)blockIdx.x * n;
    if (n % 4 == 0)
        row_softmax<4>(x + at, y + at, n);
    else
        row_softmax<1>(x + at, y + at, n);
}
