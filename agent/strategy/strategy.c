#include "agent/strategy/strategy.h"

#include "agent/strategy/past.h"

#include <math.h>
#include <string.h>

const strategy *const strategies[] = {&strat_refine, &strat_best_of, &strat_ideas, &strat_evolve,
                                      NULL};

const strategy *strategy_find(const char *name)
{
    for (int i = 0; strategies[i]; i++)
        if (strcmp(strategies[i]->name, name) == 0)
            return strategies[i];
    return NULL;
}

double strat_seconds(const db_candidate *c)
{
    return isnan(c->measured_s) ? c->modelled_s : c->measured_s;
}

bool strat_passed(const strat_attempt *a)
{
    return strcmp(a->candidate->reason, "pass") == 0;
}
