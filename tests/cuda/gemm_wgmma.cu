// C (M x N, f32) = A (M x K, rows) times B (N x K, rows) in the way of Hopper: one warpgroup brings tiles of
// 128 x 64 by TMA, swizzled 128 bytes, through a ring of STAGES; two warpgroups multiply 64 x 128 each with
// wgmma; the result goes back through shared memory by TMA. T is __half or __nv_bfloat16.
#include <cuda_bf16.h>
#include <cuda_fp16.h>

enum { BM = 128, BN = 128, BK = 64, STAGES = 3, CONSUMERS = 256, OUT = 32 /* columns of a box of C */ };

struct __align__(64) tensor_map { char bytes[128]; };
struct __align__(1024) shared_memory {
    T a[STAGES][BM * BK], b[STAGES][BN * BK];
    float c[BN / OUT][BM * OUT];
    unsigned long long full[STAGES], empty[STAGES];
};

__device__ unsigned at(const void *p) { return (unsigned)__cvta_generic_to_shared(p); }

__device__ void wait(unsigned long long *bar, int parity)
{
    asm volatile("{\n.reg .pred p;\nWAIT:\nmbarrier.try_wait.parity.shared::cta.b64 p, [%0], %1;\n@!p bra WAIT;\n}"
                 ::"r"(at(bar)), "r"(parity) : "memory");
}

__device__ void arrive(unsigned long long *bar)
{
    asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(at(bar)) : "memory");
}

__device__ void load(void *to, const tensor_map *map, int x, int y, unsigned long long *bar)
{
    asm volatile("cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes "
                 "[%0], [%1, {%2, %3}], [%4];"
                 ::"r"(at(to)), "l"(map), "r"(x), "r"(y), "r"(at(bar)) : "memory");
}

// 8 rows of 128 bytes, swizzled, are 1024 bytes apart.
__device__ unsigned long long descriptor(const void *p)
{
    return (unsigned long long)((at(p) & 0x3ffff) >> 4) | 1ull << 16 | 64ull << 32 | 1ull << 62;
}

#define R8(d, i)  "+f"(d[i]), "+f"(d[i + 1]), "+f"(d[i + 2]), "+f"(d[i + 3]), "+f"(d[i + 4]), "+f"(d[i + 5]), \
                  "+f"(d[i + 6]), "+f"(d[i + 7])
#define R64(d)    R8(d, 0), R8(d, 8), R8(d, 16), R8(d, 24), R8(d, 32), R8(d, 40), R8(d, 48), R8(d, 56)
__device__ void multiply(float *d, unsigned long long a, unsigned long long b, int keep)
{
    asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, %66, 0;\n"
                 "wgmma.mma_async.sync.aligned.m64n128k16.f32." TYPE "." TYPE " {"
                 "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
                 "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, "
                 "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, "
                 "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63}, "
                 "%64, %65, p, 1, 1, 0, 0;\n}"
                 : R64(d) : "l"(a), "l"(b), "r"(keep) : "memory");
}

__device__ void produce(shared_memory *s, const tensor_map *a, const tensor_map *b, int tiles)
{
    for (int t = 0; t < tiles; t++) {
        int stage = t % STAGES, round = t / STAGES;
        wait(&s->empty[stage], (round & 1) ^ 1);
        asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;"
                     ::"r"(at(&s->full[stage])), "r"((BM + BN) * BK * 2) : "memory");
        load(s->a[stage], a, t * BK, blockIdx.y * BM, &s->full[stage]);
        load(s->b[stage], b, t * BK, blockIdx.x * BN, &s->full[stage]);
    }
}

__device__ void consume(shared_memory *s, float *d, int group, int tiles)
{
    for (int t = 0; t < tiles; t++) {
        int stage = t % STAGES;
        wait(&s->full[stage], t / STAGES & 1);
        asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
        for (int k = 0; k < BK; k += 16)
            multiply(d, descriptor(s->a[stage] + group * 64 * BK + k), descriptor(s->b[stage] + k), t + k > 0);
        asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
        asm volatile("wgmma.wait_group.sync.aligned 0;" ::: "memory");
        arrive(&s->empty[stage]);
    }
}

__device__ void write(shared_memory *s, const float *d, int group, const tensor_map *c)
{
    int lane = threadIdx.x % 32, row = group * 64 + threadIdx.x / 32 % 4 * 16 + lane / 4;
    for (int i = 0; i < BN / 2; i++) {
        int column = i / 4 * 8 + lane % 4 * 2 + i % 2, r = row + (i & 2 ? 8 : 0);
        s->c[column / OUT][r * OUT + column % OUT] = d[i];
    }
    asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
    asm volatile("bar.sync 1, %0;" ::"r"((int)CONSUMERS) : "memory");
    if (threadIdx.x != 0)
        return;
    for (int box = 0; box < BN / OUT; box++)
        asm volatile("cp.async.bulk.tensor.2d.global.shared::cta.tile.bulk_group [%0, {%1, %2}], [%3];"
                     ::"l"(c), "r"((int)blockIdx.x * BN + box * OUT), "r"((int)blockIdx.y * BM), "r"(at(s->c[box]))
                     : "memory");
    asm volatile("cp.async.bulk.commit_group;" ::: "memory");
    asm volatile("cp.async.bulk.wait_group.read 0;" ::: "memory");
}

extern "C" __global__ void __launch_bounds__(CONSUMERS + 128)
gemm(const __grid_constant__ tensor_map a, const __grid_constant__ tensor_map b, const __grid_constant__ tensor_map c,
     int tiles)
{
    extern __shared__ char raw[];
    shared_memory *s = (shared_memory *)((size_t)(raw + 1023) & ~(size_t)1023);
    int group = threadIdx.x / 128;
    if (threadIdx.x == 0) {
        for (int i = 0; i < STAGES; i++) {
            asm volatile("mbarrier.init.shared::cta.b64 [%0], 1;" ::"r"(at(&s->full[i])));
            asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(at(&s->empty[i])), "r"((int)CONSUMERS));
        }
        asm volatile("fence.mbarrier_init.release.cluster;");
        asm volatile("prefetch.tensormap [%0];" ::"l"(&a) : "memory");
    }
    __syncthreads();
    if (group == 2) {
        asm volatile("setmaxnreg.dec.sync.aligned.u32 40;");
        if (threadIdx.x % 128 == 0)
            produce(s, &a, &b, tiles);
        return;
    }
    asm volatile("setmaxnreg.inc.sync.aligned.u32 232;");
    float d[BN / 2];
    consume(s, d, group, tiles);
    write(s, d, group, &c);
}
