/* The reward: its table, its bounds, its order, and what it does with facts that make no sense. */
#include "verifier/reward.h"

#include "tests/tap.h"

#include <math.h>
#include <string.h>

static vfy_reward reward(vfy_reward_facts f, vfy_reward_scheme s)
{
    vfy_reward r;
    vfy_reward_of(&f, s, &r);
    return r;
}

static double total(vfy_reward_facts f, vfy_reward_scheme s)
{
    return reward(f, s).total;
}

static vfy_reward_facts right(double baseline_s, double seconds)
{
    return (vfy_reward_facts){.reason = HX_PASS,
                              .level = VFY_EMULATED,
                              .depth = VFY_FULL,
                              .seconds = seconds,
                              .baseline_s = baseline_s};
}

static vfy_reward_facts wrong(hx_reason reason, vfy_level level)
{
    return (vfy_reward_facts){.reason = reason,
                              .level = level,
                              .seconds = (double)NAN,
                              .baseline_s = 1e-3};
}

static void table(void)
{
    const vfy_reward_scheme gated = VFY_REWARD_GATED, shaped = VFY_REWARD_SHAPED;
    double sum = 0;
    for (int p = 0; p < VFY_REWARD_PART_COUNT; p++)
        sum += vfy_reward_weight((vfy_reward_part)p);
    is_close(sum, 1, 1e-12, "the weights add up to 1");
    is_close(total(right(1e-3, 1e-3), gated), 0.6, 1e-12, "right and as fast as the baseline");
    is_close(total(right(1e-3, 1e-2), gated), 0.6, 1e-12, "right and slower is no less than right");
    is_close(total(right(1e-2, 1e-3), gated), 1, 1e-12, "10 times as fast: all of it");
    is_close(total(right(1, 1e-3), gated), 1, 1e-12, "1000 times as fast: no more");
    is_close(total(right(sqrt(10) * 1e-3, 1e-3), gated), 0.8, 1e-12, "half way in the logarithm");
    is_close(total(right(1e-3, 5e-4), gated), total(right(1e-3, 5e-4), shaped), 0,
             "of a right kernel both schemes say the same");
    is_close(total(wrong(HX_NO_CODE, VFY_NONE), shaped), 0, 0, "no code");
    is_close(total(wrong(HX_FORBIDDEN_CONSTRUCT, VFY_NONE), shaped), 0, 0, "a forbidden construct");
    is_close(total(wrong(HX_COMPILE_ERROR, VFY_POLICY), shaped), 0.05, 1e-12, "shaped: format");
    is_close(total(wrong(HX_WRONG_RESULT, VFY_COMPILES), shaped), 0.15, 1e-12,
             "shaped: format and compilation");
    is_close(total(wrong(HX_CONSTANT_OUTPUT, VFY_COMPILES), shaped), 0, 0,
             "shaped: nothing for what passes without the work");
    ok(!strcmp(vfy_reward_scheme_name(vfy_reward_scheme_of("shaped")), "shaped") &&
           vfy_reward_scheme_of("gated") == gated,
       "schemes have names");
}

static void nothing_for_wrong(void)
{
    int paid = 0, more = 0;
    for (int r = 0; r < HX_REASON_COUNT; r++)
        for (int l = VFY_NONE; l <= VFY_ACCEPTED; l++) {
            vfy_reward_facts f = wrong((hx_reason)r, (vfy_level)l);
            f.seconds = 1e-9; /* that it is fast does not matter */
            f.depth = VFY_FULL;
            if (r == HX_PASS)
                continue;
            paid += total(f, VFY_REWARD_GATED) != 0;
            more += total(f, VFY_REWARD_SHAPED) > 0.15 + 1e-12;
        }
    is_int(paid, 0, "gated: no rejected kernel is paid, whatever the reason");
    is_int(more, 0, "shaped: none gets more than the shares of format and compilation");
}

static void undecided(void)
{
    vfy_reward_facts f = right(1e-3, 1e-4);
    f.depth = VFY_QUICK;
    ok(!reward(f, VFY_REWARD_GATED).known && total(f, VFY_REWARD_SHAPED) == 0,
       "the quick runs decide nothing");
    f = right(1e-3, 1e-4);
    f.level = VFY_COMPILES;
    ok(!reward(f, VFY_REWARD_GATED).known, "nor does a judgement that was cut short");
    ok(!reward(wrong(HX_UNSUPPORTED, VFY_COMPILES), VFY_REWARD_SHAPED).known,
       "nor does what the engine lacks");
    ok(!reward(wrong(HX_CRASH, VFY_COMPILES), VFY_REWARD_SHAPED).known,
       "nor does a process that died");
    f = right(1e-3, 1e-4);
    f.flawed = true;
    ok(reward(f, VFY_REWARD_GATED).known && total(f, VFY_REWARD_SHAPED) == 0,
       "a flawed spec rewards nobody");
    cJSON *o;
    vfy_reward r = reward(wrong(HX_UNSUPPORTED, VFY_COMPILES), VFY_REWARD_GATED);
    o = vfy_reward_json(&r, VFY_REWARD_GATED);
    ok(cJSON_IsNull(cJSON_GetObjectItem(o, "total")), "what is not known is null");
    cJSON_Delete(o);
}

static void bounds(void)
{
    const double odd[] = {NAN, INFINITY, -INFINITY, 0, -0.0, -1, 5e-324, 1e-300, 1e300, 1e-6};
    int out = 0, timed = 0;
    for (size_t i = 0; i < WS_COUNT(odd); i++)
        for (size_t k = 0; k < WS_COUNT(odd); k++)
            for (int s = 0; s < 2; s++) {
                vfy_reward r = reward(right(odd[i], odd[k]), (vfy_reward_scheme)s);
                out += !(r.total >= 0.6 - 1e-12 && r.total <= 1);
                timed += !(odd[i] > 0 && isfinite(odd[i]) && odd[k] > 0 && isfinite(odd[k])) &&
                         r.part[VFY_REWARD_SPEED] != 0;
            }
    is_int(out, 0, "times that make no sense leave the reward in its bounds");
    is_int(timed, 0, "and are worth nothing");
}

static void order(void)
{
    double last = 2;
    bool falls = true;
    for (double s = 1e-7; s < 1e-1; s *= 1.1) {
        double t = total(right(1e-3, s), VFY_REWARD_GATED);
        falls &= t <= last && t >= 0.6 - 1e-12;
        last = t;
    }
    ok(falls, "the faster of two right kernels never gets less");
    is_int(vfy_reason_of("shared_race"), HX_SHARED_RACE, "reasons by name");
    is_int(vfy_reason_of("no such reason"), HX_REASON_COUNT, "and none by another");
}

static void flaws(void)
{
    spec_tensor t[] = {{.name = "x"}, {.name = "bias", .is_weight = true}};
    spec s = {.tensor = t, .n_inputs = 1, .n_weights = 1};
    lint_finding f[] = {{.kind = LINT_ZEROS, .always = false},
                        {.kind = LINT_LOWER, .always = true},
                        {.kind = LINT_LOOSE_ZEROS, .always = true},
                        {.kind = LINT_IGNORED, .always = true, .name = "bias"},
                        {.kind = LINT_ONES, .always = true, .name = "bias"},
                        {.kind = LINT_IGNORED, .always = true, .name = "x"}};
    lint_report r = {.finding = f, .n = 5};
    ok(!vfy_reward_flaw(&s, &r), "what the verifier refuses, and a weight that cancels, is no flaw");
    r.n = 6;
    ok(vfy_reward_flaw(&s, &r) == &f[5], "an input that does not matter is one");
    f[0].always = true;
    ok(vfy_reward_flaw(&s, &r) == &f[0], "so are zeros that pass");
}

int main(void)
{
    table();
    nothing_for_wrong();
    undecided();
    bounds();
    order();
    flaws();
    return tap_done();
}
