/* Allocation. Small requests abort on exhaustion; sizes that come from input go through the checked
 * helpers first. An arena owns everything of one lifetime (a parsed spec, a PTX module, one
 * reply). */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

void *ws_malloc(size_t n);
void *ws_calloc(size_t count, size_t size);
void *ws_realloc(void *p, size_t n);
char *ws_strdup(const char *s);
char *ws_strndup(const char *s, size_t n);

/* 64-byte aligned, zeroed, for tensor data; NULL when the memory is not there. Released with free(),
 * or with ws_free_tensor, which keeps up to 256 MiB for the next ones. */
void *ws_alloc_tensor(size_t bytes);
void *ws_alloc_tensor_unset(size_t bytes); /* the same with any contents */
void ws_free_tensor(void *p);              /* any pointer that free() takes */
void ws_drop_tensors(void);                /* gives back what is kept */

/* Each returns false on overflow and leaves *out alone. */
static inline bool ws_size_mul(size_t a, size_t b, size_t *out)
{
    return !__builtin_mul_overflow(a, b, out);
}
static inline bool ws_size_add(size_t a, size_t b, size_t *out)
{
    return !__builtin_add_overflow(a, b, out);
}

typedef struct ws_arena_block ws_arena_block;
typedef struct ws_arena {
    ws_arena_block *head;
} ws_arena; /* {0} is an empty arena */

/* Zeroed, 16-byte aligned; valid until ws_arena_release(). */
void *ws_arena_alloc(ws_arena *a, size_t n);
char *ws_arena_strdup(ws_arena *a, const char *s);
char *ws_arena_strndup(ws_arena *a, const char *s, size_t n);
char *ws_arena_printf(ws_arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void ws_arena_release(ws_arena *a);

#define WS_ARENA_NEW(a, T, count) ((T *)ws_arena_alloc((a), sizeof(T) * (size_t)(count)))
#define WS_COUNT(array)           (sizeof(array) / sizeof((array)[0]))

/* Makes room for one more element in a growable array of `*n` elements with capacity `*cap`. */
#define WS_GROW(ptr, n, cap)                                                                       \
    do {                                                                                           \
        if ((n) == (cap)) {                                                                        \
            (cap) = (cap) ? 2 * (cap) : 8;                                                         \
            (ptr) = ws_realloc((ptr), (size_t)(cap) * sizeof *(ptr));                              \
        }                                                                                          \
    } while (0)

#endif
