/* What the text of a kernel says about waiting: how many of a warp's loads are in flight together,
 * how long chains of instructions that wait for each other are, and how many machine instructions
 * stand for one of PTX. Nothing is run: an instruction weighs LOOP_WEIGHT times more in each further
 * loop around it (lines.h), and the assembler is taken to order what it may.
 *
 * A stretch is what stands between two loop borders or barriers. In it an instruction waits for those
 * whose results it takes. A load also waits for the stores before it, unless it reads through the
 * read-only path (ld.global.nc, __restrict__), as nothing says that they are of other memory; and
 * the stores wait for what they store. Branches forward are taken to be predicated. */
#ifndef HARNESS_PROFILE_PATH_H
#define HARNESS_PROFILE_PATH_H

#include "base/err.h"
#include "base/mem.h"

#include <stdbool.h>

typedef struct prof_path {
    const char *kernel;
    double chain_clocks;   /* of a warp alone, for each instruction, loads of global memory as none */
    double loads_together; /* global loads that are in flight when one is waited for; 0: no loads */
    double machine_insns;  /* for each instruction of PTX: divisions, 64-bit products and the like */
    double machine_f64;    /* the same of those of double precision; 0: there are none */
    bool tests_floats;     /* a branch depends on a comparison of floating-point numbers */
    int insns;             /* of PTX */
} prof_path;

typedef struct prof_paths {
    prof_path *kernel;
    int n;
} prof_paths;

/* Of every kernel; all in `a`. WS_EINPUT: the PTX does not parse. */
ws_status prof_paths_read(const char *ptx, size_t n, ws_arena *a, prof_paths *out,
                          ws_err *err) WS_MUST_CHECK;
const prof_path *prof_path_of(const prof_paths *p, const char *kernel); /* or NULL */

#endif
