/* One source of one spec, compiled at one of its shapes and run on the device between guards. */
#ifndef TESTS_GPUCHECK_SUBJECT_H
#define TESTS_GPUCHECK_SUBJECT_H

#include "harness/worker/run.h"
#include "tests/gpucheck/check.h"
#include "verifier/compare.h"

enum { GC_MAX_TENSORS = 2048, GC_MAX_SOURCE = 1 << 20 };

typedef struct gc_subject {
    gc_check *c;
    char name[160]; /* "softmax_online.cu", "emitted basics/softmax" */
    spec *spec;
    ref_graph *graph;
    plan_names names;
    ws_buf source;
    plan *plan;
    ws_arena arena;
} gc_subject;

/* `file` NULL: the emitted kernels. On failure *d or err says why; the caller closes it in every
 * case. */
ws_status gc_open(gc_subject *s, gc_check *c, const char *spec_name, const char *file, hx_diag *d,
                  ws_err *err);
void gc_close(gc_subject *s);

/* "basics/softmax.json" of a path in the catalogue. */
const char *gc_spec_name(const char *path);

/* A plan at one shape, and its binary. */
typedef struct gc_built {
    plan_bound *plan;
    comp_result compiled;
    hx_diag why; /* not HX_PASS: it is none */
} gc_built;
ws_status gc_build(gc_subject *s, const ws_env *env, gc_built *out, ws_err *err);

/* What a run left. */
typedef struct gc_ran {
    hx_reason reason;
    char text[600];
    double worst; /* error in units of the tolerance */
    double seconds;
} gc_ran;
/* In a device worker; inputs and references are those of `k`. */
ws_status gc_run(gc_subject *s, const gc_built *b, const vfy_case *k, gc_ran *out, ws_err *err);

/* The same at the benchmark shape, on inputs that repeat those of `small` (vfy_repeat_shape). With
 * repeats > 1 `seconds` is the median of so many by events. *possible false: its tensors are too
 * large, or their values say nothing. */
ws_status gc_at_benchmark(gc_subject *s, const ws_env *small, int repeats, gc_ran *out, bool *possible,
                          ws_err *err);

/* A row about the subject; `r` may be NULL. */
void gc_say(gc_subject *s, const char *shape, gc_end end, const gc_ran *r, const char *text);

/* Calls for each file of tests/kernels/DIR that names a spec on its first line, with the word after
 * "expect:" or "". */
typedef void (*gc_file_fn)(gc_check *c, const char *file, const char *spec, const char *expect);
void gc_each_file(gc_check *c, const char *dir, gc_file_fn call);
/* ... and for the emitted kernels of basics and llm (with --all of every spec), file NULL. */
ws_status gc_each_emitted(gc_check *c, gc_file_fn call, ws_err *err);

#endif
