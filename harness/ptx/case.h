/* One PTX case: PTX text with its launches, buffers and expectations in its comments. `warpsmith
 * ptx run`, the tests and gpu-check run the same files, on the engine and on a GPU.
 *
 *   // test: what it shows
 *   // buffer: NAME TYPE[COUNT]               nothing wrote it
 *   // buffer: NAME TYPE[COUNT] = VALUES      an expression in i, or a list {1 2.5 nan 0*30}
 *   // tensormap: NAME = TYPE BUFFER dim 64 32 box 64 16 ...   an argument of launches: case_map.h
 *   // launch: KERNEL grid 2 1 1 block 64 1 1 cluster 2 1 1 shared 256 cooperative sample 4 (NAME,
 * s32 5, f32 0.5, +4 NAME,
 *   //         u32 1 2 3: a struct of three)    on one line
 *   // want: NAME = VALUES                    after all launches; compared bit for bit
 *   // fault: out_of_bounds thread 3 0 0 block 1 0 0 space shared
 *   // other: thread 4 0 0 block 0 0 0        the other side of a race
 *   // text: part of the finding's sentence
 *   // says: part of a line of what compute-sanitizer would print; several must all be there
 *   // free: NAME                             after the launches above it
 *   // leaks: part of what is told of memory that kernels did not free
 *   // unused: part of what is told of buffers that nobody wrote
 *   // printed: "a line\n"                    several add up; of the schedule that takes warps in
 * order
 *   // count: shared_wavefronts 8             a counter of ptx_counters; anything may follow
 *   // cache: sms 132 l1 262144 l2 52428800 warps 64 blocks 32      of a SM; for counters of caches
 *   // any-order                              what is found depends on the schedule; the reason may
 * not. Without a fault: how often a compare-and-swap is tried again depends on what other blocks
 * do meanwhile, so that counters of several threads are not compared with one's, nor what is counted
 * where turns are shuffled with what is wanted
 *   // cuda:                                  the CUDA source, from the next line to the end of the
 * comments
 *
 * Sizes left out are 1. A line of the CUDA source that ends in HERE is the place of the fault, one
 * that ends in THERE that of the other access. The PTX itself is from nvcc (tests/ptx/from_cuda) or
 * written by hand; then the marks stand in the PTX. Nothing here is peculiar to the engine but
 * faults and counters. */
#ifndef HARNESS_PTX_CASE_H
#define HARNESS_PTX_CASE_H

#include "base/buf.h"
#include "base/mem.h"
#include "harness/ptx/case_map.h"
#include "harness/ptx/ptx.h"

enum {
    PTX_CASE_BUFFERS = 12,
    PTX_CASE_LAUNCHES = 4,
    PTX_CASE_ARGS = 12,
    PTX_CASE_MAPS = 8,
    PTX_CASE_COUNTS = 24,
    PTX_CASE_SAYS = 8,
    PTX_CASE_VALUE_BYTES = 64,
    PTX_CASE_PARAM_BYTES = 4096
};

typedef struct ptx_case_buffer {
    char name[32], type[8];
    size_t count, bytes;
    uint8_t *init; /* NULL: uninitialised */
    uint8_t *want; /* NULL: any */
    int free_after; /* so many launches; 0: at the end */
} ptx_case_buffer;

typedef struct ptx_case_arg {
    int buffer;      /* -1: a number, or a tensor map */
    int map;         /* -1: none */
    uint64_t offset; /* bytes into the buffer */
    uint8_t value[PTX_CASE_VALUE_BYTES];
    size_t bytes;
} ptx_case_arg;

typedef struct ptx_case_launch {
    char kernel[64];
    uint32_t grid[3], block[3], cluster[3], shared, sample;
    bool cooperative;
    ptx_case_arg arg[PTX_CASE_ARGS];
    int n_args;
} ptx_case_launch;

typedef struct ptx_case {
    ws_arena arena;
    ws_buf text; /* the file: comments and PTX */
    const char *path;
    ptx_case_buffer buffer[PTX_CASE_BUFFERS];
    int n_buffers;
    ptx_case_map map[PTX_CASE_MAPS];
    int n_maps;
    ptx_case_launch launch[PTX_CASE_LAUNCHES];
    int n_launches;
    char reason[32];                                              /* "": no fault */
    char space[8];                                                /* "": any */
    char part[160];                                               /* of the sentence */
    char says[PTX_CASE_SAYS][128];                                /* of lines of the report */
    int n_says;
    char leaks[128], unused[128];
    int64_t thread[3], block[3], other_thread[3], other_block[3]; /* -1: any */
    int line, ptx_line, other_line;
    ws_buf printed;
    bool wants_printed, any_order;
    struct {
        char name[40];
        uint64_t value;
    } count[PTX_CASE_COUNTS];
    int n_counts;
    ptx_cache cache; /* sms 0: any */
    ws_err err;
} ptx_case;

/* The file at `path` ("-": standard input). On an error, too, `c` is to be released. */
ws_status ptx_case_load(const char *path, ptx_case *c, ws_err *err) WS_MUST_CHECK;
void ptx_case_release(ptx_case *c);
size_t ptx_case_type_bytes(const char *type); /* of "f32"; 0: no type */

/* ---- running ---- */

typedef struct ptx_case_outcome {
    ptx_report report; /* the table of lines, when it is asked for, is the outcome's */
    char printed[1 << 14];
    uint64_t ptr[PTX_CASE_BUFFERS];
    uint8_t *data[PTX_CASE_BUFFERS]; /* what the buffers hold afterwards; NULL: freed */
    ws_buf leaks, unused; /* compute-sanitizer's lines about them; on the engine only */
} ptx_case_outcome;

/* Makes what a launch gets for a tensor map; NULL: the engine's own layout. */
typedef ws_status (*ptx_case_encode)(void *ud, const ptx_tensor_map *m, void *out, ws_err *err);
/* The parameter block of a launch; `ptr` are the buffers' addresses. */
ws_status ptx_case_params(const ptx_case *c, const ptx_case_launch *l, const ptx_kernel_info *k,
                          const uint64_t *ptr, ptx_case_encode encode, void *ud,
                          uint8_t out[PTX_CASE_PARAM_BYTES], ws_err *err) WS_MUST_CHECK;
/* On the engine. `o` is released by ptx_case_outcome_release, on errors, too. */
ws_status ptx_case_run(const ptx_case *c, const ptx_options *options, ptx_case_outcome *o,
                       ws_err *err) WS_MUST_CHECK;
void ptx_case_outcome_release(ptx_case_outcome *o);

/* ---- judging: each adds a line for everything that is not as expected ---- */

/* `exact`: thread, place and sentence count as well as the reason, which depend on the schedule. */
void ptx_case_judge_fault(const ptx_case *c, const ptx_options *options, const ptx_report *r,
                          bool exact, ws_buf *out);
void ptx_case_judge_buffers(const ptx_case *c, const ptx_case_outcome *o, ws_buf *out);
/* Leaks and unused memory. */
void ptx_case_judge_rest(const ptx_case *c, const ptx_case_outcome *o, ws_buf *out);
void ptx_case_judge_printed(const ptx_case *c, const ptx_case_outcome *o, ws_buf *out);
void ptx_case_judge_counters(const ptx_case *c, const ptx_counters *n, ws_buf *out);
/* Two runs that differ only in threads counted and found the same. */
void ptx_case_judge_runs(const ptx_report *one, const ptx_report *two, ws_buf *out);

#endif
