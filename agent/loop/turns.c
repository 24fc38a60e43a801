/* Which lane asks what, and when. A lane goes from turn to turn: the strategy says what it asks,
 * the model answers, the judges and the tuner do their part, and only then the turn can be seen by
 * others. What a turn sees is fixed by its number (strategy.h), so the order in which replies come
 * changes nothing. */
#include "agent/loop/state.h"

#include "agent/cli.h"
#include "agent/llm/cassette.h"
#include "agent/strategy/view.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

void loop_stop(loop_state *s, const char *status, const char *why)
{
    if (s->stop)
        return;
    s->stop = ws_arena_strdup(&s->arena, why);
    s->status = status;
}

/* ---- the view ---- */

static strat_turn seen(const loop_turn *t)
{
    return (strat_turn){.turn = t->turn,
                        .lane = t->lane,
                        .round = t->round,
                        .step = t->step,
                        .outcome = t->call.outcome ? t->call.outcome : "",
                        .reply = t->call.content ? t->call.content : "",
                        .attempt = t->attempt,
                        .cost_usd = t->call.cost_usd,
                        .seconds = t->call.seconds};
}

void loop_view(const loop_state *s, int lane, int round, ws_arena *a, strat_view *out, int **to_all)
{
    strat_turn *turn = WS_ARENA_NEW(a, strat_turn, s->n_turns + 1);
    int n = 0;
    for (int i = 0; i < s->n_turns; i++)
        if (s->turn[i]->done)
            turn[n++] = seen(s->turn[i]);
    strat_view all = {.attempt = s->attempt,
                      .n_attempts = s->n_attempts,
                      .turn = turn,
                      .n_turns = n,
                      .best = s->best,
                      .model = s->model,
                      .n_models = s->o->n_models ? s->o->n_models : 1,
                      .lanes = s->lanes,
                      .seed = s->seed,
                      .spec = s->spec,
                      .option = s->o->strategy_options};
    strat_view_for(&all, lane, round, s->slack, a, out, to_all);
}

/* ---- a lane's next turn ---- */

static loop_turn *find_turn(const loop_state *s, int number)
{
    for (int i = s->n_turns - 1; i >= 0; i--)
        if (s->turn[i]->turn == number && !s->turn[i]->refused)
            return s->turn[i];
    return NULL;
}

static const char *kept(ws_arena *a, const char *text)
{
    return text ? ws_arena_strdup(a, text) : NULL;
}

static loop_turn *new_turn(loop_state *s, int lane, int round, const strat_step *step)
{
    loop_turn *t = WS_ARENA_NEW(&s->arena, loop_turn, 1);
    *t = (loop_turn){.turn = round * s->lanes + lane,
                     .lane = lane,
                     .round = round,
                     .step = *step,
                     .attempt = -1};
    t->step.purpose = kept(&s->arena, step->purpose);
    t->step.idea = kept(&s->arena, step->idea);
    t->step.note_json = kept(&s->arena, step->note_json);
    WS_GROW(s->turn, s->n_turns, s->cap_turns);
    s->turn[s->n_turns++] = t;
    return t;
}

static bool ready(const loop_state *s, int lane, int round)
{
    int finished[LOOP_MAX_LANES];
    for (int i = 0; i < s->lanes; i++)
        finished[i] = s->lane[i].finished;
    return strat_view_ready(finished, s->lanes, lane, round, s->slack);
}

/* A replay ends where the recorded run ended: at a budget, an interrupt. */
static bool was_recorded(const loop_state *s, int turn)
{
    return !s->o->replay || s->o->replay_loose || cassette_has_turn(s->cassette, turn);
}

/* The step that the strategy names for this round, as a turn. NULL: none in this round. */
static loop_turn *decide(loop_state *s, int lane, int round)
{
    ws_arena a = {0};
    strat_view v;
    strat_step step = {.subject = -1};
    int *to_all;
    loop_turn *t = NULL;
    loop_view(s, lane, round, &a, &v, &to_all);
    strat_verdict verdict = s->strategy->next(&v, lane, round, &a, &step);
    if (verdict == STRAT_ASK && !was_recorded(s, round * s->lanes + lane)) {
        s->recording_over = true;
        s->lane[lane].finished = INT_MAX;
    } else if (verdict == STRAT_ASK) {
        step = strat_step_mapped(&step, to_all);
        t = new_turn(s, lane, round, &step);
    } else {
        s->lane[lane].finished = verdict == STRAT_END ? INT_MAX : round + 1;
    }
    ws_arena_release(&a);
    return t;
}

/* A lane that never asks would go round for ever. */
enum { MAX_SKIPS = 100000 };

/* The lane's turn from here, stored or new. NULL: it waits for others, has ended, or nothing more
 * is asked. */
static loop_turn *next_turn(loop_state *s, int lane)
{
    loop_lane *l = &s->lane[lane];
    while (l->finished < MAX_SKIPS && ready(s, lane, l->finished)) {
        int round = l->finished;
        loop_turn *t = find_turn(s, round * s->lanes + lane);
        if (t && t->done) {
            l->finished++;
            continue;
        }
        if (t)
            return t;
        if (s->stop)
            return NULL;
        if (s->o->scripted && round * s->lanes + lane >= s->o->script_replies) {
            bool rounds = s->budget.limit.most.replies &&
                          s->budget.limit.most.replies <= s->o->script_replies;
            loop_stop(s, "done", rounds ? "all rounds done" : "the script's replies are used up");
            return NULL;
        }
        t = decide(s, lane, round);
        if (t)
            return t;
    }
    if (l->finished >= MAX_SKIPS)
        l->finished = INT_MAX;
    return NULL;
}

void loop_turn_done(loop_state *s, loop_turn *t)
{
    t->done = true;
    loop_tuning_free(t->tuning);
    t->tuning = NULL;
    s->lane[t->lane].finished = t->round + 1;
    s->lane[t->lane].turn = NULL;
}

/* ---- the number of replies ---- */

/* Turns with a lower number that are asked, and that may still come to be asked. */
static void count_before(const loop_state *s, const loop_turn *t, int *asked, int *open)
{
    *asked = *open = 0;
    for (int i = 0; i < s->n_turns; i++)
        *asked += !s->turn[i]->refused && s->turn[i]->turn < t->turn;
    for (int lane = 0; lane < s->lanes; lane++) {
        int from = s->lane[lane].finished, upto = t->round + (lane < t->lane);
        if (from == INT_MAX)
            continue;
        from += s->lane[lane].turn != NULL; /* decided */
        *open += upto > from ? upto - from : 0;
    }
}

/* Which turns the last replies of the budget go to is decided by their numbers, not by who comes
 * first: a turn waits until it is known how many before it are asked. */
static bool has_reply(loop_state *s, loop_turn *t)
{
    int64_t limit = s->budget.limit.most.replies;
    int asked, open;
    if (!limit || s->o->reply)
        return true;
    count_before(s, t, &asked, &open);
    if (asked + open < limit)
        return true;
    if (asked >= limit) {
        t->refused = true;
        s->lane[t->lane].turn = NULL;
        s->lane[t->lane].finished = INT_MAX;
    }
    return false;
}

/* ---- all lanes ---- */

/* What the lane's turn needs next. A turn that waits for budget, model or judge stays as it is. */
static ws_status go_on(loop_state *s, loop_turn *t, ws_err *err)
{
    if (t->done || t->request || t->tuning)
        return WS_OK;
    if (!t->answered) {
        if (s->stop || !has_reply(s, t) || loop_ask(s, t, err) || !t->answered)
            return err->status;
    }
    if (t->attempt < 0 && t->step.reply == STRAT_KERNEL)
        return loop_judge_reply(s, t, err);
    if (t->attempt < 0) {
        loop_turn_done(s, t);
        return WS_OK;
    }
    loop_tune(s, t);
    return WS_OK;
}

static bool all_ended(const loop_state *s)
{
    for (int i = 0; i < s->lanes; i++)
        if (s->lane[i].finished != INT_MAX)
            return false;
    return true;
}

static bool any_refused(const loop_state *s)
{
    for (int i = 0; i < s->n_turns; i++)
        if (s->turn[i]->refused)
            return true;
    return false;
}

/* Rounds of a lane can depend on each other: as long as one moves, another may. */
ws_status loop_advance(loop_state *s, ws_err *err)
{
    bool moved = true;
    while (moved && !cli_interrupted) {
        moved = false;
        for (int i = 0; i < s->lanes; i++) {
            loop_lane *l = &s->lane[i];
            int before = l->finished;
            if (!l->turn && l->finished != INT_MAX)
                l->turn = next_turn(s, i);
            if (l->turn && !l->turn->judging && go_on(s, l->turn, err))
                return err->status;
            moved |= l->finished != before;
        }
    }
    if (all_ended(s))
        loop_stop(s, "done",
                  s->recording_over ? "the recorded run ends here"
                  : any_refused(s)  ? "all rounds done"
                                    : "the strategy has nothing more to ask");
    return WS_OK;
}

bool loop_quiet(const loop_state *s)
{
    return !loop_calls_in_flight(s) && !s->open_jobs;
}
