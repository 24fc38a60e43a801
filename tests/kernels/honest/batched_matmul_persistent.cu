// spec: basics/batched_matmul  expect: PASS
/* @plan
{
  "launch": [
    { "kernel": "bmm", "grid": ["min(132, B * ceil_div(M, 16) * ceil_div(N, 16))"], "block": [16, 16],
      "args": ["a", "b", "c", "B", "M", "N", "K"] } ] }
*/
template <int T> struct Tile {
    float v[T][T + 1];
    __device__ float* operator[](int i) { return v[i]; }
};
extern "C" __global__ void bmm(const float* a, const float* b, float* c, int Bt, int M, int N,
                               int K) {
    __shared__ Tile<16> ta, tb;
    int tm = (M + 15) / 16, tn = (N + 15) / 16, total = Bt * tm * tn;
    for (int tile = blockIdx.x; tile < total; tile += gridDim.x) {
        int z = tile / (tm * tn), y = tile % (tm * tn) / tn, x = tile % tn;
        const float *pa = a + z * M * K, *pb = b + z * K * N;
        int r = y * 16 + threadIdx.y, q = x * 16 + threadIdx.x;
        float acc = 0;
        for (int k = 0; k < K; k += 16) {
            ta[threadIdx.y][threadIdx.x] =
                r < M && k + threadIdx.x < K ? pa[r * K + k + threadIdx.x] : 0;
            tb[threadIdx.y][threadIdx.x] =
                q < N && k + threadIdx.y < K ? pb[(k + threadIdx.y) * N + q] : 0;
            __syncthreads();
            for (int i = 0; i < 16; i++) acc += ta[threadIdx.y][i] * tb[i][threadIdx.x];
            __syncthreads();
        }
        if (r < M && q < N)
            c[(z * M + r) * N + q] = acc;
    }
}
