/* Sampling: a few blocks of a grid, run for their counters alone (ptx_options.sample_blocks). */
#ifndef HARNESS_PTX_SAMPLE_H
#define HARNESS_PTX_SAMPLE_H

#include "harness/ptx/engine.h"

/* g->sample is NULL afterwards when all blocks are to run. */
void ptx_sample_begin(ptx_grid *g);
void ptx_sample_end(ptx_grid *g);
bool ptx_sample_enough(const ptx_grid *g);
uint32_t ptx_sample_next(ptx_grid *g); /* the next unit of the sample */
/* Blocks of a cooperative launch wait at a grid-wide barrier for those that do not run. Opens it when
 * all of the sample wait there. */
bool ptx_sample_opens_barrier(ptx_worker *k);

#endif
