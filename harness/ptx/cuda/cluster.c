/* Clusters of a launch: their extents, as libcuda checks them, and how many are resident at
 * once. */
#include "base/mem.h"
#include "harness/ptx/cuda/internal.h"

#include <string.h>

enum { PORTABLE = 8, LARGEST = 16 };

/* The blocks of a cluster run inside one of these groups of multiprocessors (GPC): 132 in all. */
static const int gpc_sms[] = {18, 18, 16, 16, 16, 16, 16, 16};

static int largest_cluster(const struct CUfunc_st *f)
{
    int most = f->non_portable_cluster ? LARGEST : PORTABLE;
    return f->info->max_cluster && (int)f->info->max_cluster < most ? (int)f->info->max_cluster
                                                                    : most;
}

static int active_clusters(const struct CUfunc_st *f, const CUlaunchConfig *c, uint64_t size)
{
    uint64_t threads = (uint64_t)c->blockDimX * c->blockDimY * c->blockDimZ;
    uint64_t per_sm = (uint64_t)fac_blocks_per_sm(threads, (uint64_t)c->sharedMemBytes +
                                                               f->info->static_shared_bytes);
    uint64_t n = 0;
    for (size_t g = 0; g < WS_COUNT(gpc_sms); g++)
        n += (uint64_t)gpc_sms[g] * per_sm / size;
    return (int)n;
}

/* What the kernel or cuFuncSetAttribute demands; zeros: nothing. */
static void required_cluster(const struct CUfunc_st *f, uint32_t out[3])
{
    memcpy(out, f->info->cluster[0] ? f->info->cluster : f->required_cluster, 3 * sizeof *out);
}

static bool differ(const uint32_t a[3], const uint32_t b[3])
{
    return a[0] != b[0] || a[1] != b[1] || a[2] != b[2];
}

static CUresult check_size(const CUlaunchConfig *c, CUfunction f, const uint32_t cluster[3])
{
    const unsigned grid[3] = {c->gridDimX, c->gridDimY, c->gridDimZ};
    uint64_t size = (uint64_t)cluster[0] * cluster[1] * cluster[2];
    if (size > (uint64_t)largest_cluster(f))
        return fac_fail(CUDA_ERROR_INVALID_CLUSTER_SIZE,
                        "kernel '%s': clusters of %llu blocks, at most %d%s", f->info->name,
                        (unsigned long long)size, largest_cluster(f),
                        f->non_portable_cluster
                            ? ""
                            : " without CU_FUNC_ATTRIBUTE_NON_PORTABLE_CLUSTER_SIZE_ALLOWED");
    for (int d = 0; d < 3; d++)
        if (!f->info->blocks_are_clusters && grid[d] % cluster[d])
            return fac_fail(CUDA_ERROR_INVALID_CLUSTER_SIZE,
                            "kernel '%s': grid.%c is %u, no multiple of the cluster's %u",
                            f->info->name, "xyz"[d], grid[d], cluster[d]);
    if (!active_clusters(f, c, size))
        return fac_fail(CUDA_ERROR_INVALID_CLUSTER_SIZE,
                        "kernel '%s': no cluster of %llu blocks fits the device", f->info->name,
                        (unsigned long long)size);
    return CUDA_SUCCESS;
}

CUresult fac_cluster_of(const CUlaunchConfig *c, CUfunction f, uint32_t cluster[3])
{
    uint32_t required[3];
    required_cluster(f, required);
    memset(cluster, 0, 3 * sizeof *cluster);
    for (unsigned i = 0; i < c->numAttrs; i++)
        if (c->attrs[i].id == CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION) {
            cluster[0] = c->attrs[i].value.clusterDim.x;
            cluster[1] = c->attrs[i].value.clusterDim.y;
            cluster[2] = c->attrs[i].value.clusterDim.z;
            if (!cluster[0] || !cluster[1] || !cluster[2])
                return fac_fail(CUDA_ERROR_INVALID_CLUSTER_SIZE,
                                "kernel '%s': a cluster of %u x %u x %u", f->info->name, cluster[0],
                                cluster[1], cluster[2]);
        }
    if (cluster[0] && required[0] && differ(cluster, required))
        return fac_fail(CUDA_ERROR_INVALID_CLUSTER_SIZE,
                        "kernel '%s': a cluster of %u x %u x %u, it is for %u x %u x %u",
                        f->info->name, cluster[0], cluster[1], cluster[2], required[0], required[1],
                        required[2]);
    if (!cluster[0])
        memcpy(cluster, required, sizeof required);
    if (!cluster[0] && f->info->explicit_cluster)
        return fac_fail(CUDA_ERROR_INVALID_CLUSTER_SIZE,
                        "kernel '%s' must be launched with a cluster's extents", f->info->name);
    return cluster[0] ? check_size(c, f, cluster) : CUDA_SUCCESS;
}

/* ---- attributes ---- */

bool fac_cluster_attribute(int *out, int attribute, const struct CUfunc_st *f)
{
    uint32_t required[3];
    required_cluster(f, required);
    switch (attribute) {
    case CU_FUNC_ATTRIBUTE_CLUSTER_SIZE_MUST_BE_SET:
        *out = f->info->explicit_cluster || required[0];
        return true;
    case CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_WIDTH:
    case CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_HEIGHT:
    case CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_DEPTH:
        *out = (int)required[attribute - CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_WIDTH];
        return true;
    case CU_FUNC_ATTRIBUTE_NON_PORTABLE_CLUSTER_SIZE_ALLOWED:
        *out = f->non_portable_cluster;
        return true;
    case CU_FUNC_ATTRIBUTE_CLUSTER_SCHEDULING_POLICY_PREFERENCE:
        *out = f->cluster_policy;
        return true;
    default:
        return false;
    }
}

CUresult fac_set_cluster_attribute(CUfunction f, int attribute, int value)
{
    switch (attribute) {
    case CU_FUNC_ATTRIBUTE_NON_PORTABLE_CLUSTER_SIZE_ALLOWED:
        f->non_portable_cluster = value != 0;
        return CUDA_SUCCESS;
    case CU_FUNC_ATTRIBUTE_CLUSTER_SCHEDULING_POLICY_PREFERENCE:
        if (value < CU_CLUSTER_SCHEDULING_POLICY_DEFAULT ||
            value > CU_CLUSTER_SCHEDULING_POLICY_LOAD_BALANCING)
            return fac_fail(CUDA_ERROR_INVALID_VALUE, "no scheduling policy of clusters is %d",
                            value);
        f->cluster_policy = value;
        return CUDA_SUCCESS;
    case CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_WIDTH:
    case CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_HEIGHT:
    case CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_DEPTH:
        if (value < 0 || value > LARGEST || f->info->cluster[0])
            return fac_fail(CUDA_ERROR_INVALID_VALUE,
                            "kernel '%s': a cluster's extent cannot become %d", f->info->name,
                            value);
        f->required_cluster[attribute - CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_WIDTH] = (uint32_t)value;
        for (int d = 0; d < 3; d++)
            f->required_cluster[d] += !f->required_cluster[d];
        return CUDA_SUCCESS;
    default:
        return fac_fail(CUDA_ERROR_INVALID_VALUE, "function attribute %d cannot be set", attribute);
    }
}

/* ---- occupancy ---- */

CUresult cuOccupancyMaxActiveClusters(int *out, CUfunction f, const CUlaunchConfig *c)
{
    uint32_t cluster[3];
    CUresult r = fac_enter();
    if (!r && (!out || !c))
        r = CUDA_ERROR_INVALID_VALUE;
    if (!r)
        r = fac_function_check(f);
    if (!r)
        r = fac_cluster_of(c, f, cluster);
    if (!r)
        *out =
            active_clusters(f, c, cluster[0] ? (uint64_t)cluster[0] * cluster[1] * cluster[2] : 1);
    return fac_leave(r);
}

/* The extents that the launch names do not count; those that the kernel demands do. */
CUresult cuOccupancyMaxPotentialClusterSize(int *out, CUfunction f, const CUlaunchConfig *c)
{
    uint32_t required[3];
    CUresult r = fac_enter();
    if (!r && (!out || !c))
        r = CUDA_ERROR_INVALID_VALUE;
    if (!r)
        r = fac_function_check(f);
    if (!r) {
        required_cluster(f, required);
        *out = required[0] ? (int)(required[0] * required[1] * required[2]) : largest_cluster(f);
        while (*out > 0 && !active_clusters(f, c, (uint64_t)*out))
            *out = required[0] ? 0 : *out - 1;
    }
    return fac_leave(r);
}
