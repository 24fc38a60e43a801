/* gpu-check [--part NAME,...] [--only TEXT] [--all] [--minutes N] [REPORT.json] */
#include "tests/gpucheck/check.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "harness/device/worker.h"
#include "harness/timing/model.h"
#include "harness/timing/sitting.h"
#include "harness/worker/run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

/* Their seconds add up to eight minutes; --minutes scales them. */
static const gc_part parts[] = {
    {"ptx", "cases of tests/ptx: as the engine has them", 30, gc_ptx},
    {"survive", "hangs, faults and strays, and life after them", 40, gc_survive},
    {"kernels", "emitted and honest kernels at check shapes", 130, gc_kernels},
    {"benchmark", "emitted kernels at benchmark shapes", 80, gc_benchmark},
    {"hostile", "hostile kernels are rejected", 60, gc_hostile},
    {"timing", "copies of a kernel are as fast as it is", 60, gc_timing},
    {"model", "the cost model against measured times", 80, gc_model},
};

typedef struct arguments {
    const char *part, *only, *report;
    double minutes;
    bool all, bad;
} arguments;

static arguments parse(int argc, char **argv)
{
    arguments a = {.report = "gpu-check.json", .minutes = 8};
    for (int i = 1; i < argc; i++) {
        const bool more = i + 1 < argc;
        if (strcmp(argv[i], "--part") == 0 && more)
            a.part = argv[++i];
        else if (strcmp(argv[i], "--only") == 0 && more)
            a.only = argv[++i];
        else if (strcmp(argv[i], "--minutes") == 0 && more)
            a.minutes = atof(argv[++i]);
        else if (strcmp(argv[i], "--all") == 0)
            a.all = true;
        else if (argv[i][0] != '-')
            a.report = argv[i];
        else
            a.bad = true;
    }
    a.bad |= !(a.minutes > 0);
    return a;
}

/* Whether the comma-separated list has this name; NULL: it has all. */
static bool lists(const char *list, const char *name)
{
    const size_t n = strlen(name);
    for (const char *p = list; p; p = strchr(p, ',') ? strchr(p, ',') + 1 : NULL)
        if (strncmp(p, name, n) == 0 && (p[n] == ',' || !p[n]))
            return true;
    return !list;
}

/* false: an item names no part. */
static bool check_names(const char *list)
{
    char item[64];
    for (const char *p = list; p && *p;) {
        const size_t n = strcspn(p, ",");
        bool known = false;
        snprintf(item, sizeof item, "%.*s", n < sizeof item ? (int)n : (int)sizeof item - 1, p);
        for (size_t i = 0; i < WS_COUNT(parts); i++)
            known |= strcmp(parts[i].name, item) == 0;
        if (!known) {
            fprintf(stderr, "gpu-check: there is no part '%s'; there are", item);
            for (size_t i = 0; i < WS_COUNT(parts); i++)
                fprintf(stderr, "%s %s", i ? "," : "", parts[i].name);
            fputc('\n', stderr);
            return false;
        }
        p += n + (p[n] == ',');
    }
    return true;
}

/* ---- rows ---- */

void gc_add(gc_check *c, cJSON *row, gc_end end, const char *name, const char *text)
{
    static const char *const words[] = {"pass", "fail", "skipped"};
    static const char *const prefix[] = {"ok", "not ok", "skip"};
    cJSON_AddStringToObject(row, "name", name);
    cJSON_AddStringToObject(row, "result", words[end]);
    cJSON_AddStringToObject(row, "text", text);
    cJSON_AddItemToArray(c->rows, row);
    c->count[end]++;
    printf("%-7s %s%s%s\n", prefix[end], name, *text ? ": " : "", text);
    fflush(stdout);
}

bool gc_over(gc_check *c, const char *name)
{
    if (ws_now_ns() < c->end_ns)
        return false;
    gc_add(c, cJSON_CreateObject(), GC_SKIPPED, name, "the part's time is over");
    return true;
}

bool gc_leaves_out(const gc_check *c, const char *name)
{
    return c->only && !strstr(name, c->only);
}

/* ---- the report ---- */

static void add_origin(cJSON *report)
{
    char date[32];
    const time_t now = time(NULL);
    const char *commit = getenv("WARPSMITH_COMMIT");
    strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%SZ", gmtime(&now));
    cJSON_AddNumberToObject(report, "schema", 2);
    cJSON_AddStringToObject(report, "date", date);
    cJSON_AddStringToObject(report, "commit", commit && *commit ? commit : "unknown");
}

/* The GPU of the cost model's table whose name is in the device's; NULL: none is. */
static const char *model_of(const char *device)
{
    int gpus;
    const tim_gpu *list = tim_gpu_list(&gpus);
    for (int i = 0; i < gpus; i++) {
        const char *name = list[i].name;
        const size_t n = strlen(name);
        for (const char *p = device; *p; p++)
            if (strncasecmp(p, name, n) == 0)
                return name;
    }
    return NULL;
}

static ws_status find_device(gc_check *c, cJSON *report, ws_err *err)
{
    cu_device *d;
    char version[64];
    const char *wanted = getenv("WARPSMITH_DEVICE");
    c->device = wanted && strcmp(wanted, "cpu") == 0 ? "cpu" : "gpu";
    if (cu_open(c->device, &d, err)) {
        if (strcmp(c->device, "gpu") == 0)
            return ws_hint(err, "this needs a GPU and its driver; WARPSMITH_DEVICE=cpu tries the "
                                "checks themselves on the CPU driver");
        return err->status;
    }
    c->engine = cu_is_engine(d);
    /* Features of one architecture alone, wgmma and the like, need its letter. */
    const int capability = cu_compute_capability(d);
    snprintf(c->arch, sizeof c->arch, "sm_%d%s", capability, capability >= 90 ? "a" : "");
    c->gpu = c->engine ? "h100" : model_of(cu_name(d));
    cJSON_AddStringToObject(report, "device", cu_name(d));
    cJSON_AddStringToObject(report, "arch", c->arch);
    cJSON_AddNumberToObject(report, "driver", cu_driver_version(d));
    cu_close(d);
    if (comp_version(version, sizeof version, err))
        return err->status;
    cJSON_AddStringToObject(report, "compiler", version);
    return WS_OK;
}

static void run_part(gc_check *c, const gc_part *p, double scale, cJSON *report)
{
    ws_err err = {0};
    cJSON *o = cJSON_AddObjectToObject(report, p->name);
    const int64_t start = ws_now_ns();
    memset(c->count, 0, sizeof c->count);
    c->rows = cJSON_CreateArray();
    c->end_ns = start + (int64_t)(p->seconds * scale * 1e9);
    printf("# %s: %s\n", p->name, p->what);
    if (p->run(c, &err))
        gc_add(c, cJSON_CreateObject(), GC_FAILED, p->name, err.msg);
    cJSON_AddNumberToObject(o, "seconds", ws_seconds_since(start));
    cJSON_AddNumberToObject(o, "passed", c->count[GC_PASSED]);
    cJSON_AddNumberToObject(o, "failed", c->count[GC_FAILED]);
    cJSON_AddNumberToObject(o, "skipped", c->count[GC_SKIPPED]);
    cJSON_AddItemToObject(o, "rows", c->rows);
}

/* One line a part, and the sum. The number that failed. */
static int print_table(const cJSON *report)
{
    const cJSON *o, *all = cJSON_GetObjectItemCaseSensitive(report, "parts");
    int sum[3] = {0};
    printf("\n%-10s %7s %7s %8s %8s\n", "part", "passed", "failed", "skipped", "seconds");
    cJSON_ArrayForEach(o, all)
    {
        static const char *const key[] = {"passed", "failed", "skipped"};
        int n[3];
        for (int i = 0; i < 3; i++) {
            n[i] = cJSON_GetObjectItemCaseSensitive(o, key[i])->valueint;
            sum[i] += n[i];
        }
        printf("%-10s %7d %7d %8d %8.1f\n", o->string, n[0], n[1], n[2],
               cJSON_GetObjectItemCaseSensitive(o, "seconds")->valuedouble);
    }
    printf("%d passed, %d failed, %d skipped\n", sum[0], sum[1], sum[2]);
    return sum[1];
}

static ws_status check(const arguments *a, cJSON *report, ws_err *err)
{
    gc_check c = {.only = a->only, .all = a->all};
    const dev_pool_options pool = {.device = NULL};
    if (find_device(&c, report, err))
        return err->status;
    setenv("WARPSMITH_DEVICE", c.device, 1); /* of the workers */
    if (comp_service_open(&(comp_service_options){0}, &c.comp, err) ||
        dev_pool_open(&pool, &c.pool, err)) {
        comp_service_close(c.comp);
        return err->status;
    }
    cJSON *all = cJSON_AddObjectToObject(report, "parts");
    for (size_t i = 0; i < WS_COUNT(parts); i++)
        if (lists(a->part, parts[i].name))
            run_part(&c, &parts[i], a->minutes / 8, all);
    dev_pool_close(c.pool);
    comp_service_close(c.comp);
    return WS_OK;
}

/* This program is the worker of every kind that it needs. */
static int work(const char *kind)
{
    return strcmp(kind, "compile") == 0 ? comp_worker_main()
           : strcmp(kind, "time") == 0  ? sit_worker_main()
                                        : run_worker_main();
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "serve") == 0)
        return dev_worker_main(NULL);
    if (argc == 3 && strcmp(argv[1], "worker") == 0)
        return work(argv[2]);
    char exe[4096];
    ws_err err = {0};
    const ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
    exe[n > 0 ? n : 0] = '\0';
    setenv("WARPSMITH_EXE", exe, 1);
    setenv("WARPSMITH_WORKER", exe, 1);
    const arguments a = parse(argc, argv);
    if (a.bad || !check_names(a.part)) {
        fprintf(stderr, "usage: gpu_check [--part NAME,...] [--only TEXT] [--all] [--minutes N] [REPORT]\n");
        return 2;
    }
    cJSON *report = cJSON_CreateObject();
    add_origin(report);
    if (check(&a, report, &err)) {
        fprintf(stderr, "gpu-check: %s\n%s%s%s", err.msg, *err.hint ? "hint: " : "", err.hint,
                *err.hint ? "\n" : "");
        cJSON_Delete(report);
        return 3;
    }
    const int failed = print_table(report);
    ws_buf text = {0};
    ws_json_print(report, true, &text);
    cJSON_Delete(report);
    const ws_status st = ws_write_file(a.report, text.p, text.n, &err);
    ws_buf_release(&text);
    if (st) {
        fprintf(stderr, "gpu-check: %s\n", err.msg);
        return 3;
    }
    printf("report %s\n", a.report);
    return failed != 0;
}
