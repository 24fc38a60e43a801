/* Strategies in a simulated world: each with each kind of model on 1, 4 and 8 lanes, whatever the
 * order of the replies; and their parts by value. */
#include "agent/strategy/evolve.h"
#include "agent/strategy/ideas.h"
#include "agent/strategy/past.h"

#include "tests/strategy_sim.h"
#include "tests/tap.h"

static spec *softmax;

/* ---- worlds ---- */

static sim *new_sim(const strategy *how, behaviour b, int lanes, uint64_t order)
{
    sim *s = ws_calloc(1, sizeof *s);
    s->how = how;
    s->behaviour = b;
    s->lanes = lanes;
    s->rounds = 24;
    s->slack = how->slack;
    s->seed = 11;
    s->order = order;
    return s;
}

static void free_sim(sim *s)
{
    ws_arena_release(&s->arena);
    free(s);
}

static bool all_ended(const sim *s)
{
    for (int l = 0; l < s->lanes; l++)
        if (!s->ended[l])
            return false;
    return true;
}

static bool same_steps(const sim *a, const sim *b)
{
    for (int i = 0; i < a->rounds * a->lanes; i++) {
        const char *x = a->step_text[i], *y = b->step_text[i];
        if (!x != !y || (x && strcmp(x, y) != 0)) {
            printf("# turn %d: '%s'\n#   and '%s'\n", i, x ? x : "(none)", y ? y : "(none)");
            return false;
        }
    }
    return true;
}

static void test_world(const strategy *how, behaviour b, int lanes)
{
    char what[80];
    snprintf(what, sizeof what, "%s, %s, %d lanes", how->name, behaviour_name[b], lanes);
    sim *s = new_sim(how, b, lanes, 0);
    s->spec = softmax;
    sim_run(s);
    double us = sim_best_us(s);
    switch (b) {
    case PERFECT:
        ok(us < 0.5 * SIM_FIRST && !all_ended(s), "%s: much faster, never done (%.1f us)", what,
           us);
        break;
    case SLOPPY:
    case FLAKY:
        ok(us < 0.8 * SIM_FIRST, "%s: faster all the same (%.1f us)", what, us);
        break;
    case STOPPER:
        ok(us < SIM_ENOUGH && us > SIM_FLOOR && all_ended(s),
           "%s: ends when told (%.1f us, %d asked)", what, us, s->asked);
        is_int(s->after_stop, 0, "  and asks nothing more in that lane");
        break;
    case WRONG:
        ok(s->best == 0 && s->asked > 0, "%s: the translation stays the best", what);
        break;
    default:
        ok(s->best == 0 && all_ended(s), "%s: no gain, and every lane ends (%d asked)", what,
           s->asked);
    }
    is_int(s->same_prompt, 0, "  no answered prompt is sent again");
    ok(s->prefix > 500 && s->other_prefix == 0, "  all prompts begin alike (%zu bytes)", s->prefix);
    for (uint64_t order = 1; order <= 3; order++) {
        sim *t = new_sim(how, b, lanes, order);
        t->spec = softmax;
        sim_run(t);
        ok(same_steps(s, t) && s->asked == t->asked, "  the same steps in arrival order %d",
           (int)order);
        free_sim(t);
    }
    free_sim(s);
}

static void test_worlds(void)
{
    static const int lanes[] = {1, 4, 8};
    for (int i = 0; strategies[i]; i++)
        for (int b = 0; b < BEHAVIOURS; b++)
            for (size_t l = 0; l < WS_COUNT(lanes); l++)
                test_world(strategies[i], (behaviour)b, lanes[l]);
}

static void test_stagnation(void)
{
    for (int i = 0; strategies[i]; i++) {
        sim *s = new_sim(strategies[i], WRONG, 4, 0);
        s->rounds = 200;
        s->option.stagnation = 40;
        sim_run(s);
        ok(all_ended(s) && s->asked < 120, "%s ends by stagnation (%d asked)", strategies[i]->name,
           s->asked);
        free_sim(s);
    }
}

static void test_diagnosing(void)
{
    for (int b = 0; b < BEHAVIOURS; b++) {
        sim *s = new_sim(strategy_find("refine"), (behaviour)b, 4, 0);
        s->spec = softmax;
        s->option.diagnose = true;
        sim_run(s);
        ok(b == PLAGIARIST ? all_ended(s) && s->best == 0
           : b == WRONG    ? s->best == 0
                           : sim_best_us(s) < 0.8 * SIM_FIRST,
           "refine with diagnoses, %s (%.1f us, %d asked)", behaviour_name[b], sim_best_us(s),
           s->asked);
        is_int(s->same_prompt + s->other_prefix, 0, "  with prompts as they should be");
        free_sim(s);
    }
}

/* Whatever lanes may see of each other, order does not matter. */
static void test_slack(void)
{
    for (int i = 0; strategies[i]; i++)
        for (int slack = 1; slack <= 4; slack += 3) {
            sim *s = new_sim(strategies[i], FLAKY, 4, 0), *t = new_sim(strategies[i], FLAKY, 4, 1);
            s->slack = t->slack = slack;
            sim_run(s);
            sim_run(t);
            ok(same_steps(s, t) && s->asked == t->asked, "%s with slack %d: the same steps",
               strategies[i]->name, slack);
            free_sim(s);
            free_sim(t);
        }
}

static void test_two_models(void)
{
    for (int i = 0; strategies[i]; i++) {
        sim *s = new_sim(strategies[i], PERFECT, 4, 0), *t = new_sim(strategies[i], PERFECT, 4, 1);
        s->two_models = t->two_models = true;
        sim_run(s);
        sim_run(t);
        ok(s->asked_second > 0 && 3 * s->asked_second < s->asked,
           "%s asks the model that is always wrong seldom: %d of %d", strategies[i]->name,
           s->asked_second, s->asked);
        ok(sim_best_us(s) < 0.6 * SIM_FIRST && same_steps(s, t),
           "  and gets there all the same (%.1f us)", sim_best_us(s));
        free_sim(s);
        free_sim(t);
    }
}

/* A graph whose translation cannot be judged here is no end. */
static void test_no_translation(void)
{
    for (int i = 0; strategies[i]; i++)
        for (int b = PERFECT; b <= WRONG; b += WRONG) {
            sim *s = new_sim(strategies[i], (behaviour)b, 4, 0);
            s->no_translation = true;
            s->spec = softmax;
            s->rounds = 12;
            sim_run(s);
            ok(b == WRONG ? s->best < 0 : sim_best_us(s) < SIM_FIRST,
               "%s, %s, without a translation that passes (%.1f us)", strategies[i]->name,
               behaviour_name[b], sim_best_us(s));
            is_int(s->same_prompt + s->other_prefix, 0, "  with prompts as they should be");
            free_sim(s);
        }
}

int main(void)
{
    ws_err err = {0};
    if (spec_find("basics/softmax", &softmax, &err)) {
        ok(false, "%s", err.msg);
        return tap_done();
    }
    test_worlds();
    test_stagnation();
    test_diagnosing();
    test_slack();
    test_two_models();
    test_no_translation();
    spec_free(softmax);
    return tap_done();
}
