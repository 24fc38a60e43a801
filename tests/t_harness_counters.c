/* The order in which CUPTI is asked, on a CUPTI of the test's own that checks it as the real one's
 * rules say: passes go on until all are taken, inputs are made outside the range, everything is
 * given back; and what fails is told. */
#include "base/mem.h"
#include "harness/profile/cupti.h"
#include "harness/profile/cupti_api.h"
#include "tests/tap.h"

#include <stdlib.h>

enum { IMAGE = 40, DATA = 72, AVAILABLE = 24 };

/* The fake and what it saw. */
static struct {
    int passes;            /* that it asks for */
    const char *fail_at;   /* the function that fails, and how */
    int fail_with;
    int hosts, enabled, started, pushed, ran, prepared, decoded, in_range, wrong, done, dropped;
    size_t metrics;
    const uint8_t *config;
} fake;

static int step(const char *name, size_t size, size_t expected, bool in_order)
{
    fake.wrong += size != expected || !in_order;
    if (!in_order)
        printf("# %s out of order\n", name);
    return fake.fail_at && strcmp(fake.fail_at, name) == 0 ? fake.fail_with : CUPTI_OK;
}
#define STEP(member, in_order) step(#member, p->structSize, CUPTI_SIZE_##member, in_order)

static int initialize(cupti_p_initialize *p) { return STEP(initialize, !fake.hosts); }
static int chip_name(cupti_p_chip_name *p)
{
    p->pChipName = "GH100";
    return STEP(chip_name, p->deviceIndex == 3);
}
static int availability(cupti_p_availability *p)
{
    p->counterAvailabilityImageSize = AVAILABLE;
    if (p->pCounterAvailabilityImage)
        memset(p->pCounterAvailabilityImage, 7, AVAILABLE);
    return STEP(availability, p->ctx != NULL);
}
static int host_init(cupti_p_host_init *p)
{
    fake.hosts++;
    p->pHostObject = (cupti_host *)(void *)&fake;
    return STEP(host_init, p->pCounterAvailabilityImage && p->pCounterAvailabilityImage[0] == 7 &&
                               strcmp(p->pChipName, "GH100") == 0);
}
static int host_deinit(cupti_p_host_deinit *p)
{
    fake.hosts--;
    return STEP(host_deinit, true);
}
static int host_chips(cupti_p_host_chips *p) { return STEP(host_chips, true); }
static int host_add(cupti_p_host_add *p)
{
    fake.metrics = p->numMetrics;
    return STEP(host_add, strcmp(p->ppMetricNames[0], "gpu__time_duration.sum") == 0);
}
static int host_image_size(cupti_p_host_image_size *p)
{
    p->configImageSize = IMAGE;
    return STEP(host_image_size, fake.metrics > 0);
}
static int host_image(cupti_p_host_image *p)
{
    memset(p->pConfigImage, 1, p->configImageSize);
    fake.config = p->pConfigImage;
    return STEP(host_image, p->configImageSize == IMAGE);
}
static int host_passes(cupti_p_host_passes *p)
{
    p->numOfPasses = (size_t)fake.passes;
    return STEP(host_passes, p->pConfigImage == fake.config);
}
static int host_evaluate(cupti_p_host_evaluate *p)
{
    for (size_t i = 0; i < p->numMetrics; i++)
        p->pMetricValues[i] = 100 + (double)i;
    return STEP(host_evaluate, fake.decoded && p->rangeIndex == 0 && p->numMetrics == fake.metrics);
}
static int range_enable(cupti_p_range_enable *p)
{
    fake.enabled++;
    p->pRangeProfilerObject = (cupti_ranges *)(void *)&fake;
    return STEP(range_enable, p->ctx != NULL);
}
static int range_disable(cupti_p_range_disable *p)
{
    fake.enabled--;
    return STEP(range_disable, p->pRangeProfilerObject != NULL);
}
static int range_size(cupti_p_range_size *p)
{
    p->counterDataSize = DATA;
    return STEP(range_size,
                fake.enabled && p->numMetrics == fake.metrics && p->maxNumOfRanges == 1);
}
static int range_image(cupti_p_range_image *p)
{
    memset(p->pCounterData, 2, p->counterDataSize);
    return STEP(range_image, p->counterDataSize == DATA);
}
static int range_config(cupti_p_range_config *p)
{
    return STEP(range_config,
                p->configSize == IMAGE && p->pConfig == fake.config &&
                    p->counterDataImageSize == DATA && p->range == CUPTI_RANGE_BY_USER &&
                    p->replayMode == CUPTI_REPLAY_BY_USER && p->maxRangesPerPass == 1);
}
static int range_start(cupti_p_range_start *p)
{
    fake.started++;
    return STEP(range_start, fake.prepared == fake.started);
}
static int range_push(cupti_p_range_push *p)
{
    fake.in_range++;
    return STEP(range_push, fake.in_range == 1 && p->pRangeName);
}
static int range_pop(cupti_p_range_pop *p)
{
    fake.in_range--;
    return STEP(range_pop, fake.in_range == 0 && fake.ran == fake.started);
}
static int range_stop(cupti_p_range_stop *p)
{
    p->isAllPassSubmitted = fake.started == fake.passes;
    fake.done = p->isAllPassSubmitted;
    return STEP(range_stop, fake.in_range == 0);
}
static int range_decode(cupti_p_range_decode *p)
{
    fake.decoded++;
    p->numOfRangeDropped = (size_t)fake.dropped;
    return STEP(range_decode, fake.done);
}
static int result_string(int result, const char **out)
{
    *out = result == 999 ? "CUPTI_ERROR_UNKNOWN" : "?";
    return CUPTI_OK;
}

static const cupti_api fake_api = {
#define X(member, symbol, theirs, last, members) .member = member,
    CUPTI_LIST(X)
#undef X
    .result_string = result_string,
};

static ws_status prepare(void *ud, ws_err *err)
{
    (void)ud, (void)err;
    fake.prepared++;
    fake.wrong += fake.in_range != 0;
    return WS_OK;
}
static ws_status work(void *ud, ws_err *err)
{
    const int *fail = ud;
    fake.ran++;
    fake.wrong += fake.in_range != 1;
    return *fail && fake.ran == *fail ? ws_fail(err, WS_EINPUT, "the kernel faults") : WS_OK;
}

static ws_status measure(int passes, int tier, const char *fail_at, int fail_with, int fault,
                         prof_measurement *out, ws_err *err)
{
    int context = 0;
    const prof_work w = {prepare, work, &fault};
    const int dropped = fake.dropped;
    memset(&fake, 0, sizeof fake);
    fake.passes = passes;
    fake.fail_at = fail_at;
    fake.fail_with = fail_with;
    fake.dropped = dropped;
    *err = (ws_err){0};
    return prof_cupti_measure(&context, 3, tier, &w, out, err);
}

static void test_order(void)
{
    static const int metrics[] = {13, 21, 31}, passes[] = {1, 3, 6};
    prof_measurement m;
    ws_err err;
    for (int t = 0; t < PROF_TIERS; t++) {
        const ws_status st = measure(passes[t], t + 1, NULL, 0, 0, &m, &err);
        ok(!st && !fake.wrong && fake.ran == passes[t] &&
               m.passes == passes[t] && m.n == metrics[t],
           "tier %d: %d metrics in %d passes, in CUPTI's order %s", t + 1, m.n, m.passes, err.msg);
        ok(!fake.hosts && !fake.enabled && !fake.in_range, "everything is given back");
    }
    is_str(m.chip, "GH100", "the chip");
    is_close(m.value[0], 100e-9, 1e-18, "nanoseconds come as seconds");
    is_close(m.value[5], 105 * 32, 1e-9, "sectors as bytes");
}

static void test_failures(void)
{
    static const char *const functions[] = {
#define X(member, symbol, theirs, last, members) #member,
        CUPTI_LIST(X)
#undef X
    };
    prof_measurement m;
    ws_err err;
    int told = 0, kept = 0, of = 0;
    for (size_t i = 0; i < WS_COUNT(functions); i++) {
        if (strcmp(functions[i], "host_chips") == 0 || strstr(functions[i], "_deinit") ||
            strstr(functions[i], "_disable"))
            continue;
        of++;
        told += measure(3, 2, functions[i], 999, 0, &m, &err) != WS_OK && err.msg[0];
        kept += fake.hosts != 0 && strcmp(functions[i], "host_init") != 0;
    }
    is_int(told, of, "a failure of any function is told");
    is_int(kept, 0, "and nothing is kept");
    ok(measure(3, 2, "range_enable", CUPTI_E_PRIVILEGES, 0, &m, &err) == WS_EENV, "no permission");
    has_str(err.msg, "may not read the GPU's performance counters", "in words");
    ok(measure(3, 2, NULL, 0, 2, &m, &err) == WS_EINPUT && fake.ran == 2 && !fake.enabled,
       "a kernel that faults in the second pass ends it");
    is_str(err.msg, "the kernel faults", "with its own words");
    fake.dropped = 1;
    ok(measure(1, 1, NULL, 0, 0, &m, &err) == WS_EENV, "a range that CUPTI dropped is no result");
    fake.dropped = 0;
    ok(measure(1 << 20, 1, NULL, 0, 0, &m, &err) == WS_EENV && fake.ran < 100,
       "passes that never end do");
}

int main(void)
{
    cupti = fake_api;
    test_order();
    test_failures();
    return tap_done();
}
