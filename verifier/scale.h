/* Whether the work grows to the benchmark shape as the operation's does.
 *
 * Values are checked at the check shapes; at the benchmark shape the engine runs a sample of the
 * blocks for their counters alone. A kernel that is honest at the small shapes and leaves work out,
 * or turns to another arithmetic, at the large one gives itself away there: it reads too little of
 * its inputs, multiplies too little, or uses tensor cores that no check shape showed. */
#ifndef VERIFIER_SCALE_H
#define VERIFIER_SCALE_H

#include "harness/diag.h"
#include "harness/ptx/report.h"
#include "reference/graph.h"

/* Of the check shape with the most work that was right. */
typedef struct vfy_scale {
    ptx_counters counters;
    double flops, reads; /* of the operation: reads in bytes, each input and weight once */
    bool tensor;         /* tensor cores ran at some check shape */
} vfy_scale;

/* `c` are the counters of a run at b that was right. */
void vfy_scale_note(vfy_scale *s, const ref_bound *b, const ptx_counters *c);

/* What the rules look at, of one launch more. */
void vfy_scale_add(ptx_counters *sum, const ptx_counters *launch);

/* false: *d says HX_UNVERIFIED_PATH and what is missing at `bench`, where the launches counted
 * together. half: the kernel's code has arithmetic of less precision than the spec. */
bool vfy_scale_holds(const vfy_scale *s, const ref_bound *bench, const ptx_counters *counted,
                     bool half, hx_diag *d);

#endif
