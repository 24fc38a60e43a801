#include "harness/timing/lane_unit.h"

#include "base/clock.h"
#include "base/philox.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    EMPTY_READINGS = 21,
    WARM_UP_LEAST = 20,
    WARM_UP_MOST = 200,
    MAX_LAUNCHES = 10000,
    FIRST_READINGS = 5
};
/* The clock has settled when its readings of the last WARM_UP_LEAST rounds differ by no more. */
static const double SETTLED = 0.01;

/* Streams of the sitting's seed. */
enum { STREAM_SETS = 0x73657473, STREAM_ORDER = 0x6f726465, STREAM_SPREAD = 0x73707264 };

/* ---- before the first pair ---- */

/* What two events with nothing between them are apart, enqueued as those of a pair are. */
static ws_status measure_empty(lane *l, ws_err *err)
{
    double t[EMPTY_READINGS];
    const bool held = l->aids && !l->engine;
    for (int i = 0; i < EMPTY_READINGS; i++) {
        if ((held && tim_aids_hold(l->aids, err)) || cu_event_record(l->d, l->at[0], err) ||
            cu_event_record(l->d, l->at[1], err))
            return err->status;
        if (held)
            tim_aids_release(l->aids);
        if (cu_event_seconds(l->d, l->at[0], l->at[1], &t[i], err))
            return err->status;
    }
    tim_sort(t, EMPTY_READINGS);
    l->out->empty_s = t[EMPTY_READINGS / 2];
    return WS_OK;
}

/* The sets that the two members of pair `index` of comparison `c` run on: disjoint halves, drawn,
 * so that no member has sets of its own. */
static void draw_sets(const lane *l, int c, int index, int *perm)
{
    const int n = l->r->n_sets;
    const uint64_t stream = STREAM_SETS + ((uint64_t)c << 32);
    for (int i = 0; i < n; i++)
        perm[i] = i;
    for (int i = n - 1; i > 0; i--) {
        const uint64_t at = (uint64_t)index * LANE_MAX_SETS + (uint64_t)i;
        const int k = (int)(ws_philox_uniform(l->r->rules.seed, stream, at) * (i + 1));
        const int t = perm[i];
        perm[i] = perm[k];
        perm[k] = t;
    }
}

/* So many launches of the unit that they take sample_s. */
static ws_status choose_launches(lane *l, lane_unit *u, ws_err *err)
{
    double t[FIRST_READINGS];
    int set[LANE_MAX_SETS];
    for (int i = 0; i < FIRST_READINGS; i++) {
        draw_sets(l, (int)(u - l->unit), -1 - i, set);
        lane_stretch s = {.u = u, .set = set, .n_sets = 1, .launches = 1};
        if (lane_stretches(l, &s, 1, false, err) || l->out->failed >= 0)
            return err->status;
        t[i] = s.seconds;
    }
    tim_sort(t, FIRST_READINGS);
    const double need = l->r->rules.sample_s / fmax(t[FIRST_READINGS / 2], 1e-9);
    u->launches = need > MAX_LAUNCHES ? MAX_LAUNCHES : need > 1 ? (int)ceil(need) : 1;
    return WS_OK;
}

static bool has_settled(const double *hz, int n)
{
    double least = INFINITY, most = 0;
    if (n < WARM_UP_LEAST)
        return false;
    for (int i = n - WARM_UP_LEAST; i < n; i++) {
        least = fmin(least, hz[i]);
        most = fmax(most, hz[i]);
    }
    return most <= least * (1 + SETTLED);
}

/* All programs in turn, until the clock has settled. */
static ws_status warm_up(lane *l, ws_err *err)
{
    double hz[WARM_UP_MOST];
    int set[LANE_MAX_SETS], n = 0;
    for (int i = 0; i < l->n_units; i++)
        if (choose_launches(l, &l->unit[i], err) || l->out->failed >= 0)
            return err->status;
    while (n < WARM_UP_MOST && !l->out->settled) {
        lane_unit *u = &l->unit[n % l->n_units];
        draw_sets(l, n % l->n_units, -100 - n, set);
        lane_stretch s = {.u = u, .set = set, .n_sets = 1, .launches = u->launches};
        if (lane_stretches(l, &s, 1, false, err) || l->out->failed >= 0)
            return err->status;
        hz[n++] = s.hz;
        l->out->settled = has_settled(hz, n);
    }
    l->out->warm_up = n;
    return WS_OK;
}

/* ---- pairs ---- */

/* One more pair of comparison c (0: the A/A run, 1 + i: candidate i) into `p`. */
static ws_status add_pair(lane *l, int c, tim_pairs *p, ws_err *err)
{
    const int index = p->n, half = l->r->rules.warm ? 1 : l->r->n_sets / 2;
    const bool b_first = tim_pair_b_first(p->seed, index);
    int set[LANE_MAX_SETS];
    draw_sets(l, c, index, set);
    lane_unit *a = &l->unit[0], *b = &l->unit[1 + c];
    const int launches = a->launches > b->launches ? a->launches : b->launches;
    lane_stretch s[2] = {
        {.u = b_first ? b : a, .set = set, .n_sets = half, .launches = launches},
        {.u = b_first ? a : b, .set = set + half, .n_sets = half, .launches = launches}};
    if (lane_stretches(l, s, 2, true, err) || l->out->failed >= 0)
        return err->status;
    const lane_stretch *of_a = &s[b_first], *of_b = &s[!b_first];
    const tim_pair pair = {.index = index,
                           .b_first = b_first,
                           .launches = launches,
                           .a_s = of_a->seconds,
                           .b_s = of_b->seconds,
                           .a_hz = of_a->hz,
                           .b_hz = of_b->hz,
                           .discard = s[0].discard};
    if (!(pair.a_s > 0 && pair.b_s > 0))
        return ws_fail(err, WS_ELIMIT,
                       "the timer says that a kernel took no time: it is too coarse "
                       "for stretches of %d launches",
                       launches);
    return tim_pairs_add(p, &pair, err);
}

static bool out_of_time(lane *l, int64_t start)
{
    const double budget = l->r->rules.budget_s;
    if (budget > 0 && ws_seconds_since(start) > budget)
        l->out->out_of_time = true;
    return l->out->out_of_time;
}

/* As who asked will judge, so that what it needs is there. */
static void judge(const lane *l, const tim_rule *rule, const tim_pairs **p, tim_judgement *j)
{
    const tim_judgement won = {.verdict = TIM_FASTER};
    if (l->r->rules.confirm)
        tim_confirm(&won, p[0], rule, false, l->r->rules.seed, &j[0]);
    else
        tim_decide_set(p, l->out->n_pairs, rule, false, l->r->rules.seed, j);
}

/* Comparisons take turns pair by pair, so that drift is spread over all, until none wants more. */
static ws_status measure(lane *l, const tim_rule *rule, int64_t start, ws_err *err)
{
    const int n = l->out->n_pairs;
    const tim_pairs **p = WS_ARENA_NEW(&l->arena, const tim_pairs *, n);
    tim_judgement *j = WS_ARENA_NEW(&l->arena, tim_judgement, n);
    for (int i = 0; i < n; i++)
        p[i] = &l->out->pairs[i];
    for (;;) {
        int target = 0;
        judge(l, rule, p, j);
        for (int i = 0; i < n; i++)
            if (!j[i].done && (!target || j[i].next_pairs < target))
                target = j[i].next_pairs;
        if (!target)
            return WS_OK;
        for (bool more = true; more;) {
            more = false;
            for (int i = 0; i < n; i++) {
                if (j[i].done || l->out->pairs[i].n >= target)
                    continue;
                if (out_of_time(l, start))
                    return WS_OK;
                if (add_pair(l, 1 + i, &l->out->pairs[i], err) || l->out->failed >= 0)
                    return err->status;
                more = true;
            }
        }
    }
}

ws_status lane_mde(const lane_rules *rules, lane_result *r, ws_err *err)
{
    if (r->aa.n < rules->rule.look[0])
        return ws_fail(err, WS_ELIMIT, "the A/A run: the budget of %g s ended it after %d pairs",
                       rules->budget_s, r->aa.n);
    return tim_mde(&r->aa, &rules->rule, rules->seed, &r->mde, err);
}

static ws_status sit(lane *l, ws_err *err)
{
    const lane_rules *rules = &l->r->rules;
    tim_rule rule = rules->rule;
    if (measure_empty(l, err) || warm_up(l, err) || l->out->failed >= 0)
        return err->status;
    const int64_t start = ws_now_ns();
    for (int i = 0; i < rules->aa_pairs; i++)
        if (!out_of_time(l, start) && (add_pair(l, 0, &l->out->aa, err) || l->out->failed >= 0))
            return err->status;
    if (lane_mde(rules, l->out, err))
        return err->status;
    rule.mde = l->out->mde;
    return measure(l, &rule, start, err);
}

static void prepare_result(lane *l)
{
    const lane_request *r = l->r;
    lane_result *o = l->out;
    o->n_pairs = r->n_programs - 1;
    o->pairs = ws_calloc((size_t)o->n_pairs, sizeof *o->pairs);
    o->launches = ws_calloc((size_t)r->n_programs, sizeof *o->launches);
    for (int c = 0; c < r->n_programs; c++) {
        tim_pairs *p = c ? &o->pairs[c - 1] : &o->aa;
        p->seed = ws_philox_u64(r->rules.seed, STREAM_ORDER, (uint64_t)c);
        p->quantum_s = l->engine ? r->rules.noise.quantum_s : 0;
    }
}

/* A kernel's inputs are as they were. */
static ws_status check_inputs(lane *l, ws_err *err)
{
    for (int s = 0; s < l->r->n_sets; s++)
        for (int i = 0; i < l->r->set[s].n_tensors; i++) {
            const run_tensor *t = &l->r->set[s].tensor[i];
            if (t->role != RUN_INPUT)
                continue;
            unsigned char *now = ws_alloc_tensor_unset(t->bytes);
            if (!now)
                return ws_fail(err, WS_ELIMIT, "no memory for tensor '%s'", t->name);
            const bool got = !cu_download(l->d, now, l->tensor[s][i], t->bytes, err);
            const bool same = got && memcmp(now, t->in, t->bytes) == 0;
            ws_free_tensor(now);
            if (!same)
                return got ? ws_fail(err, WS_EINPUT, "a kernel of the sitting changed input '%s'",
                                     t->name)
                           : err->status;
        }
    return WS_OK;
}

ws_status lane_run(cu_device *d, const lane_request *r, lane_result *out, ws_err *err)
{
    lane l = {.d = d, .engine = cu_is_engine(d), .r = r, .out = out};
    *out = (lane_result){.failed = -1};
    prepare_result(&l);
    if (l.engine) {
        const ptx_options plain = {.count = true};
        cu_engine_configure(d, &plain);
        if (cu_engine_clock(d, r->rules.gpu, &r->rules.noise, r->rules.seed, err))
            return err->status;
    }
    ws_status st = lane_open(&l, err);
    if (!st)
        st = sit(&l, err);
    if (!st && out->failed < 0)
        st = check_inputs(&l, err);
    for (int i = 0; !st && i < r->n_programs; i++)
        out->launches[i] = l.unit[i ? 1 + i : 0].launches;
    lane_close(&l);
    return st;
}

void lane_result_release(lane_result *r)
{
    for (int i = 0; r->pairs && i < r->n_pairs; i++)
        tim_pairs_release(&r->pairs[i]);
    for (int i = 0; i < r->n_outputs; i++)
        free(r->output[i].by);
    tim_pairs_release(&r->aa);
    free(r->pairs);
    free(r->launches);
    free(r->output);
    *r = (lane_result){0};
}
