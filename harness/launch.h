/* One launch of a bound plan on a device: the step from plan.h's words to driver.h's. */
#ifndef HARNESS_LAUNCH_H
#define HARNESS_LAUNCH_H

#include "harness/driver.h"
#include "harness/plan/plan.h"

/* The kernel of that name, NULL: none. */
const comp_kernel *launch_kernel(const comp_kernel *list, int n, const char *name);
/* `k` is the launch's kernel; the addresses are those of the plan's tensors and scratch. A kernel
 * with another number of parameters is WS_EINPUT, what the driver refuses is as cu_launch says. */
ws_status launch_bound(cu_device *d, cu_module *m, const plan_bound_launch *l, const comp_kernel *k,
                       const uint64_t *tensor_at, const uint64_t *scratch_at,
                       ws_err *err) WS_MUST_CHECK;

#endif
