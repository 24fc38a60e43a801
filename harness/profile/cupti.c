#include "harness/profile/cupti.h"

#include "harness/profile/cupti_api.h"
#include "harness/toolkit.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_PASSES = 64 };

cupti_api cupti;

static const ws_symbol rows[] = {
#define X(member, symbol, theirs, last, members) WS_SYMBOL(cupti_api, member, symbol, false),
    CUPTI_LIST(X)
#undef X
    WS_SYMBOL(cupti_api, result_string, cuptiGetResultString, false),
};
const ws_symbols cupti_symbols = {"CUPTI", rows, WS_COUNT(rows)};

/* A structure of parameters with its size. */
#define PARAMS(member, ...) {.structSize = CUPTI_SIZE_##member, __VA_ARGS__}
/* The call's status; cuptiX is named in the message. */
#define TRY(member, params, err) check(cupti.member(params), #member, (err))

/* ---- failures ---- */

static const struct {
    int result;
    const char *what, *hint;
} words[] = {
    {CUPTI_E_PRIVILEGES, "this user may not read the GPU's performance counters",
     "run as root or with CAP_PERFMON (CAP_SYS_ADMIN before driver R565), or have the "
     "administrator load "
     "the driver with NVreg_RestrictProfilingToAdminUsers=0; static resources and the model stand "
     "without"},
    {CUPTI_E_VIRTUALIZED, "this virtual GPU has no performance counters", NULL},
    {CUPTI_E_VIRTUALIZED_PRIVILEGES,
     "the hypervisor does not let this virtual GPU read performance counters",
     "profiling has to be allowed for the virtual GPU by who runs the host"},
    {CUPTI_E_CONFIDENTIAL, "a GPU in confidential computing mode has no performance counters",
     NULL},
    {CUPTI_E_CMP, "this GPU's performance counters are switched off by its maker", NULL},
    {CUPTI_E_MIG, "performance counters of this slice of a partitioned GPU are not available",
     "take a whole GPU, or a slice that was made with profiling allowed"},
    {CUPTI_E_SLI, "GPUs in SLI mode have no performance counters", NULL},
    {CUPTI_E_WSL, "this GPU has no performance counters under WSL", NULL},
    {CUPTI_E_NOT_SUPPORTED, "CUPTI has no performance counters for this GPU", NULL},
    {CUPTI_E_MULTIPLE_SUBSCRIBERS, "another profiler or debugger is attached to this process",
     "end Nsight, compute-sanitizer or cuda-gdb first"},
};

ws_status prof_cupti_fail(int result, const char *call, ws_err *err)
{
    const char *text = NULL;
    for (size_t i = 0; i < WS_COUNT(words); i++)
        if (words[i].result == result) {
            ws_fail(err, WS_EENV, "%s (CUPTI's error %d)", words[i].what, result);
            return words[i].hint ? ws_hint(err, "%s", words[i].hint) : err->status;
        }
    if (cupti.result_string)
        cupti.result_string(result, &text);
    return ws_fail(err, result == CUPTI_E_METRIC_NAME ? WS_EINPUT : WS_EENV, "CUPTI, %s: %s (%d)",
                   call, text ? text : "unknown error", result);
}

static ws_status check(int result, const char *call, ws_err *err)
{
    return result == CUPTI_OK ? WS_OK : prof_cupti_fail(result, call, err);
}

/* ---- the library ---- */

static ws_status load(ws_err *err)
{
    static const char *const names[] = {"libcupti.so.13", "libcupti.so.12", "libcupti.so", NULL};
    char path[PATH_MAX];
    void *lib = hx_toolkit_find(names, path) ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;
    for (int i = 0; !lib && names[i]; i++)
        lib = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
    if (!lib) {
        ws_fail(err, WS_EENV,
                "CUPTI (libcupti.so.13 or .12) was not found: no performance counters");
        return ws_hint(err,
                       "it is part of the CUDA toolkit; set CUDA_HOME to one of 12.6 or newer");
    }
    const char *missing = ws_symbols_take(lib, &cupti_symbols, &cupti);
    if (missing)
        cupti = (cupti_api){0};
    if (missing)
        return ws_fail(err, WS_EENV, "CUPTI is older than 12.6: it has no %s", missing);
    return WS_OK;
}

ws_status prof_cupti_load(ws_err *err)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&lock);
    ws_status st = cupti.result_string ? WS_OK : load(err);
    pthread_mutex_unlock(&lock);
    return st;
}

/* ---- without a GPU ---- */

ws_status prof_cupti_chips(const char *const **out, int *n, ws_err *err)
{
    cupti_p_host_chips p = PARAMS(host_chips, .numChips = 0);
    if (prof_cupti_load(err) || TRY(host_chips, &p, err))
        return err->status;
    *out = p.ppChipNames;
    *n = (int)p.numChips;
    return WS_OK;
}

/* What a configuration of counters is: which are read in which pass. */
typedef struct config {
    cupti_host *host;
    uint8_t *image;
    size_t bytes;
    int passes;
} config;

static void config_close(config *c)
{
    cupti_p_host_deinit p = PARAMS(host_deinit, .pHostObject = c->host);
    if (c->host)
        cupti.host_deinit(&p);
    free(c->image);
    *c = (config){0};
}

/* `available`: what the GPU at hand can count; NULL: the chip's all. CUPTI does not write the
 * names. */
static ws_status config_open(const char *chip, const uint8_t *available, const char **metric, int n,
                             config *out, ws_err *err)
{
    cupti_p_host_init h = PARAMS(host_init, .profilerType = CUPTI_RANGE_PROFILER, .pChipName = chip,
                                 .pCounterAvailabilityImage = available);
    *out = (config){0};
    if (TRY(host_init, &h, err))
        return ws_wrap(err, "chip '%s'", chip);
    out->host = h.pHostObject;
    cupti_p_host_add add = PARAMS(host_add, .pHostObject = out->host, .ppMetricNames = metric,
                                  .numMetrics = (size_t)n);
    cupti_p_host_image_size size = PARAMS(host_image_size, .pHostObject = out->host);
    if (cupti.host_add(&add) != CUPTI_OK)
        return n == 1 ? ws_fail(err, WS_EINPUT, "%s has no metric '%s'", chip, metric[0])
                      : ws_fail(err, WS_EINPUT, "%s lacks one of %d metrics", chip, n);
    if (TRY(host_image_size, &size, err))
        return err->status;
    out->bytes = size.configImageSize;
    out->image = ws_malloc(out->bytes ? out->bytes : 1);
    cupti_p_host_image image = PARAMS(host_image, .pHostObject = out->host,
                                      .configImageSize = out->bytes, .pConfigImage = out->image);
    cupti_p_host_passes passes = PARAMS(host_passes, .configImageSize = out->bytes,
                                        .pConfigImage = out->image);
    if (TRY(host_image, &image, err) || TRY(host_passes, &passes, err))
        return err->status;
    out->passes = (int)passes.numOfPasses;
    return WS_OK;
}

ws_status prof_cupti_passes(const char *chip, const char *const *metric, int n, int *passes,
                            ws_err *err)
{
    config c = {0};
    const char **names = ws_calloc((size_t)n + 1, sizeof *names);
    ws_status st = prof_cupti_load(err);
    memcpy(names, metric, (size_t)n * sizeof *names);
    if (!st)
        st = config_open(chip, NULL, names, n, &c, err);
    if (!st)
        *passes = c.passes;
    config_close(&c);
    free(names);
    return st;
}

/* ---- on a GPU ---- */

typedef struct session {
    void *context;
    config config;
    cupti_ranges *ranges;
    uint8_t *available, *data;
    size_t data_bytes;
    const char *name[PROF_MAX_METRICS];
    prof_measurement *out;
} session;

/* The chip, and what may be counted on it here and now. */
static ws_status look(session *s, int device, ws_err *err)
{
    cupti_p_initialize start = PARAMS(initialize, .pPriv = NULL);
    cupti_p_chip_name chip = PARAMS(chip_name, .deviceIndex = (size_t)device);
    cupti_p_availability a = PARAMS(availability, .ctx = s->context);
    if (TRY(initialize, &start, err) || TRY(chip_name, &chip, err) || TRY(availability, &a, err))
        return err->status;
    snprintf(s->out->chip, sizeof s->out->chip, "%s", chip.pChipName ? chip.pChipName : "?");
    s->available = ws_malloc(a.counterAvailabilityImageSize ? a.counterAvailabilityImageSize : 1);
    a.pCounterAvailabilityImage = s->available;
    return TRY(availability, &a, err);
}

static ws_status prepare(session *s, ws_err *err)
{
    const int n = s->out->n;
    cupti_p_range_enable enable = PARAMS(range_enable, .ctx = s->context);
    if (config_open(s->out->chip, s->available, s->name, n, &s->config, err) ||
        TRY(range_enable, &enable, err))
        return err->status;
    s->ranges = enable.pRangeProfilerObject;
    cupti_p_range_size size = PARAMS(range_size, .pRangeProfilerObject = s->ranges,
                                     .pMetricNames = s->name, .numMetrics = (size_t)n,
                                     .maxNumOfRanges = 1, .maxNumRangeTreeNodes = 1);
    if (TRY(range_size, &size, err))
        return err->status;
    s->data_bytes = size.counterDataSize;
    s->data = ws_calloc(s->data_bytes ? s->data_bytes : 1, 1);
    cupti_p_range_image image = PARAMS(range_image, .pRangeProfilerObject = s->ranges,
                                       .counterDataSize = s->data_bytes, .pCounterData = s->data);
    cupti_p_range_config c = PARAMS(
        range_config, .pRangeProfilerObject = s->ranges, .configSize = s->config.bytes,
        .pConfig = s->config.image, .counterDataImageSize = s->data_bytes,
        .pCounterDataImage = s->data, .range = CUPTI_RANGE_BY_USER,
        .replayMode = CUPTI_REPLAY_BY_USER, .maxRangesPerPass = 1, .numNestingLevels = 1,
        .minNestingLevel = 1, .passIndex = 0, .targetNestingLevel = 1);
    return TRY(range_image, &image, err) ? err->status : TRY(range_config, &c, err);
}

/* One pass; *done: it was the last. */
static ws_status pass(session *s, const prof_work *work, bool *done, ws_err *err)
{
    cupti_p_range_start start = PARAMS(range_start, .pRangeProfilerObject = s->ranges);
    cupti_p_range_push push =
        PARAMS(range_push, .pRangeProfilerObject = s->ranges, .pRangeName = "plan");
    cupti_p_range_pop pop = PARAMS(range_pop, .pRangeProfilerObject = s->ranges);
    cupti_p_range_stop stop = PARAMS(range_stop, .pRangeProfilerObject = s->ranges);
    if (work->prepare(work->ud, err) || TRY(range_start, &start, err) ||
        TRY(range_push, &push, err) || work->run(work->ud, err) || TRY(range_pop, &pop, err) ||
        TRY(range_stop, &stop, err))
        return err->status;
    *done = stop.isAllPassSubmitted;
    return WS_OK;
}

static ws_status read_values(session *s, ws_err *err)
{
    prof_measurement *out = s->out;
    cupti_p_range_decode decode = PARAMS(range_decode, .pRangeProfilerObject = s->ranges);
    cupti_p_host_evaluate values = PARAMS(
        host_evaluate, .pHostObject = s->config.host, .pCounterDataImage = s->data,
        .counterDataImageSize = s->data_bytes, .rangeIndex = 0, .ppMetricNames = s->name,
        .numMetrics = (size_t)out->n, .pMetricValues = out->value);
    if (TRY(range_decode, &decode, err))
        return err->status;
    if (decode.numOfRangeDropped)
        return ws_fail(err, WS_EENV, "CUPTI dropped %zu ranges", decode.numOfRangeDropped);
    if (TRY(host_evaluate, &values, err))
        return err->status;
    for (int i = 0; i < out->n; i++)
        out->value[i] *= out->metric[i]->factor;
    return WS_OK;
}

static ws_status measure(session *s, int device, int tier, const prof_work *work, ws_err *err)
{
    bool done = false;
    if (look(s, device, err))
        return err->status;
    s->out->n = prof_metrics_of(tier, s->out->chip, s->out->metric);
    for (int i = 0; i < s->out->n; i++)
        s->name[i] = s->out->metric[i]->name;
    if (prepare(s, err))
        return err->status;
    while (!done && s->out->passes < MAX_PASSES) {
        if (pass(s, work, &done, err))
            return err->status;
        s->out->passes++;
    }
    if (!done)
        return ws_fail(err, WS_EENV, "CUPTI asks for more than %d passes", MAX_PASSES);
    return read_values(s, err);
}

ws_status prof_cupti_measure(void *context, int device, int tier, const prof_work *work,
                             prof_measurement *out, ws_err *err)
{
    session s = {.context = context, .out = out};
    *out = (prof_measurement){0};
    ws_status st = prof_cupti_load(err);
    if (!st)
        st = measure(&s, device, tier, work, err);
    if (s.ranges) {
        cupti_p_range_disable off = PARAMS(range_disable, .pRangeProfilerObject = s.ranges);
        cupti.range_disable(&off);
    }
    config_close(&s.config);
    free(s.available);
    free(s.data);
    return st;
}
