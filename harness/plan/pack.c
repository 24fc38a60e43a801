/* Parameter blocks and tensor maps. In a file of its own: the device worker links this part of plans
 * alone. */
#include "harness/plan/plan.h"
#include "harness/ptx/ptx.h"

#include <string.h>

void plan_pack_params(const plan_bound_launch *l, const comp_kernel *k, const uint64_t *address,
                      const uint64_t *scratch_address, unsigned char (*map)[PTX_TM_BYTES],
                      unsigned char *block, size_t *bytes)
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
        if (a->kind == PLAN_ARG_MAP)
            memcpy(block + p->offset, map[a->index], PTX_TM_BYTES);
        else if (a->kind != PLAN_ARG_FLOAT)
            memcpy(block + p->offset, &word, p->size); /* little-endian: the low bytes */
        else if (p->size == 4)
            memcpy(block + p->offset, &f, 4);
        else
            memcpy(block + p->offset, &a->number, 8);
        if (p->offset + p->size > *bytes)
            *bytes = p->offset + p->size;
    }
}

bool plan_launch_takes(const plan_bound_launch *l, bool is_scratch, int index)
{
    for (int a = 0; a < l->n_args; a++)
        if (l->arg[a].kind == (is_scratch ? PLAN_ARG_SCRATCH : PLAN_ARG_TENSOR) &&
            l->arg[a].index == index)
            return true;
    for (int m = 0; m < l->n_maps; m++)
        if (l->map[m].is_scratch == is_scratch && l->map[m].index == index)
            return true;
    return false;
}

bool plan_map_end(const ptx_tensor_map *m, uint64_t *end)
{
    uint64_t more;
    bool over =
        __builtin_mul_overflow(m->last[0] + 1ull, (uint64_t)ptx_tm_element_bytes(m), &more) ||
        __builtin_add_overflow(m->address, more, end);
    for (int d = 1; d < m->rank; d++)
        over |= __builtin_mul_overflow((uint64_t)m->last[d], m->stride[d - 1], &more) ||
                __builtin_add_overflow(*end, more, end);
    return !over;
}
