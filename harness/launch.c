#include "harness/launch.h"

#include <string.h>

const comp_kernel *launch_kernel(const comp_kernel *list, int n, const char *name)
{
    for (int i = 0; i < n; i++)
        if (list[i].name && name && strcmp(list[i].name, name) == 0)
            return &list[i];
    return NULL;
}

ws_status launch_bound(cu_device *d, cu_module *m, const plan_bound_launch *l, const comp_kernel *k,
                       const uint64_t *tensor_at, const uint64_t *scratch_at, ws_err *err)
{
    _Alignas(16) unsigned char block[PLAN_PARAM_BYTES];
    cu_launch_args a = {
        .kernel = l->kernel,
        .shared_bytes = (uint32_t)l->shared,
        .max_shared_bytes = (uint32_t)l->max_dynamic_shared,
        .cooperative = l->cooperative,
        .params = block,
    };
    if (!k || k->n_params != l->n_args)
        return ws_fail(err, WS_EINPUT, "the plan does not fit kernel '%s'", l->kernel);
    for (int i = 0; i < 3; i++) {
        a.grid[i] = (uint32_t)l->grid[i];
        a.block[i] = (uint32_t)l->block[i];
        a.cluster[i] = (uint32_t)l->cluster[i];
    }
    plan_pack_params(l, k, tensor_at, scratch_at, block, &a.params_bytes);
    return cu_launch(d, m, &a, err);
}
