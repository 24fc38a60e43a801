/* How often an instruction of PTX is taken to run when nothing was counted. */
#ifndef HARNESS_PROFILE_LOOPS_H
#define HARNESS_PROFILE_LOOPS_H

#include "base/mem.h"
#include "harness/ptx/ast.h"

/* depth[i]: loops around instruction i, which are the stretches that a branch goes back over. */
int *prof_loop_depths(const ptx_func *f, ws_arena *a);
/* Ten times for each loop. */
double prof_loop_weight(int depth);

#endif
