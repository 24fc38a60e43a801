/* Sittings on the CPU driver with its modelled clock: what is measured, what is noticed, and that
 * 20 copies of a kernel do not yield a winner. The test program is its own worker. */
#include "base/mem.h"
#include "harness/ptx/ptx.h"
#include "harness/timing/noise.h"
#include "harness/timing/sitting.h"
#include "tests/tap.h"

#include <stdlib.h>
#include <unistd.h>

enum { N = 64, MAX = 24, SETS = 4, LOOPS = 1000, FEWER = 970 };

static const char text[] =
    ".version 8.0\n.target sm_80\n.address_size 64\n"
    ".visible .entry %s(.param .u64 a, .param .u64 c)\n{\n"
    "  .reg .pred %%p<3>; .reg .f32 %%f<4>; .reg .b32 %%r<8>; .reg .b64 %%rd<8>;\n"
    "  ld.param.u64 %%rd1, [a];\n  ld.param.u64 %%rd2, [c];\n  mov.u32 %%r4, %%tid.x;\n"
    "  mul.wide.s32 %%rd3, %%r4, 4;\n  add.s64 %%rd4, %%rd1, %%rd3;\n"
    "  add.s64 %%rd5, %%rd2, %%rd3;\n  ld.global.f32 %%f1, [%%rd4];\n  mov.u32 %%r5, 0;\n"
    "L:\n  add.s32 %%r5, %%r5, 1;\n  setp.lt.s32 %%p1, %%r5, %d;\n  @%%p1 bra L;\n"
    "  add.f32 %%f2, %%f1, %%f1;\n%s  st.global.f32 [%%rd5], %%f2;\n  ret;\n}\n";
#define PAST  "  add.s64 %rd5, %rd5, 4096;\n"
#define HANG  "H:\n  setp.ge.s32 %p2, %r5, 0;\n  @%p2 bra H;\n"
#define WRONG "  add.f32 %f2, %f2, %f1;\n"

static run_request program[MAX], set[SETS];
static float in[SETS][N];
static ptx_param param[2];

static void make_program(run_request *r, const char *name, int loops, const char *more)
{
    ws_arena *a = ws_calloc(1, sizeof *a); /* lives as long as the test */
    comp_kernel *k = WS_ARENA_NEW(a, comp_kernel, 1);
    plan_bound *b = WS_ARENA_NEW(a, plan_bound, 1);
    plan_bound_launch *l = WS_ARENA_NEW(a, plan_bound_launch, 1);
    plan_bound_arg *arg = WS_ARENA_NEW(a, plan_bound_arg, 2);
    run_tensor *t = WS_ARENA_NEW(a, run_tensor, 2);
    arg[1].index = 1;
    *l = (plan_bound_launch){.kernel = ws_arena_strdup(a, name),
                             .grid = {1, 1, 1},
                             .block = {N, 1, 1},
                             .arg = arg,
                             .n_args = 2};
    *b = (plan_bound){.launch = l, .n_launches = 1};
    *k = (comp_kernel){.name = l->kernel, .n_params = 2, .param = param};
    t[0] = (run_tensor){.name = "x", .role = RUN_INPUT, .bytes = sizeof in[0]};
    t[1] = (run_tensor){.name = "y", .role = RUN_OUTPUT, .bytes = sizeof in[0]};
    *r = (run_request){.kernel = k,
                       .n_kernels = 1,
                       .plan = b,
                       .tensor = t,
                       .n_tensors = 2,
                       .image = ws_arena_printf(a, text, name, loops, more)};
    r->image_bytes = strlen(r->image) + 1;
}

static void make_sets(void)
{
    param[0] = (ptx_param){.name = "a", .size = 8, .offset = 0};
    param[1] = (ptx_param){.name = "c", .size = 8, .offset = 8};
    for (int s = 0; s < SETS; s++) {
        for (int i = 0; i < N; i++)
            in[s][i] = (float)(s * N + i);
        make_program(&set[s], "unused", 1, "");
        set[s].tensor[0].in = in[s];
    }
}

/* Outputs of a sitting that are not twice the input. */
typedef struct seen {
    int n, wrong[64];
} seen;

static ws_status keep(void *ud, int output, int of, const void *bytes, size_t n, ws_err *err)
{
    seen *s = ud;
    float y[N];
    if (n != sizeof y || output != s->n || output >= 64)
        return ws_fail(err, WS_EINPUT, "an output of %zu bytes", n);
    memcpy(y, bytes, n);
    s->n++;
    for (int i = 0; i < N; i++)
        s->wrong[output] += y[i] != 2 * in[of][i];
    return WS_OK;
}

static lane_request request(int n, const char *noise, uint64_t seed, seen *s)
{
    *s = (seen){0};
    return (lane_request){.rules = {.rule = tim_rule_default,
                                    .aa_pairs = 60,
                                    .seed = seed,
                                    .gpu = "h100",
                                    .noise = *tim_noise_find(noise),
                                    .sample_s = 100 * tim_noise_find(noise)->quantum_s},
                          .program = program,
                          .n_programs = n,
                          .set = set,
                          .n_sets = SETS,
                          .keep = keep,
                          .ud = s};
}

static bool hold(const lane_request *r, lane_result *out)
{
    ws_err err = {0};
    if (!sit_run(r, "cpu", 60, out, &err))
        return true;
    ok(false, "%s", err.msg);
    return false;
}

static bool same_pairs(const tim_pairs *a, const tim_pairs *b)
{
    bool same = a->n == b->n && a->n > 0;
    for (int i = 0; same && i < a->n; i++)
        same = a->v[i].a_s == b->v[i].a_s && a->v[i].b_s == b->v[i].b_s &&
               a->v[i].a_hz == b->v[i].a_hz && a->v[i].b_first == b->v[i].b_first;
    return same;
}

static void test_samples(void)
{
    cu_device *d = NULL;
    ws_err err = {0};
    lane_result here, there, other;
    seen s;
    bool orders = true, clocks = true;
    make_program(&program[0], "base", LOOPS, "");
    make_program(&program[1], "copy", LOOPS, "");
    lane_request r = request(2, "walk", 7, &s);
    if (!ok(!cu_open("cpu", &d, &err) && !lane_run(d, &r, &here, &err),
            "a sitting in this process"))
        return;
    cu_close(d);
    is_int(s.n, SETS, "one output for each set of inputs");
    ok(here.settled && here.warm_up >= 20, "after warming up until the clock had settled");
    ok(here.compared >= here.launched && here.launched > 0, "every timed launch's output is seen");
    for (int i = 0; i < here.pairs[0].n; i++) {
        const tim_pair *p = &here.pairs[0].v[i];
        orders &= p->b_first == tim_pair_b_first(here.pairs[0].seed, i);
        clocks &= p->a_hz > 1e9 && p->b_hz > 1e9;
    }
    ok(orders, "orders are those of the seed");
    ok(clocks, "with the clock of every member");
    r = request(2, "walk", 7, &s);
    ok(hold(&r, &there) && same_pairs(&here.pairs[0], &there.pairs[0]) &&
           same_pairs(&here.aa, &there.aa),
       "one in a process of its own has the same samples");
    is_int(s.n, SETS, "and the outputs come back");
    ok(there.mde == here.mde && there.mde > 0, "and so does what it tells apart: %g", here.mde);
    r = request(2, "walk", 8, &s);
    ok(hold(&r, &other) && !same_pairs(&here.pairs[0], &other.pairs[0]), "another seed, others");
    lane_result_release(&here);
    lane_result_release(&there);
    lane_result_release(&other);
}

/* The kernels around what is timed change no sample of the modelled clock, and break nothing. */
static void test_aids(void)
{
    lane_result with;
    seen s;
    make_program(&program[0], "base", LOOPS, "");
    make_program(&program[1], "copy", LOOPS, "");
    lane_request r = request(2, "walk", 11, &s);
    r.rules.aids = true;
    ok(hold(&r, &with) && with.failed < 0, "a sitting with sweeps and probes %s", with.text);
    ok(with.pairs[0].n >= 30 && with.settled, "has its pairs: %d", with.pairs[0].n);
    int counted = 0;
    for (int i = 0; i < with.pairs[0].n; i++)
        counted += with.pairs[0].v[i].discard == TIM_DISCARD_NONE && with.pairs[0].v[i].a_hz > 1e9;
    is_int(counted, with.pairs[0].n, "all of which count, with their clocks");
    is_int(s.n, SETS, "and no other outputs");
    lane_result_release(&with);
}

static void test_regimes(void)
{
    lane_result out;
    seen s;
    tim_judgement j;
    lane_request r = request(2, "perfect", 3, &s);
    r.rules.warm = true;
    ok(hold(&r, &out), "warm");
    tim_decide(&out.pairs[0], &r.rules.rule, true, 3, &j);
    is_int(j.verdict, TIM_SAME, "a copy is the same");
    is_int(out.pairs[0].n, 30, "which a perfect machine shows at the first look");
    ok(out.launches[0] == 1, "one launch between two events");
    lane_result_release(&out);
    r = request(2, "ticks", 3, &s);
    ok(hold(&r, &out) && out.launches[0] > 1 && out.pairs[0].v[0].launches == out.launches[0],
       "more where the timer is coarse");
    lane_result_release(&out);
    r = request(2, "walk", 3, &s);
    r.rules.budget_s = 1e-6;
    ws_err err = {0};
    ok(sit_run(&r, "cpu", 60, &out, &err) != WS_OK, "no time for the A/A run is an error");
    has_str(err.msg, "A/A", "that says so");
    lane_result_release(&out);
}

static void test_bad(void)
{
    lane_result out;
    seen s;
    ws_err err = {0};
    int blamed = 0, innocent = 0;
    make_program(&program[1], "wrong", LOOPS, WRONG);
    make_program(&program[2], "copy", LOOPS, "");
    lane_request r = request(3, "perfect", 1, &s);
    ok(hold(&r, &out), "a sitting with a wrong kernel");
    for (int i = 0; i < out.n_outputs; i++) {
        blamed += s.wrong[i] && out.output[i].by[1];
        innocent += s.wrong[i] && (out.output[i].by[0] || out.output[i].by[2]);
    }
    ok(blamed == SETS && !innocent, "its outputs are wrong, and nobody else's");
    lane_result_release(&out);
    make_program(&program[1], "past", LOOPS, PAST);
    s = (seen){0};
    ok(hold(&r, &out) && out.failed == 1 && out.reason == HX_OUT_OF_BOUNDS,
       "one that writes out of bounds is named: %s", out.text);
    lane_result_release(&out);
    make_program(&program[1], "hang", LOOPS, HANG);
    s = (seen){0};
    is_int(sit_run(&r, "cpu", 0.5, &out, &err), WS_ELIMIT, "one that hangs ends at the deadline");
    lane_result_release(&out);
}

/* Copies under other names, and among them one that takes 2 % less. */
static void test_sceptic(uint64_t seed)
{
    const int n = 22;
    char name[16];
    const tim_pairs *p[MAX];
    tim_judgement j[MAX], last = {0};
    lane_result out, again = {0};
    seen s;
    int winners = 0;
    make_program(&program[0], "base", LOOPS, "");
    for (int i = 1; i < n; i++) {
        snprintf(name, sizeof name, "v%d", i);
        make_program(&program[i], name, i == n - 1 ? FEWER : LOOPS, "");
    }
    lane_request r = request(n, "walk", seed, &s);
    if (!ok(hold(&r, &out), "seed %d: 20 copies and one kernel that is faster sit", (int)seed))
        return;
    for (int i = 1; i < n; i++)
        p[i - 1] = &out.pairs[i - 1];
    tim_rule rule = r.rules.rule;
    rule.mde = out.mde;
    tim_decide_set(p, n - 1, &rule, true, seed, j);
    for (int i = 0; i < n - 2; i++)
        winners += j[i].verdict == TIM_FASTER;
    is_int(winners, 0, "no copy wins");
    ok(j[n - 2].verdict == TIM_FASTER, "the faster one does: %s", j[n - 2].reason);
    const run_request swapped[] = {program[n - 1], program[0]};
    r = request(2, "walk", seed + 1000, &s);
    r.program = swapped;
    r.rules.confirm = true;
    if (ok(hold(&r, &again), "it sits again, in the baseline's place")) {
        rule.mde = again.mde;
        tim_confirm(&j[n - 2], &again.pairs[0], &rule, true, r.rules.seed, &last);
    }
    ok(last.verdict == TIM_FASTER && last.ratio > 1.01 && last.ratio < 1.03,
       "and is confirmed: %.4f, %s", last.ratio, last.reason);
    lane_result_release(&out);
    lane_result_release(&again);
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "worker") == 0 && strcmp(argv[2], "time") == 0)
        return sit_worker_main();
    char self[4096];
    const ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    self[n > 0 ? n : 0] = '\0';
    setenv("WARPSMITH_EXE", self, 1);
    make_sets();
    test_samples();
    test_aids();
    test_regimes();
    test_bad();
    const int seeds = argc > 1 ? atoi(argv[1]) : 2;
    for (int i = 1; i <= seeds; i++)
        test_sceptic((uint64_t)i);
    return tap_done();
}
