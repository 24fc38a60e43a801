/* The raw samples of one comparison: baseline A and candidate B, timed side by side in pairs.
 *
 * A pair is one A and one B right after each other, in an order that the seed decides, so that what
 * is slow in the machine hits both. The store only keeps what was measured: which pairs count is
 * decided anew each time that it is judged (harness/timing/decide.h), so that an archived store can
 * be judged again by other rules. */
#ifndef HARNESS_TIMING_PAIRS_H
#define HARNESS_TIMING_PAIRS_H

#include "base/err.h"

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

/* Why who measured says that a pair does not count; name in JSON. */
#define TIM_DISCARD_LIST(X)                                                                        \
    X(NONE, "")              /* it counts */                                                       \
    X(WARM_UP, "warm-up")    /* before the machine had settled */                                  \
    X(THROTTLE, "throttle")  /* the driver reported a thermal or a power brake meanwhile */        \
    X(SHARED, "shared")      /* another process was on the GPU meanwhile */                        \
    X(TIMER, "timer")        /* the timer failed, or other work came between the two members */

typedef enum tim_discard {
#define X(name, json) TIM_DISCARD_##name,
    TIM_DISCARD_LIST(X)
#undef X
        TIM_DISCARD_COUNT
} tim_discard;

typedef struct tim_pair {
    int index;           /* in the sitting, from 0, ascending; numbers may be missing */
    bool b_first;        /* B ran before A */
    int launches;        /* between the two events of each member, >= 1 */
    double a_s, b_s;     /* of one launch */
    double a_hz, b_hz;   /* SM clock meanwhile; 0: not known */
    tim_discard discard;
} tim_pair;

typedef struct tim_pairs {
    tim_pair *v;
    int n, cap;
    uint64_t seed;     /* of the orders: tim_pair_b_first */
    double quantum_s;  /* step of the timer; 0: not known */
} tim_pairs; /* {0} is an empty store */

void tim_pairs_release(tim_pairs *p);
void tim_pairs_reset(tim_pairs *p); /* empty, memory, seed and quantum kept */

/* The order of pair `index`: of pairs 2k and 2k + 1 one is AB and one BA, and a fair coin says
 * which. Steady drift, and whatever the second place costs, then cancels within the two. */
bool tim_pair_b_first(uint64_t seed, int index);

/* Refused: times that are not finite and positive, clocks that are neither 0 nor finite and
 * positive, launches < 1, an index that does not ascend. The store is then as it was. */
ws_status tim_pairs_add(tim_pairs *p, const tim_pair *pair, ws_err *err) WS_MUST_CHECK;

/* out = the same pairs with A and B swapped: the view of a run in which the candidate took the
 * place of the baseline. */
void tim_pairs_swap(const tim_pairs *p, tim_pairs *out);

/* {"schema":1, "seed":"17", "quantum_s":q, "columns":[...], "pairs":[[0,"AB",a_s,b_s,a_hz,b_hz,
 * launches,""], ...]}, to be printed: numbers are raw text with all their digits. The caller frees.
 */
cJSON *tim_pairs_to_json(const tim_pairs *p);
/* Appends nothing and leaves `out` as it is when anything is wrong; `out` must be empty. */
ws_status tim_pairs_from_json(const cJSON *o, tim_pairs *out, ws_err *err) WS_MUST_CHECK;

#endif
