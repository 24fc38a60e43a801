/* The parts of strategies by value: what a lane sees, who becomes a parent, which ideas are read,
 * cut and chosen, when a lane changes its base. */
#include "agent/strategy/evolve.h"
#include "agent/strategy/ideas.h"
#include "agent/strategy/past.h"
#include "agent/strategy/view.h"

#include "tests/tap.h"

#include <limits.h>
#include <stdlib.h>

/* ---- a view by hand ---- */

enum { MOST = 64 };
static db_candidate candidate[MOST];
static strat_attempt attempt[MOST];
static strat_turn turn[MOST];
static strat_view view;
static ws_arena arena;

static void reset(int lanes)
{
    static const strat_model models[2] = {{"one", 1, 1}, {"two", 1, 1}};
    ws_arena_release(&arena);
    view = (strat_view){.attempt = attempt,
                        .turn = turn,
                        .model = models,
                        .n_models = 1,
                        .lanes = lanes,
                        .seed = 3,
                        .best = -1};
}

/* us > 0: passes in so many microseconds; else it fails. */
static int add_attempt(int of_turn, double us, const char *binary, const char *tune)
{
    int i = view.n_attempts++;
    candidate[i] = (db_candidate){.id = 100 + i,
                                  .round = of_turn + 1,
                                  .origin = tune          ? "tuned"
                                            : of_turn < 0 ? "emitted"
                                                          : "model",
                                  .source = binary,
                                  .ptx_sha256 = binary,
                                  .tune_json = tune,
                                  .reason = us > 0 ? "pass" : "wrong_result",
                                  .modelled_s = us > 0 ? us * 1e-6 : (double)NAN,
                                  .measured_s = (double)NAN};
    attempt[i] = (strat_attempt){
        .candidate = &candidate[i], .verdict_json = "{}", .turn = of_turn, .same_as = -1};
    if (us > 0 &&
        (view.best < 0 || candidate[i].modelled_s < strat_seconds(attempt[view.best].candidate)))
        view.best = i;
    return i;
}

static strat_turn *add_turn(int lane, int round, const char *purpose, int subject, int made)
{
    strat_turn *t = &turn[view.n_turns++];
    *t = (strat_turn){.turn = round * view.lanes + lane,
                      .lane = lane,
                      .round = round,
                      .step = {.purpose = purpose, .subject = subject},
                      .outcome = "ok",
                      .reply = "",
                      .attempt = made,
                      .cost_usd = (double)NAN};
    return t;
}

/* A turn and its kernel, whose binary is its own. */
static strat_turn *add_kernel(int lane, int round, const char *purpose, int subject, double us)
{
    int n = round * view.lanes + lane;
    int a = add_attempt(n, us, ws_arena_printf(&arena, "@plan */ of turn %d", n), NULL);
    return add_turn(lane, round, purpose, subject, a);
}

static strat_verdict ask(const char *name, int lane, int round, strat_step *out)
{
    return strategy_find(name)->next(&view, lane, round, &arena, out);
}

/* ---- what a lane sees ---- */

static void test_visible(void)
{
    strat_view v;
    int *to_all;
    reset(2);
    add_attempt(-1, 100, "zero", NULL);
    /* In the order of arrival: lane 1 is a round ahead. */
    add_kernel(1, 0, "generate", -1, 80);                        /* turn 1, attempt 1 */
    add_kernel(1, 1, "improve", 1, 60);                          /* turn 3, attempt 2 */
    add_kernel(0, 0, "generate", -1, 90);                        /* turn 0, attempt 3 */
    add_kernel(0, 1, "improve", 3, 50)->step.inspiration[0] = 1; /* turn 2, attempt 4 */
    turn[3].step.n_inspirations = 1;
    add_attempt(4, 10, "not finished", NULL); /* of turn 4 */

    strat_view_for(&view, 0, 1, 1, &arena, &v, &to_all);
    is_int(v.n_turns, 2, "round 1 of lane 0 sees round 0 of both lanes");
    ok(v.turn[0].turn == 0 && v.turn[1].turn == 1, "in turn order");
    is_int(v.n_attempts, 3, "and their kernels with the translation");
    ok(to_all[0] == 0 && to_all[1] == 3 && to_all[2] == 1, "which are found again");
    is_int(v.best, 2, "the best is that of the view");
    ok(v.turn[0].attempt == 1 && v.turn[1].attempt == 2, "turns know their kernels");

    strat_view_for(&view, 0, 2, 2, &arena, &v, &to_all);
    is_int(v.n_turns, 3, "with slack 2 lane 0 sees its own two rounds and one of the other");
    ok(v.turn[2].turn == 2 && v.turn[2].step.subject == 1 && v.turn[2].step.inspiration[0] == 2,
       "subject and inspirations have this view's indices");
    ok(v.n_attempts == 4 && v.best == 3, "a kernel of an unfinished turn is not there");
    strat_step s = strat_step_mapped(&v.turn[2].step, to_all);
    ok(s.subject == 3 && s.inspiration[0] == 1, "and a step finds its way back");
    strat_view_for(&view, 1, 2, 2, &arena, &v, NULL);
    ok(v.n_turns == 3 && v.turn[2].turn == 3, "lane 1 sees its own in the place of the other's");
}

static void test_copies(void)
{
    strat_view v;
    reset(1);
    add_attempt(-1, 100, "@plan a */ zero", NULL);
    add_turn(0, 0, "generate", -1, add_attempt(0, 80, "one", NULL));
    add_attempt(0, 70, "one", "{\"B\":64}");
    add_attempt(0, 75, "one", "{\"B\":32}"); /* judged later than 64 */
    add_turn(0, 1, "improve", 1, add_attempt(1, 80, "one", NULL));
    add_turn(0, 2, "improve", 1, add_attempt(2, 100, "@plan a */ zero", NULL));
    candidate[5].source = "@plan b */ zero"; /* the same PTX on another grid */
    add_turn(0, 3, "improve", 1, add_attempt(3, 0, "broken", NULL));
    add_turn(0, 4, "improve", 1, add_attempt(4, 0, "broken", NULL));
    candidate[6].ptx_sha256 = candidate[7].ptx_sha256 = NULL;
    strat_view_for(&view, 0, 5, 1, &arena, &v, NULL);
    ok(v.attempt[2].candidate == &candidate[3] && v.attempt[3].candidate == &candidate[2],
       "tuned forms stand in the order of their settings, not of their judgement");
    is_int(v.attempt[3].same_as, -1, "another setting is no copy");
    is_int(v.attempt[4].same_as, 1, "the same binary is one");
    is_int(v.attempt[5].same_as, -1, "with another plan it is none");
    is_int(v.attempt[7].same_as, 6, "the same source that does not compile is one");
    is_int(v.best, 3, "the best is a tuned form");
    is_int(strat_result(&v, &v.turn[0]), 3, "which is the result of its turn");
    is_int(strat_result(&v, &v.turn[1]), -1, "a copy is no result");
    ok(strat_is_barren(&v, &v.turn[1]) && !strat_is_barren(&v, &v.turn[2]), "and barren");
}

/* Other names for kernel and variables: another PTX, the same work. */
static void test_twins(void)
{
#define LAUNCH(name, insns)                                                                        \
    "{\"reason\":\"pass\",\"text\":\"of " name "\",\"launches\":[{\"index\":1,\"kernel\":\"" name  \
    "\",\"grid\":[4,1,1],\"counters\":{\"warp_insns\":" insns "}}],\"plan_launches\":1}"
    strat_view v;
    reset(1);
    add_attempt(-1, 100, "zero", NULL);
    add_kernel(0, 0, "generate", -1, 80);
    add_kernel(0, 1, "improve", 1, 80);
    add_kernel(0, 2, "improve", 1, 80);
    add_kernel(0, 3, "improve", 1, 80);
    add_attempt(3, 60, "a new form", "{\"B\":64}");
    attempt[0].verdict_json = LAUNCH("first", "900");
    attempt[1].verdict_json = LAUNCH("rows", "800");
    attempt[2].verdict_json = LAUNCH("my_rows", "800");
    attempt[3].verdict_json = LAUNCH("rows", "801");
    attempt[4].verdict_json = LAUNCH("other", "800");
    attempt[5].verdict_json = LAUNCH("other", "600");
    strat_view_for(&view, 0, 5, 1, &arena, &v, NULL);
    is_int(v.attempt[2].same_as, 1, "the same work under another name is a copy");
    is_int(v.attempt[3].same_as, -1, "one instruction more is not");
    is_int(v.attempt[4].same_as, 1, "a copy");
    ok(strat_is_barren(&v, &v.turn[1]) && !strat_is_barren(&v, &v.turn[3]) &&
           strat_result(&v, &v.turn[3]) == 5,
       "with a tuned form that is new it is no copy");
    candidate[1].measured_s = 80e-6;
    candidate[2].measured_s = 70e-6;
    strat_view_for(&view, 0, 5, 1, &arena, &v, NULL);
    is_int(v.attempt[2].same_as, -1, "nor is what takes another time on the GPU");
}

static void test_ready(void)
{
    ok(strat_view_ready((int[]){1, 0}, 2, 0, 1, 2), "slack 2: one round ahead of the other");
    ok(!strat_view_ready((int[]){1, 0}, 2, 0, 1, 1), "slack 1: not ahead");
    ok(!strat_view_ready((int[]){2, 0}, 2, 0, 2, 2), "slack 2: not two rounds ahead");
    ok(strat_view_ready((int[]){2, INT_MAX}, 2, 0, 2, 1), "a lane that ended holds up nobody");
    ok(!strat_view_ready((int[]){1, 9}, 2, 0, 2, 1), "its own round must be over");
}

/* ---- what the past says ---- */

static void test_past(void)
{
    reset(1);
    add_attempt(-1, 100, "zero", NULL);
    add_kernel(0, 0, "generate", -1, 80);
    add_kernel(0, 1, "improve", 1, 79.9); /* 0.1 %: noise */
    add_kernel(0, 2, "improve", 2, 0);
    is_int(strat_stale(&view), 2, "a kernel that is hardly faster gains nothing");
    add_kernel(0, 3, "improve", 2, 70);
    is_int(strat_stale(&view), 0, "one that is 12 %% faster does");
    add_turn(0, 4, "improve", 4, -1)->outcome = "server_error";
    ok(strat_lost(&turn[4]), "a call without an answer is lost");
    turn[4].outcome = "refused";
    ok(!strat_lost(&turn[4]), "a refusal is an answer");
}

static void test_over(void)
{
    reset(1);
    add_attempt(-1, 100, "zero", NULL);
    for (int r = 0; r < 5; r++)
        add_turn(0, r, "improve", 0, -1)->outcome = "refused";
    ok(!strat_over(&view, 0), "five refusals do not end a lane");
    add_turn(0, 5, "improve", 0, -1)->outcome = "empty";
    ok(strat_over(&view, 0), "six replies without a kernel do");
    strat_turn *text = add_turn(0, 6, "diagnose", 0, -1);
    text->step.reply = STRAT_TEXT;
    text->reply = "It waits.";
    ok(strat_over(&view, 0), "words between them do not change that");
    add_kernel(0, 7, "improve", 0, 0);
    ok(!strat_over(&view, 0), "a kernel that fails is something to work with");
    view.option.stagnation = 7;
    ok(strat_over(&view, 0), "seven without gain end it when the option says so");
}

/* "STOP" is an answer where there is a kernel to keep, and no answer elsewhere. */
static void test_stopped(void)
{
    static const struct {
        const char *reply, *outcome, *purpose;
        int subject;
        bool stops;
        const char *what;
    } row[] = {
        {"STOP: at the roof", "ok", "improve", 1, true, "a reason"},
        {"  **STOP** - at the roof\n", "ok", "mutate", 1, true, "with emphasis"},
        {"<think>Should I go on?</think>\nSTOP", "ok", "improve", 1, true, "after thoughts"},
        {"STOPPED", "ok", "improve", 1, false, "another word"},
        {"I would STOP here", "ok", "improve", 1, false, "a sentence"},
        {"STOP: no.\n```cuda\nx\n```", "ok", "improve", 1, false, "beside code"},
        {"STOP: at the roof", "truncated", "improve", 1, false, "cut off"},
        {"STOP: too hard", "ok", "repair", 2, false, "of a kernel that fails"},
        {"STOP: too hard", "ok", "generate", -1, false, "of none"},
    };
    for (size_t i = 0; i < WS_COUNT(row); i++) {
        strat_step next = {0};
        reset(1);
        add_attempt(-1, 100, "zero", NULL);
        add_kernel(0, 0, "generate", -1, 80);
        add_kernel(0, 1, "improve", 1, 0);
        int a = add_attempt(2, 0, "", NULL);
        candidate[a].reason = "no_code";
        strat_turn *t = add_turn(0, 2, row[i].purpose, row[i].subject, a);
        t->reply = row[i].reply;
        t->outcome = row[i].outcome;
        ok(strat_stopped(&view, t) == row[i].stops && strat_over(&view, 0) == row[i].stops &&
               strat_is_barren(&view, t) != row[i].stops,
           "STOP %s %s the lane", row[i].what, row[i].stops ? "ends" : "does not end");
        for (int k = 0; strategies[k]; k++)
            ok((ask(strategies[k]->name, 0, 3, &next) == STRAT_END) == row[i].stops, "  in %s",
               strategies[k]->name);
        is_int(strat_stale(&view), row[i].stops ? 1 : 2, "  and counts as no failed kernel");
    }
}

static void test_text(void)
{
    is_str(strat_text(&arena, "  a few words ", 40), "a few words", "short text is left alone");
    is_str(strat_text(&arena, "one two three four", 16), "one two ...", "cut between words");
    is_str(strat_text(&arena, "one two three four", 18), "one two three four", "as long as may be");
    is_str(strat_text(&arena, "\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9", 9),
           "\xc3\xa9\xc3\xa9 ...", "not inside a character");
}

static void test_all_over(void)
{
    reset(3);
    add_attempt(-1, 100, "zero", NULL);
    for (int r = 0; r < 3; r++)
        for (int l = 0; l < 3; l++) {
            ok(!strat_over(&view, l), "round %d of lane %d is asked", r, l);
            add_turn(l, r, "improve", 0, -1)->outcome = "empty";
        }
    ok(strat_over(&view, 0) && strat_over(&view, 2), "three barren replies of each lane end all");
    add_kernel(1, 3, "improve", 0, 0);
    ok(!strat_over(&view, 0), "unless a lane has something to work with");
}

static void test_inspirations(void)
{
    reset(1);
    add_attempt(-1, 100, "zero", NULL);
    static const double us[] = {50, 90, 30, 70, 40};
    for (int r = 0; r < 5; r++)
        add_kernel(0, r, "improve", 0, us[r]);
    add_kernel(0, 5, "improve", 0, 0);
    attempt[4].same_as = 1;
    strat_step s = strat_step_of(&view, 0, 6, "mutate", 3);
    for (int i = 1; i <= 6; i++)
        strat_inspire(&view, &s, i, 2);
    strat_inspire(&view, &s, 5, 2);
    /* 90, 70 (a copy), 50, 40 without the subject (30) and the failure: the best two. */
    is_int(s.n_inspirations, 2, "at most two inspirations");
    ok(s.inspiration[0] == 1 && s.inspiration[1] == 5, "the slower first: 50 us, 40 us");
    strat_inspire(&view, &s, 2, 3);
    ok(s.n_inspirations == 3 && s.inspiration[0] == 2, "90 us goes before them");
}

/* ---- refine ---- */

static void test_refine(void)
{
    strat_step s;
    reset(2);
    add_attempt(-1, 100, "zero", NULL);
    ok(ask("refine", 0, 0, &s) == STRAT_ASK && !strcmp(s.purpose, "generate") && s.idea,
       "a lane of several opens in a direction");
    const char *first = s.idea;
    ask("refine", 1, 0, &s);
    ok(strcmp(first, s.idea) != 0, "each lane in its own");
    add_kernel(0, 0, "generate", -1, 40); /* attempt 1 */
    add_kernel(1, 0, "generate", -1, 80); /* attempt 2 */
    ask("refine", 1, 1, &s);
    ok(!strcmp(s.purpose, "improve") && s.subject == 2, "then it goes on from its own best");
    add_kernel(1, 1, "improve", 2, 95);
    add_kernel(1, 2, "improve", 2, 90);
    add_kernel(1, 3, "improve", 2, 85);
    ask("refine", 1, 4, &s);
    is_int(s.subject, 2, "a slower kernel is dropped");
    add_kernel(1, 4, "improve", 2, 0); /* broken: attempt 6 */
    ask("refine", 1, 5, &s);
    ok(!strcmp(s.purpose, "repair") && s.subject == 6, "a broken one is repaired");
    add_kernel(1, 5, "repair", 6, 0);
    add_kernel(1, 6, "repair", 7, 0);
    add_kernel(1, 7, "repair", 8, 0);
    ask("refine", 1, 8, &s);
    ok(!strcmp(s.purpose, "improve") && s.subject == 1,
       "after three repairs and too many failures the best of all is its base");
    add_kernel(1, 8, "improve", 1, 45); /* faster than its own best, slower than its base */
    ask("refine", 1, 9, &s);
    is_int(s.subject, 1, "and stays it until there is a faster one");
    add_kernel(1, 9, "improve", 1, 30);
    ask("refine", 1, 10, &s);
    is_int(s.subject, 11, "which then is");
}

static void test_mend(void)
{
    strat_step s;
    reset(1);
    add_attempt(-1, 100, "zero", NULL);
    int none = add_attempt(0, 0, "", NULL);
    candidate[none].reason = "no_code";
    add_turn(0, 0, "generate", -1, none);
    ask("refine", 0, 1, &s);
    ok(!strcmp(s.purpose, "again") && s.subject == none && s.idea, "a reply without code: again");
    const char *idea = s.idea;
    none = add_attempt(1, 0, "", NULL);
    candidate[none].reason = "no_code";
    add_turn(0, 1, "again", none, none)->step.idea = idea;
    ask("refine", 0, 2, &s);
    ok(!strcmp(s.purpose, "again") && strcmp(s.idea, idea) != 0, "in another direction each time");
    add_turn(0, 2, "again", none, -1)->outcome = "stall";
    turn[2].step.idea = "this";
    ask("refine", 0, 3, &s);
    ok(!strcmp(s.purpose, "again") && !strcmp(s.idea, "this"),
       "a lost call is made again as it was");
}

static void test_diagnose(void)
{
    strat_step s;
    reset(1);
    view.n_models = 2;
    view.option.diagnose = true;
    add_attempt(-1, 100, "zero", NULL);
    add_kernel(0, 0, "generate", -1, 40);
    ask("refine", 0, 1, &s);
    ok(!strcmp(s.purpose, "diagnose") && s.reply == STRAT_TEXT && s.model == 0 && s.subject == 1,
       "the first model diagnoses the best kernel");
    strat_turn *t = add_turn(0, 1, "diagnose", 1, -1);
    t->step.reply = STRAT_TEXT;
    t->reply = " It waits for memory.\n";
    ask("refine", 0, 2, &s);
    ok(!strcmp(s.purpose, "improve") && s.reply == STRAT_KERNEL && s.model == 1 && s.subject == 1,
       "the second model writes");
    is_str(s.idea, "It waits for memory.", "what the diagnosis says");
    t->outcome = "refused";
    ask("refine", 0, 2, &s);
    ok(!strcmp(s.purpose, "improve") && !s.idea, "without one it writes all the same");
}

/* ---- best-of ---- */

static void test_best_of(void)
{
    strat_step s, t;
    reset(2);
    add_attempt(-1, 100, "zero", NULL);
    ask("best-of", 0, 0, &s);
    ask("best-of", 1, 0, &t);
    ok(!strcmp(s.purpose, "generate") && !s.idea && !t.idea, "one prompt for all lanes");
    add_kernel(0, 0, "generate", -1, 0);
    add_kernel(1, 0, "generate", -1, 80);
    ask("best-of", 0, 1, &s);
    ok(!strcmp(s.purpose, "improve") && s.subject == 2 && s.n_inspirations == 0,
       "the next round starts from the best");
    add_kernel(0, 1, "improve", 2, 60);
    add_kernel(1, 1, "improve", 2, 70);
    ask("best-of", 1, 2, &s);
    ok(s.subject == 3 && s.n_inspirations == 2 && s.inspiration[0] == 2 && s.inspiration[1] == 4,
       "with the next best as inspirations, the worst first");
    view.n_turns = 1, view.n_attempts = 2, view.best = 0;
    ask("best-of", 0, 1, &s);
    ok(!strcmp(s.purpose, "repair") && s.subject == 1, "while nothing passes, a lane repairs");
}

/* ---- evolve ---- */

static void test_weights(void)
{
    evolve_member *m;
    reset(1);
    add_attempt(-1, 100, "zero", NULL);
    add_kernel(0, 0, "generate", -1, 50); /* attempt 1 */
    add_kernel(0, 1, "mutate", 1, 25);    /* attempt 2: a child of 1 */
    add_turn(0, 2, "mutate", 2, add_attempt(2, 25, "copy", NULL));
    attempt[3].same_as = 2; /* a copy: of 2, and no member */
    int n = evolve_members(&view, 0, 3, &arena, &m);
    is_int(n, 3, "three members: a copy is none");
    /* median 50 us; 1 / (1 + (s / 50 us)^10) / (1 + children) */
    is_close(m[0].weight, 1.0 / 1025, 1e-12, "twice as slow: 1 / (1 + 2^10)");
    is_close(m[1].weight, 0.25, 1e-12, "the median with one child: 1/2 / 2");
    is_close(m[2].weight, 1024.0 / 1025 / 3, 1e-12, "a copy counts as two children");
    double sum = m[0].weight + m[1].weight + m[2].weight;
    is_int(evolve_pick(m, n, -1, 0), 0, "u = 0 picks the first");
    is_int(evolve_pick(m, n, -1, (m[0].weight + 0.001) / sum), 1, "a share in the middle");
    is_int(evolve_pick(m, n, -1, 0.999), 2, "u near 1 picks the last");
    is_int(evolve_pick(m, n, 2, 0.999), 1, "never the excepted one");
    is_int(evolve_pick(m, 1, 0, 0.5), -1, "none is left");
}

static void test_migration(void)
{
    evolve_member *m;
    reset(4); /* islands: lanes 0 and 2, lanes 1 and 3 */
    add_attempt(-1, 100, "zero", NULL);
    view.option.migrate_every = 2;
    add_kernel(0, 0, "generate", -1, 70); /* attempt 1 */
    add_kernel(1, 0, "generate", -1, 60); /* 2 */
    add_kernel(2, 1, "mutate", 1, 50);    /* 3 */
    add_kernel(0, 2, "mutate", 3, 40);    /* 4 */
    is_int(evolve_islands(&view), 2, "an island for two lanes");
    ok(evolve_island_of(&view, 2) == 0 && evolve_island_of(&view, 3) == 1, "lanes in turn");
    is_int(evolve_members(&view, 1, 1, &arena, &m), 2, "before round 2 an island is alone");
    int n = evolve_members(&view, 1, 3, &arena, &m);
    ok(n == 3 && m[2].attempt == 3 && m[2].migrant,
       "then it has the other's best of the rounds before 2");
    n = evolve_members(&view, 1, 4, &arena, &m);
    ok(n == 4 && m[3].attempt == 4, "at round 4 the next one");
    n = evolve_members(&view, 0, 2, &arena, &m);
    ok(n == 5 && m[4].attempt == 2 && m[4].migrant, "and the other way round");
}

static void test_breeding(void)
{
    int purposes[3] = {0}, worst_first = 1;
    reset(1);
    add_attempt(-1, 100, "zero", NULL);
    strat_step s;
    ask("evolve", 0, 0, &s);
    ok(!strcmp(s.purpose, "generate") && s.idea, "an empty island generates");
    for (int r = 0; r < 40; r++) {
        static const double us[] = {90, 70, 80, 60, 65};
        add_kernel(0, r, r % 2 ? "mutate" : "crossover", r ? 1 : -1, us[r % 5] - r * 0.1);
        ask("evolve", 0, r + 1, &s);
        purposes[!strcmp(s.purpose, "mutate") ? 0 : !strcmp(s.purpose, "crossover") ? 1 : 2]++;
        for (int i = 1; i < s.n_inspirations; i++)
            worst_first &= strat_faster(&view, s.inspiration[i], s.inspiration[i - 1]);
        if (!strcmp(s.purpose, "crossover"))
            worst_first &= s.n_inspirations == 1 && s.inspiration[0] > 0 &&
                           strat_faster(&view, s.subject, s.inspiration[0]);
    }
    ok(purposes[0] > 0 && purposes[1] > 0 && purposes[2] == 0, "%d mutations, %d crossovers",
       purposes[0], purposes[1]);
    ok(worst_first, "inspirations are worst first, a crossover starts from the faster parent");
}

/* ---- ideas ---- */

static void test_parse(void)
{
    static const struct {
        const char *what, *reply;
        int n;
        const char *first;
        double gain, chance;
    } rows[] = {
        {"a JSON object a line",
         "{\"idea\": \"Tile it\", \"gain\": 1.5, \"difficulty\": \"easy\"}\n{\"idea\": \"Fuse\"}\n",
         2, "Tile it", 1.5, 0.8},
        {"an array in a fence with prose",
         "Here [as asked] you go:\n```json\n[{\"idea\": \"A\", \"gain\": \"1.3x\", \"difficulty\": "
         "\"Hard\"},\n {\"idea\": \"B\"}]\n```\n",
         2, "A", 1.3, 0.3},
        {"an object around the array, other names",
         "{\"ideas\": [{\"title\": \"T\", \"description\": \"The text\", \"expected_gain\": "
         "\"30%\"}]}",
         1, "The text", 1.3, 0.5},
        {"a gain in per cent", "{\"idea\": \"A\", \"gain\": 40}", 1, "A", 1.4, 0.5},
        {"a part of the time", "{\"idea\": \"A\", \"gain\": 0.5}", 1, "A", 2, 0.5},
        {"a gain of nothing", "{\"idea\": \"A\", \"gain\": -3}", 1, "A", 1.2, 0.5},
        {"a numbered list with details",
         "My ideas:\n\n1. **Vectors**: load float4\n   - needs alignment\n2) Warp shuffles\n\nBye.",
         2, "**Vectors**: load float4    - needs alignment", 1.2, 0.5},
        {"gain and difficulty in passing", "1. Vectors of (16) bytes (2.5x, hard)\n2. B (~1.1x)\n",
         2, "Vectors of (16) bytes (2.5x, hard)", 2.5, 0.3},
        {"bullets", "- one\n- two\n* three\n", 3, "one", 1.2, 0.5},
        {"bold numbers", "**1. One**\n**2. Two**\n", 2, "One**", 1.2, 0.5},
        {"a broken object before a good one", "{\"idea\": \"A\", {\"idea\": \"B\"}", 1, "B", 1.2,
         0.5},
        {"a kernel", "void k() { int a[3]; }", 0, NULL, 0, 0},
        {"words", "I would rather not.", 0, NULL, 0, 0},
        {"nothing", "", 0, NULL, 0, 0},
        {"more than eight", "1. a\n2. b\n3. c\n4. d\n5. e\n6. f\n7. g\n8. h\n9. i\n", 8, "a", 1.2,
         0.5},
    };
    for (size_t i = 0; i < WS_COUNT(rows); i++) {
        idea_text list[IDEAS_A_REPLY];
        int n = ideas_parse(rows[i].reply, &arena, list);
        is_int(n, rows[i].n, rows[i].what);
        if (n && rows[i].n) {
            is_str(list[0].text, rows[i].first, "  its text");
            is_close(list[0].gain, rows[i].gain, 1e-12, "  its gain");
            is_close(list[0].chance, rows[i].chance, 1e-12, "  its chance");
        }
    }
}

static strat_turn *add_ideas(int lane, int round, int subject, const char *reply, const char *note)
{
    strat_turn *t = add_turn(lane, round, "ideas", subject, -1);
    t->step.reply = STRAT_TEXT;
    t->step.note_json = note;
    t->reply = reply;
    return t;
}

static void implement(int round, const char *purpose, int subject, double us, int id,
                      const char *idea)
{
    strat_turn *t = add_kernel(0, round, purpose, subject, us);
    t->step.note_json = ws_arena_printf(&arena, "{\"idea\":%d}", id);
    t->step.idea = idea;
}

static const idea_node *node(const idea_tree *t, int id)
{
    static const idea_node none = {.state = (idea_state)-1};
    int i = ideas_find(t, id);
    return i >= 0 ? &t->node[i] : &none;
}

static void test_tree(void)
{
    idea_tree t;
    strat_step s;
    reset(1);
    add_attempt(-1, 100, "zero", NULL);
    int angles = strat_n_angles(&view);
    ask("ideas", 0, 0, &s);
    ok(!strcmp(s.purpose, "ideas") && s.reply == STRAT_TEXT && s.subject == 0, "first ideas");
    add_ideas(0, 0, 0,
              "{\"idea\":\"A\",\"gain\":1.5,\"difficulty\":\"easy\"}\n"
              "{\"idea\":\"B\",\"gain\":3,\"difficulty\":\"easy\"}\n{\"idea\":\"a!\"}",
              NULL); /* ids 0, 1; "a!" is A again */
    ideas_build(&view, &arena, &t);
    is_int(t.n, angles + 2, "two ideas and the directions: the same words once");
    /* ln 1.5 * 0.8 * (1 + 0) / (2 + 0) / 0.5 */
    is_close(node(&t, 0)->score, 0.40546510810816438 * 0.8, 1e-12, "a score before any try");
    ask("ideas", 0, 1, &s);
    ok(!strcmp(s.purpose, "implement") && !strcmp(s.idea, "B") && s.subject == 0,
       "the most promising is implemented");
    is_str(s.note_json, "{\"idea\":1}", "and named in the note");
    implement(1, "implement", 0, 0, 1, "B"); /* attempt 1 */
    ask("ideas", 0, 2, &s);
    ok(!strcmp(s.purpose, "repair") && !strcmp(s.idea, "B") && s.subject == 1,
       "its broken kernel is repaired");
    implement(2, "repair", 1, 50, 1, "B"); /* attempt 2 */
    ideas_build(&view, &arena, &t);
    ok(node(&t, 1)->state == IDEA_WON && node(&t, 1)->tries == 2 && node(&t, 1)->result == 2,
       "the repaired kernel wins");
    ask("ideas", 0, 3, &s);
    ok(!strcmp(s.purpose, "ideas") && s.subject == 2, "so ideas are asked for on it");
    is_str(s.note_json, "{\"parent\":1}", "as its children");
    has_str(s.idea, "gave a faster kernel: B", "with what is known");
    add_ideas(0, 3, 2, "{\"idea\":\"C\",\"gain\":2,\"difficulty\":\"hard\"}", s.note_json);
    ideas_build(&view, &arena, &t); /* C has id 24 */
    ok(node(&t, 24)->parent == ideas_find(&t, 1), "they hang below it");
    /* rate of an untried branch: 1/2 */
    is_close(node(&t, 24)->score, 0.69314718055994531 * 0.3, 1e-12, "with a score of their own");
    ask("ideas", 0, 4, &s);
    is_str(s.idea, "A", "A of the branch that won comes first");
    /* one start, one win: rate 2/3; N = 1 */
    is_close(node(&t, 0)->score,
             0.40546510810816438 * 0.8 * (2.0 / 3) / 0.5 + 0.1 * 0.83255461115769769, 1e-12,
             "its score has risen");
    implement(4, "implement", 2, 60, 0, "A");
    implement(5, "implement", 2, 70, 0, "A");
    ideas_build(&view, &arena, &t);
    ok(node(&t, 0)->state == IDEA_TRIED, "two implementations without gain: tried");
}

static void test_cut(void)
{
    idea_tree t;
    strat_step s;
    reset(1);
    view.option.patience = 3;
    add_attempt(-1, 100, "zero", NULL);
    add_ideas(0, 0, 0, "1. A\n2. B\n3. C\n", NULL);
    implement(1, "implement", 0, 110, 0, "A");
    implement(2, "implement", 0, 0, 1, "B");
    ideas_build(&view, &arena, &t);
    ok(node(&t, 2)->state == IDEA_OPEN && node(&t, 1)->state == IDEA_OPEN, "two failures: open");
    implement(3, "repair", 3, 120, 1, "B");
    ideas_build(&view, &arena, &t);
    int open = 0;
    for (int i = 0; i < t.n; i++)
        open += t.node[i].state == IDEA_OPEN;
    ok(node(&t, 2)->state == IDEA_CUT && open == 0, "three cut the branch with all that is open");
    ask("ideas", 0, 4, &s);
    ok(!strcmp(s.purpose, "ideas") && !s.note_json, "then new roots are asked for");
    has_str(s.idea, "dropped: C", "and told what was dropped");
    add_ideas(0, 4, 0, "1. C\n2. D\n", NULL);
    ideas_build(&view, &arena, &t);
    ok(node(&t, 32)->state == (idea_state)-1 && node(&t, 33)->state == IDEA_OPEN,
       "what was dropped does not come back, a new one is open");
    ask("ideas", 0, 5, &s);
    is_str(s.idea, "D", "and is implemented");
}

static void test_no_ideas(void)
{
    strat_step s;
    reset(1);
    view.option.patience = 1;
    add_attempt(-1, 100, "zero", NULL);
    add_ideas(0, 0, 0, "1. A\n", NULL);
    implement(1, "implement", 0, 110, 0, "A"); /* cuts the directions too */
    add_ideas(0, 2, 0, "None.", NULL);
    add_ideas(0, 3, 0, "None, sorry.", NULL);
    ok(ask("ideas", 0, 4, &s) == STRAT_ASK && !strcmp(s.purpose, "ideas"), "asked a third time");
    add_ideas(0, 4, 0, "1. A", NULL);
    ok(ask("ideas", 0, 5, &s) == STRAT_END, "three answers without a new idea are the end");
}

static void test_table(void)
{
    is_str(strategies[0]->name, "refine", "refine is the default");
    ok(strategy_find("evolve") && strategy_find("best-of") && !strategy_find("best_of"),
       "strategies are found by name");
    for (int i = 0; strategies[i]; i++)
        ok(strategies[i]->summary[0] && strategies[i]->slack >= 1, "%s has a summary",
           strategies[i]->name);
}

int main(void)
{
    test_visible();
    test_copies();
    test_twins();
    test_ready();
    test_past();
    test_over();
    test_stopped();
    test_text();
    test_all_over();
    test_inspirations();
    test_refine();
    test_mend();
    test_diagnose();
    test_best_of();
    test_weights();
    test_migration();
    test_breeding();
    test_parse();
    test_tree();
    test_cut();
    test_no_ideas();
    test_table();
    ws_arena_release(&arena);
    return tap_done();
}
