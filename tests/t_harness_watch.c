/* What NVML says of a GPU, from a library of the same interface that the test compiles: there is none
 * to ask here. */
#include "base/mem.h"
#include "harness/timing/watch.h"
#include "tests/tap.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char dir[] = "/tmp/t_watch_XXXXXX";

static const char fake[] =
    "typedef struct d *dev; typedef struct { unsigned pid; unsigned long long m; unsigned g, c; } proc;\n"
    "#include <stdlib.h>\n"
    "static unsigned of(const char *n) { const char *v = getenv(n); return v ? (unsigned)atoi(v) : 0; }\n"
    "int nvmlInit_v2(void) { return 0; }\n"
    "int nvmlShutdown(void) { return 0; }\n"
    "int nvmlDeviceGetHandleByUUID(const char *u, dev *o) { *o = (dev)1; return u[0] != 'G'; }\n"
    "int nvmlDeviceGetClockInfo(dev d, int t, unsigned *o) { *o = t == 1 ? 1755 : 2619; return 0; }\n"
    "int nvmlDeviceGetMaxClockInfo(dev d, int t, unsigned *o) { *o = 1980; return 0; }\n"
    "int nvmlDeviceGetPowerUsage(dev d, unsigned *o) { *o = 512500; return 0; }\n"
    "int nvmlDeviceGetEnforcedPowerLimit(dev d, unsigned *o) { *o = 700000; return 0; }\n"
    "int nvmlDeviceGetTemperature(dev d, int s, unsigned *o) { *o = 61; return 0; }\n"
    "int nvmlDeviceGetEccMode(dev d, int *n, int *p) { *n = 1; *p = 1; return 0; }\n"
    "int nvmlDeviceGetCurrentClocksThrottleReasons(dev d, unsigned long long *o)\n"
    "{ *o = of(\"T_REASONS\"); return 0; }\n"
    "int nvmlDeviceGetComputeRunningProcesses_v3(dev d, unsigned *n, proc *p)\n"
    "{ *n = of(\"T_PROCESSES\"); for (unsigned i = 0; i < *n; i++) p[i].pid = 70000 + i; return 0; }\n";

static bool compile(char *library, size_t n)
{
    char path[64], command[256];
    snprintf(path, sizeof path, "%s/nvml.c", dir);
    snprintf(library, n, "%s/libnvml.so", dir);
    FILE *f = fopen(path, "w");
    if (!f)
        return false;
    fputs(fake, f);
    fclose(f);
    snprintf(command, sizeof command, "cc -w -shared -fPIC -o %s %s", library, path);
    return system(command) == 0;
}

static tim_moment look(tim_watch *w, const char *reasons, const char *processes)
{
    tim_moment m;
    setenv("T_REASONS", reasons, 1);
    setenv("T_PROCESSES", processes, 1);
    tim_watch_look(w, &m);
    return m;
}

static void test_moments(tim_watch *w)
{
    ws_err err = {0};
    const tim_moment calm = look(w, "1", "1"), capped = look(w, "4", "1"), hot = look(w, "64", "1"),
                     shared = look(w, "0", "2");
    tim_moment back;
    ok(calm.sm_mhz == 1755 && calm.sm_most_mhz == 1980 && calm.memory_mhz == 2619 &&
           calm.watts == 512.5 && calm.limit_watts == 700 && calm.celsius == 61 && calm.ecc &&
           calm.braked == 1 && calm.others == 0,
       "clocks, power, heat and memory's correction");
    is_int(tim_moment_discard(&calm, &calm), TIM_DISCARD_NONE, "a calm GPU: pairs count");
    is_int(tim_moment_discard(&calm, &capped), TIM_DISCARD_NONE, "a power cap: they count");
    is_int(tim_moment_discard(&calm, &hot), TIM_DISCARD_THROTTLE, "a thermal brake: not");
    is_int(tim_moment_discard(&hot, &calm), TIM_DISCARD_THROTTLE, "nor when it was there before");
    is_int(tim_moment_discard(&calm, &shared), TIM_DISCARD_SHARED, "another program: not");
    cJSON *o = tim_moment_json(&hot);
    ok(!tim_moment_read(o, &back, &err) && back.braked == 64 && back.sm_mhz == 1755 &&
           back.watts == 512.5 && back.ecc,
       "there and back as JSON %s", err.msg);
    cJSON_ReplaceItemInObject(o, "celsius", cJSON_CreateString("hot"));
    ok(tim_moment_read(o, &back, &err) == WS_EENV && strstr(err.msg, "celsius"), "%s", err.msg);
    cJSON_Delete(o);
}

int main(void)
{
    char library[64], command[96];
    ws_err err = {0};
    tim_watch *w = NULL;
    ok(tim_watch_open("GPU-1", "libnothing-there.so", &w, &err) == WS_EENV, "%s", err.msg);
    if (!ok(mkdtemp(dir) && compile(library, sizeof library), "a library like NVML"))
        return tap_done();
    err = (ws_err){0};
    ok(tim_watch_open("X-1", library, &w, &err) == WS_EENV && strstr(err.msg, "X-1"), "%s", err.msg);
    err = (ws_err){0};
    if (ok(!tim_watch_open("GPU-1", library, &w, &err), "opened %s", err.msg))
        test_moments(w);
    tim_watch_close(w);
    snprintf(command, sizeof command, "rm -rf %s", dir);
    return system(command) ? 1 : tap_done();
}
