/* Inside evolve: the members of an island and their weights as parents. */
#ifndef AGENT_STRATEGY_EVOLVE_H
#define AGENT_STRATEGY_EVOLVE_H

#include "agent/strategy/strategy.h"

typedef struct evolve_member {
    int attempt;
    int children; /* turns that worked on it, those that gave a copy counted twice */
    bool migrant; /* from the island before */
    double weight;
} evolve_member;

/* How many islands there are, and the island of a lane. */
int evolve_islands(const strat_view *v);
int evolve_island_of(const strat_view *v, int lane);
/* Generation 0, the island's results in turn order, then its migrants as of `round`: every k rounds
 * an island takes in the best of the island before it. */
int evolve_members(const strat_view *v, int island, int round, ws_arena *a, evolve_member **out);
/* The member that `u` in [0,1) falls on, each with its weight as its share; `except` never (-1:
 * none). -1: there is no other. */
int evolve_pick(const evolve_member *m, int n, int except, double u);

#endif
