/* The winners of an archive as a library: a C header for each, and one that chooses among them. */
#ifndef RESULTS_EXPORT_LIBRARY_H
#define RESULTS_EXPORT_LIBRARY_H

#include "results/export.h"

typedef struct exp_library_options {
    const char *dir; /* made when it is not there */
    comp_service *compiler;
    const char *const *arch; /* as exp_input has them; none: what each was verified for */
    int n_archs;
    int best;               /* kernels for a spec, GPU and set of dims; 0: 1 */
    const char *name, *gpu; /* parts of names of specs and GPUs; NULL: all */
} exp_library_options;
typedef struct exp_library_result {
    int headers, operations; /* written */
    int left_out;            /* winners that cannot be exported; README.md says why */
} exp_library_result;

/* Writes DIR/<name>.h each, DIR/dispatch.h and DIR/README.md. For each operation dispatch.h has a
 * function that takes the fastest kernel whose guards hold and whose binaries fit the GPU, those
 * made for it first. A winner that cannot be exported is left out. None at all is WS_EINPUT. */
ws_status exp_library(db_archive *db, const exp_library_options *o, exp_library_result *out,
                      ws_err *err) WS_MUST_CHECK;

#endif
