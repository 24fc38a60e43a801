#include "base/mem.h"

#include "base/err.h"

#include <malloc.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { ARENA_ALIGN = 16, ARENA_BLOCK = 64 * 1024 };

void *ws_malloc(size_t n)
{
    void *p = malloc(n ? n : 1);
    if (!p)
        ws_bug("out of memory allocating %zu bytes", n);
    return p;
}

void *ws_calloc(size_t count, size_t size)
{
    void *p = calloc(count ? count : 1, size ? size : 1);
    if (!p)
        ws_bug("out of memory allocating %zu x %zu bytes", count, size);
    return p;
}

void *ws_realloc(void *p, size_t n)
{
    void *q = realloc(p, n ? n : 1);
    if (!q)
        ws_bug("out of memory allocating %zu bytes", n);
    return q;
}

char *ws_strdup(const char *s)
{
    return ws_strndup(s, strlen(s));
}

char *ws_strndup(const char *s, size_t n)
{
    char *p = ws_malloc(n + 1);
    memcpy(p, s, n);
    p[n] = '\0';
    return p;
}

/* ---- tensors ----
 *
 * Touching memory for the first time costs as much as several passes over it. So large tensors have
 * large pages, where the system has them for the asking, and some that are released are kept for
 * the next ones of their size, as those of a graph's nodes often are. Nobody waits for the lock:
 * whoever does not get it, such as a child forked while it was held, does without. */

enum { MAX_KEPT = 8 };
static const size_t LARGE_PAGE = (size_t)2 << 20, KEPT_BYTES = (size_t)256 << 20;

static struct {
    pthread_mutex_t lock;
    void *p[MAX_KEPT]; /* the oldest first */
    int n;
} kept = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void *take_kept(int i)
{
    void *p = kept.p[i];
    memmove(&kept.p[i], &kept.p[i + 1], (size_t)(--kept.n - i) * sizeof p);
    return p;
}

/* One that `bytes` fit into, or NULL. Behind them aligned_alloc leaves up to a large page. */
static void *find_kept(size_t bytes)
{
    void *p = NULL;
    if (pthread_mutex_trylock(&kept.lock))
        return NULL;
    for (int i = 0; !p && i < kept.n; i++) {
        size_t size = malloc_usable_size(kept.p[i]);
        if (size >= bytes && size - bytes <= 2 * LARGE_PAGE)
            p = take_kept(i);
    }
    pthread_mutex_unlock(&kept.lock);
    return p;
}

/* Until no more than `room` bytes are kept, and no more than n tensors. */
static void drop_kept(size_t room, int n)
{
    size_t all = 0;
    for (int i = 0; i < kept.n; i++)
        all += malloc_usable_size(kept.p[i]);
    while (kept.n > n || (kept.n && all > room)) {
        all -= malloc_usable_size(kept.p[0]);
        free(take_kept(0));
    }
}

void ws_drop_tensors(void)
{
    if (pthread_mutex_trylock(&kept.lock))
        return;
    drop_kept(0, 0);
    pthread_mutex_unlock(&kept.lock);
}

void ws_free_tensor(void *p)
{
    size_t size = p ? malloc_usable_size(p) : 0;
    if (size < 2 * LARGE_PAGE || size > KEPT_BYTES || (uintptr_t)p % LARGE_PAGE ||
        pthread_mutex_trylock(&kept.lock)) {
        free(p);
        return;
    }
    drop_kept(KEPT_BYTES - size, MAX_KEPT - 1);
    kept.p[kept.n++] = p;
    pthread_mutex_unlock(&kept.lock);
}

static void *alloc_aligned(size_t bytes)
{
    const size_t align = bytes >= 2 * LARGE_PAGE ? LARGE_PAGE : 64;
    size_t rounded;
    if (!ws_size_add(bytes ? bytes : 1, align - 1, &rounded))
        return NULL;
    rounded &= ~(align - 1);
    void *p = align == LARGE_PAGE ? find_kept(rounded) : NULL;
    if (p)
        return p;
    if (!(p = aligned_alloc(align, rounded))) {
        ws_drop_tensors();
        p = aligned_alloc(align, rounded);
    }
    if (p && align == LARGE_PAGE)
        madvise(p, rounded, MADV_HUGEPAGE);
    return p;
}

void *ws_alloc_tensor(size_t bytes)
{
    void *p = alloc_aligned(bytes);
    return p ? memset(p, 0, bytes) : NULL;
}

void *ws_alloc_tensor_unset(size_t bytes)
{
    return alloc_aligned(bytes);
}

struct ws_arena_block {
    ws_arena_block *next;
    size_t used, size;
    _Alignas(16) unsigned char data[];
};

void *ws_arena_alloc(ws_arena *a, size_t n)
{
    size_t need;
    if (!ws_size_add(n, ARENA_ALIGN - 1, &need))
        ws_bug("arena request of %zu bytes overflows", n);
    need &= ~(size_t)(ARENA_ALIGN - 1);
    ws_arena_block *b = a->head;
    if (!b || b->size - b->used < need) {
        size_t size = need > ARENA_BLOCK ? need : ARENA_BLOCK;
        ws_arena_block *fresh = ws_malloc(sizeof *fresh + size);
        *fresh = (ws_arena_block){.next = b, .size = size};
        a->head = b = fresh;
    }
    void *p = b->data + b->used;
    b->used += need;
    return memset(p, 0, need);
}

char *ws_arena_strdup(ws_arena *a, const char *s)
{
    return ws_arena_strndup(a, s, strlen(s));
}

char *ws_arena_strndup(ws_arena *a, const char *s, size_t n)
{
    char *p = ws_arena_alloc(a, n + 1);
    memcpy(p, s, n);
    return p;
}

char *ws_arena_printf(ws_arena *a, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0)
        ws_bug("bad format '%s'", fmt);
    char *p = ws_arena_alloc(a, (size_t)n + 1);
    va_start(ap, fmt);
    vsnprintf(p, (size_t)n + 1, fmt, ap);
    va_end(ap);
    return p;
}

void ws_arena_release(ws_arena *a)
{
    for (ws_arena_block *b = a->head, *next; b; b = next) {
        next = b->next;
        free(b);
    }
    a->head = NULL;
}
