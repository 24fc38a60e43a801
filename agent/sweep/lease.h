/* A sweep's budget, shared by problems that are worked on at once. Each gets a lease before it
 * begins: an equal share of what is neither spent nor leased, for it and all that have not begun.
 * Its run cannot spend more than its lease (agent/money/budget.h), so leases and spending together
 * never exceed a limit. What a problem leaves over goes to those that begin later. A process that
 * was killed with requests in flight is charged its whole lease.
 *
 * Wall time is not divided: when it is over, all processes end. Pure arithmetic. */
#ifndef AGENT_SWEEP_LEASE_H
#define AGENT_SWEEP_LEASE_H

#include "agent/money/budget.h"

/* Of requests, tokens and dollars; what has no limit is 0. */
typedef struct lease {
    budget_amount granted; /* beyond what the run took before */
    budget_limits limit;   /* of the run, in all its sessions: what budget.h is given */
} lease;

typedef struct lease_pot {
    budget_limits limit;        /* of the sweep; 0: none */
    budget_amount spent, leased;
    double seconds;             /* spent, told by the caller */
    int unstarted;              /* problems that have no lease yet */
} lease_pot;

/* A lease for the next problem, whose run took `before` in earlier sessions (already in
 * pot->spent) and may take `each` in all of them. false: nothing is left, and `why` says of what.
 */
bool lease_take(lease_pot *p, const budget_limits *each, const budget_amount *before, lease *out,
                char *why, int size);
/* The problem is over, or its process is gone; its run has taken `total` in all its sessions.
 * An unknown cost counts as all of the lease. */
void lease_settle(lease_pot *p, const lease *l, const budget_amount *before,
                  const budget_amount *total);
/* The part of a limit that belongs to `mine` of `all` problems, rounded down; no limit stays none.
 * false: of some limit that part is nothing. */
bool lease_part(const budget_limits *whole, int mine, int all, budget_limits *out) WS_MUST_CHECK;

#endif
