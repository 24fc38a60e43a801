#include "agent/cmd/run_findings.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#define LINE "========= "

void run_findings_open(run_findings *f, FILE *to)
{
    *f = (run_findings){.to = to, .finding = cJSON_CreateArray()};
}

void run_findings_release(run_findings *f)
{
    cJSON_Delete(f->finding);
    ws_buf_release(&f->rest);
}

static double number(const cJSON *o, const char *name)
{
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(o, name);
    return cJSON_IsNumber(v) ? v->valuedouble : 0;
}

static const char *text(const cJSON *o, const char *name)
{
    const char *z = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, name));
    return z ? z : "";
}

/* The text form is for the terminal. */
static void keep(run_findings *f, cJSON *event)
{
    if (f->to) {
        fprintf(f->to, "%s" LINE "\n", text(event, "report"));
        fflush(f->to);
    }
    cJSON_DeleteItemFromObject(event, "report");
    if (!cJSON_HasObjectItem(event, "times"))
        cJSON_AddNumberToObject(event, "times", 1);
    cJSON_AddItemToArray(f->finding, event);
}

/* A process tells in the end how often each of its faults came, in their order. */
static void count_again(run_findings *f, const cJSON *end)
{
    const cJSON *found = cJSON_GetObjectItemCaseSensitive(end, "found");
    cJSON *one;
    int i = 0;
    cJSON_ArrayForEach(one, f->finding)
    {
        if (strcmp(text(one, "event"), "fault") != 0 || number(one, "pid") != number(end, "pid"))
            continue;
        const cJSON *times = cJSON_GetArrayItem(found, i++);
        if (cJSON_IsNumber(times))
            cJSON_ReplaceItemInObject(one, "times", cJSON_Duplicate(times, false));
    }
    f->launches += (uint64_t)number(end, "launches");
}

static void take(run_findings *f, const char *line)
{
    cJSON *event = cJSON_Parse(line);
    const char *what = text(event, "event");
    if (strcmp(what, "began") == 0)
        f->processes++;
    else if (strcmp(what, "end") == 0)
        count_again(f, event);
    else if (strcmp(what, "leak") == 0) {
        f->leaks++;
        f->leaked_bytes += (uint64_t)number(event, "bytes");
    }
    if (strcmp(what, "fault") == 0 || strcmp(what, "call") == 0 || strcmp(what, "leak") == 0)
        keep(f, event);
    else
        cJSON_Delete(event);
}

void run_findings_read(run_findings *f, int fd)
{
    char part[4096];
    ssize_t n;
    while ((n = read(fd, part, sizeof part)) > 0)
        for (ssize_t i = 0; i < n; i++) {
            if (part[i] != '\n') {
                ws_buf_addc(&f->rest, part[i]);
                continue;
            }
            take(f, ws_buf_z(&f->rest));
            ws_buf_reset(&f->rest);
        }
}

/* Of a tool (NULL: of any), errors or warnings. */
static uint64_t sum(const run_findings *f, const char *tool, bool warnings)
{
    const cJSON *one;
    uint64_t n = 0;
    cJSON_ArrayForEach(one, f->finding)
    {
        const bool is_warning = strcmp(text(one, "severity"), "warning") == 0;
        if (is_warning == warnings && (!tool || strcmp(text(one, "tool"), tool) == 0))
            n += (uint64_t)number(one, "times");
    }
    return n;
}

uint64_t run_findings_errors(const run_findings *f)
{
    return sum(f, NULL, false);
}

static const char *plural(uint64_t n)
{
    return n == 1 ? "" : "s";
}

void run_findings_sum_up(const run_findings *f, FILE *to)
{
    const uint64_t races = sum(f, "racecheck", false), warnings = sum(f, "racecheck", true),
                   hazards = races + warnings, errors = run_findings_errors(f);
    if (!f->processes)
        fprintf(to, LINE "No process called cuInit: the program does not use the CUDA driver, or "
                         "loads another libcuda.so.1\n");
    if (hazards)
        fprintf(to, LINE "RACECHECK SUMMARY: %" PRIu64 " hazard%s displayed (%" PRIu64 " error%s, %"
                         PRIu64 " warning%s)\n",
                hazards, plural(hazards), races, plural(races), warnings, plural(warnings));
    if (f->leaks)
        fprintf(to, LINE "LEAK SUMMARY: %" PRIu64 " bytes leaked in %" PRIu64 " allocation%s\n",
                f->leaked_bytes, f->leaks, plural(f->leaks));
    fprintf(to, LINE "ERROR SUMMARY: %" PRIu64 " error%s\n", errors, plural(errors));
}
