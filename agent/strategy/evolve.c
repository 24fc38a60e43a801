/* evolve: islands of kernels; parents by weight, mutation and crossover, inspirations worst first,
 * migration, and no reward for copies.
 *
 * The weight of a member is s * h as in ShinkaEvolve (Sakana AI, 2025), with speed on a log scale:
 * s = 1 / (1 + exp(-SLOPE * ln(median / seconds))), the median being that of the island's members,
 * and h = 1 / (1 + children), so that what was tried often is tried less. A child that is a copy
 * counts twice: what only brings back known binaries loses its weight faster.
 *
 * Whether a turn is a mutation or a crossover the bandit says, by what each gained per dollar; all
 * other chance is Philox of (seed, turn): no state. */
#include "agent/strategy/evolve.h"

#include "agent/strategy/bandit.h"
#include "agent/strategy/past.h"
#include "base/philox.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { REPAIRS = 1, MIGRATE_EVERY = 5, KEEP = 3, LANES_AN_ISLAND = 2, MOST_ISLANDS = 4 };
enum { STREAM = 0x65766f6c }; /* "evol": apart from the streams of inputs */
enum { CHOICE_PARENT, CHOICE_OTHER, CHOICE_ANGLE, CHOICE_IS_FREE, CHOICES = 8 };
#define SLOPE    10.0
#define DIRECTED 0.5 /* of the mutations have a direction */

int evolve_islands(const strat_view *v)
{
    int n = strat_or(v->option.islands, v->lanes / LANES_AN_ISLAND);
    if (v->option.islands <= 0 && n > MOST_ISLANDS)
        n = MOST_ISLANDS;
    return n < 1 ? 1 : n > v->lanes ? v->lanes : n;
}

int evolve_island_of(const strat_view *v, int lane)
{
    return lane % evolve_islands(v);
}

static bool has_member(const evolve_member *m, int n, int attempt)
{
    for (int i = 0; i < n; i++)
        if (m[i].attempt == attempt)
            return true;
    return false;
}

/* The fastest result of an island's turns before `round`, -1: none. */
static int best_of_island(const strat_view *v, int island, int round)
{
    int best = -1;
    for (int i = 0; i < v->n_turns; i++) {
        const strat_turn *t = &v->turn[i];
        int r = strat_result(v, t);
        if (t->round < round && evolve_island_of(v, t->lane) == island && strat_faster(v, r, best))
            best = r;
    }
    return best;
}

/* Per attempt: the kernel turns that worked on it, copies counted twice. */
static int *count_children(const strat_view *v, ws_arena *a)
{
    int *n = WS_ARENA_NEW(a, int, v->n_attempts + 1);
    for (int i = 0; i < v->n_turns; i++) {
        const strat_turn *t = &v->turn[i];
        if (t->step.subject >= 0 && t->step.reply == STRAT_KERNEL)
            n[t->step.subject] += strat_is_copy(v, t) ? 2 : 1;
    }
    return n;
}

static int by_number(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static double median_seconds(const strat_view *v, const evolve_member *m, int n, ws_arena *a)
{
    double *s = WS_ARENA_NEW(a, double, n + 1);
    for (int i = 0; i < n; i++)
        s[i] = strat_seconds(v->attempt[m[i].attempt].candidate);
    qsort(s, (size_t)n, sizeof *s, by_number);
    return n % 2 ? s[n / 2] : sqrt(s[n / 2 - 1] * s[n / 2]); /* the middle on the log scale */
}

static void weigh(const strat_view *v, evolve_member *m, int n, ws_arena *a)
{
    double median = n ? median_seconds(v, m, n, a) : 1;
    const int *children = count_children(v, a);
    for (int i = 0; i < n; i++) {
        double speed = log(median / strat_seconds(v->attempt[m[i].attempt].candidate));
        m[i].children = children[m[i].attempt];
        m[i].weight = 1 / (1 + exp(-SLOPE * speed)) / (1 + m[i].children);
    }
}

int evolve_members(const strat_view *v, int island, int round, ws_arena *a, evolve_member **out)
{
    int islands = evolve_islands(v), every = strat_or(v->option.migrate_every, MIGRATE_EVERY);
    int from = (island + islands - 1) % islands, n = 0;
    evolve_member *m = WS_ARENA_NEW(a, evolve_member, v->n_turns + round / every + 1);
    if (v->n_attempts && strat_faster(v, 0, -1))
        m[n++] = (evolve_member){.attempt = 0};
    for (int i = 0; i < v->n_turns; i++) {
        int r = strat_result(v, &v->turn[i]);
        if (evolve_island_of(v, v->turn[i].lane) == island && strat_faster(v, r, -1))
            m[n++] = (evolve_member){.attempt = r};
    }
    for (int when = every; islands > 1 && when <= round; when += every) {
        int r = best_of_island(v, from, when);
        if (r >= 0 && !has_member(m, n, r))
            m[n++] = (evolve_member){.attempt = r, .migrant = true};
    }
    weigh(v, m, n, a);
    *out = m;
    return n;
}

int evolve_pick(const evolve_member *m, int n, int except, double u)
{
    double sum = 0;
    int last = -1;
    for (int i = 0; i < n; i++)
        sum += i == except ? 0 : m[i].weight;
    double at = u * sum;
    for (int i = 0; i < n; i++) {
        if (i == except)
            continue;
        last = i;
        at -= m[i].weight;
        if (at < 0)
            return i;
    }
    return last; /* rounding left a rest */
}

/* ---- the next turn ---- */

typedef struct breeding {
    const strat_view *v;
    const evolve_member *m;
    int n, lane, round;
} breeding;

static uint64_t turn_of(const breeding *b)
{
    return (uint64_t)b->round * (uint64_t)b->v->lanes + (uint64_t)b->lane;
}

static double chance(const breeding *b, int choice)
{
    return ws_philox_uniform(b->v->seed, STREAM, turn_of(b) * CHOICES + (uint64_t)choice);
}

static const char *random_angle(const breeding *b, int subject)
{
    uint64_t k = (uint64_t)(chance(b, CHOICE_ANGLE) * strat_n_angles(b->v));
    return strat_angle_on(b->v, subject, k);
}

/* Two parents: the faster is the one to start from. */
static strat_step crossover(const breeding *b, int first)
{
    int skip = b->m[0].attempt == 0; /* nothing to take from the translation */
    int second =
        skip + evolve_pick(b->m + skip, b->n - skip, first - skip, chance(b, CHOICE_OTHER));
    int x = b->m[first].attempt, y = b->m[second].attempt;
    strat_step s =
        strat_step_of(b->v, b->lane, b->round, "crossover", strat_faster(b->v, y, x) ? y : x);
    strat_inspire(b->v, &s, s.subject == x ? y : x, 1);
    return s;
}

/* One parent, the best of its island as inspirations, and one of any island's best. */
static strat_step mutation(const breeding *b, int parent)
{
    const strat_view *v = b->v;
    int keep = strat_or(v->option.keep, KEEP);
    strat_step s = strat_step_of(v, b->lane, b->round, "mutate", b->m[parent].attempt);
    for (int i = 0; i < b->n; i++)
        if (b->m[i].attempt > 0)
            strat_inspire(v, &s, b->m[i].attempt, keep);
    int other = (int)(chance(b, CHOICE_OTHER) * evolve_islands(v));
    strat_inspire(v, &s, best_of_island(v, other, b->round), keep + 1);
    if (chance(b, CHOICE_IS_FREE) < DIRECTED)
        s.idea = random_angle(b, s.subject);
    return s;
}

static strat_verdict next(const strat_view *v, int lane, int round, ws_arena *a, strat_step *out)
{
    evolve_member *m;
    if (strat_over(v, lane))
        return STRAT_END;
    if (strat_mend(v, lane, round, strat_or(v->option.repairs, REPAIRS), a, out))
        return STRAT_ASK;
    int n = evolve_members(v, evolve_island_of(v, lane), round, a, &m);
    breeding b = {v, m, n, lane, round};
    int bred = n - (n > 0 && m[0].attempt == 0); /* members that are not the translation */
    int parent = evolve_pick(m, n, -1, chance(&b, CHOICE_PARENT));
    if (bred == 0) {
        *out = strat_step_of(v, lane, round, "generate", -1);
        out->idea = random_angle(&b, -1);
    } else {
        static const char *const purpose[] = {"mutate", "crossover"};
        int model = 0, n_purposes = bred > 1 && m[parent].attempt > 0 ? 2 : 1;
        int which = bandit_choose_step(v, purpose, n_purposes, turn_of(&b), &model);
        *out = which ? crossover(&b, parent) : mutation(&b, parent);
        out->model = model;
    }
    return STRAT_ASK;
}

const strategy strat_evolve = {
    "evolve", "islands of kernels: weighted parents, mutation, crossover, migration", 2, next};
