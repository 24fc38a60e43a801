/* A candidate's source made fit for a header that nvcc compiles: what NVRTC took care of is written
 * out. */
#ifndef RESULTS_EXPORT_SOURCE_H
#define RESULTS_EXPORT_SOURCE_H

#include "base/buf.h"
#include "base/mem.h"

/* Views point into the source or into the arena given to exp_source_lift(). */
typedef struct exp_source {
    ws_str *include; /* "<cuda_fp16.h>", each once, in order */
    int n_includes;
    ws_str *macro; /* names that the source defines, each once */
    int n_macros;
    ws_str *word; /* every identifier outside comments and strings, each once */
    int n_words;
    ws_buf body; /* the rest, fit to stand inside a namespace; released by the caller */
} exp_source;

/* Lifts the #include lines out; removes extern "C" and __host__ (inside a namespace every name is
 * unique already, and no host code is there); adds __device__ to the functions and variables that
 * have no execution space, which NVRTC puts on the device by itself and nvcc does not. */
void exp_source_lift(ws_arena *a, const char *source, size_t n, exp_source *out);
bool exp_source_uses(const exp_source *s, const char *word);

#endif
