/* Judges in child processes: verdicts, equal kernels that are stopped, jobs that are dropped, and a
 * judge that dies. */
#include "agent/loop/lane.h"
#include "tests/tap.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char right[] =
    "/* @plan\n{ \"tune\": { \"BLOCK\": [64, 128] }, \"launch\": [ { \"kernel\": \"relu\", "
    "\"grid\": "
    "[\"ceil_div(N, BLOCK)\"], \"block\": [\"BLOCK\"], \"args\": [\"x\", \"y\", \"N\"] } ] }\n*/\n"
    "extern \"C\" __global__ void relu(const float *x, float *y, int N)\n"
    "{\n    int i = blockIdx.x * BLOCK + threadIdx.x;\n    if (i < N)\n        y[i] = fmaxf(x[i], "
    "0.0f);\n}\n";

/* The same kernel with its work done wrong. */
static char *wrong(void)
{
    char *copy = strdup(right), *zero = strstr(copy, "0.0f");
    memcpy(zero, "1.0f", 4);
    return copy;
}

static spec *load(void)
{
    static const char text[] =
        "{ \"schema\": 1, \"name\": \"lane/relu\", \"dims\": { \"N\": 4096 }, \"check\": [ { "
        "\"N\": 100 } ],"
        " \"inputs\": [ { \"name\": \"x\", \"dtype\": \"f32\", \"shape\": [ \"N\" ], \"init\": { "
        "\"dist\": \"normal\" } } ],"
        " \"weights\": [], \"graph\": [ { \"out\": \"y\", \"op\": \"relu\", \"in\": [ \"x\" ] } ],"
        " \"outputs\": [ \"y\" ], \"precision\": \"f32\" }";
    spec *s = NULL;
    ws_err err = {0};
    if (spec_from_text(text, sizeof text - 1, "lane", &s, &err))
        printf("# %s\n", err.msg);
    return s;
}

/* The next event other than LANE_COMPILED, which is answered with `go_on`. */
static bool next(lane_pool *p, bool go_on, lane_event *e)
{
    for (int i = 0; i < 300; i++) {
        if (!lane_poll(p, 100, e))
            continue;
        if (e->kind != LANE_COMPILED)
            return true;
        lane_answer(p, e->id, go_on);
        if (!go_on)
            return false;
    }
    return false;
}

static void test_verdicts(lane_pool *p)
{
    char *bad = wrong();
    lane_event e;
    int passed = 0, failed = 0;
    for (int i = 0; i < 6; i++)
        lane_submit(p, &(lane_job){.id = i, .source = i % 2 ? bad : right});
    for (int i = 0; i < 6 && next(p, true, &e); i++) {
        passed += e.kind == LANE_JUDGED && e.verdict->reason == HX_PASS && e.id % 2 == 0;
        failed += e.kind == LANE_JUDGED && e.verdict->reason == HX_WRONG_RESULT && e.id % 2 == 1;
    }
    ok(passed == 3, "right kernels pass");
    ok(failed == 3, "wrong ones do not");
    ok(lane_busy(p) == 0 && lane_waiting(p) == 0, "then no judge is at work");
    ok(lane_busy_seconds(p) > 0, "and the time that they were is known");
    free(bad);
}

static void test_tunables(lane_pool *p)
{
    int64_t block = 128, none = 100000;
    lane_event e;
    lane_submit(p, &(lane_job){.id = 1, .source = right, .tune = &block, .n_tune = 1});
    ok(next(p, true, &e) && e.kind == LANE_JUDGED && e.verdict->reason == HX_PASS,
       "a setting of the tunables is judged");
    lane_submit(p, &(lane_job){.id = 2, .source = right, .tune = &none, .n_tune = 1});
    ok(next(p, true, &e) && e.kind == LANE_JUDGED && e.verdict->reason == HX_INVALID_LAUNCH,
       "an impossible one is a verdict");
}

/* ptxas is asked last, and only where its answer could matter. */
static void test_late(lane_pool *p)
{
    static const char hungry[] = /* more shared memory than ptxas lets a kernel declare */
        "/* @plan\n{ \"launch\": [ { \"kernel\": \"relu\", \"grid\": [\"ceil_div(N, 64)\"], "
        "\"block\": [64], \"args\": [\"x\", \"y\", \"N\"] } ] }\n*/\n"
        "extern \"C\" __global__ void relu(const float *x, float *y, int N)\n"
        "{\n    __shared__ float s[12400];\n    int i = blockIdx.x * 64 + threadIdx.x;\n"
        "    s[(i * 7) % 12400] = i < N ? x[i] : 0.0f;\n"
        "    if (i < N)\n        y[i] = fmaxf(s[(i * 7) % 12400], 0.0f);\n}\n";
    char *bad = wrong();
    lane_event e;
    lane_submit(p, &(lane_job){.id = 1, .source = right, .assemble_below = 1e-12});
    ok(next(p, true, &e) && e.verdict->reason == HX_PASS && e.verdict->level == VFY_EMULATED &&
           !e.verdict->assembled && e.verdict->registers < 0 && e.verdict->has_model,
       "one that cannot be fast enough is right, and not assembled");
    has_str(e.verdict->text, "not assembled", "the verdict says so");
    const double least = e.verdict->model.seconds;
    lane_submit(p, &(lane_job){.id = 2, .source = right, .assemble_below = least * 1.01});
    ok(next(p, true, &e) && e.verdict->reason == HX_PASS && e.verdict->assembled &&
           e.verdict->registers > 0 && e.verdict->model.seconds >= least,
       "one that may be is, and takes no less time");
    const double seconds = e.verdict->model.seconds;
    lane_submit(p, &(lane_job){.id = 3, .source = right});
    ok(next(p, true, &e) && e.verdict->assembled && e.verdict->model.seconds == seconds,
       "asked first it says the same");
    lane_submit(p, &(lane_job){.id = 4, .source = bad, .assemble_below = 1});
    ok(next(p, true, &e) && e.verdict->reason == HX_WRONG_RESULT && !e.verdict->assembled,
       "a wrong one is never assembled");
    lane_submit(p, &(lane_job){.id = 5, .source = hungry, .assemble_below = 1});
    ok(next(p, true, &e) && e.verdict->reason == HX_PTXAS_ERROR && e.verdict->assembled &&
           !e.verdict->has_model && e.verdict->level == VFY_POLICY,
       "what ptxas refuses is rejected: %s", e.verdict->text);
    free(bad);
}

static void test_known(lane_pool *p)
{
    lane_event e;
    char sha[65];
    lane_submit(p, &(lane_job){.id = 7, .source = right});
    bool compiled = false;
    for (int i = 0; i < 300 && !compiled; i++)
        compiled = lane_poll(p, 100, &e) && e.kind == LANE_COMPILED && e.id == 7;
    snprintf(sha, sizeof sha, "%s", compiled ? e.verdict->ptx_sha256 : "");
    ok(strlen(sha) == 64, "a compiled kernel is told with its binary");
    lane_answer(p, 7, false);
    bool silent = true;
    for (int i = 0; i < 20 && lane_busy(p); i++)
        silent &= !lane_poll(p, 100, &e);
    ok(silent && lane_busy(p) == 0, "one that is known is not judged, and its judge is free");
}

static void test_drop(lane_pool *p)
{
    lane_event e;
    for (int i = 0; i < 8; i++)
        lane_submit(p, &(lane_job){.id = i, .source = right});
    ok(lane_drop_waiting(p) == 8 && !lane_waiting(p), "jobs that wait can be dropped");
    ok(!lane_poll(p, 0, &e), "and nothing is heard of them");
}

/* Kills every child of this process: the judges. */
static int kill_judges(void)
{
    int pid, n = 0;
    FILE *f = fopen("/proc/thread-self/children", "r");
    while (f && fscanf(f, "%d", &pid) == 1)
        n += kill(pid, SIGKILL) == 0;
    if (f)
        fclose(f);
    return n;
}

static void test_death(lane_pool *p)
{
    lane_event e;
    lane_submit(p, &(lane_job){.id = 3, .source = right});
    bool compiled = lane_poll(p, 0, &e) && e.kind == LANE_COMPILED; /* given out */
    ok(kill_judges() == 2, "two judges are killed");
    if (compiled)
        lane_answer(p, 3, true);
    bool heard = next(p, true, &e);
    ok(heard && e.kind == LANE_JUDGED && e.verdict->reason == HX_PASS,
       "a kernel whose judge was killed is judged by another");
    if (!heard || e.kind == LANE_FAILED)
        printf("# %s\n", heard ? e.err.msg : "nothing was heard");
    else if (e.verdict->reason != HX_PASS)
        printf("# %s\n", e.verdict->text);
}

int main(void)
{
    ws_err err = {0};
    lane_pool *p = NULL;
    signal(SIGPIPE, SIG_IGN);
    spec *s = load();
    lane_options o = {.lanes = 2, .arch = "sm_90", .gpu = "h100", .seed = 1};
    ok(s && !lane_pool_open(s, &o, &p, &err), "two judges open");
    if (p) {
        ok(lane_count(p) == 2, "and are counted");
        test_verdicts(p);
    test_late(p);
    test_tunables(p);
        test_known(p);
        test_drop(p);
        test_death(p);
    }
    lane_pool_close(p);
    spec_free(s);
    return tap_done();
}
