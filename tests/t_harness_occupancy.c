/* Blocks on an SM: harness/timing/occupancy against the CUDA toolkit's own calculator, for every
 * GPU of the table. */
#include "base/mem.h"
#include "harness/timing/arch.h"
#include "harness/timing/occupancy.h"
#include "tests/tap.h"

#include <stddef.h>
#if __has_include(<cuda_occupancy.h>)
#define HAS_HEADER 1
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#include <cuda_occupancy.h>
#pragma GCC diagnostic pop
#endif

#ifdef HAS_HEADER
static cudaOccDeviceProp properties(const tim_gpu *g)
{
    const tim_arch *a = tim_arch_of(g->arch);
    const int number = tim_arch_number(g->arch);
    return (cudaOccDeviceProp){
        .computeMajor = number / 10,
        .computeMinor = number % 10,
        .maxThreadsPerBlock = 1024,
        .maxThreadsPerMultiprocessor = 32 * g->max_warps_per_sm,
        .regsPerBlock = g->registers_per_sm,
        .regsPerMultiprocessor = g->registers_per_sm,
        .warpSize = 32,
        .sharedMemPerBlock = 48 * 1024,
        .sharedMemPerMultiprocessor = (size_t)g->shared_per_sm,
        .numSms = g->sms,
        .sharedMemPerBlockOptin = (size_t)g->shared_per_block,
        .reservedSharedMemPerBlock = (size_t)a->shared_reserved,
    };
}

static unsigned factor_of(const char *by)
{
    static const struct {
        const char *name;
        unsigned bit;
    } factor[] = {{"warps", OCC_LIMIT_WARPS},
                  {"blocks", OCC_LIMIT_BLOCKS},
                  {"registers", OCC_LIMIT_REGISTERS},
                  {"shared memory", OCC_LIMIT_SHARED_MEMORY},
                  {"barriers", OCC_LIMIT_BARRIERS}};
    for (size_t i = 0; i < WS_COUNT(factor); i++)
        if (strcmp(factor[i].name, by) == 0)
            return factor[i].bit;
    return 0;
}

static bool same(const tim_gpu *g, const cudaOccDeviceProp *p, const tim_block *b)
{
    const cudaOccFuncAttributes f = {
        .maxThreadsPerBlock = 1024,
        .numRegs = b->registers,
        .shmemLimitConfig = FUNC_SHMEM_LIMIT_OPTIN,
        .maxDynamicSharedSizeBytes = (size_t)b->shared_bytes,
        .numBlockBarriers = b->barriers,
    };
    const cudaOccDeviceState state = {.carveoutConfig = SHAREDMEM_CARVEOUT_DEFAULT};
    cudaOccResult want = {0};
    tim_occupancy got;
    const cudaOccError e = cudaOccMaxActiveBlocksPerMultiprocessor(
        &want, p, &f, &state, b->threads, (size_t)b->shared_bytes);
    tim_occupancy_of(g, b, &got);
    if (e == CUDA_OCC_SUCCESS && got.blocks == want.activeBlocksPerMultiprocessor &&
        got.limit.warps == want.blockLimitWarps && got.limit.blocks == want.blockLimitBlocks &&
        got.limit.registers == want.blockLimitRegs &&
        got.limit.shared == want.blockLimitSharedMem &&
        got.limit.barriers == want.blockLimitBarriers &&
        (want.limitingFactors & factor_of(got.by)) &&
        got.registers == want.allocatedRegistersPerBlock &&
        got.shared_bytes == (int64_t)want.allocatedSharedMemPerBlock)
        return true;
    printf("# %s, %d threads, %d registers, %lld bytes, %d barriers: %d by %s, the header says %d "
           "(error %d, factors %x)\n",
           g->name, b->threads, b->registers, (long long)b->shared_bytes, b->barriers, got.blocks,
           got.by, want.activeBlocksPerMultiprocessor, (int)e, want.limitingFactors);
    return false;
}

static void test_gpu(const tim_gpu *g)
{
    static const int threads[] = {1,   31,  32,  33,   64,   95,   96,  128, 160,
                                  192, 224, 256, 288,  320,  384,  416, 512, 576,
                                  640, 704, 768, 1000, 1023, 1024, 1025};
    static const int barriers[] = {0, 1, 2, 3, 5, 16};
    const cudaOccDeviceProp p = properties(g);
    long tried = 0, wrong = 0;
    for (size_t t = 0; t < WS_COUNT(threads); t++)
        for (int registers = 0; registers <= 258; registers += registers < 40 ? 4 : 9)
            for (int i = 0; i <= 3 * g->shared_per_sm / 4096 && wrong < 5; i++)
                for (size_t k = 0; k < WS_COUNT(barriers); k++, tried++) {
                    const int64_t bytes = i / 3 * 4096 + i % 3 - 1; /* around 4 KiB, 8 KiB, ... */
                    const tim_block b = {threads[t], registers, bytes < 0 ? 0 : bytes, barriers[k]};
                    wrong += !same(g, &p, &b);
                }
    ok(!wrong && tried > 100000, "%s: %ld blocks as cuda_occupancy.h has them", g->name, tried);
}
#endif

static void test_header(void)
{
#ifdef HAS_HEADER
    int n;
    const tim_gpu *g = tim_gpu_list(&n);
    for (int i = 0; i < n; i++)
        test_gpu(&g[i]);
#else
    skip("occupancy as cuda_occupancy.h has it", "the toolkit has no such header");
#endif
}

/* Numbers of the CUDA C++ Programming Guide's tables, so that something holds without a toolkit. */
static void test_known(void)
{
    const tim_gpu *h100 = tim_gpu_find("h100"), *a100 = tim_gpu_find("a100");
    tim_occupancy o;
    tim_occupancy_of(h100, &(tim_block){256, 32, 0, 0}, &o);
    is_int(o.blocks, 8, "H100: eight blocks of 256 threads with 32 registers");
    is_str(o.by, "warps", "then warps are the limit");
    tim_occupancy_of(h100, &(tim_block){256, 128, 0, 0}, &o);
    is_int(o.blocks, 2, "two with 128 registers");
    is_str(o.by, "registers", "then registers are");
    tim_occupancy_of(h100, &(tim_block){128, 32, 227 * 1024, 0}, &o);
    is_int(o.blocks, 1, "one with all shared memory");
    is_close(o.fraction, 4. / 64, 1e-12, "a sixteenth of the warps");
    tim_occupancy_of(h100, &(tim_block){128, 32, 228 * 1024, 0}, &o);
    is_int(o.blocks, 0, "none with more");
    tim_occupancy_of(a100, &(tim_block){32, 16, 0, 0}, &o);
    is_str(o.by, "blocks", "small blocks end at the number of blocks");
    tim_occupancy_of(h100, &(tim_block){32, 16, 0, 16}, &o);
    is_int(o.blocks, 4, "64 barriers of an SM, 16 of a block");
    is_str(o.by, "barriers", "then barriers are the limit");
    is_int(tim_clusters(h100, 2, 8), 32, "H100: four clusters of 8 blocks in each GPC of 16 SMs");
    is_int(tim_clusters(a100, 2, 8), 0, "A100 has no clusters");
    is_int(tim_clusters(h100, 2, 9), 0, "no portable cluster has 9 blocks");
}

int main(void)
{
    test_known();
    test_header();
    return tap_done();
}
