/* refine: repair until right, then one justified change at a time, each on the best so far.
 *
 * A broken attempt gets at most REPAIRS tries; after that the next change starts again from the
 * best kernel, so that a dead end costs a bounded number of calls. */
#include "agent/loop/loop.h"

#include <string.h>

enum { REPAIRS = 3 };

static bool passed(const loop_attempt *a)
{
    return strcmp(a->candidate->reason, "pass") == 0;
}

static bool from_model(const loop_attempt *a)
{
    return strcmp(a->candidate->origin, "model") == 0;
}

/* Whether there is a whole kernel to repair. */
static bool has_source(const loop_attempt *a)
{
    return strcmp(a->candidate->reason, "no_code") != 0 &&
           strcmp(a->candidate->reason, "truncated") != 0;
}

static loop_step next(const loop_history *h)
{
    int last = -1, broken = 0;
    for (int i = h->n - 1; i >= 0; i--) {
        if (!from_model(&h->attempt[i]))
            continue;
        if (last < 0)
            last = i;
        if (passed(&h->attempt[i]))
            break;
        broken++;
    }
    if (last < 0)
        return (loop_step){"generate", -1};
    /* Repairs are counted from the last success: 1..REPAIRS tries, one fresh start, and again. */
    if (broken % (REPAIRS + 1) != 0)
        return (loop_step){has_source(&h->attempt[last]) ? "repair" : "again", last};
    return (loop_step){h->best >= 0 ? "improve" : "generate", h->best};
}

const loop_strategy loop_refine = {"refine", next};
