/* Hard limits that count what is in flight. A claim is made before a request leaves and settled
 * with what it really took; between them its most stands. Spent plus claimed never exceeds a limit.
 * Pure arithmetic: no clock, no files.
 *
 * Dollars are kept exact: every amount is rounded up to whole nano-dollars when it comes in, and
 * usd below holds multiples of them, which a double tells apart up to 4 million dollars. Counts
 * stay at INT64_MAX where a sum would pass it. */
#ifndef AGENT_MONEY_BUDGET_H
#define AGENT_MONEY_BUDGET_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct budget_amount {
    int64_t replies, requests, tokens, candidates;
    double usd; /* NaN: not known */
} budget_amount;

typedef struct budget_limits { /* 0: no limit */
    budget_amount most;
    double seconds;
} budget_limits;

typedef struct budget {
    budget_limits limit;
    budget_amount spent, claimed; /* usd is never NaN in them */
    double seconds;               /* spent, told by the caller */
} budget;

typedef enum budget_answer {
    BUDGET_YES,
    BUDGET_WAIT, /* not while what is in flight may take its most */
    BUDGET_SPENT /* not at all */
} budget_answer;

/* BUDGET_YES: `most` is claimed. Else `why` says which limit, with numbers. With a limit in dollars
 * an unknown or unbounded cost is BUDGET_SPENT; without, it counts as none. */
budget_answer budget_claim(budget *b, const budget_amount *most, char *why, int size);
/* The claim of `most` is over and took `real` (which may be more: a server that counted other than
 * announced). An unknown real cost counts as the claim's most. */
void budget_settle(budget *b, const budget_amount *most, const budget_amount *real);
/* Room that is left for one more claim, INT64_MAX and INFINITY where there is no limit. */
budget_amount budget_left(const budget *b);

#endif
