/* cuGetProcAddress: the newest version of a function that a program of some CUDA knows. */
#include "harness/ptx/cuda/internal.h"

#include "base/mem.h"
#include "harness/ptx/cuda/api.h"

#include <string.h>

CUresult cuGetProcAddress_v2_ptsz(const char *name, void **out, int version, cuuint64_t flags,
                                  CUdriverProcAddressQueryResult *status);

static bool is_per_thread(const char *symbol)
{
    const size_t n = strlen(symbol);
    return n > 5 && (strcmp(symbol + n - 5, "_ptsz") == 0 || strcmp(symbol + n - 5, "_ptds") == 0);
}

/* NULL: none. *named: there is one of the name, for a newer CUDA. */
static const fac_api *find(const char *name, int version, bool per_thread, bool *named)
{
    const fac_api *best = NULL;
    for (size_t i = 0; i < fac_n_apis; i++) {
        const fac_api *a = &fac_apis[i];
        if (strcmp(a->name, name) != 0 || is_per_thread(a->symbol) != per_thread)
            continue;
        *named = true;
        if (a->since <= version && (!best || a->since > best->since))
            best = a;
    }
    return best;
}

static CUresult lookup(const char *name, void **out, int version, bool per_thread,
                       CUdriverProcAddressQueryResult *status)
{
    bool named = false;
    if (!name || !out)
        return CUDA_ERROR_INVALID_VALUE;
    const fac_api *a = per_thread ? find(name, version, true, &named) : NULL;
    if (!a)
        a = find(name, version, false, &named);
    *out = NULL;
    if (a)
        memcpy(out, &a->fn, sizeof *out);
    if (status) {
        *status = a       ? CU_GET_PROC_ADDRESS_SUCCESS
                  : named ? CU_GET_PROC_ADDRESS_VERSION_NOT_SUFFICIENT
                          : CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND;
        return CUDA_SUCCESS;
    }
    return a ? CUDA_SUCCESS : CUDA_ERROR_NOT_FOUND;
}

CUresult cuGetProcAddress_v2(const char *name, void **out, int version, cuuint64_t flags,
                             CUdriverProcAddressQueryResult *status)
{
    return lookup(name, out, version, flags & CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM,
                  status);
}

CUresult cuGetProcAddress_v2_ptsz(const char *name, void **out, int version, cuuint64_t flags,
                                  CUdriverProcAddressQueryResult *status)
{
    return lookup(name, out, version, !(flags & CU_GET_PROC_ADDRESS_LEGACY_STREAM), status);
}

CUresult cuGetProcAddress(const char *name, void **out, int version, cuuint64_t flags)
{
    return cuGetProcAddress_v2(name, out, version, flags, NULL);
}
