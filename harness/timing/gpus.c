/* clang-format off */
/* The GPUs that the cost model knows. Every peak is dense (no structured sparsity).
 *
 * Sources, by row:
 *   t4         NVIDIA T4 datasheet (DS-T4, 2018); Turing whitepaper (TU102/104/106)
 *   v100       NVIDIA V100 datasheet (SXM2); Volta whitepaper (GV100)
 *   a100       NVIDIA A100 80GB datasheet (SXM); Ampere whitepaper (GA100)
 *   a10g       NVIDIA A10 datasheet for the chip (GA102); AWS EC2 G5 instance page for the G variant
 *   l4, l40s   NVIDIA L4 and L40S datasheets; Ada whitepaper (AD104, AD102)
 *   rtx4090    NVIDIA Ada GPU architecture whitepaper, appendix A; tensor rates with sums in f32
 *   h100*      NVIDIA H100 datasheet; Hopper whitepaper (GH100), table 3
 *   h200       NVIDIA H200 datasheet (compute as H100 SXM)
 *   b200       NVIDIA HGX B200 datasheet (per GPU, half of the rates that it gives with sparsity); CUDA
 *              device properties of B200 for L2 and SMs
 *
 * Vendors publish no L2 bandwidth for most of them. Rows use bytes a clock of the whitepapers where
 * they are stated (V100 2048, A100 5120), else microbenchmarks: T4 Jia et al. 2019
 * (arXiv:1903.07486); H100 and RTX 4090 chipsandcheese.com, 2022 and 2023; L4, L40S and H100 SXM
 * scaled from those by SMs and clock; B200 half of its SMs' ports of 64 bytes a clock, about the
 * share measured on the H100. Occupancy limits: CUDA C++ Programming Guide, "Technical
 * Specifications per Compute Capability".
 *
 * launch_s is what a small kernel costs in a busy stream from start to start, about 2 us on all of
 * them; it is a convention of the model, not a datasheet number. */
/* clang-format on */
#include "harness/timing/model.h"

#include "base/mem.h"
#include "harness/timing/arch.h"

#include <stdlib.h>
#include <string.h>

enum { KIB = 1024, MIB = 1024 * 1024, REGISTERS = 65536 /* per SM, of all of them */ };

/* name, title, arch, SMs, boost clock, DRAM bytes/s, L2 bytes/s, L2 bytes, f32 f64 f16 tensor-f16
 * FLOP/s, further tensor rates f64 tf32 f8 i8 f4, warps/SM, blocks/SM, registers/SM, shared bytes/SM, shared bytes/block, launch seconds */
static const tim_gpu gpus[] = {
    {"h100", "NVIDIA H100 SXM 80GB", "sm_90", 132, 1980e6, 3350e9, 6900e9, 50 * MIB,
     66.9e12, 33.5e12, 133.8e12, 989.4e12, 66.9e12, 494.7e12, 1978.9e12, 1978.9e12, 0,
     64, 32, REGISTERS, 228 * KIB, 227 * KIB, 2.0e-6},
    {"h100-pcie", "NVIDIA H100 PCIe 80GB", "sm_90", 114, 1755e6, 2039e9, 5500e9, 50 * MIB,
     51.2e12, 25.6e12, 102.4e12, 756.0e12, 51.2e12, 378.0e12, 1513.0e12, 1513.0e12, 0,
     64, 32, REGISTERS, 228 * KIB, 227 * KIB, 2.0e-6},
    {"h200", "NVIDIA H200 SXM 141GB", "sm_90", 132, 1980e6, 4800e9, 6900e9, 50 * MIB,
     66.9e12, 33.5e12, 133.8e12, 989.4e12, 66.9e12, 494.7e12, 1978.9e12, 1978.9e12, 0,
     64, 32, REGISTERS, 228 * KIB, 227 * KIB, 2.0e-6},
    {"b200", "NVIDIA B200 180GB", "sm_100", 148, 1965e6, 8000e9, 9300e9, 126 * MIB,
     74.4e12, 37.2e12, 148.9e12, 2250.0e12, 37.0e12, 1125.0e12, 4500.0e12, 4500.0e12,
     9000.0e12, 64, 32, REGISTERS, 228 * KIB, 227 * KIB, 2.0e-6},
    {"a100", "NVIDIA A100 SXM 80GB", "sm_80", 108, 1410e6, 2039e9, 7200e9, 40 * MIB,
     19.5e12, 9.7e12, 78.0e12, 312.0e12, 19.5e12, 156.0e12, 0, 624.0e12, 0, 64, 32, REGISTERS, 164 * KIB, 163 * KIB, 2.2e-6},
    {"l40s", "NVIDIA L40S", "sm_89", 142, 2520e6, 864e9, 5500e9, 96 * MIB,
     91.6e12, 1.43e12, 91.6e12, 362.0e12, 0, 183.0e12, 733.0e12, 733.0e12, 0, 48, 24, REGISTERS, 100 * KIB, 99 * KIB, 2.2e-6},
    {"l4", "NVIDIA L4", "sm_89", 58, 2040e6, 300e9, 1800e9, 48 * MIB,
     30.3e12, 0.47e12, 30.3e12, 121.0e12, 0, 60.5e12, 242.5e12, 242.5e12, 0, 48, 24, REGISTERS, 100 * KIB, 99 * KIB, 2.2e-6},
    {"rtx4090", "NVIDIA GeForce RTX 4090", "sm_89", 128, 2520e6, 1008e9, 5000e9, 72 * MIB,
     82.6e12, 1.29e12, 82.6e12, 165.2e12, 0, 82.6e12, 330.3e12, 660.6e12, 0, 48, 24, REGISTERS, 100 * KIB, 99 * KIB, 2.2e-6},
    {"a10g", "NVIDIA A10G", "sm_86", 80, 1710e6, 600e9, 2200e9, 6 * MIB,
     35.0e12, 0.55e12, 35.0e12, 70.0e12, 0, 35.0e12, 0, 140.0e12, 0, 48, 16, REGISTERS, 100 * KIB, 99 * KIB, 2.2e-6},
    {"v100", "NVIDIA V100 SXM2", "sm_70", 80, 1530e6, 900e9, 3100e9, 6 * MIB,
     15.7e12, 7.8e12, 31.3e12, 125.0e12, 0, 0, 0, 0, 0, 64, 32, REGISTERS, 96 * KIB, 96 * KIB, 2.5e-6},
    {"t4", "NVIDIA T4", "sm_75", 40, 1590e6, 320e9, 1270e9, 4 * MIB,
     8.1e12, 0.25e12, 16.2e12, 65.0e12, 0, 0, 0, 130.0e12, 0, 32, 16, REGISTERS, 64 * KIB, 64 * KIB, 2.5e-6},
};

/* arch, f32 f64 f16, i32 imul sfu cvt shuffle, issue, L1 L2 bytes a clock, latency DRAM L2 shared,
 * shared memory reserved and unit, barriers a block, GPCs, largest cluster, L1 and shared bytes. Latencies: Jia et al. 2018 and
 * 2019 for 7.x, Abdelkhalik et al. 2022 (arXiv:2208.11174) for 8.0, chipsandcheese.com for the rest. Units and
 * barriers: CUDA's cuda_occupancy.h. GPCs: Hopper whitepaper; Blackwell two dies of four. L1 and shared memory
 * together: CUDA C++ Programming Guide, "Compute Capabilities". */
static const tim_arch arches[] = {
    {"sm_70", 64, 32, 64, 64, 64, 16, 16, 32, 4, 128, 64, 500, 193, 19, 0, 256, 2, 0, 0, 128 * KIB},
    {"sm_75", 64, 2, 64, 64, 64, 16, 16, 32, 4, 64, 64, 470, 188, 22, 0, 256, 2, 0, 0, 96 * KIB},
    {"sm_80", 64, 32, 128, 64, 64, 16, 16, 32, 4, 128, 64, 560, 200, 23, 1024, 128, 2, 0, 0, 192 * KIB},
    {"sm_86", 128, 2, 64, 64, 64, 16, 64, 32, 4, 128, 64, 550, 220, 23, 1024, 128, 1, 0, 0, 128 * KIB},
    {"sm_89", 128, 2, 64, 64, 64, 16, 64, 32, 4, 128, 64, 600, 270, 23, 1024, 128, 1, 0, 0, 128 * KIB},
    {"sm_90", 128, 64, 128, 64, 64, 16, 64, 32, 4, 128, 64, 650, 260, 29, 1024, 128, 2, 8, 8, 256 * KIB},
    {"sm_100", 128, 64, 128, 64, 64, 16, 64, 32, 4, 128, 64, 750, 300, 29, 1024, 128, 2, 8, 8, 256 * KIB},
};

/* Of each row, what was put in the place of the estimates. */
static tim_constants in_use[WS_COUNT(gpus)];

static int row_of(const tim_gpu *gpu)
{
    for (size_t i = 0; i < WS_COUNT(gpus); i++)
        if (gpu == &gpus[i])
            return (int)i;
    return -1;
}

tim_constants tim_constants_of(const tim_gpu *gpu)
{
    const int row = row_of(gpu);
    return row >= 0 && in_use[row].dram_efficiency > 0 ? in_use[row] : tim_constants_default(gpu);
}

void tim_constants_use(const tim_gpu *gpu, const tim_constants *c)
{
    const int row = row_of(gpu);
    if (row >= 0)
        in_use[row] = *c;
}

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

int tim_arch_number(const char *arch)
{
    return strncmp(arch, "sm_", 3) == 0 ? (int)strtol(arch + 3, NULL, 10) : 0;
}

const tim_arch *tim_arch_of(const char *arch)
{
    const tim_arch *best = &arches[0];
    for (size_t i = 0; i < WS_COUNT(arches); i++)
        if (tim_arch_number(arches[i].arch) <= tim_arch_number(arch))
            best = &arches[i];
    return best;
}
