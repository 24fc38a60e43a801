#include "agent/strategy/view.h"

#include "agent/strategy/past.h"

#include <assert.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* ---- which turns, in which order ---- */

static bool visible(const strat_turn *t, int lane, int round, int slack)
{
    return t->lane == lane ? t->round < round : t->round <= round - slack;
}

static int by_turn(const void *a, const void *b)
{
    const strat_turn *x = a, *y = b;
    return (x->turn > y->turn) - (x->turn < y->turn);
}

static bool is_visible_turn(const strat_view *v, int turn)
{
    strat_turn key = {.turn = turn};
    return turn < 0 ||
           (v->n_turns && bsearch(&key, v->turn, (size_t)v->n_turns, sizeof *v->turn, by_turn));
}

/* ---- attempts ---- */

typedef struct place {
    const strat_attempt *attempt;
    int index; /* in `all` */
} place;

/* Turn order; in a turn the kernel, then its tuned forms by their setting, since those are judged
 * in any order. */
static int by_place(const void *a, const void *b)
{
    const place *x = a, *y = b;
    const char *s = x->attempt->candidate->tune_json, *t = y->attempt->candidate->tune_json;
    if (x->attempt->turn != y->attempt->turn)
        return x->attempt->turn < y->attempt->turn ? -1 : 1;
    if (x->attempt->turn >= 0) {
        int c = strcmp(s ? s : "", t ? t : "");
        if (c)
            return c;
    }
    return (x->index > y->index) - (x->index < y->index);
}

/* ---- copies ---- */

typedef struct binary {
    const char *ptx, *tune;
    ws_str plan;
    int index;
} binary;

/* What the PTX does not hold is in the text of the plan. */
static ws_str plan_of(const char *source)
{
    const char *begin = source ? strstr(source, "@plan") : NULL;
    const char *end = begin ? strstr(begin, "*/") : NULL;
    return end ? (ws_str){begin, (size_t)(end - begin)} : (ws_str){"", 0};
}

static int by_binary(const void *a, const void *b)
{
    const binary *x = a, *y = b;
    int c = strcmp(x->ptx, y->ptx);
    if (!c)
        c = strcmp(x->tune, y->tune);
    if (!c)
        c = (x->plan.n > y->plan.n) - (x->plan.n < y->plan.n);
    if (!c && x->plan.n)
        c = memcmp(x->plan.p, y->plan.p, x->plan.n);
    return c;
}

static int by_binary_then_index(const void *a, const void *b)
{
    const binary *x = a, *y = b;
    int c = by_binary(a, b);
    return c ? c : (x->index > y->index) - (x->index < y->index);
}

/* The source stands for kernels that did not compile. */
static void find_copies(strat_attempt *attempt, int n, ws_arena *a)
{
    binary *list = WS_ARENA_NEW(a, binary, n + 1);
    int count = 0;
    for (int i = 0; i < n; i++) {
        const db_candidate *c = attempt[i].candidate;
        bool compiled = c->ptx_sha256 && c->ptx_sha256[0];
        const char *key = compiled ? c->ptx_sha256 : c->source;
        attempt[i].same_as = -1;
        if (key && *key)
            list[count++] = (binary){key, c->tune_json ? c->tune_json : "", plan_of(c->source), i};
    }
    qsort(list, (size_t)count, sizeof *list, by_binary_then_index);
    for (int i = 1, first = 0; i < count; i++) {
        if (by_binary(&list[first], &list[i]) == 0)
            attempt[list[i].index].same_as = list[first].index;
        else
            first = i;
    }
}

/* ---- twins: other names, the same work ---- */

typedef struct work {
    const char
        *launches; /* of the verdict: grids, registers, counters, times; each kernel's name */
    int index;
} work;

/* Behind a launch's name, at whose first character `p` is; else `p`. */
static const char *skip_name(const char *p)
{
    static const char key[] = "\"kernel\":\"";
    enum { N = sizeof key - 1 };
    if (*p != '"' || strncmp(p, key, N) != 0)
        return p;
    return p + N + strcspn(p + N, "\"");
}

static int by_work(const void *a, const void *b)
{
    const char *x = ((const work *)a)->launches, *y = ((const work *)b)->launches;
    for (;; x++, y++) {
        x = skip_name(x);
        y = skip_name(y);
        if (*x != *y || !*x)
            return (unsigned char)*x - (unsigned char)*y;
    }
}

static int by_work_then_index(const void *a, const void *b)
{
    const work *x = a, *y = b;
    int c = by_work(a, b);
    return c ? c : (x->index > y->index) - (x->index < y->index);
}

/* A measurement tells apart what the counters do not. */
static bool measured_apart(const db_candidate *x, const db_candidate *y)
{
    double r = x->measured_s / y->measured_s;
    return r > 1 + STRAT_GAIN || r < 1 / (1 + STRAT_GAIN);
}

/* A kernel under another name has another PTX, but every launch of it does exactly what a known
 * one's does: the same grid, registers, bytes and instructions of each kind. */
static void find_twins(strat_attempt *attempt, int n, ws_arena *a)
{
    work *list = WS_ARENA_NEW(a, work, n + 1);
    int count = 0;
    for (int i = 0; i < n; i++) {
        const char *verdict = attempt[i].verdict_json;
        const char *launches = verdict ? strstr(verdict, "\"launches\":[{") : NULL;
        if (launches && attempt[i].same_as < 0 && strat_passed(&attempt[i]))
            list[count++] = (work){launches, i};
    }
    qsort(list, (size_t)count, sizeof *list, by_work_then_index);
    for (int i = 1, first = 0; i < count; i++) {
        if (by_work(&list[first], &list[i]) != 0)
            first = i;
        else if (!measured_apart(attempt[list[first].index].candidate,
                                 attempt[list[i].index].candidate))
            attempt[list[i].index].same_as = list[first].index;
    }
}

static int fastest(const strat_attempt *attempt, int n)
{
    int best = -1;
    for (int i = 0; i < n; i++) {
        double s = strat_seconds(attempt[i].candidate);
        if (strat_passed(&attempt[i]) && s > 0 &&
            (best < 0 || s < strat_seconds(attempt[best].candidate)))
            best = i;
    }
    return best;
}

/* ---- the view ---- */

strat_step strat_step_mapped(const strat_step *s, const int *map)
{
    strat_step out = *s;
    if (s->subject >= 0)
        out.subject = map[s->subject];
    for (int i = 0; i < s->n_inspirations; i++)
        out.inspiration[i] = map[s->inspiration[i]];
    return out;
}

static void take_attempts(const strat_view *all, ws_arena *a, strat_view *out, int *to_all,
                          int *to_view)
{
    place *list = WS_ARENA_NEW(a, place, all->n_attempts + 1);
    int n = 0;
    for (int i = 0; i < all->n_attempts; i++) {
        to_view[i] = -1;
        if (is_visible_turn(out, all->attempt[i].turn))
            list[n++] = (place){&all->attempt[i], i};
    }
    qsort(list, (size_t)n, sizeof *list, by_place);
    strat_attempt *attempt = WS_ARENA_NEW(a, strat_attempt, n + 1);
    for (int i = 0; i < n; i++) {
        attempt[i] = *list[i].attempt;
        to_all[i] = list[i].index;
        to_view[list[i].index] = i;
    }
    find_copies(attempt, n, a);
    find_twins(attempt, n, a);
    out->attempt = attempt;
    out->n_attempts = n;
    out->best = fastest(attempt, n);
}

void strat_view_for(const strat_view *all, int lane, int round, int slack, ws_arena *a,
                    strat_view *out, int **to_all)
{
    assert(slack >= 1);
    strat_turn *turn = WS_ARENA_NEW(a, strat_turn, all->n_turns + 1);
    int *map = WS_ARENA_NEW(a, int, all->n_attempts + 1);
    int *to_view = WS_ARENA_NEW(a, int, all->n_attempts + 1);
    *out = *all;
    out->turn = turn;
    out->n_turns = 0;
    for (int i = 0; i < all->n_turns; i++)
        if (visible(&all->turn[i], lane, round, slack))
            turn[out->n_turns++] = all->turn[i];
    qsort(turn, (size_t)out->n_turns, sizeof *turn, by_turn);
    take_attempts(all, a, out, map, to_view);
    /* Who asked these turns saw no more than this view shows, so every index has its place. */
    for (int i = 0; i < out->n_turns; i++) {
        turn[i].step = strat_step_mapped(&turn[i].step, to_view);
        turn[i].attempt = turn[i].attempt >= 0 ? to_view[turn[i].attempt] : -1;
    }
    if (to_all)
        *to_all = map;
}

bool strat_view_ready(const int *finished, int lanes, int lane, int round, int slack)
{
    if (finished[lane] < round)
        return false;
    for (int l = 0; l < lanes; l++)
        if (finished[l] < round - slack + 1)
            return false;
    return true;
}
