/* A world for strategies: models of five behaviours, a judge, lanes whose replies come in any
 * order; no HTTP, no compiler. The first word of a kernel's source behind its plan is how many
 * microseconds it takes, or the reason for which it fails. */
#ifndef TESTS_STRATEGY_SIM_H
#define TESTS_STRATEGY_SIM_H

#include "agent/strategy/prompt.h"
#include "agent/strategy/view.h"
#include "base/philox.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef enum behaviour {
    PERFECT,
    SLOPPY,
    WRONG,
    PLAGIARIST,
    FLAKY,
    STOPPER, /* good, but says STOP when it is asked to change a kernel of less than SIM_ENOUGH */
    BEHAVIOURS
} behaviour;
static const char *const behaviour_name[] = {"perfect",    "sloppy", "wrong",
                                             "plagiarist", "flaky",  "stopping"};

enum { SIM_MOST = 2048, SIM_LANES = 8 };
#define SIM_FIRST  100.0 /* microseconds of generation 0 */
#define SIM_FLOOR  20.0  /* nothing is faster */
#define SIM_ENOUGH 70.0

typedef struct sim {
    /* given */
    const strategy *how;
    behaviour behaviour;
    bool two_models;     /* the second one is always wrong */
    bool no_translation; /* generation 0 fails */
    int lanes, rounds, slack;
    uint64_t seed, order; /* of the run; of the replies' arrival */
    strat_options option;
    const spec *spec; /* NULL: no prompts are made */
    /* found */
    ws_arena arena;
    strat_attempt attempt[SIM_MOST];
    int n_attempts;
    strat_turn turn[SIM_MOST];
    char *step_text[SIM_MOST]; /* by turn number: the step in words, with candidates' ids */
    char *prompt[SIM_MOST];    /* by turn number */
    int n_turns;
    bool ended[SIM_LANES]; /* by the strategy */
    int asked, best;       /* best: -1 when nothing passes */
    int asked_second;      /* of the two models */
    int same_prompt;       /* asked again in the same words after an answer */
    int after_stop;        /* asked in a lane that was told to stop */
    int other_prefix;      /* prompts that do not begin as the first did */
    const char *first_prompt;
    size_t prefix; /* bytes */
} sim;

static double sim_chance(const sim *s, int turn, int choice)
{
    return ws_philox_uniform(s->seed, 77, (uint64_t)turn * 16 + (uint64_t)choice);
}

/* ---- the judge ---- */

static int sim_judge(sim *s, const char *source, int turn, const char *tune, double factor)
{
    char word[64] = "";
    db_candidate *c = WS_ARENA_NEW(&s->arena, db_candidate, 1);
    sscanf(source, "@plan */ %63s", word);
    double us = strtod(word, NULL);
    bool right = us > 0;
    *c = (db_candidate){
        .id = turn < 0 ? 1 : 10 + turn * 10 + (tune ? (int)strlen(tune) : 0),
        .round = turn + 1,
        .origin = turn < 0 ? "emitted"
                  : tune   ? "tuned"
                           : "model",
        .source = ws_arena_strdup(&s->arena, source),
        .ptx_sha256 = right ? ws_arena_printf(&s->arena, "%s%s", source, tune ? tune : "") : NULL,
        .tune_json = tune,
        .reason = right ? "pass" : ws_arena_strdup(&s->arena, word),
        .modelled_s = right ? us * factor * 1e-6 : (double)NAN,
        .measured_s = (double)NAN};
    s->attempt[s->n_attempts] = (strat_attempt){
        .candidate = c,
        .verdict_json = ws_arena_printf(
            &s->arena, "{\"reason\":\"%s\",\"text\":\"said of turn %d\"}", c->reason, turn),
        .turn = turn,
        .same_as = -1};
    return s->n_attempts++;
}

/* ---- the models ---- */

static double sim_us(const char *source)
{
    double us = 0;
    if (sscanf(source, "@plan */ %lf", &us) != 1)
        us = SIM_FIRST;
    return us;
}

/* What a turn is answered with; *source stays NULL when there is no kernel in it. */
typedef struct sim_answer {
    const char *outcome, *reply, *source;
} sim_answer;

static sim_answer sim_good(sim *s, const strat_view *v, int turn, const strat_step *step)
{
    if (step->reply == STRAT_TEXT)
        return (sim_answer){"ok",
                            ws_arena_printf(&s->arena,
                                            "{\"idea\":\"idea A of turn %d\",\"gain\":1.3,"
                                            "\"difficulty\":\"easy\"}\n{\"idea\":\"idea B of turn "
                                            "%d\",\"gain\":1.6,\"difficulty\":\"hard\"}\n",
                                            turn, turn),
                            NULL};
    int from = step->subject >= 0 ? step->subject : 0;
    double us = sim_us(v->attempt[from].candidate->source);
    us = fmax(SIM_FLOOR, us * (0.8 + 0.3 * sim_chance(s, turn, 0)));
    return (sim_answer){"ok", "a kernel",
                        ws_arena_printf(&s->arena, "@plan */ %.4f turn%d", us, turn)};
}

static sim_answer sim_answer_of(sim *s, const strat_view *v, int turn, const strat_step *step)
{
    static const char *const wrong[] = {"compile_error", "shared_race", "wrong_result"};
    double u = sim_chance(s, turn, 1);
    sim_answer good = sim_good(s, v, turn, step);
    switch (step->model ? WRONG : s->behaviour) {
    case SLOPPY:
        if (u < 0.2)
            return (sim_answer){"truncated", "and then", NULL};
        if (u < 0.4)
            return (sim_answer){"ok", "Shall I go on?", NULL};
        return step->reply == STRAT_TEXT
                   ? (sim_answer){"ok",
                                  ws_arena_printf(&s->arena,
                                                  "Sure!\n1. **Idea C** of turn %d\n"
                                                  "2) idea D of turn %d\n",
                                                  turn, turn),
                                  NULL}
                   : good;
    case WRONG:
        if (step->reply == STRAT_TEXT)
            return (sim_answer){"ok", "I do not know.", NULL};
        return (sim_answer){
            "ok", "a kernel",
            ws_arena_printf(&s->arena, "@plan */ %s turn%d", wrong[turn % 3], turn)};
    case PLAGIARIST: {
        int of = step->subject >= 0 ? step->subject : (int)(u * v->n_attempts);
        const char *source = v->attempt[of].candidate->source;
        return (sim_answer){"ok", source, step->reply == STRAT_TEXT ? NULL : source};
    }
    case FLAKY: {
        static const char *const lost[] = {"server_error", "stall", "refused", "empty"};
        return u < 0.4 ? (sim_answer){lost[(int)(u * 10)], "", NULL} : good;
    }
    case STOPPER:
        if (step->subject >= 0 && sim_us(v->attempt[step->subject].candidate->source) < SIM_ENOUGH)
            return (sim_answer){"ok", "**STOP**: nothing is left", NULL};
        return good;
    default:
        return good;
    }
}

/* ---- the controller ---- */

static char *sim_step_text(sim *s, const strat_view *v, const strat_step *p)
{
    ws_buf b = {0};
    ws_buf_printf(&b, "%s model %d subject %d", p->purpose, p->model,
                  p->subject >= 0 ? (int)v->attempt[p->subject].candidate->id : -1);
    for (int i = 0; i < p->n_inspirations; i++)
        ws_buf_printf(&b, " +%d", (int)v->attempt[p->inspiration[i]].candidate->id);
    ws_buf_printf(&b, " [%s] %s", p->idea ? p->idea : "", p->note_json ? p->note_json : "");
    char *copy = ws_arena_strdup(&s->arena, ws_buf_z(&b));
    ws_buf_release(&b);
    return copy;
}

/* Stores the prompt, and counts what must not happen with it. */
static void sim_prompt(sim *s, const strat_view *v, const strat_step *step, int lane, int turn)
{
    prompt_text p;
    ws_err err = {0};
    prompt_context c = {.spec = s->spec, .gpu = "h100", .view = v, .step = step};
    if (!s->spec)
        return;
    if (prompt_make(&c, &p, &err)) {
        fprintf(stderr, "# %s\n", err.msg);
        s->other_prefix++;
        return;
    }
    s->prompt[turn] = ws_arena_strdup(&s->arena, p.user);
    if (!s->first_prompt) {
        s->first_prompt = s->prompt[turn];
        s->prefix = p.user_prefix;
    }
    if (p.user_prefix != s->prefix || strncmp(p.user, s->first_prompt, s->prefix) != 0)
        s->other_prefix++;
    const strat_turn *last = NULL;
    for (int i = 0; i < v->n_turns; i++)
        if (v->turn[i].lane == lane)
            last = &v->turn[i];
    bool lost =
        last && (strcmp(last->outcome, "server_error") == 0 || strcmp(last->outcome, "stall") == 0);
    if (last && !lost && strcmp(p.user, s->prompt[last->turn]) == 0)
        s->same_prompt++;
    prompt_release(&p);
}

typedef struct sim_flight {
    bool busy;
    strat_turn turn; /* its step with indices of all attempts */
    sim_answer answer;
    double lands; /* order of arrival */
} sim_flight;

/* Kernels are named after the turn that made them. */
static bool sim_is_new(sim *s, const char *source, int turn)
{
    return source && strstr(source, ws_arena_printf(&s->arena, " turn%d", turn));
}

static void sim_land(sim *s, sim_flight *f, int *finished)
{
    strat_turn t = f->turn;
    t.attempt = -1;
    t.outcome = f->answer.outcome;
    t.reply = f->answer.reply;
    bool answered = strcmp(t.outcome, "server_error") != 0 && strcmp(t.outcome, "stall") != 0;
    if (t.step.reply == STRAT_KERNEL && answered) {
        t.attempt =
            sim_judge(s, f->answer.source ? f->answer.source : "@plan */ no_code", t.turn, NULL, 1);
        /* Every third right kernel that is new has tunables: two more forms, in any order. */
        if (t.turn % 3 == 0 && sim_is_new(s, f->answer.source, t.turn) &&
            strat_passed(&s->attempt[t.attempt])) {
            bool swap = (s->order + (uint64_t)t.turn) % 2;
            sim_judge(s, f->answer.source, t.turn, swap ? "{\"BLOCK\":64}" : "{\"BLOCK\":128}",
                      swap ? 1.1 : 0.95);
            sim_judge(s, f->answer.source, t.turn, swap ? "{\"BLOCK\":128}" : "{\"BLOCK\":64}",
                      swap ? 0.95 : 1.1);
        }
    }
    s->turn[s->n_turns++] = t;
    finished[t.lane]++;
    f->busy = false;
}

/* Asks for lane's next turn; true when something happened. */
static bool sim_launch(sim *s, int lane, int *finished, sim_flight *f)
{
    static const strat_model model[] = {{"m", 1, 1}, {"n", 1, 1}};
    int *to_all, round = finished[lane];
    strat_view all = {.attempt = s->attempt,
                      .n_attempts = s->n_attempts,
                      .turn = s->turn,
                      .n_turns = s->n_turns,
                      .model = model,
                      .n_models = s->two_models ? 2 : 1,
                      .lanes = s->lanes,
                      .seed = s->seed,
                      .spec = s->spec,
                      .option = s->option},
               v;
    strat_step step;
    if (f->busy || s->ended[lane] || round >= s->rounds ||
        !strat_view_ready(finished, s->lanes, lane, round, s->slack))
        return false;
    strat_view_for(&all, lane, round, s->slack, &s->arena, &v, &to_all);
    strat_verdict what = s->how->next(&v, lane, round, &s->arena, &step);
    if (what != STRAT_ASK) {
        s->ended[lane] = what == STRAT_END;
        finished[lane] = s->ended[lane] ? INT_MAX : round + 1;
        return true;
    }
    int turn = round * s->lanes + lane;
    for (int i = 0; i < s->n_turns; i++)
        s->after_stop += s->turn[i].lane == lane && strstr(s->turn[i].reply, "STOP") != NULL;
    s->asked++;
    s->asked_second += step.model;
    s->step_text[turn] = sim_step_text(s, &v, &step);
    sim_prompt(s, &v, &step, lane, turn);
    *f = (sim_flight){.busy = true,
                      .turn = {.turn = turn,
                               .lane = lane,
                               .round = round,
                               .step = strat_step_mapped(&step, to_all),
                               .cost_usd = (double)NAN},
                      .answer = sim_answer_of(s, &v, turn, &step),
                      .lands = ws_philox_uniform(s->order, 5, (uint64_t)turn)};
    return true;
}

static void sim_run(sim *s)
{
    int finished[SIM_LANES] = {0};
    sim_flight flight[SIM_LANES] = {0};
    sim_judge(s, s->no_translation ? "@plan */ unsupported" : "@plan */ 100 translation", -1, NULL,
              1);
    for (bool going = true; going;) {
        going = false;
        for (int l = 0; l < s->lanes; l++) {
            int lane = s->order % 2 ? s->lanes - 1 - l : l;
            going |= sim_launch(s, lane, finished, &flight[lane]);
        }
        int first = -1;
        for (int l = 0; l < s->lanes; l++)
            if (flight[l].busy && (first < 0 || flight[l].lands < flight[first].lands))
                first = l;
        if (first >= 0) {
            sim_land(s, &flight[first], finished);
            going = true;
        }
    }
    s->best = -1;
    for (int i = 0; i < s->n_attempts; i++)
        if (strat_passed(&s->attempt[i]) &&
            (s->best < 0 ||
             strat_seconds(s->attempt[i].candidate) < strat_seconds(s->attempt[s->best].candidate)))
            s->best = i;
}

static double sim_best_us(const sim *s)
{
    if (s->best < 0)
        return (double)NAN;
    return strat_seconds(s->attempt[s->best].candidate) * 1e6;
}

#endif
