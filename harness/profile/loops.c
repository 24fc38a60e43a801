#include "harness/profile/loops.h"

#include <math.h>

enum { DEEPEST = 6 };
static const double LOOP_WEIGHT = 10; /* of what stands in one more loop */

int *prof_loop_depths(const ptx_func *f, ws_arena *a)
{
    int *depth = WS_ARENA_NEW(a, int, f->n_insns + 1);
    for (int i = 0; i < f->n_insns; i++)
        for (int o = 0; o < f->insn[i].n_operands; o++) {
            const ptx_operand *to = &f->insn[i].operand[o];
            if (to->kind != PTX_OPD_LABEL || to->target < 0 || to->target > i)
                continue;
            depth[to->target]++; /* differences, summed below */
            depth[i + 1]--;
        }
    for (int i = 1; i < f->n_insns; i++)
        depth[i] += depth[i - 1];
    return depth;
}

double prof_loop_weight(int depth)
{
    return pow(LOOP_WEIGHT, depth < DEEPEST ? depth : DEEPEST);
}
