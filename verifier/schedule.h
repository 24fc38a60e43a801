/* Orders of warps and blocks: the result must not depend on them, but for what the order itself
 * decides, as in sums by atomics. */
#ifndef VERIFIER_SCHEDULE_H
#define VERIFIER_SCHEDULE_H

#include <stddef.h>

/* Of a finding that the usual order does not show. */
#define VFY_OTHER_ORDER "only with warps and blocks in another order"

/* What makes a result depend on the order of threads, in order of how well it explains other bits:
 * an atomic in floating point, another atomic (a ticket, a lock), a wait for what another thread
 * wrote, the set of active lanes. */
typedef enum vfy_order_cause {
    VFY_ORDER_NONE,
    VFY_ORDER_LANES,
    VFY_ORDER_WAIT,
    VFY_ORDER_ATOMIC,
    VFY_ORDER_FLOAT_ATOMIC
} vfy_order_cause;
const char *vfy_order_cause_name(vfy_order_cause c);

/* The best explanation among the instructions of `ptx`: insn is its opcode, *line its source line,
 * 0 when it is not known. */
vfy_order_cause vfy_order_of(const char *ptx, char *insn, size_t size, int *line);

#endif
