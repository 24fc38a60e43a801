/* What `warpsmith run` hears of a program: a line of JSON for each event, appended to the file that
 * WARPSMITH_RUN_REPORT names (agent/cmd/cmd_run.c reads it). WARPSMITH_RUN_TOOLS: the tools of
 * compute-sanitizer that look, with commas between; all of them when it is not set.
 * WARPSMITH_RUN_LAUNCH_MS: what one launch may take. WARPSMITH_RUN_API: "no" when calls that fail
 * are the program's own business. */
#include "base/mem.h"
#include "harness/ptx/cuda/internal.h"
#include "harness/ptx/sanitizer.h"

#include <cjson/cJSON.h>
#include <dlfcn.h>
#include <execinfo.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static uint64_t launches;

static const char *report_path(void)
{
    const char *path = getenv("WARPSMITH_RUN_REPORT");
    return path && *path ? path : NULL;
}

bool fac_monitor_is_on(void)
{
    return report_path() != NULL;
}

static int wanted_tools(void)
{
    const char *at = getenv("WARPSMITH_RUN_TOOLS");
    int set = 0;
    while (at && *at) {
        const size_t n = strcspn(at, ",");
        set |= (int)ptx_tool_named(at, n);
        at += n + (at[n] == ',');
    }
    return set ? set : PTX_TOOL_ALL;
}

static cJSON *event(const char *what)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "event", what);
    cJSON_AddNumberToObject(o, "pid", getpid());
    return o;
}

/* One write a line, so that those of several processes do not mix. A report that cannot be written
 * must not change what the program does. */
static void tell(cJSON *o)
{
    char *text = cJSON_PrintUnformatted(o);
    ws_buf line = {0};
    const int fd = open(report_path(), O_WRONLY | O_APPEND | O_CLOEXEC);
    if (fd >= 0 && text) {
        ws_buf_printf(&line, "%s\n", text);
        (void)!write(fd, line.p, line.n);
    }
    if (fd >= 0)
        close(fd);
    ws_buf_release(&line);
    free(text);
    cJSON_Delete(o);
}

static void add_triple(cJSON *o, const char *name, const uint32_t v[3])
{
    const int n[3] = {(int)v[0], (int)v[1], (int)v[2]};
    cJSON_AddItemToObject(o, name, cJSON_CreateIntArray(n, 3));
}

void fac_monitor_begin(ptx_options *options)
{
    if (!fac_monitor_is_on())
        return;
    const char *most = getenv("WARPSMITH_RUN_LAUNCH_MS");
    const int tools = wanted_tools();
    options->check_init = tools & PTX_TOOL_INITCHECK;
    options->check_race = tools & PTX_TOOL_RACECHECK;
    options->lanes_warn = true;
    options->count = false;
    options->deadline_ms = most ? strtoull(most, NULL, 10) : 0;
    tell(event("began"));
}

void fac_monitor_launch(void)
{
    launches++;
}

void fac_monitor_fault(const ptx_fault *f)
{
    const ptx_tool tool = ptx_tool_of(f);
    ws_buf text = {0};
    cJSON *o = event("fault");
    ptx_sanitizer_fault(f, &text);
    cJSON_AddStringToObject(o, "tool", ptx_tool_name(tool));
    cJSON_AddStringToObject(o, "severity", f->severity == PTX_SEV_WARNING ? "warning" : "error");
    cJSON_AddStringToObject(o, "reason", hx_reason_name(f->reason));
    cJSON_AddStringToObject(o, "kernel", f->kernel);
    if (f->line) {
        cJSON_AddStringToObject(o, "file", f->file);
        cJSON_AddNumberToObject(o, "line", f->line);
    }
    cJSON_AddNumberToObject(o, "ptx_line", f->ptx_line);
    add_triple(o, "thread", f->thread);
    add_triple(o, "block", f->block);
    cJSON_AddStringToObject(o, "text", f->text);
    cJSON_AddStringToObject(o, "report", ws_buf_z(&text));
    ws_buf_release(&text);
    tell(o);
}

/* The entry point that the program called: of the frames of this library the outermost. (Its files
 * are compiled without tail calls.) */
static const char *entry_point(void)
{
    void *frame[32];
    const int n = backtrace(frame, (int)WS_COUNT(frame));
    const char *name = "the CUDA driver";
    Dl_info own, at;
    if (!dladdr((const void *)&fac, &own))
        return name;
    for (int i = 0; i < n; i++) {
        /* A return address may be the next function's first. */
        if (!dladdr((const char *)frame[i] - 1, &at) || at.dli_fbase != own.dli_fbase)
            break;
        if (at.dli_sname && strncmp(at.dli_sname, "cu", 2) == 0)
            name = at.dli_sname;
    }
    return name;
}

/* Programs ask what there is, and an error is an answer then; it is also one that something is not
 * served. */
static bool is_an_answer(const char *call, CUresult r)
{
    static const char *const questions[] = {"Get", "Query", "CanAccess", "Occupancy", "Supported"};
    for (size_t i = 0; i < WS_COUNT(questions); i++)
        if (strstr(call, questions[i]))
            return true;
    return r == CUDA_ERROR_NOT_READY || r == CUDA_ERROR_NOT_SUPPORTED || r == CUDA_ERROR_NOT_FOUND;
}

void fac_monitor_call(CUresult r)
{
    const char *wanted = getenv("WARPSMITH_RUN_API"), *call = entry_point(), *name = NULL,
               *what = NULL;
    if ((wanted && strcmp(wanted, "no") == 0) || fac.sticky || is_an_answer(call, r))
        return;
    ws_buf text = {0};
    cJSON *o = event("call");
    (void)cuGetErrorName(r, &name);
    (void)cuGetErrorString(r, &what);
    ws_buf_printf(&text,
                  "========= Program hit %s (error %d) due to \"%s\" on CUDA API call to %s\n", name,
                  (int)r, what, call);
    if (fac_detail()[0])
        ws_buf_printf(&text, "=========     %s\n", fac_detail());
    cJSON_AddStringToObject(o, "tool", "memcheck");
    cJSON_AddStringToObject(o, "severity", "error");
    cJSON_AddStringToObject(o, "call", call);
    cJSON_AddStringToObject(o, "error", name);
    cJSON_AddStringToObject(o, "text", fac_detail()[0] ? fac_detail() : what);
    cJSON_AddStringToObject(o, "report", ws_buf_z(&text));
    ws_buf_release(&text);
    tell(o);
}

void fac_monitor_leak(uint64_t ptr, size_t bytes)
{
    ws_buf text = {0};
    cJSON *o = event("leak");
    ptx_sanitizer_leak(ptr, bytes, &text);
    cJSON_AddNumberToObject(o, "bytes", (double)bytes);
    cJSON_AddStringToObject(o, "report", ws_buf_z(&text));
    ws_buf_release(&text);
    tell(o);
}

/* How often each finding came, in the order in which they were told. */
__attribute__((destructor)) static void end(void)
{
    if (!fac.initialised || !fac_monitor_is_on())
        return;
    fac_tell_leaks();
    cJSON *o = event("end"), *found = cJSON_AddArrayToObject(o, "found");
    cJSON_AddNumberToObject(o, "launches", (double)launches);
    for (int i = 0; i < fac.report.n_faults; i++)
        cJSON_AddItemToArray(found, cJSON_CreateNumber((double)(1 + fac.report.fault[i].count)));
    tell(o);
}
