/* Launches and occupancy. A launch is checked as libcuda checks it, then runs to its end; what it
 * finds wrong is the sticky error of the calls after it, and its text is in the report. */
#include "harness/ptx/cuda/internal.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

/* ---- arguments ---- */

/* The parameter block from an array of pointers, or from CU_LAUNCH_PARAM_BUFFER_POINTER. */
static CUresult gather_params(const ptx_kernel_info *k, void **params, void **extra,
                              unsigned char *block)
{
    if (k->param_bytes > FAC_MAX_PARAM_BYTES)
        return fac_fail(CUDA_ERROR_INVALID_VALUE,
                        "kernel '%s' has %u bytes of parameters, at most %d", k->name,
                        k->param_bytes, FAC_MAX_PARAM_BYTES);
    if (params) {
        for (int i = 0; i < k->n_params; i++)
            memcpy(block + k->param[i].offset, params[i], k->param[i].size);
        return CUDA_SUCCESS;
    }
    const void *buffer = NULL;
    size_t size = 0;
    for (void **e = extra; e && *e != CU_LAUNCH_PARAM_END; e += 2) {
        if (*e == CU_LAUNCH_PARAM_BUFFER_POINTER)
            buffer = e[1];
        else if (*e == CU_LAUNCH_PARAM_BUFFER_SIZE)
            size = *(const size_t *)e[1];
        else
            return fac_fail(CUDA_ERROR_INVALID_VALUE, "unknown entry in the launch's extra list");
    }
    if (size < k->param_bytes || (!buffer && k->param_bytes))
        return fac_fail(CUDA_ERROR_INVALID_VALUE, "kernel '%s' has %u bytes of parameters, got %zu",
                        k->name, k->param_bytes, size);
    if (k->param_bytes)
        memcpy(block, buffer, k->param_bytes);
    return CUDA_SUCCESS;
}

/* ---- limits ---- */

static CUresult check_extents(const CUlaunchConfig *c, const ptx_kernel_info *k)
{
    const unsigned grid[3] = {c->gridDimX, c->gridDimY, c->gridDimZ};
    const unsigned block[3] = {c->blockDimX, c->blockDimY, c->blockDimZ};
    static const unsigned max_grid[3] = {INT_MAX, FAC_MAX_GRID_YZ, FAC_MAX_GRID_YZ};
    static const unsigned max_block[3] = {FAC_MAX_THREADS, FAC_MAX_THREADS, FAC_MAX_BLOCK_Z};
    for (int i = 0; i < 3; i++)
        if (!grid[i] || grid[i] > max_grid[i] || !block[i] || block[i] > max_block[i])
            return fac_fail(CUDA_ERROR_INVALID_VALUE,
                            "kernel '%s': a grid of (%u, %u, %u) blocks of (%u, %u, %u) threads",
                            k->name, grid[0], grid[1], grid[2], block[0], block[1], block[2]);
    uint64_t threads = (uint64_t)block[0] * block[1] * block[2];
    if (threads > FAC_MAX_THREADS)
        return fac_fail(CUDA_ERROR_INVALID_VALUE,
                        "kernel '%s': %llu threads in a block, at most %d", k->name,
                        (unsigned long long)threads, FAC_MAX_THREADS);
    bool over = threads > (uint64_t)k->max_threads;
    for (int i = 0; i < 3; i++)
        over |=
            k->max_ntid[i] && block[i] > (unsigned)k->max_ntid[i] && k->max_threads < (int)threads;
    if (over)
        return fac_fail(CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES,
                        "kernel '%s': %llu threads in a block, its launch bounds allow %d", k->name,
                        (unsigned long long)threads, k->max_threads);
    return CUDA_SUCCESS;
}

static CUresult check_shared(const CUlaunchConfig *c, CUfunction f)
{
    if (c->sharedMemBytes > (unsigned)f->max_dynamic_shared)
        return fac_fail(
            CUDA_ERROR_INVALID_VALUE,
            "kernel '%s': %u bytes of dynamic shared memory beside %u static, at most %d",
            f->info->name, c->sharedMemBytes, f->info->static_shared_bytes, f->max_dynamic_shared);
    return CUDA_SUCCESS;
}

static CUresult check_cooperative(const CUlaunchConfig *c, CUfunction f)
{
    uint64_t blocks = (uint64_t)c->gridDimX * c->gridDimY * c->gridDimZ;
    uint64_t threads = (uint64_t)c->blockDimX * c->blockDimY * c->blockDimZ;
    uint64_t room =
        (uint64_t)FAC_SMS *
        (uint64_t)fac_blocks_per_sm(threads, c->sharedMemBytes + f->info->static_shared_bytes);
    if (blocks > room)
        return fac_fail(
            CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE,
            "kernel '%s': %llu blocks in a cooperative launch, at most %llu are resident",
            f->info->name, (unsigned long long)blocks, (unsigned long long)room);
    return CUDA_SUCCESS;
}

static CUresult read_attributes(const CUlaunchConfig *c, bool *cooperative)
{
    for (unsigned i = 0; i < c->numAttrs; i++) {
        const CUlaunchAttribute *a = &c->attrs[i];
        switch ((int)a->id) {
        case CU_LAUNCH_ATTRIBUTE_COOPERATIVE:
            *cooperative = a->value.cooperative != 0;
            break;
        case CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION:
        case CU_LAUNCH_ATTRIBUTE_IGNORE:
        case CU_LAUNCH_ATTRIBUTE_ACCESS_POLICY_WINDOW:
        case CU_LAUNCH_ATTRIBUTE_PRIORITY:
        case CU_LAUNCH_ATTRIBUTE_CLUSTER_SCHEDULING_POLICY_PREFERENCE:
        case CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION: /* everything is in order */
            break;
        default:
            return fac_fail(CUDA_ERROR_NOT_SUPPORTED, "launch attribute %d", (int)a->id);
        }
    }
    return CUDA_SUCCESS;
}

/* ---- running ---- */

static CUresult error_of(hx_reason reason)
{
    switch (reason) {
    case HX_INVALID_LAUNCH:
        return CUDA_ERROR_INVALID_VALUE;
    case HX_OUT_OF_BOUNDS:
        return CUDA_ERROR_ILLEGAL_ADDRESS;
    case HX_MISALIGNED:
        return CUDA_ERROR_MISALIGNED_ADDRESS;
    case HX_ASSERT_FAILED:
        return CUDA_ERROR_ASSERT;
    case HX_ENDLESS:
        return CUDA_ERROR_LAUNCH_TIMEOUT;
    case HX_UNSUPPORTED:
        return CUDA_ERROR_NOT_SUPPORTED;
    case HX_ILLEGAL:
        return CUDA_ERROR_ILLEGAL_INSTRUCTION;
    default:
        return CUDA_ERROR_LAUNCH_FAILED;
    }
}

/* Those from the given one on. Who configured the engine reads its report. */
static void tell_findings(int from, bool good)
{
    for (int i = from; !fac.configured && i < fac.report.n_faults; i++)
        if (fac_monitor_is_on())
            fac_monitor_fault(&fac.report.fault[i]);
        else if (!good)
            fprintf(stderr, "warpsmith: %s\n", fac.report.fault[i].text);
}

static CUresult run(const CUlaunchConfig *c, CUfunction f, const void *block, bool cooperative,
                    const uint32_t cluster[3])
{
    ptx_launch_args args = {
        .kernel = f->info->name,
        .grid = {c->gridDimX, c->gridDimY, c->gridDimZ},
        .block = {c->blockDimX, c->blockDimY, c->blockDimZ},
        .cluster = {cluster[0], cluster[1], cluster[2]},
        .dynamic_shared_bytes = c->sharedMemBytes,
        .params = block,
        .cooperative = cooperative,
    };
    int before = fac.report.n_faults;
    ptx_options options = fac.options;
    const ptx_counters earlier = fac.report.counters;
    const bool timed = fac_clock_is_modelled();
    if (timed) { /* by the counters of this launch alone */
        options.count = true;
        fac.report.counters = (ptx_counters){0};
    }
    fac_monitor_launch();
    const bool good = ptx_launch(f->module->ptx, fac.mem, &args, &options, &fac.report);
    if (timed) {
        const ptx_counters own = fac.report.counters;
        fac.report.counters = earlier;
        ptx_counters_add(&fac.report.counters, &own, 1);
        if (good)
            fac_clock_launch(c, f, &own);
    }
    tell_findings(before, good);
    if (good)
        return CUDA_SUCCESS;
    fac.sticky =
        fac.report.n_faults ? error_of(fac.report.fault[0].reason) : CUDA_ERROR_LAUNCH_FAILED;
    return CUDA_SUCCESS; /* as on a GPU: the next call tells */
}

static CUresult launch(const CUlaunchConfig *c, CUfunction f, void **params, void **extra,
                       bool cooperative)
{
    /* Aligned for any parameter; the engine reads it in place. */
    _Alignas(16) unsigned char block[FAC_MAX_PARAM_BYTES] = {0};
    uint32_t cluster[3] = {0};
    CUresult r = fac_enter();
    if (!r && !f)
        r = CUDA_ERROR_INVALID_HANDLE;
    if (!r)
        r = read_attributes(c, &cooperative);
    if (!r)
        r = check_extents(c, f->info);
    if (!r)
        r = check_shared(c, f);
    if (!r)
        r = fac_cluster_of(c, f, cluster);
    if (!r && cooperative)
        r = check_cooperative(c, f);
    if (!r)
        r = gather_params(f->info, params, extra, block);
    if (!r)
        r = run(c, f, block, cooperative, cluster);
    return fac_leave(r);
}

CUresult cuLaunchKernelEx(const CUlaunchConfig *config, CUfunction f, void **params, void **extra)
{
    return launch(config, f, params, extra, false);
}

CUresult cuLaunchKernel(CUfunction f, unsigned gx, unsigned gy, unsigned gz, unsigned bx,
                        unsigned by, unsigned bz, unsigned shared, CUstream stream, void **params,
                        void **extra)
{
    CUlaunchConfig c = {.gridDimX = gx, .gridDimY = gy, .gridDimZ = gz, .blockDimX = bx,
                        .blockDimY = by, .blockDimZ = bz, .sharedMemBytes = shared,
                        .hStream = stream};
    return launch(&c, f, params, extra, false);
}

CUresult cuLaunchCooperativeKernel(CUfunction f, unsigned gx, unsigned gy, unsigned gz, unsigned bx,
                                   unsigned by, unsigned bz, unsigned shared, CUstream stream,
                                   void **params)
{
    CUlaunchConfig c = {.gridDimX = gx, .gridDimY = gy, .gridDimZ = gz, .blockDimX = bx,
                        .blockDimY = by, .blockDimZ = bz, .sharedMemBytes = shared,
                        .hStream = stream};
    return launch(&c, f, params, NULL, true);
}

/* ---- occupancy ---- */

CUresult cuOccupancyMaxActiveBlocksPerMultiprocessor(int *out, CUfunction f, int block,
                                                     size_t shared)
{
    CUresult r = fac_enter();
    if (!r && (!f || block <= 0))
        r = CUDA_ERROR_INVALID_VALUE;
    if (!r)
        *out = block > f->info->max_threads || shared > FAC_SHARED_OPTIN
                   ? 0
                   : fac_blocks_per_sm((uint64_t)block, shared + f->info->static_shared_bytes);
    return fac_leave(r);
}

CUresult cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int *out, CUfunction f, int block,
                                                              size_t shared, unsigned flags)
{
    (void)flags;
    return cuOccupancyMaxActiveBlocksPerMultiprocessor(out, f, block, shared);
}

/* The largest block of those that keep most threads resident. */
CUresult cuOccupancyMaxPotentialBlockSize(int *min_grid, int *out, CUfunction f,
                                          CUoccupancyB2DSize shared_of, size_t shared, int limit)
{
    CUresult r = fac_leave(fac_enter());
    int best = 0, best_block = 0, best_blocks = 0;
    if (r || !f)
        return r ? r : CUDA_ERROR_INVALID_HANDLE;
    int max = f->info->max_threads;
    if (limit > 0 && limit < max)
        max = limit;
    for (int block = max < 32 ? max : max / 32 * 32; block > 0; block -= 32) {
        size_t bytes = (shared_of ? shared_of(block) : shared) + f->info->static_shared_bytes;
        int blocks = fac_blocks_per_sm((uint64_t)block, bytes);
        if (blocks * block > best) {
            best = blocks * block;
            best_block = block;
            best_blocks = blocks;
        }
    }
    *min_grid = best_blocks * FAC_SMS;
    *out = best_block;
    return best ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}
