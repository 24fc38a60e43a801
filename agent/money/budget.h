/* Hard limits that count what is in flight. A claim is made before a request leaves and settled
 * with what it really took; between them its most stands. Spent plus claimed never exceeds a limit.
 * Pure arithmetic: no clock, no files. */
#ifndef AGENT_MONEY_BUDGET_H
#define AGENT_MONEY_BUDGET_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct budget_amount {
    int64_t replies, requests, tokens, candidates;
    double usd;
} budget_amount;

typedef struct budget_limits { /* 0: no limit */
    budget_amount most;
    double seconds;
} budget_limits;

typedef struct budget {
    budget_limits limit;
    budget_amount spent, claimed;
    double seconds; /* spent, told by the caller */
} budget;

typedef enum budget_answer {
    BUDGET_YES,
    BUDGET_WAIT, /* not while what is in flight may take its most */
    BUDGET_SPENT /* not at all */
} budget_answer;

/* BUDGET_YES: `most` is claimed. Else `why` says which limit, with numbers. */
budget_answer budget_claim(budget *b, const budget_amount *most, char *why, int size);
/* The claim of `most` is over and took `real` (which may be more: a server that counted other than
 * announced). */
void budget_settle(budget *b, const budget_amount *most, const budget_amount *real);
/* Room that is left for one more claim, INT64_MAX and INFINITY where there is no limit. */
budget_amount budget_left(const budget *b);

#endif
