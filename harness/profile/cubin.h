/* What a cubin says about its kernels, without a GPU. A cubin is an ELF file (elf.h) whose sections
 * .nv.info and .nv.info.KERNEL hold attributes; their numbers are those that ptxas of CUDA 12 and
 * 13 writes, compared in a test with the lines of "ptxas -v". Bytes of spills are in those lines
 * alone.
 *
 * The file is not trusted: what is unsound in it is an error that says what, never a guess. */
#ifndef HARNESS_PROFILE_CUBIN_H
#define HARNESS_PROFILE_CUBIN_H

#include "base/err.h"
#include "base/mem.h"

#include <stdint.h>

enum { CUBIN_MAX_KERNELS = 1024, CUBIN_MAX_PARAMS = 4096 };

typedef struct cubin_param {
    uint32_t offset, bytes; /* in the block of parameters */
} cubin_param;

typedef struct cubin_kernel {
    const char *name;
    int registers;              /* of a thread */
    int64_t shared_bytes;       /* static, without what the system reserves */
    int64_t stack_bytes;        /* frame of a thread, in local memory */
    int barriers;
    int max_threads;            /* __launch_bounds__, 0: none */
    int required_threads[3];    /* .reqntid, 0: none */
    int cluster[3];             /* __cluster_dims__, 0: none */
    int64_t param_bytes, code_bytes;
    cubin_param *param;         /* by ordinal */
    int n_params;
    const char **external; /* functions of the device runtime that it calls: "vprintf", "malloc" */
    int n_external;
    /* Instructions in the code, of which local loads and stores: what spills and arrays that are
     * indexed by variables become. 0: the architecture has none of 16 bytes. */
    int64_t instructions, local_loads, local_stores;
} cubin_kernel;

typedef struct cubin_variable {
    const char *name;
    int64_t bytes;
    bool initialised;
} cubin_variable;

typedef struct cubin {
    int arch;                   /* 90 for sm_90 and sm_90a */
    cubin_kernel *kernel;
    int n_kernels;
    cubin_variable *variable;   /* that kernels may write: what a module keeps between launches */
    int n_variables;
    int64_t constant_bytes;     /* of __constant__ variables */
} cubin;

/* Everything lives in `a`, names too. WS_EINPUT: no cubin, or an unsound one. */
ws_status cubin_read(const void *p, size_t n, ws_arena *a, cubin *out, ws_err *err) WS_MUST_CHECK;
/* NULL: there is no such kernel. */
const cubin_kernel *cubin_find(const cubin *c, const char *name);

#endif
