/* Launches and occupancy. A launch is checked as libcuda checks it, then runs to its end; what it
 * finds wrong is the sticky error of the calls after it, and its text is in the report. */
#include "harness/ptx/cuda/stream.h"

#include "base/mem.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
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
    for (int i = 0; params && i < k->n_params; i++)
        if (!params[i])
            return fac_fail(CUDA_ERROR_INVALID_VALUE, "kernel '%s': there is no parameter %d",
                            k->name, i);
    if (params) {
        for (int i = 0; i < k->n_params; i++)
            memcpy(block + k->param[i].offset, params[i], k->param[i].size);
        return CUDA_SUCCESS;
    }
    const void *buffer = NULL;
    size_t size = 0;
    for (void **e = extra; e && *e && *e != CU_LAUNCH_PARAM_END; e += 2) {
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

/* What an attribute means to the engine: nothing, where all is in order anyway. */
CUresult fac_attribute_set(fac_attributes *a, CUlaunchAttributeID id,
                           const CUlaunchAttributeValue *value)
{
    switch ((int)id) {
    case CU_LAUNCH_ATTRIBUTE_IGNORE:
        return CUDA_SUCCESS;
    case CU_LAUNCH_ATTRIBUTE_COOPERATIVE:
    case CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION:
    case CU_LAUNCH_ATTRIBUTE_ACCESS_POLICY_WINDOW:
    case CU_LAUNCH_ATTRIBUTE_SYNCHRONIZATION_POLICY:
    case CU_LAUNCH_ATTRIBUTE_PRIORITY:
    case CU_LAUNCH_ATTRIBUTE_CLUSTER_SCHEDULING_POLICY_PREFERENCE:
    case CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION:
    case CU_LAUNCH_ATTRIBUTE_MEM_SYNC_DOMAIN_MAP:
    case CU_LAUNCH_ATTRIBUTE_MEM_SYNC_DOMAIN:
    case CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_EVENT:
    case CU_LAUNCH_ATTRIBUTE_LAUNCH_COMPLETION_EVENT:
    case 11: /* PREFERRED_CLUSTER_DIMENSION: a wish, clusters have their least extents */
    case 14: /* PREFERRED_SHARED_MEMORY_CARVEOUT */
    case 16: /* NVLINK_UTIL_CENTRIC_SCHEDULING */
        a->value[id] = *value;
        a->set |= 1u << id;
        return CUDA_SUCCESS;
    default:
        return fac_fail(CUDA_ERROR_NOT_SUPPORTED, "launch attribute %d", (int)id);
    }
}

static bool is_cooperative(const fac_attributes *a)
{
    return a->set >> CU_LAUNCH_ATTRIBUTE_COOPERATIVE & 1 &&
           a->value[CU_LAUNCH_ATTRIBUTE_COOPERATIVE].cooperative;
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

/* The launch's extents as the checks take them; `attr` has room for the cluster's. */
static CUlaunchConfig config_of(const fac_kernel *k, CUlaunchAttribute *attr)
{
    CUlaunchConfig c = {.gridDimX = k->grid[0], .gridDimY = k->grid[1], .gridDimZ = k->grid[2],
                        .blockDimX = k->block[0], .blockDimY = k->block[1],
                        .blockDimZ = k->block[2], .sharedMemBytes = k->shared, .attrs = attr};
    if (k->attributes.set >> CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION & 1) {
        attr->id = CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION;
        attr->value = k->attributes.value[CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION];
        c.numAttrs = 1;
    }
    return c;
}

CUresult fac_kernel_run(const fac_kernel *k)
{
    CUlaunchAttribute attr;
    const CUlaunchConfig c = config_of(k, &attr);
    ptx_launch_args args = {
        .kernel = k->f->info->name,
        .grid = {k->grid[0], k->grid[1], k->grid[2]},
        .block = {k->block[0], k->block[1], k->block[2]},
        .dynamic_shared_bytes = k->shared,
        .params = k->params,
        .cooperative = is_cooperative(&k->attributes),
    };
    CUresult r = fac_cluster_of(&c, k->f, args.cluster);
    if (r)
        return r;
    int before = fac.report.n_faults;
    ptx_options options = fac.options;
    const ptx_counters earlier = fac.report.counters;
    const bool timed = fac_clock_is_modelled();
    if (timed) { /* by the counters of this launch alone */
        options.count = true;
        fac.report.counters = (ptx_counters){0};
    }
    fac_monitor_launch();
    const bool good = ptx_launch(k->f->module->ptx, fac.mem, &args, &options, &fac.report);
    if (timed) {
        const ptx_counters own = fac.report.counters;
        fac.report.counters = earlier;
        ptx_counters_add(&fac.report.counters, &own, 1);
        if (good)
            fac_clock_launch(&c, k->f, &own);
    }
    for (int id = 0; good && id < FAC_ATTRIBUTES; id++) /* events of the launch */
        if (k->attributes.set >> id & 1 && (id == CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_EVENT ||
                                            id == CU_LAUNCH_ATTRIBUTE_LAUNCH_COMPLETION_EVENT)) {
            CUevent e = k->attributes.value[id].programmaticEvent.event;
            if (fac_handle_is(FAC_EVENT, e))
                fac_event_happen(e);
        }
    tell_findings(before, good);
    if (good)
        return CUDA_SUCCESS;
    fac.sticky =
        fac.report.n_faults ? error_of(fac.report.fault[0].reason) : CUDA_ERROR_LAUNCH_FAILED;
    return CUDA_SUCCESS; /* as on a GPU: the next call tells */
}

/* ---- the operation ---- */

CUresult fac_kernel_check(const fac_kernel *k)
{
    CUlaunchAttribute attr;
    const CUlaunchConfig c = config_of(k, &attr);
    uint32_t cluster[3];
    CUresult r = fac_function_check(k->f);
    if (!r)
        r = check_extents(&c, k->f->info);
    if (!r)
        r = check_shared(&c, k->f);
    if (!r)
        r = fac_cluster_of(&c, k->f, cluster);
    if (!r && is_cooperative(&k->attributes))
        r = check_cooperative(&c, k->f);
    return r;
}

CUresult fac_kernel_make(const CUlaunchConfig *c, CUfunction f, void **params, void **extra,
                         bool cooperative, fac_op *out)
{
    CUresult r = fac_function_check(f);
    *out = (fac_op){.kind = FAC_OP_EMPTY};
    if (r)
        return r;
    if (c->numAttrs && !c->attrs)
        return fac_fail(CUDA_ERROR_INVALID_VALUE, "there are no launch attributes");
    fac_kernel *k = ws_calloc(1, sizeof *k);
    *k = (fac_kernel){.f = f, .grid = {c->gridDimX, c->gridDimY, c->gridDimZ},
                      .block = {c->blockDimX, c->blockDimY, c->blockDimZ},
                      .shared = c->sharedMemBytes, .params_bytes = f->info->param_bytes};
    k->params = ws_calloc(k->params_bytes + 16, 1);
    for (unsigned i = 0; !r && i < c->numAttrs; i++)
        r = fac_attribute_set(&k->attributes, c->attrs[i].id, &c->attrs[i].value);
    if (cooperative) {
        const CUlaunchAttributeValue yes = {.cooperative = 1};
        (void)fac_attribute_set(&k->attributes, CU_LAUNCH_ATTRIBUTE_COOPERATIVE, &yes);
    }
    if (!r)
        r = gather_params(f->info, params, extra, k->params);
    *out = (fac_op){.kind = FAC_OP_KERNEL, .kernel = k};
    if (r)
        fac_op_release(out);
    return r;
}

static CUresult launch(const CUlaunchConfig *c, CUfunction f, void **params, void **extra,
                       bool cooperative)
{
    fac_op op = {.kind = FAC_OP_EMPTY};
    CUresult r = fac_enter();
    if (!r && !c)
        r = CUDA_ERROR_INVALID_VALUE;
    if (!r)
        r = fac_kernel_make(c, f, params, extra, cooperative, &op);
    if (!r)
        r = fac_submit(c->hStream, &op);
    fac_op_release(&op);
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
    if (params && extra)
        return fac_fail(CUDA_ERROR_INVALID_VALUE, "parameters are given in both ways");
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
    if (!r && (!out || block <= 0))
        r = CUDA_ERROR_INVALID_VALUE;
    if (!r)
        r = fac_function_check(f);
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
    int best = 0, best_block = 0, best_blocks = 0;
    CUresult r = fac_enter();
    if (!r && (!min_grid || !out))
        r = CUDA_ERROR_INVALID_VALUE;
    if (!r)
        r = fac_function_check(f);
    if (fac_leave(r))
        return r;
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

CUresult cuOccupancyMaxPotentialBlockSizeWithFlags(int *min_grid, int *out, CUfunction f,
                                                   CUoccupancyB2DSize shared_of, size_t shared,
                                                   int limit, unsigned flags)
{
    (void)flags;
    return cuOccupancyMaxPotentialBlockSize(min_grid, out, f, shared_of, shared, limit);
}

/* The most with which so many blocks still fit a multiprocessor. */
CUresult cuOccupancyAvailableDynamicSMemPerBlock(size_t *out, CUfunction f, int blocks, int block)
{
    CUresult r = fac_enter();
    if (!r && (!out || blocks <= 0 || block <= 0))
        r = CUDA_ERROR_INVALID_VALUE;
    if (!r)
        r = fac_function_check(f);
    if (!r && (block > f->info->max_threads || fac_blocks_per_sm((uint64_t)block, 0) < blocks))
        r = fac_fail(CUDA_ERROR_INVALID_VALUE, "%d blocks of %d threads do not fit", blocks, block);
    if (!r) {
        const int spare = FAC_SHARED_PER_SM / blocks - FAC_SHARED_RESERVED;
        const int most = spare < FAC_SHARED_OPTIN ? spare : FAC_SHARED_OPTIN;
        const int own = (int)f->info->static_shared_bytes;
        *out = most > own ? (size_t)(most - own) : 0;
    }
    return fac_leave(r);
}
