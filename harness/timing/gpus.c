/* The GPUs that the cost model knows. Every peak is dense (no structured sparsity).
 *
 * Sources, by row:
 *   t4         NVIDIA T4 datasheet (DS-T4, 2018); Turing whitepaper (TU102/104/106)
 *   v100       NVIDIA V100 datasheet (SXM2); Volta whitepaper (GV100)
 *   a100       NVIDIA A100 80GB datasheet (SXM); Ampere whitepaper (GA100)
 *   a10g       NVIDIA A10 datasheet for the chip (GA102); AWS EC2 G5 instance page for the G variant
 *   l4, l40s   NVIDIA L4 and L40S datasheets; Ada whitepaper (AD104, AD102)
 *   rtx4090    NVIDIA Ada GPU architecture whitepaper, appendix A
 *   h100*      NVIDIA H100 datasheet; Hopper whitepaper (GH100), table 3
 *   h200       NVIDIA H200 datasheet (compute as H100 SXM)
 *   b200       NVIDIA HGX B200 datasheet (per GPU); CUDA device properties of B200 for L2 and SMs
 * Vendors publish no L2 bandwidth for most of them. Rows use bytes a clock of the whitepapers where they
 * are stated (V100 2048, A100 5120), else microbenchmarks: T4 Jia et al. 2019 (arXiv:1903.07486); H100 and
 * RTX 4090 chipsandcheese.com, 2022 and 2023; L4, L40S and H100 SXM scaled from those by SMs and clock;
 * B200 half of its SMs' ports of 64 bytes a clock, about the share measured on the H100. Occupancy limits: CUDA C++ Programming Guide, "Technical
 * Specifications per Compute Capability".
 *
 * launch_s is what a small kernel costs in a busy stream from start to start, about 2 us on all of them;
 * it is a convention of the model, not a datasheet number. */
#include "harness/timing/model.h"

#include "base/mem.h"
#include "harness/timing/arch.h"

#include <stdlib.h>
#include <string.h>

enum { KIB = 1024, MIB = 1024 * 1024 };

/* name, title, arch, SMs, boost MHz, DRAM GB/s, L2 GB/s, L2 MiB, TFLOP/s: f32 f64 f16 tensor-f16,
 * warps/SM, blocks/SM, shared KiB/SM, shared KiB/block, launch us */
#define GPU_LIST(X)                                                                                \
    X("h100", "NVIDIA H100 SXM 80GB", "sm_90", 132, 1980, 3350, 6900, 50,                          \
      66.9, 33.5, 133.8, 989.4, 64, 32, 228, 227, 2.0)                                             \
    X("h100-pcie", "NVIDIA H100 PCIe 80GB", "sm_90", 114, 1755, 2039, 5500, 50,                    \
      51.2, 25.6, 102.4, 756.0, 64, 32, 228, 227, 2.0)                                             \
    X("h200", "NVIDIA H200 SXM 141GB", "sm_90", 132, 1980, 4800, 6900, 50,                         \
      66.9, 33.5, 133.8, 989.4, 64, 32, 228, 227, 2.0)                                             \
    X("b200", "NVIDIA B200 180GB", "sm_100", 148, 1965, 8000, 9300, 126,                           \
      74.4, 37.2, 148.9, 2250.0, 64, 32, 228, 227, 2.0)                                            \
    X("a100", "NVIDIA A100 SXM 80GB", "sm_80", 108, 1410, 2039, 7200, 40,                          \
      19.5, 9.7, 78.0, 312.0, 64, 32, 164, 163, 2.2)                                               \
    X("l40s", "NVIDIA L40S", "sm_89", 142, 2520, 864, 5500, 96,                                    \
      91.6, 1.43, 91.6, 362.0, 48, 24, 100, 99, 2.2)                                               \
    X("l4", "NVIDIA L4", "sm_89", 58, 2040, 300, 1800, 48,                                         \
      30.3, 0.47, 30.3, 121.0, 48, 24, 100, 99, 2.2)                                               \
    X("rtx4090", "NVIDIA GeForce RTX 4090", "sm_89", 128, 2520, 1008, 5000, 72,                    \
      82.6, 1.29, 82.6, 165.2, 48, 24, 100, 99, 2.2)                                               \
    X("a10g", "NVIDIA A10G", "sm_86", 80, 1710, 600, 2200, 6,                                      \
      35.0, 0.55, 35.0, 70.0, 48, 16, 100, 99, 2.2)                                                \
    X("v100", "NVIDIA V100 SXM2", "sm_70", 80, 1530, 900, 3100, 6,                                 \
      15.7, 7.8, 31.3, 125.0, 64, 32, 96, 96, 2.5)                                                 \
    X("t4", "NVIDIA T4", "sm_75", 40, 1590, 320, 1270, 4,                                          \
      8.1, 0.25, 16.2, 65.0, 32, 16, 64, 64, 2.5)

static const tim_gpu gpus[] = {
#define X(n, t, a, sm, mhz, dram, l2, l2m, f32, f64, f16, tc, warps, blocks, sh_sm, sh_b, us)      \
    {                                                                                              \
        .name = n, .title = t, .arch = a, .sms = sm, .clock_hz = mhz * 1e6,                        \
        .dram_bytes_per_s = dram * 1e9, .l2_bytes_per_s = l2 * 1e9, .l2_bytes = (double)l2m * MIB, \
        .f32_flops = f32 * 1e12, .f64_flops = f64 * 1e12, .f16_flops = f16 * 1e12,                 \
        .tensor_f16_flops = tc * 1e12, .max_warps_per_sm = warps, .max_blocks_per_sm = blocks,     \
        .max_threads_per_block = 1024, .registers_per_sm = 65536, .shared_per_sm = sh_sm * KIB,    \
        .shared_per_block = sh_b * KIB, .launch_s = us * 1e-6,                                     \
    },
    GPU_LIST(X)
#undef X
};

/* arch, f32 f64 f16, i32 imul sfu cvt shuffle, issue, L1 L2 bytes a clock, latency DRAM L2 shared,
 * reserved. Latencies: Jia et al. 2018 and 2019 for 7.x, Abdelkhalik et al. 2022 (arXiv:2208.11174) for
 * 8.0, chipsandcheese.com for the rest. */
static const tim_arch arches[] = {
    {"sm_70", 64, 32, 64, 64, 64, 16, 16, 32, 4, 128, 64, 500, 193, 19, 0},
    {"sm_75", 64, 2, 64, 64, 64, 16, 16, 32, 4, 64, 64, 470, 188, 22, 0},
    {"sm_80", 64, 32, 128, 64, 64, 16, 16, 32, 4, 128, 64, 560, 200, 23, 1024},
    {"sm_86", 128, 2, 64, 64, 64, 16, 64, 32, 4, 128, 64, 550, 220, 23, 1024},
    {"sm_89", 128, 2, 64, 64, 64, 16, 64, 32, 4, 128, 64, 600, 270, 23, 1024},
    {"sm_90", 128, 64, 128, 64, 64, 16, 64, 32, 4, 128, 64, 650, 260, 29, 1024},
    {"sm_100", 128, 64, 128, 64, 64, 16, 64, 32, 4, 128, 64, 750, 300, 29, 1024},
};

const tim_gpu *tim_gpu_find(const char *name)
{
    for (size_t i = 0; name && i < WS_COUNT(gpus); i++)
        if (strcmp(gpus[i].name, name) == 0)
            return &gpus[i];
    return NULL;
}

const tim_gpu *tim_gpu_list(int *n)
{
    *n = (int)WS_COUNT(gpus);
    return gpus;
}

static int arch_number(const char *arch)
{
    return strncmp(arch, "sm_", 3) == 0 ? (int)strtol(arch + 3, NULL, 10) : 0;
}

const tim_arch *tim_arch_of(const char *arch)
{
    const tim_arch *best = &arches[0];
    for (size_t i = 0; i < WS_COUNT(arches); i++)
        if (arch_number(arches[i].arch) <= arch_number(arch))
            best = &arches[i];
    return best;
}
