/* CUDA C++ to PTX and cubin with NVRTC, in a child process that has no secrets, no file outside
 * the CUDA headers and hard limits; with a content-addressed cache in front.
 *
 * A comp_service owns the child (a small server that forks per source, with NVRTC loaded)
 * and the cache; one per process is enough. Not thread-safe. */
#ifndef HARNESS_COMPILE_COMPILE_H
#define HARNESS_COMPILE_COMPILE_H

#include "base/err.h"
#include "base/mem.h"
#include "harness/diag.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct comp_service comp_service;

typedef struct comp_service_options {
    const char *cache_dir;  /* NULL: ws_cache_dir() "/compile"; "": in memory alone */
    double wall_seconds;    /* per compile, 0: 30 */
    uint64_t memory_bytes;  /* address space, 0: 4 GiB */
} comp_service_options;

ws_status comp_service_open(const comp_service_options *o, comp_service **out,
                            ws_err *err) WS_MUST_CHECK;
void comp_service_close(comp_service *s);

typedef struct comp_macro {
    const char *name;
    int64_t value;
} comp_macro;

typedef struct comp_request {
    const char *source;
    size_t source_bytes;
    const char *file;           /* name shown in messages and line info, e.g. "kernel.cu" */
    const char *arch;           /* "sm_90"; NULL: sm_90 */
    const comp_macro *macro;    /* DIM_<name> and tunables, as -D */
    size_t n_macros;
    bool want_cubin;            /* also assemble (nvJitLink), for resource lines and export */
    bool line_info;             /* PTX with .loc; the cubin never has it */
    bool fmad;                  /* contract mul+add; the default of nvcc is true */
    /* In a process that may have compiled other candidates' texts: it takes less time, and is for
     * what is compiled again by itself before it counts. */
    bool beside_others;
} comp_request;

/* One line of the compiler about the candidate. */
typedef struct comp_message {
    int line, column; /* in the candidate's file, 0: elsewhere */
    bool is_error;
    const char *text;
} comp_message;

typedef struct comp_kernel { /* from the PTX and ptxas -v */
    const char *name;
    int n_params;
    struct ptx_param *param;        /* harness/ptx/ptx.h */
    /* -1: no cubin */
    int registers, shared_bytes, stack_bytes, spill_store_bytes, spill_load_bytes, barriers;
} comp_kernel;

typedef struct comp_result {
    bool ok;
    hx_diag diag;           /* when !ok: COMPILE_ERROR, PTXAS_ERROR, COMPILE_LIMIT, FORBIDDEN_* */
    const char *log;        /* the compiler's text without paths outside the candidate, <= 16 KiB */
    comp_message *message;
    int n_messages;
    const char *ptx;        /* stripped of unreferenced globals, NUL-terminated */
    size_t ptx_bytes;
    const void *cubin;
    size_t cubin_bytes;
    comp_kernel *kernel;
    int n_kernels;
    char key[65];           /* SHA-256 over source, options, compiler version: the cache key */
    char ptx_sha256[65];    /* identity of the candidate: equal PTX is judged once */
    double seconds;         /* wall time of this call */
    bool cached;
} comp_result;

/* A candidate that does not compile is `ok == false`, not an error. All pointers live in `a`. */
ws_status comp_compile(comp_service *s, const comp_request *r, ws_arena *a, comp_result *out,
                       ws_err *err) WS_MUST_CHECK;
/* Starts a compile that comp_compile will be asked for later, and does not wait: several run at
 * once, one for each core. Whatever goes wrong is reported by comp_compile. */
void comp_prefetch(comp_service *s, const comp_request *r);
/* false: comp_compile would still have to wait for this one. */
bool comp_ready(comp_service *s, const comp_request *r);
/* Ends what was started ahead and has not been asked for. */
void comp_cancel(comp_service *s);
/* Level 0 on the text alone: includes, host code, forbidden constructs. Cheap; comp_compile
 * calls it. */
bool comp_check_source(const char *source, size_t n, hx_diag *d);

/* "NVRTC 13.0.88", or an error saying how to get it. */
ws_status comp_version(char *out, size_t n, ws_err *err) WS_MUST_CHECK;
/* Entry of `warpsmith worker compile` (socket on fd 3); returns the exit code. */
int comp_worker_main(void);

#endif
