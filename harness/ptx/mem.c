/* One device address space. Device addresses are host addresses, so that a checked access needs no
 * translation. Every allocation sits between unmapped guard zones: an access that goes astray hits
 * none of the others, and an engine defect is a crash and not a wrong result. */
#include "harness/ptx/engine.h"
#include "harness/ptx/field.h"
#include "harness/ptx/map.h"
#include "harness/ptx/protect.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { GUARD_BYTES = 1 << 20, ALIGN_BYTES = 256 };
enum { QUARANTINE = 256 /* allocations */, QUARANTINE_BYTES = 1 << 30 /* of address space */ };
enum { HEAP_BYTES = 8 << 20, MAX_HEAP_BLOCKS = 1 << 16 }; /* as cudaLimitMallocHeapSize has it */

ptx_memory *ptx_memory_new(void)
{
    ptx_memory *m = ws_calloc(1, sizeof *m);
    pthread_mutex_init(&m->lock, NULL);
    return m;
}

static void alloc_free(ptx_alloc *a)
{
    if (a->raw) /* NULL: the upper part of one that was carved */
        munmap(a->raw, a->raw_bytes);
    free(a->state);
    free(a->kind);
    free(a);
}

void ptx_memory_free(ptx_memory *m)
{
    if (!m)
        return;
    for (int i = 0; i < m->n; i++)
        alloc_free(m->alloc[i]);
    free(m->alloc);
    ws_buf_release(&m->printed);
    pthread_mutex_destroy(&m->lock);
    free(m);
}

static size_t round_up(size_t n, size_t to)
{
    return (n + to - 1) / to * to;
}

/* `bytes` of zeros between two guard zones that nothing may touch. */
static uint8_t *map_guarded(size_t bytes, size_t *total)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), body = round_up(bytes, page);
    if (body < bytes || body > SIZE_MAX / 2)
        return NULL;
    *total = body + 2 * (size_t)GUARD_BYTES;
    uint8_t *raw =
        mmap(NULL, *total, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (raw == MAP_FAILED)
        return NULL;
    if (mprotect(raw + GUARD_BYTES, body, PROT_READ | PROT_WRITE)) {
        munmap(raw, *total);
        return NULL;
    }
    return raw;
}

/* Index of the first allocation whose lo is above addr. */
static int upper_bound(const ptx_memory *m, uint64_t addr)
{
    int lo = 0, hi = m->n;
    while (lo < hi) {
        int mid = (lo + hi) / 2;
        if (m->alloc[mid]->lo <= addr)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static void insert(ptx_memory *m, ptx_alloc *a)
{
    WS_GROW(m->alloc, m->n, m->cap);
    int at = upper_bound(m, a->lo);
    memmove(m->alloc + at + 1, m->alloc + at, (size_t)(m->n - at) * sizeof *m->alloc);
    m->alloc[at] = a;
    m->n++;
}

uint64_t ptx_memory_alloc(ptx_memory *m, size_t bytes, const char *name)
{
    size_t total = 0, size = bytes ? bytes : 1;
    uint8_t *raw = map_guarded(size, &total);
    if (!raw)
        return 0;
    ptx_alloc *a = ws_calloc(1, sizeof *a);
    /* The end of the last page is the end of the allocation when it can be: the guard then starts
     * at once. */
    size_t page = (size_t)sysconf(_SC_PAGESIZE),
           slack = round_up(size, page) - round_up(size, ALIGN_BYTES);
    a->raw = raw;
    a->raw_bytes = total;
    a->lo = (uint64_t)(uintptr_t)(raw + GUARD_BYTES + slack);
    a->hi = a->lo + bytes;
    a->state = calloc(size, 1);
    if (!a->state) {
        alloc_free(a);
        return 0;
    }
    snprintf(a->name, sizeof a->name, "%s", name ? name : "");
    insert(m, a);
    return a->lo;
}

ptx_alloc *ptx_memory_find(const ptx_memory *m, uint64_t addr)
{
    int at = upper_bound(m, addr);
    return at && addr < m->alloc[at - 1]->hi && !m->alloc[at - 1]->freed ? m->alloc[at - 1] : NULL;
}

static uint64_t distance(const ptx_alloc *a, uint64_t addr)
{
    return addr < a->lo ? a->lo - addr : addr >= a->hi ? addr - a->hi + 1 : 0;
}

ptx_alloc *ptx_memory_nearest(const ptx_memory *m, uint64_t addr)
{
    int at = upper_bound(m, addr);
    ptx_alloc *below = at ? m->alloc[at - 1] : NULL, *above = at < m->n ? m->alloc[at] : NULL;
    if (below && below->freed && addr < below->hi)
        return below;
    while (at > 1 && below->freed)
        below = m->alloc[--at - 1];
    for (at = upper_bound(m, addr); above && above->freed && at + 1 < m->n;)
        above = m->alloc[++at];
    if (!below || !above)
        return below ? below : above;
    return distance(below, addr) <= distance(above, addr) ? below : above;
}

static ptx_alloc *at_start(const ptx_memory *m, uint64_t ptr, int *index)
{
    int at = upper_bound(m, ptr);
    if (!at || m->alloc[at - 1]->lo != ptr || m->alloc[at - 1]->freed)
        return NULL;
    *index = at - 1;
    return m->alloc[at - 1];
}

/* What was released first goes for good. */
static void evict(ptx_memory *m)
{
    int first = -1;
    for (int k = 0; k < m->n; k++)
        if (m->alloc[k]->freed_turn &&
            (first < 0 || m->alloc[k]->freed_turn < m->alloc[first]->freed_turn))
            first = k;
    m->quarantined_bytes -= m->alloc[first]->raw_bytes;
    alloc_free(m->alloc[first]);
    memmove(m->alloc + first, m->alloc + first + 1, (size_t)(m->n - first - 1) * sizeof *m->alloc);
    m->n--;
    m->n_quarantined--;
}

bool ptx_memory_release(ptx_memory *m, uint64_t ptr)
{
    int at = 0;
    ptx_alloc *a = at_start(m, ptr, &at);
    if (!a)
        return false;
    a->freed = true;
    a->freed_turn = ++m->freed_turns;
    free(a->state);
    a->state = NULL;
    mprotect(a->raw, a->raw_bytes, PROT_NONE);
    madvise(a->raw, a->raw_bytes, MADV_DONTNEED);
    m->n_quarantined++;
    m->quarantined_bytes += a->raw_bytes;
    while (m->n_quarantined > QUARANTINE || m->quarantined_bytes > QUARANTINE_BYTES)
        evict(m);
    return true;
}

/* ---- mapped by hand ---- */

uint64_t ptx_range_reserve(size_t bytes, size_t align)
{
    size_t all;
    if (!bytes || !ws_size_add(bytes, align, &all))
        return 0;
    uint8_t *raw = mmap(NULL, all, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (raw == MAP_FAILED)
        return 0;
    const uint64_t from = (uint64_t)(uintptr_t)raw, start = (from + align - 1) & ~(align - 1);
    if (start > from)
        munmap(raw, start - from);
    if (from + all > start + bytes)
        munmap((void *)(uintptr_t)(start + bytes), from + all - start - bytes);
    return start;
}

void ptx_range_release(uint64_t start, size_t bytes)
{
    munmap((void *)(uintptr_t)start, bytes);
}

bool ptx_memory_map(ptx_memory *m, uint64_t at, size_t bytes)
{
    const int above = upper_bound(m, at + bytes - 1);
    if (above && m->alloc[above - 1]->hi > at)
        return false;
    uint8_t *state = calloc(bytes, 1);
    if (!state || mprotect((void *)(uintptr_t)at, bytes, PROT_READ | PROT_WRITE)) {
        free(state);
        return false;
    }
    ptx_alloc *a = ws_calloc(1, sizeof *a); /* raw is NULL: the range is not ours to unmap */
    a->lo = at;
    a->hi = at + bytes;
    a->state = state;
    insert(m, a);
    return true;
}

bool ptx_memory_unmap(ptx_memory *m, uint64_t at)
{
    int index = 0;
    ptx_alloc *a = at_start(m, at, &index);
    if (!a)
        return false;
    mprotect((void *)(uintptr_t)a->lo, a->hi - a->lo, PROT_NONE);
    madvise((void *)(uintptr_t)a->lo, a->hi - a->lo, MADV_DONTNEED);
    alloc_free(a);
    memmove(m->alloc + index, m->alloc + index + 1,
            (size_t)(m->n - index - 1) * sizeof *m->alloc);
    m->n--;
    return true;
}

bool ptx_memory_adopt(ptx_memory *m, uint64_t at, size_t bytes)
{
    const int above = upper_bound(m, at + bytes - 1);
    if (above && m->alloc[above - 1]->hi > at)
        return false;
    uint8_t *state = malloc(bytes);
    if (!state)
        return false;
    memset(state, PTX_INIT, bytes);
    ptx_alloc *a = ws_calloc(1, sizeof *a); /* raw is NULL: not ours to unmap */
    a->lo = at;
    a->hi = at + bytes;
    a->state = state;
    a->all_init = true;
    insert(m, a);
    return true;
}

bool ptx_memory_disown(ptx_memory *m, uint64_t at)
{
    int index = 0;
    ptx_alloc *a = at_start(m, at, &index);
    if (!a || a->raw)
        return false;
    alloc_free(a);
    memmove(m->alloc + index, m->alloc + index + 1,
            (size_t)(m->n - index - 1) * sizeof *m->alloc);
    m->n--;
    return true;
}

bool ptx_memory_was_released(const ptx_memory *m, uint64_t ptr)
{
    int at = upper_bound(m, ptr);
    return at && m->alloc[at - 1]->lo == ptr && m->alloc[at - 1]->freed;
}

void ptx_memory_leaks(const ptx_memory *m,
                      void (*visit)(void *ud, uint64_t ptr, size_t bytes, bool by_kernel), void *ud)
{
    for (int k = 0; k < m->n; k++) {
        const ptx_alloc *a = m->alloc[k];
        if (!a->freed && !a->is_variable)
            visit(ud, a->lo, a->hi - a->lo, a->on_heap);
    }
}

bool ptx_memory_name(ptx_memory *m, uint64_t ptr, const char *name)
{
    int at = 0;
    ptx_alloc *a = at_start(m, ptr, &at);
    if (a)
        snprintf(a->name, sizeof a->name, "%s", name);
    return a != NULL;
}

/* The allocation that holds all of [ptr, ptr + n). */
static ptx_alloc *holding(const ptx_memory *m, uint64_t ptr, size_t n)
{
    int at = upper_bound(m, ptr);
    ptx_alloc *a = at ? m->alloc[at - 1] : NULL;
    return ptx_alloc_holds(a, ptr, n) && !a->freed ? a : NULL;
}

static void note_init(ptx_alloc *a, uint64_t from, size_t n)
{
    memset(a->state + (from - a->lo), PTX_INIT, n);
    a->all_init |= n == a->hi - a->lo;
}

bool ptx_memory_write(ptx_memory *m, uint64_t dst, const void *src, size_t n)
{
    ptx_alloc *a = holding(m, dst, n);
    if (!a)
        return false;
    if (n)
        memcpy((void *)(uintptr_t)dst, src, n);
    note_init(a, dst, n);
    return true;
}

bool ptx_memory_read(const ptx_memory *m, void *dst, uint64_t src, size_t n)
{
    if (!holding(m, src, n))
        return false;
    if (n)
        memcpy(dst, (const void *)(uintptr_t)src, n);
    return true;
}

bool ptx_memory_fill(ptx_memory *m, uint64_t dst, int byte, size_t n)
{
    ptx_alloc *a = holding(m, dst, n);
    if (!a)
        return false;
    memset((void *)(uintptr_t)dst, byte, n);
    note_init(a, dst, n);
    return true;
}

bool ptx_memory_mark_uninitialized(ptx_memory *m, uint64_t ptr, size_t n)
{
    ptx_alloc *a = holding(m, ptr, n);
    if (a) {
        memset(a->state + (ptr - a->lo), 0, n);
        a->all_init = false;
    }
    return a != NULL;
}

bool ptx_memory_protect(ptx_memory *m, uint64_t ptr)
{
    int at = 0;
    ptx_alloc *a = at_start(m, ptr, &at);
    if (a)
        a->read_only = true;
    return a != NULL;
}

bool ptx_memory_written(const ptx_memory *m, uint64_t ptr, size_t n, uint8_t *written)
{
    const ptx_alloc *a = holding(m, ptr, n);
    if (!a)
        return false;
    const uint8_t *state = a->state + (ptr - a->lo);
    for (size_t i = 0; i < n; i++)
        written[i] = (state[i] & (PTX_WRITTEN | PTX_INIT)) == (PTX_WRITTEN | PTX_INIT);
    return true;
}

bool ptx_memory_carve(ptx_memory *m, uint64_t ptr, size_t n)
{
    ptx_alloc *below = holding(m, ptr, n), *above = ws_calloc(1, sizeof *above);
    if (!below || !n || !(above->state = calloc(below->hi - ptr, 1))) {
        free(above);
        return false;
    }
    above->lo = ptr + n;
    above->hi = below->hi;
    memcpy(above->state, below->state + (above->lo - below->lo), above->hi - above->lo);
    memcpy(above->name, below->name, sizeof above->name);
    below->hi = ptr;
    if (above->lo < above->hi) {
        insert(m, above);
    } else {
        free(above->state);
        free(above);
    }
    return true;
}

uint64_t ptx_memory_heap_used(const ptx_memory *m)
{
    return m->heap_used;
}

bool ptx_memory_range(const ptx_memory *m, uint64_t ptr, uint64_t *start, size_t *bytes)
{
    const ptx_alloc *a = holding(m, ptr, 0);
    if (!a)
        return false;
    *start = a->lo;
    *bytes = a->hi - a->lo;
    return true;
}

/* ---- kind maps ---- */

void ptx_memory_make_kinds(ptx_memory *m)
{
    for (int k = 0; k < m->n; k++)
        if (!m->alloc[k]->freed && !m->alloc[k]->kind)
            m->alloc[k]->kind = ws_calloc((size_t)(m->alloc[k]->hi - m->alloc[k]->lo) + 1, 1);
}

bool ptx_memory_hold(ptx_memory *m, uint64_t ptr, size_t n, bool floats)
{
    ptx_alloc *a = holding(m, ptr, n);
    ptx_memory_make_kinds(m);
    if (a)
        memset(a->kind + (ptr - a->lo), PTX_HOLDS_GIVEN | (floats ? PTX_HOLDS_FLOAT : PTX_HOLDS_INT), n);
    return a != NULL;
}

/* ---- the heap of kernels ---- */

uint64_t ptx_heap_alloc(ptx_memory *m, uint64_t bytes)
{
    if (!bytes || bytes > HEAP_BYTES - m->heap_used || m->n >= MAX_HEAP_BLOCKS)
        return 0;
    uint64_t at = ptx_memory_alloc(m, bytes, "heap");
    ptx_alloc *a = at ? ptx_memory_find(m, at) : NULL;
    if (a) {
        a->on_heap = true;
        m->heap_used += bytes;
    }
    return at;
}

/* The pages stay reserved, so that a later access is known for what it is; their contents go. */
const char *ptx_heap_free(ptx_memory *m, uint64_t addr)
{
    int at = upper_bound(m, addr);
    ptx_alloc *a = at ? m->alloc[at - 1] : NULL;
    if (!a || !a->on_heap || a->lo != addr)
        return "is no address that malloc gave";
    if (a->freed)
        return "was freed before";
    a->freed = true;
    m->heap_used -= a->hi - a->lo;
    mprotect(a->raw, a->raw_bytes, PROT_NONE);
    madvise(a->raw, a->raw_bytes, MADV_DONTNEED);
    return NULL;
}

size_t ptx_take_printf(ptx_memory *mem, char *out, size_t max)
{
    pthread_mutex_lock(&mem->lock);
    size_t n = mem->printed.n < max ? mem->printed.n : max;
    if (n)
        memcpy(out, mem->printed.p, n);
    ws_buf_release(&mem->printed);
    pthread_mutex_unlock(&mem->lock);
    return n;
}
