/* Which source lines a kernel's instructions stand in, from the PTX's line information. An
 * instruction weighs more the more loops are around it, since nothing here is run: the first line
 * of a kind is the likeliest to matter, and where there is one alone it is the one. */
#ifndef HARNESS_PROFILE_LINES_H
#define HARNESS_PROFILE_LINES_H

#include "base/err.h"
#include "base/mem.h"

#include <stdint.h>

/* id, name, what it is */
#define PROF_KIND_LIST(X)                                                                          \
    X(ANY, "instructions", "every instruction")                                                    \
    X(GLOBAL_LOAD, "global loads", "ld.global, ldu, and asynchronous copies")                      \
    X(GLOBAL_STORE, "global stores", "st.global")                                                  \
    X(SHARED, "shared accesses", "ld.shared, st.shared, ldmatrix, stmatrix")                       \
    X(LOCAL, "local accesses", "ld.local, st.local")                                               \
    X(ATOMIC, "atomics", "atom, red")                                                              \
    X(BARRIER, "barriers", "bar, barrier, mbarrier waits")                                         \
    X(F32_FMA, "multiply-adds", "fma and mad of f16, bf16 and f32")                                \
    X(F64, "double arithmetic", "arithmetic of f64")                                               \
    X(SPECIAL, "special functions", "ex2, lg2, rcp, rsqrt, sqrt, sin, cos, tanh, div")             \
    X(INTEGER, "integer arithmetic", "arithmetic of whole numbers, comparisons of them")           \
    X(BRANCH, "branches", "bra, brx")
typedef enum prof_kind {
#define X(id, name, what) PROF_##id,
    PROF_KIND_LIST(X)
#undef X
    PROF_KINDS
} prof_kind;
const char *prof_kind_name(prof_kind k);

enum { PROF_TOP_LINES = 3 };
typedef struct prof_line {
    int line;      /* of the candidate's source */
    int count;     /* instructions of the kind in it */
    double share;  /* of the kernel's, by weight */
} prof_line;

/* The heaviest lines of a kind in a kernel. */
typedef struct prof_top {
    prof_line line[PROF_TOP_LINES];
    int n, lines; /* filled; that have any */
} prof_top;

typedef struct prof_kernel_lines {
    const char *kernel;
    int count[PROF_KINDS]; /* instructions in the PTX, with and without a line */
    prof_top top[PROF_KINDS];
} prof_kernel_lines;

typedef struct prof_lines {
    prof_kernel_lines *kernel;
    int n;
} prof_lines;

/* Of PTX with .loc; device functions that were not inlined count for every kernel. Everything lives
 * in `a`. WS_EINPUT: the PTX does not parse. */
ws_status prof_lines_read(const char *ptx, size_t n, ws_arena *a, prof_lines *out,
                          ws_err *err) WS_MUST_CHECK;
const prof_kernel_lines *prof_lines_of(const prof_lines *l, const char *kernel); /* or NULL */

#endif
