/* Which pointers are objects of the facade. A handle that a program passes is looked up before
 * anything behind it is read, so that one that was destroyed, or never was one, is an error. */
#include "harness/ptx/cuda/internal.h"

#include "base/mem.h"

#include <string.h>

static struct {
    const void **p; /* ascending */
    int n, cap;
} handles[FAC_KINDS];

static const char *const kind_names[FAC_KINDS] = {
    [FAC_CONTEXT] = "context", [FAC_STREAM] = "stream", [FAC_EVENT] = "event",
    [FAC_GRAPH] = "graph", [FAC_NODE] = "graph node", [FAC_EXEC] = "executable graph",
    [FAC_LINK] = "linker", [FAC_POOL] = "memory pool", [FAC_USER_OBJECT] = "user object",
    [FAC_FUNCTION] = "function",
};

/* Index of the first handle that is not below p. */
static int lower_bound(fac_kind kind, const void *p)
{
    int lo = 0, hi = handles[kind].n;
    while (lo < hi) {
        const int mid = (lo + hi) / 2;
        if ((uintptr_t)handles[kind].p[mid] < (uintptr_t)p)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

void fac_handle_add(fac_kind kind, const void *p)
{
    const int at = lower_bound(kind, p);
    WS_GROW(handles[kind].p, handles[kind].n, handles[kind].cap);
    memmove(handles[kind].p + at + 1, handles[kind].p + at,
            (size_t)(handles[kind].n - at) * sizeof *handles[kind].p);
    handles[kind].p[at] = p;
    handles[kind].n++;
}

bool fac_handle_is(fac_kind kind, const void *p)
{
    const int at = lower_bound(kind, p);
    return at < handles[kind].n && handles[kind].p[at] == p;
}

void fac_handle_drop(fac_kind kind, const void *p)
{
    const int at = lower_bound(kind, p);
    if (at == handles[kind].n || handles[kind].p[at] != p)
        return;
    handles[kind].n--;
    memmove(handles[kind].p + at, handles[kind].p + at + 1,
            (size_t)(handles[kind].n - at) * sizeof *handles[kind].p);
}

CUresult fac_handle_check(fac_kind kind, const void *p)
{
    return fac_handle_is(kind, p)
               ? CUDA_SUCCESS
               : fac_fail(CUDA_ERROR_INVALID_HANDLE, "%p is no %s", p, kind_names[kind]);
}

const void *fac_handle_at(fac_kind kind, int i)
{
    return i < handles[kind].n ? handles[kind].p[i] : NULL;
}
