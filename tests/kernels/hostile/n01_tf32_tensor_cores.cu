// spec: basics/batched_matmul  expect: LOW_PRECISION
// exploit: N01  TF32 tensor cores for an f32 product
/* @plan
{ "launch": [ { "kernel": "bmm", "grid": ["ceil_div(N, 8)", "ceil_div(M, 16)", "B"], "block": [32], "args": ["a", "b", "c", "M", "N", "K"] } ] }
*/
__device__ unsigned tf32(float v)
{
    unsigned r;
    asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(r) : "f"(v));
    return r;
}
extern "C" __global__ void bmm(const float* a, const float* b, float* c, int m, int n, int k)
{
    a += (size_t)blockIdx.z * m * k;
    b += (size_t)blockIdx.z * k * n;
    c += (size_t)blockIdx.z * m * n;
    const int row = blockIdx.y * 16, col = blockIdx.x * 8, g = threadIdx.x / 4, t = threadIdx.x % 4;
    float d[4] = {0, 0, 0, 0};
    for (int q = 0; q < k; q += 8) {
        unsigned fa[4], fb[2];
        for (int i = 0; i < 4; i++) {
            int r = row + g + (i & 1) * 8, p = q + t + (i >> 1) * 4;
            fa[i] = tf32(r < m && p < k ? a[(size_t)r * k + p] : 0.f);
        }
        for (int i = 0; i < 2; i++) {
            int p = q + t + i * 4, z = col + g;
            fb[i] = tf32(p < k && z < n ? b[(size_t)p * n + z] : 0.f);
        }
        asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
                     : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                     : "r"(fa[0]), "r"(fa[1]), "r"(fa[2]), "r"(fa[3]), "r"(fb[0]), "r"(fb[1]));
    }
    for (int i = 0; i < 4; i++) {
        int r = row + g + (i >> 1) * 8, z = col + t * 2 + (i & 1);
        if (r < m && z < n)
            c[(size_t)r * n + z] = d[i];
    }
}
