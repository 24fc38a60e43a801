/* Prompts: every template of every step fills, what is the same for a run comes first, and what the
 * variables say. */
#include "agent/strategy/past.h"
#include "agent/strategy/prompt.h"
#include "agent/strategy/prompt_vars.h"

#include "base/file.h"
#include "tests/tap.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define KERNEL                                                                                     \
    "/* @plan\n{ \"tune\": { \"BLOCK\": [128, 256], \"VEC\": [4, 2] }, \"launch\": [] }\n*/\n"

static const char *const purposes[] = {"generate", "repair",    "again",  "improve",  "diagnose",
                                       "ideas",    "implement", "mutate", "crossover"};

static db_candidate candidate[8];
static strat_attempt attempt[8];
static strat_turn turn[4];
static strat_view view;
static spec *softmax;

static void set_attempt(int i, int of_turn, const char *reason, double us, const char *source,
                        const char *note)
{
    candidate[i] = (db_candidate){.id = i + 1,
                                  .round = of_turn + 1,
                                  .origin = i ? "model" : "emitted",
                                  .source = source,
                                  .reason = reason,
                                  .modelled_s = us > 0 ? us * 1e-6 : (double)NAN,
                                  .measured_s = (double)NAN,
                                  .note = note};
    attempt[i] = (strat_attempt){.candidate = &candidate[i],
                                 .verdict_json = "{\"reason\":\"x\",\"text\":\"what was wrong\"}",
                                 .turn = of_turn,
                                 .same_as = -1};
}

static void set_turn(int i, const char *purpose, int subject, int made)
{
    turn[i] = (strat_turn){.turn = i,
                           .round = i,
                           .step = {.purpose = purpose, .subject = subject},
                           .outcome = "ok",
                           .reply = "",
                           .attempt = made};
}

/* Generation 0 of 100 us; 80 us; a failure; 40 us with two more forms; a refusal. */
static void set_view(void)
{
    set_attempt(0, -1, "pass", 100, "plain source", NULL);
    set_attempt(1, 0, "pass", 80, "first source", "uses warps");
    set_attempt(2, 1, "wrong_result", 0, "second source", NULL);
    set_attempt(3, 2, "pass", 40, KERNEL "third source", "keeps the row");
    attempt[3].verdict_json = "{\"reason\":\"pass\",\"modelled\":{\"bound\":\"dram\"}}";
    set_attempt(4, 2, "pass", 44, KERNEL "third source", "keeps the row");
    candidate[4].tune_json = "{\"BLOCK\":128,\"VEC\":2}";
    set_attempt(5, 2, "wrong_result", 0, KERNEL "third source", "keeps the row");
    candidate[5].tune_json = "{\"BLOCK\":256,\"VEC\":2}";
    set_turn(0, "generate", -1, 1);
    set_turn(1, "improve", 1, 2);
    set_turn(2, "improve", 1, 3);
    set_turn(3, "improve", 3, -1);
    turn[3].outcome = "refused";
    view = (strat_view){.attempt = attempt,
                        .n_attempts = 6,
                        .turn = turn,
                        .n_turns = 4,
                        .best = 3,
                        .lanes = 1,
                        .spec = softmax};
}

static prompt_context context(const strat_step *s, const char *dir)
{
    return (prompt_context){.spec = softmax,
                            .dir = dir,
                            .gpu = "h100",
                            .view = &view,
                            .step = s,
                            .lessons = "vectors pay\n",
                            .related = "a related kernel\n"};
}

static void test_templates(void)
{
    prompt_text first = {0};
    for (size_t i = 0; i < WS_COUNT(purposes); i++) {
        strat_step s = {.purpose = purposes[i],
                        .subject = strcmp(purposes[i], "generate") ? 3 : -1,
                        .inspiration = {0, 1},
                        .n_inspirations = 2,
                        .idea = "the idea"};
        prompt_context c = context(&s, NULL);
        prompt_text p;
        ws_err err = {0};
        if (!ok(!prompt_make(&c, &p, &err), "template '%s' fills", purposes[i])) {
            printf("# %s\n", err.msg);
            continue;
        }
        ok(!strstr(p.user, "{{") && !strstr(p.user, "}}") && !strstr(p.system, "{{"),
           "  nothing is left to fill");
        if (strcmp(purposes[i], "diagnose") != 0 && strcmp(purposes[i], "crossover") != 0)
            has_str(p.user, "the idea", "  the idea is in it");
        if (i == 0) {
            first = p;
            ok(p.user_prefix > 0 && strstr(p.user, "vectors pay") < p.user + p.user_prefix &&
                   strstr(p.user, "a related kernel") < p.user + p.user_prefix,
               "  lessons and related kernels are in the part that stays");
            continue;
        }
        ok(strcmp(p.system, first.system) == 0, "  the system prompt is the run's");
        ok(p.user_prefix == first.user_prefix && !memcmp(p.user, first.user, p.user_prefix),
           "  the prompt begins as the first did");
        prompt_release(&p);
    }
    prompt_release(&first);
}

static char *filled(const char *dir, const char *purpose, const strat_step *step, size_t *prefix,
                    ws_err *err)
{
    strat_step s = *step;
    s.purpose = purpose;
    prompt_context c = context(&s, dir);
    prompt_text p;
    *err = (ws_err){0};
    if (prompt_make(&c, &p, err))
        return NULL;
    free(p.system);
    if (prefix)
        *prefix = p.user_prefix;
    return p.user;
}

static void write_template(const char *dir, const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s.txt", dir, name);
    FILE *f = fopen(path, "w");
    if (f && fputs(text, f) >= 0)
        fclose(f);
}

/* A template of this text, filled for attempt 3. */
static void is_filled(const char *dir, const char *text, const char *want, const char *what)
{
    ws_err err;
    strat_step s = {.subject = 3};
    write_template(dir, "own", text);
    char *got = filled(dir, "own", &s, NULL, &err);
    is_str(got ? got : err.msg, want, what);
    free(got);
}

static void is_refused(const char *dir, const char *name, const char *text, const char *part,
                       const char *what)
{
    ws_err err;
    char path[256];
    strat_step s = {.subject = 3};
    write_template(dir, name, text);
    char *got = filled(dir, "own", &s, NULL, &err);
    ok(!got && strstr(err.msg, part) && strstr(err.msg, name), "%s", what);
    if (got || !strstr(err.msg, part))
        printf("# %s\n", got ? got : err.msg);
    free(got);
    snprintf(path, sizeof path, "%s/%s.txt", dir, name);
    unlink(path);
}

static void test_syntax(const char *dir)
{
    is_filled(dir, "a {{name}} b", "a basics/softmax b", "a variable");
    is_filled(dir, "a {{#idea}}[{{idea}}]{{/idea}} b", "a  b", "a section of an empty variable");
    is_filled(dir, "{{#time}}[{{time}}]{{/time}}", "[40.00 us modelled]", "a section of another");
    is_filled(dir, "{ {{ time }} }", "{ 40.00 us modelled }", "white space and lone braces");
    is_filled(dir, "{{speedup}} {{best_speedup}} {{baseline_time}}",
              "2.50x 2.50x 100.00 us modelled", "speed is relative to generation 0");
    is_filled(dir, "", "", "an empty template");
    is_refused(dir, "own", "x\ny {{nothing}}", "line 2: unknown variable '{{nothing}}'",
               "an unknown variable, with its line");
    is_refused(dir, "own", "x {{name", "line 1: '{{' without '}}'", "open braces");
    is_refused(dir, "own", "x\n\n{{#idea}}y", "line 3: '{{#idea}}' without '{{/idea}}'",
               "an open section");
    write_template(dir, "own", "{{task}}");
    is_refused(dir, "task", "{{task}}", "inside the task template", "a task in a task");
    write_template(dir, "own", "{{task}}");
    is_refused(dir, "system", "{{name}} {{source}}", "differs from prompt to prompt",
               "a system prompt that would change");
}

static void test_prefix(const char *dir)
{
    ws_err err;
    size_t prefix = 1;
    strat_step s = {.subject = 3};
    write_template(dir, "own", "Hello. {{task}}");
    free(filled(dir, "own", &s, &prefix, &err));
    is_int((long long)prefix, 0, "a template with words before the task shares nothing");
    write_template(dir, "task", "{{name}} {{source}}");
    write_template(dir, "own", "{{task}}");
    free(filled(dir, "own", &s, &prefix, &err));
    is_int((long long)prefix, 15, "of a task with the source only what comes before it");
    write_template(dir, "task", "{{name}}");
    write_template(dir, "own", "{{task}}{{baseline}}. End.");
    free(filled(dir, "own", &s, &prefix, &err));
    is_int((long long)prefix, 14 + 12, "the translation is the same in all prompts");
    ws_err none;
    char *got = filled("/nonexistent", "own", &s, NULL, &none);
    ok(!got && strstr(none.msg, "there is no directory '/nonexistent'"), "a directory is needed");
}

static void test_past(const char *dir)
{
    is_filled(dir, "{{attempts}}",
              "Already tried on this kernel:\n- round 4, improve: no kernel (refused)\n\n"
              "Earlier attempts:\n"
              "- round 1, generate: 80.00 us modelled, 1.25x over the plain translation; uses "
              "warps\n- round 2, improve: wrong_result: what was wrong\n\n",
              "attempts on this kernel, then the others");
    strat_step s = {.subject = 1};
    ws_err err;
    write_template(dir, "own", "{{attempts}}");
    char *got = filled(dir, "own", &s, NULL, &err);
    is_str(got,
           "Already tried on this kernel:\n- round 2, improve: wrong_result: what was wrong\n"
           "- round 3, improve: 80.00 us before, 40.00 us modelled: 2.00x faster, 2.50x over the "
           "plain translation, bound by dram; keeps the row\n\n"
           "Earlier attempts:\n- round 4, improve: no kernel (refused)\n\n",
           "with the time before and after");
    free(got);
    char note[301] = ""; /* as long as the controller keeps them, which ends inside a word */
    for (int i = 0; i < 300; i++)
        note[i] = "sharing "[i % 8];
    candidate[1].note = note;
    s = (strat_step){.subject = 3};
    got = filled(dir, "own", &s, NULL, &err);
    ok(got && strstr(got, "; sharing sharing") && strstr(got, " sharing ...\n- round 2"),
       "a long note is cut between words");
    free(got);
    candidate[1].note = "uses warps";
    attempt[1].same_as = 0;
    is_filled(dir, "{{attempts}}",
              "Already tried on this kernel:\n- round 4, improve: no kernel (refused)\n\n"
              "Earlier attempts:\n- round 2, improve: wrong_result: what was wrong\n"
              "- 1 gave copies of known kernels, no gain\n\n",
              "copies are counted");
    attempt[1].same_as = -1;
    is_filled(dir, "{{tuning}}", "BLOCK: 128 40.00 us, 256 fails\nVEC: 2 44.00 us, 4 40.00 us\n",
              "the best time at each value, the default's too");
    s = (strat_step){.subject = 3, .inspiration = {0, 1}, .n_inspirations = 2};
    write_template(dir, "own", "{{inspirations}}");
    got = filled(dir, "own", &s, NULL, &err);
    is_str(got,
           "Kernel A (100.00 us modelled, 1.00x over the plain translation)\n\n```cuda\nplain "
           "source\n```\n\nKernel B (80.00 us modelled, 1.25x over the plain translation): uses "
           "warps\n\n```cuda\nfirst source\n```\n\n",
           "inspirations with times, in the step's order");
    free(got);
}

static void test_long(const char *dir)
{
    enum { LINES = 10000, BYTES = 10 };
    char *source = ws_malloc(LINES * BYTES + 1);
    const char *plain = candidate[0].source;
    for (int i = 0; i < LINES; i++)
        snprintf(source + (size_t)i * BYTES, BYTES + 1, "line %04d\n", i);
    candidate[0].source = source;
    strat_step s = {.subject = 0};
    ws_err err;
    write_template(dir, "own", "{{baseline}}");
    char *got = filled(dir, "own", &s, NULL, &err);
    /* 48 KiB hold 4915 whole lines of 10 bytes. */
    ok(got && strstr(got, "line 4914\n/* and so on: 50850 more bytes are not shown */\n"),
       "a long translation is cut at a line's end, and says so");
    free(got);
    write_template(dir, "own", "{{source}}");
    got = filled(dir, "own", &s, NULL, &err);
    ok(got && strlen(got) == LINES * BYTES, "a kernel to change is shown whole");
    free(got);
    candidate[0].source = plain;
    free(source);
}

/* The table is what docs/prompts.md lists. */
static void test_docs(void)
{
    ws_buf text = {0}, path = {0};
    ws_err err = {0};
    ws_home_path(&path, "docs/prompts.md");
    if (ws_read_file(ws_buf_z(&path), 1 << 20, &text, &err))
        ok(false, "%s", err.msg);
    for (int i = 0; i < prompt_n_variables; i++) {
        char row[64];
        snprintf(row, sizeof row, "| `{{%s}}` | %s |", prompt_variables[i].name,
                 prompt_variables[i].fixed ? "yes" : "no");
        has_str(ws_buf_z(&text), row, row);
    }
    for (size_t i = 0; i < WS_COUNT(purposes); i++) {
        char row[64];
        snprintf(row, sizeof row, "| `%s` |", purposes[i]);
        has_str(ws_buf_z(&text), row, row);
    }
    ws_buf_release(&text);
    ws_buf_release(&path);
}

int main(void)
{
    ws_err err = {0};
    char dir[] = "/tmp/t_agent_prompt.XXXXXX", command[64];
    if (spec_find("basics/softmax", &softmax, &err) || !mkdtemp(dir)) {
        ok(false, "%s", err.msg);
        return tap_done();
    }
    set_view();
    test_templates();
    test_syntax(dir);
    test_prefix(dir);
    write_template(dir, "task", "");
    test_past(dir);
    test_long(dir);
    test_docs();
    snprintf(command, sizeof command, "rm -r %s", dir);
    ok(system(command) == 0, "cleaned up");
    spec_free(softmax);
    return tap_done();
}
