/* Parameter blocks. In a file of its own: the device worker links this part of plans alone. */
#include "harness/plan/plan.h"
#include "harness/ptx/ptx.h"

#include <string.h>

void plan_pack_params(const plan_bound_launch *l, const comp_kernel *k, const uint64_t *address,
                      const uint64_t *scratch_address, unsigned char *block, size_t *bytes)
{
    memset(block, 0, PLAN_PARAM_BYTES);
    *bytes = 0;
    for (int i = 0; i < l->n_args; i++) {
        const plan_bound_arg *a = &l->arg[i];
        const ptx_param *p = &k->param[i];
        uint64_t word = a->kind == PLAN_ARG_TENSOR    ? address[a->index]
                        : a->kind == PLAN_ARG_SCRATCH ? scratch_address[a->index]
                                                      : (uint64_t)a->integer;
        float f = (float)a->number;
        if (a->kind != PLAN_ARG_FLOAT)
            memcpy(block + p->offset, &word, p->size); /* little-endian: the low bytes */
        else if (p->size == 4)
            memcpy(block + p->offset, &f, 4);
        else
            memcpy(block + p->offset, &a->number, 8);
        if (p->offset + p->size > *bytes)
            *bytes = p->offset + p->size;
    }
}
