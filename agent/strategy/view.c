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

/* What the PTX does not hold is in the text of the plan. */
static ws_str plan_of(const char *source)
{
    const char *begin = source ? strstr(source, "@plan") : NULL;
    const char *end = begin ? strstr(begin, "*/") : NULL;
    return end ? (ws_str){begin, (size_t)(end - begin)} : (ws_str){"", 0};
}

void strat_binary_key(const char *ptx_sha256, const char *source, const char *tune_json,
                      char out[WS_SHA256_HEX])
{
    const char *key = ptx_sha256 && *ptx_sha256 ? ptx_sha256 : source;
    const ws_str plan = plan_of(source);
    ws_sha256 h;
    out[0] = '\0';
    if (!key || !*key)
        return;
    ws_sha256_init(&h);
    ws_sha256_add_field(&h, key, strlen(key));
    ws_sha256_add_field(&h, plan.p, plan.n);
    ws_sha256_add_field(&h, tune_json ? tune_json : "", tune_json ? strlen(tune_json) : 0);
    ws_sha256_hex(&h, out);
}

/* Of the verdict from its launches on, but for each kernel's name: grids, registers, counters,
 * times. */
static void work_key(const char *verdict, char out[WS_SHA256_HEX])
{
    static const char key[] = "\"kernel\":\"";
    const char *p = verdict ? strstr(verdict, "\"launches\":[{") : NULL;
    ws_sha256 h;
    out[0] = '\0';
    if (!p)
        return;
    ws_sha256_init(&h);
    for (const char *name; (name = strstr(p, key)); p = name + strcspn(name, "\"")) {
        name += sizeof key - 1;
        ws_sha256_add(&h, p, (size_t)(name - p));
    }
    ws_sha256_add(&h, p, strlen(p));
    ws_sha256_hex(&h, out);
}

void strat_attempt_mark(strat_attempt *x, ws_arena *a)
{
    const db_candidate *c = x->candidate;
    char *binary = ws_arena_alloc(a, WS_SHA256_HEX), *work = ws_arena_alloc(a, WS_SHA256_HEX);
    strat_binary_key(c->ptx_sha256, c->source, c->tune_json, binary);
    work_key(strat_passed(x) ? x->verdict_json : NULL, work);
    x->binary = binary;
    x->work = work;
}

typedef struct print { /* an attempt's hash */
    const char *text;
    int index;
} print;

static int by_print(const void *a, const void *b)
{
    const print *x = a, *y = b;
    int c = strcmp(x->text, y->text);
    return c ? c : (x->index > y->index) - (x->index < y->index);
}

static void find_copies(strat_attempt *attempt, int n, ws_arena *a)
{
    print *list = WS_ARENA_NEW(a, print, n + 1);
    int count = 0;
    for (int i = 0; i < n; i++) {
        attempt[i].same_as = -1;
        if (attempt[i].binary[0])
            list[count++] = (print){attempt[i].binary, i};
    }
    qsort(list, (size_t)count, sizeof *list, by_print);
    for (int i = 1, first = 0; i < count; i++) {
        if (strcmp(list[first].text, list[i].text) == 0)
            attempt[list[i].index].same_as = list[first].index;
        else
            first = i;
    }
}

/* ---- twins: other names, the same work ---- */

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
    print *list = WS_ARENA_NEW(a, print, n + 1);
    int count = 0;
    for (int i = 0; i < n; i++)
        if (attempt[i].work[0] && attempt[i].same_as < 0)
            list[count++] = (print){attempt[i].work, i};
    qsort(list, (size_t)count, sizeof *list, by_print);
    for (int i = 1, first = 0; i < count; i++) {
        if (strcmp(list[first].text, list[i].text) != 0)
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
        if (!attempt[i].binary)
            strat_attempt_mark(&attempt[i], a);
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
