#include "harness/timing/watch.h"

#include "base/mem.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

/* As nvml.h has them: nvmlReturn_t, nvmlDevice_t, nvmlClockType_t, nvmlTemperatureSensors_t,
 * nvmlEnableState_t, nvmlProcessInfo_t (of the _v3 calls). */
typedef int nvml_result;
typedef struct nvml_device_ *nvml_device;
enum { NVML_OK = 0, NVML_CLOCK_SM = 1, NVML_CLOCK_MEM = 2, NVML_TEMPERATURE_GPU = 0 };
typedef struct nvml_process {
    unsigned pid;
    unsigned long long memory;
    unsigned gpu_instance, compute_instance;
} nvml_process;

/* member, symbol, whether a driver may lack it, parameters */
#define NVML_LIST(X)                                                                               \
    X(init, nvmlInit_v2, false, (void))                                                            \
    X(shutdown, nvmlShutdown, false, (void))                                                       \
    X(by_uuid, nvmlDeviceGetHandleByUUID, false, (const char *, nvml_device *))                    \
    X(clock, nvmlDeviceGetClockInfo, true, (nvml_device, int, unsigned *))                         \
    X(most_clock, nvmlDeviceGetMaxClockInfo, true, (nvml_device, int, unsigned *))                 \
    X(reasons, nvmlDeviceGetCurrentClocksEventReasons, true, (nvml_device, unsigned long long *))  \
    X(old_reasons, nvmlDeviceGetCurrentClocksThrottleReasons, true,                                \
      (nvml_device, unsigned long long *))                                                         \
    X(power, nvmlDeviceGetPowerUsage, true, (nvml_device, unsigned *))                             \
    X(limit, nvmlDeviceGetEnforcedPowerLimit, true, (nvml_device, unsigned *))                     \
    X(temperature, nvmlDeviceGetTemperature, true, (nvml_device, int, unsigned *))                 \
    X(ecc, nvmlDeviceGetEccMode, true, (nvml_device, int *, int *))                                \
    X(processes, nvmlDeviceGetComputeRunningProcesses_v3, true,                                    \
      (nvml_device, unsigned *, nvml_process *))

typedef struct nvml_api {
#define X(member, symbol, optional, params) nvml_result(*member) params;
    NVML_LIST(X)
#undef X
} nvml_api;

static const ws_symbol rows[] = {
#define X(member, symbol, optional, params) WS_SYMBOL(nvml_api, member, symbol, optional),
    NVML_LIST(X)
#undef X
};
const ws_symbols tim_nvml_symbols = {"NVML", rows, WS_COUNT(rows)};

/* Bits of nvmlDeviceGetCurrentClocksEventReasons. */
static const struct {
    uint64_t bit;
    const char *name;
    bool drops; /* what is measured under it does not count */
} brakes[] = {
    {0x1, "idle", false},           {0x2, "application clocks", false},
    {0x4, "power cap", false},      {0x8, "hardware slowdown", true},
    {0x10, "sync boost", false},    {0x20, "thermal, by software", true},
    {0x40, "thermal, by hardware", true}, {0x80, "power brake", true},
    {0x100, "display clocks", false},
};

struct tim_watch {
    nvml_api nvml;
    nvml_device device;
};

ws_status tim_watch_open(const char *uuid, const char *library, tim_watch **out, ws_err *err)
{
    const char *name = library ? library : "libnvidia-ml.so.1";
    void *so = dlopen(name, RTLD_NOW | RTLD_LOCAL); /* kept: it has threads of its own */
    if (!so)
        return ws_fail(err, WS_EENV, "cannot load NVML: %s", dlerror());
    tim_watch *w = ws_calloc(1, sizeof *w);
    const char *missing = ws_symbols_take(so, &tim_nvml_symbols, &w->nvml);
    if (missing) {
        free(w);
        return ws_fail(err, WS_EENV, "'%s' is too old: it has no %s", name, missing);
    }
    int r = w->nvml.init();
    if (r == NVML_OK) {
        r = w->nvml.by_uuid(uuid, &w->device);
        if (r != NVML_OK)
            w->nvml.shutdown();
    }
    if (r != NVML_OK) {
        free(w);
        return ws_fail(err, WS_EENV, "NVML does not show device %s: error %d", uuid, r);
    }
    *out = w;
    return WS_OK;
}

void tim_watch_close(tim_watch *w)
{
    if (!w)
        return;
    w->nvml.shutdown();
    free(w);
}

/* One of them is this one; which, its number does not tell inside a container. */
static unsigned count_others(tim_watch *w)
{
    enum { MOST = 64 };
    nvml_process p[MOST];
    unsigned n = MOST;
    if (!w->nvml.processes || w->nvml.processes(w->device, &n, p) != NVML_OK || !n)
        return 0;
    return n - 1;
}

void tim_watch_look(tim_watch *w, tim_moment *out)
{
    const nvml_api *n = &w->nvml;
    unsigned milliwatts = 0, limit = 0;
    unsigned long long reasons = 0;
    int now = 0, pending = 0;
    *out = (tim_moment){0};
    if (n->clock) {
        (void)n->clock(w->device, NVML_CLOCK_SM, &out->sm_mhz);
        (void)n->clock(w->device, NVML_CLOCK_MEM, &out->memory_mhz);
    }
    if (n->most_clock)
        (void)n->most_clock(w->device, NVML_CLOCK_SM, &out->sm_most_mhz);
    if (n->reasons)
        (void)n->reasons(w->device, &reasons);
    else if (n->old_reasons)
        (void)n->old_reasons(w->device, &reasons);
    if (n->power)
        (void)n->power(w->device, &milliwatts);
    if (n->limit)
        (void)n->limit(w->device, &limit);
    if (n->temperature)
        (void)n->temperature(w->device, NVML_TEMPERATURE_GPU, &out->celsius);
    if (n->ecc && n->ecc(w->device, &now, &pending) == NVML_OK)
        out->ecc = now != 0;
    out->braked = reasons;
    out->watts = milliwatts * 1e-3;
    out->limit_watts = limit * 1e-3;
    out->others = count_others(w);
}

tim_discard tim_moment_discard(const tim_moment *before, const tim_moment *after)
{
    uint64_t drops = 0;
    for (size_t i = 0; i < WS_COUNT(brakes); i++)
        drops |= brakes[i].drops ? brakes[i].bit : 0;
    if ((before->braked | after->braked) & drops)
        return TIM_DISCARD_THROTTLE;
    return before->others || after->others ? TIM_DISCARD_SHARED : TIM_DISCARD_NONE;
}

/* Members of the JSON that are numbers. */
static const struct {
    const char *name;
    size_t offset;
    bool real;
} numbers[] = {
    {"sm_mhz", offsetof(tim_moment, sm_mhz), false},
    {"sm_most_mhz", offsetof(tim_moment, sm_most_mhz), false},
    {"memory_mhz", offsetof(tim_moment, memory_mhz), false},
    {"celsius", offsetof(tim_moment, celsius), false},
    {"watts", offsetof(tim_moment, watts), true},
    {"limit_watts", offsetof(tim_moment, limit_watts), true},
    {"other_processes", offsetof(tim_moment, others), false},
};

cJSON *tim_moment_json(const tim_moment *m)
{
    cJSON *o = cJSON_CreateObject();
    for (size_t i = 0; i < WS_COUNT(numbers); i++) {
        const char *at = (const char *)m + numbers[i].offset;
        cJSON_AddNumberToObject(o, numbers[i].name,
                                numbers[i].real ? *(const double *)at : *(const unsigned *)at);
    }
    cJSON *braked = cJSON_AddArrayToObject(o, "braked");
    for (size_t i = 0; i < WS_COUNT(brakes); i++)
        if (m->braked & brakes[i].bit)
            cJSON_AddItemToArray(braked, cJSON_CreateString(brakes[i].name));
    cJSON_AddBoolToObject(o, "ecc", m->ecc);
    return o;
}

ws_status tim_moment_read(const cJSON *o, tim_moment *out, ws_err *err)
{
    const cJSON *braked = cJSON_GetObjectItemCaseSensitive(o, "braked"), *name;
    *out = (tim_moment){0};
    for (size_t i = 0; i < WS_COUNT(numbers); i++) {
        const cJSON *v = cJSON_GetObjectItemCaseSensitive(o, numbers[i].name);
        char *at = (char *)out + numbers[i].offset;
        if (!cJSON_IsNumber(v) || !(v->valuedouble >= 0 && v->valuedouble <= UINT32_MAX))
            return ws_fail(err, WS_EENV, "the state of the GPU: '%s' is not what it should be",
                           numbers[i].name);
        if (numbers[i].real)
            *(double *)at = v->valuedouble;
        else
            *(unsigned *)at = (unsigned)v->valuedouble;
    }
    cJSON_ArrayForEach(name, braked)
    {
        for (size_t i = 0; i < WS_COUNT(brakes) && cJSON_IsString(name); i++)
            if (strcmp(name->valuestring, brakes[i].name) == 0)
                out->braked |= brakes[i].bit;
    }
    out->ecc = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(o, "ecc"));
    return WS_OK;
}
