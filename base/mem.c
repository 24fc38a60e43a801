#include "base/mem.h"

#include "base/err.h"

#include <stdarg.h>
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

/* Large pages, where the system has them for the asking: touching memory for the first time costs
 * as much as a whole pass over it otherwise. */
static void *alloc_aligned(size_t bytes)
{
    const size_t page = (size_t)2 << 20, align = bytes >= 2 * page ? page : 64;
    size_t rounded;
    if (!ws_size_add(bytes ? bytes : 1, align - 1, &rounded))
        return NULL;
    rounded &= ~(align - 1);
    void *p = aligned_alloc(align, rounded);
    if (p && align == page)
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
