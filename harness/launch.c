#include "harness/launch.h"

#include "harness/ptx/ptx.h"

#include <string.h>

_Static_assert((int)PLAN_MAX_ARGS <= (int)CU_MAX_PARAMS, "a launch passes all of a plan's arguments");

const comp_kernel *launch_kernel(const comp_kernel *list, int n, const char *name)
{
    for (int i = 0; i < n; i++)
        if (list[i].name && name && strcmp(list[i].name, name) == 0)
            return &list[i];
    return NULL;
}

/* The launch's tensor maps, at the addresses of its buffers. */
static ws_status encode_maps(cu_device *d, const plan_bound_launch *l, const uint64_t *tensor_at,
                             const uint64_t *scratch_at, unsigned char (*out)[PTX_TM_BYTES],
                             ws_err *err)
{
    for (int i = 0; i < l->n_maps; i++) {
        const plan_bound_map *from = &l->map[i];
        ptx_tensor_map m = from->map;
        m.address += from->is_scratch ? scratch_at[from->index] : tensor_at[from->index];
        if (cu_tensor_map(d, &m, out[i], err))
            return ws_wrap(err, "kernel '%s': tensor map '%s'", l->kernel, from->name);
    }
    return WS_OK;
}

ws_status launch_bound(cu_device *d, cu_module *m, const plan_bound_launch *l, const comp_kernel *k,
                       const uint64_t *tensor_at, const uint64_t *scratch_at, ws_err *err)
{
    _Alignas(16) unsigned char block[PLAN_PARAM_BYTES];
    uint32_t param_at[PLAN_MAX_ARGS];
    _Alignas(PTX_TM_ALIGN) unsigned char map[PLAN_MAX_MAPS][PTX_TM_BYTES];
    cu_launch_args a = {
        .kernel = l->kernel,
        .shared_bytes = (uint32_t)l->shared,
        .max_shared_bytes = (uint32_t)l->max_dynamic_shared,
        .cooperative = l->cooperative,
        .params = block,
        .param_at = param_at,
        .n_params = l->n_args,
    };
    if (!k || k->n_params != l->n_args || l->n_args > PLAN_MAX_ARGS)
        return ws_fail(err, WS_EINPUT, "the plan does not fit kernel '%s'", l->kernel);
    for (int i = 0; i < 3; i++) {
        a.grid[i] = (uint32_t)l->grid[i];
        a.block[i] = (uint32_t)l->block[i];
        a.cluster[i] = (uint32_t)l->cluster[i];
    }
    for (int i = 0; i < l->n_args; i++)
        param_at[i] = k->param[i].offset;
    if (encode_maps(d, l, tensor_at, scratch_at, map, err))
        return err->status;
    plan_pack_params(l, k, tensor_at, scratch_at, map, block, &a.params_bytes);
    return cu_launch(d, m, &a, err);
}
