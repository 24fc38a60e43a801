/* The metrics of harness/profile/metrics exist on the chips, and take the passes that they are said
 * to, by CUPTI's host API: no GPU is needed. What CUPTI refuses is put into words. */
#include "base/mem.h"
#include "harness/profile/cupti.h"
#include "harness/profile/cupti_api.h"
#include "tests/tap.h"

static const struct {
    const char *chip, *gpus;
    int metrics[PROF_TIERS], passes[PROF_TIERS]; /* of each tier */
} chips[] = {
    {"GA100", "A100", {13, 21, 31}, {1, 3, 6}},
    {"GA102", "A10G", {13, 21, 31}, {1, 3, 6}},
    {"AD102", "L40S, RTX 4090", {13, 21, 31}, {1, 3, 6}},
    {"AD104", "L4", {13, 21, 31}, {1, 3, 6}},
    {"GH100", "H100, H200", {13, 21, 31}, {1, 3, 6}},
    {"GB100", "B200", {13, 21, 31}, {1, 3, 6}},
    {"GB202", "RTX 5090", {11, 19, 29}, {2, 3, 7}},
    {"TU104", "T4", {13, 21, 31}, {2, 3, 6}},
    {"GV100", "V100", {13, 21, 31}, {2, 5, 6}},
};

static bool is_supported(const char *chip)
{
    const char *const *names;
    ws_err err = {0};
    int n = 0;
    if (prof_cupti_chips(&names, &n, &err))
        return false;
    for (int i = 0; i < n; i++)
        if (strcmp(names[i], chip) == 0)
            return true;
    return false;
}

static void test_names(const char *chip)
{
    const prof_metric *m[PROF_MAX_METRICS];
    int n = prof_metrics_of(PROF_TIERS, chip, m), valid = 0;
    for (int i = 0; i < n; i++) {
        ws_err err = {0};
        int passes = 0;
        if (!prof_cupti_passes(chip, &m[i]->name, 1, &passes, &err) && passes > 0)
            valid++;
        else
            printf("# %s\n", err.msg);
    }
    is_int(valid, n, "every metric by its name");
}

static void test_tiers(size_t c)
{
    for (int tier = 1; tier <= PROF_TIERS; tier++) {
        const prof_metric *m[PROF_MAX_METRICS];
        const char *name[PROF_MAX_METRICS];
        ws_err err = {0};
        int passes = 0, n = prof_metrics_of(tier, chips[c].chip, m);
        for (int i = 0; i < n; i++)
            name[i] = m[i]->name;
        ws_status st = prof_cupti_passes(chips[c].chip, name, n, &passes, &err);
        ok(!st && n == chips[c].metrics[tier - 1] && passes == chips[c].passes[tier - 1],
           "%s (%s), tier %d: %d metrics in %d passes %s", chips[c].chip, chips[c].gpus, tier, n,
           passes, err.msg);
    }
}

static void test_refused(void)
{
    const char *const bad = "sm__inst_executed_pipe_fp32.sum";
    ws_err err = {0};
    int passes = 0;
    ok(prof_cupti_passes("GH100", &bad, 1, &passes, &err) == WS_EINPUT, "a metric that is none");
    has_str(err.msg, "GH100 has no metric 'sm__inst_executed_pipe_fp32.sum'", "is named");
    err = (ws_err){0};
    ok(prof_cupti_passes("GX999", &prof_metrics[0].name, 1, &passes, &err) != WS_OK,
       "a chip that is none");
    has_str(err.msg, "chip 'GX999'", "is named");
}

static void test_words(void)
{
    static const int worded[] = {
        CUPTI_E_PRIVILEGES,   CUPTI_E_VIRTUALIZED, CUPTI_E_VIRTUALIZED_PRIVILEGES,
        CUPTI_E_CONFIDENTIAL, CUPTI_E_MIG,         CUPTI_E_MULTIPLE_SUBSCRIBERS};
    ws_err err = {0};
    ok(prof_cupti_fail(CUPTI_E_PRIVILEGES, "range_enable", &err) == WS_EENV, "no permission");
    has_str(err.msg, "may not read the GPU's performance counters", "is said in words");
    has_str(err.hint, "NVreg_RestrictProfilingToAdminUsers=0", "with what to do");
    for (size_t i = 0; i < WS_COUNT(worded); i++) {
        err = (ws_err){0};
        ok(prof_cupti_fail(worded[i], "range_enable", &err) == WS_EENV &&
               !strstr(err.msg, "range_enable"),
           "error %d: %s", worded[i], err.msg);
    }
}

/* Keys are JSON members and rules look them up: each once. */
static void test_table(void)
{
    int twice = 0, n = 0;
    for (const prof_metric *m = prof_metrics; m->name; m++, n++)
        for (const prof_metric *k = m + 1; k->name; k++)
            twice += strcmp(m->key, k->key) == 0 || strcmp(m->name, k->name) == 0;
    ok(n == 31 && !twice, "%d metrics, each with a key of its own", n);
}

/* Metrics that the engine's counters are said to be near, but for those that Nsight Compute makes of others. */
static void test_counters(void)
{
#define X(name, metric, says) {#name, metric},
    static const struct {
        const char *counter, *metric;
    } counters[] = {
#include "harness/ptx/counters.def"
    };
#undef X
    int valid = 0, n = 0;
    for (size_t i = 0; i < WS_COUNT(counters); i++) {
        const char *name = counters[i].metric + (*counters[i].metric == '~');
        ws_err err = {0};
        int passes = 0;
        if (!strchr(name, '.'))
            continue;
        n++;
        if (!prof_cupti_passes("GH100", &name, 1, &passes, &err) && passes > 0)
            valid++;
        else
            printf("# %s: %s\n", counters[i].counter, err.msg);
    }
    is_int(valid, n, "the engine's counters have metrics that exist");
}

int main(void)
{
    ws_err err = {0};
    test_table();
    if (prof_cupti_load(&err)) {
        skip("metrics on chips", err.msg);
        return tap_done();
    }
    for (size_t c = 0; c < WS_COUNT(chips); c++) {
        if (!is_supported(chips[c].chip)) {
            skip(chips[c].chip, "this CUPTI does not know the chip");
            continue;
        }
        test_names(chips[c].chip);
        test_tiers(c);
    }
    test_counters();
    test_refused();
    test_words();
    return tap_done();
}
