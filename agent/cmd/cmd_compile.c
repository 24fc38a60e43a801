#include "agent/cli.h"
#include "base/file.h"
#include "harness/compile/compile.h"
#include "specs/spec.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct options {
    cli_common common;
    const char *arch, *ptx, *cubin;
    bool line_info;
    ws_opt_list define;
} options;

static const ws_opt option_table[] = {
    {.name = "arch", .type = WS_OPT_STRING, .offset = offsetof(options, arch), .fallback = "sm_90",
     .arg = "ARCH", .help = "compile for this architecture", .group = "Device"},
    {.name = "define", .letter = 'D', .type = WS_OPT_LIST, .offset = offsetof(options, define),
     .arg = "NAME=N", .help = "define an integer macro, such as DIM_N=1024"},
    {.name = "ptx", .type = WS_OPT_STRING, .offset = offsetof(options, ptx), .arg = "FILE",
     .help = "write the PTX"},
    {.name = "line-info", .type = WS_OPT_FLAG, .offset = offsetof(options, line_info),
     .help = "with the source's lines in it, which ptx run --lines tells of"},
    {.name = "cubin", .type = WS_OPT_STRING, .offset = offsetof(options, cubin), .arg = "FILE",
     .help = "write the cubin"},
    CLI_COMMON_OPTIONS};

static bool is_identifier(const char *p, const char *end)
{
    if (p == end || isdigit((unsigned char)*p))
        return false;
    while (p < end && (isalnum((unsigned char)*p) || *p == '_'))
        p++;
    return p == end;
}

static ws_status parse_macros(const ws_opt_list *list, ws_arena *a, comp_macro **out, ws_err *err)
{
    comp_macro *m = WS_ARENA_NEW(a, comp_macro, list->n + 1);
    for (size_t i = 0; i < list->n; i++) {
        const char *eq = strchr(list->item[i], '=');
        if (!eq || !is_identifier(list->item[i], eq) || !ws_parse_count(eq + 1, &m[i].value))
            return ws_fail(err, WS_EUSAGE, "--define '%s': expected NAME=N", list->item[i]);
        m[i].name = ws_arena_strndup(a, list->item[i], (size_t)(eq - list->item[i]));
    }
    *out = m;
    return WS_OK;
}

static void print_result(const comp_result *r, bool json)
{
    if (!json) {
        if (!r->ok)
            printf("%s: %s\n%s\n", hx_reason_name(r->diag.reason), r->diag.text,
                   r->log ? r->log : "");
        for (int i = 0; i < r->n_kernels; i++)
            printf("%s: %d parameters, %d registers, %d bytes shared, %d bytes stack, spills %d "
                   "bytes stored and %d loaded\n",
                   r->kernel[i].name, r->kernel[i].n_params, r->kernel[i].registers,
                   r->kernel[i].shared_bytes, r->kernel[i].stack_bytes,
                   r->kernel[i].spill_store_bytes, r->kernel[i].spill_load_bytes);
        return;
    }
    cJSON *o = cJSON_CreateObject();
    cJSON_AddNumberToObject(o, "schema", 1);
    cJSON_AddBoolToObject(o, "ok", r->ok);
    cJSON_AddStringToObject(o, "reason", hx_reason_name(r->diag.reason));
    cJSON_AddStringToObject(o, "text", r->diag.text);
    cJSON_AddNumberToObject(o, "line", r->diag.line);
    cJSON_AddStringToObject(o, "log", r->log ? r->log : "");
    cJSON_AddBoolToObject(o, "cached", r->cached);
    cJSON_AddNumberToObject(o, "seconds", r->seconds);
    cJSON *k = cJSON_AddArrayToObject(o, "kernels");
    for (int i = 0; i < r->n_kernels; i++) {
        cJSON *one = cJSON_CreateObject();
        cJSON_AddStringToObject(one, "name", r->kernel[i].name);
        cJSON_AddNumberToObject(one, "parameters", r->kernel[i].n_params);
        cJSON_AddNumberToObject(one, "registers", r->kernel[i].registers);
        cJSON_AddNumberToObject(one, "shared_bytes", r->kernel[i].shared_bytes);
        cJSON_AddNumberToObject(one, "spill_store_bytes", r->kernel[i].spill_store_bytes);
        cJSON_AddNumberToObject(one, "spill_load_bytes", r->kernel[i].spill_load_bytes);
        cJSON_AddItemToArray(k, one);
    }
    cli_print_json(o);
}

static ws_status run(const void *values, const char **args, int nargs, int *exit_code, ws_err *err)
{
    const options *o = values;
    comp_service *service = NULL;
    ws_buf source = {0};
    ws_arena a = {0};
    comp_result r = {0};
    comp_macro *macros = NULL;
    (void)nargs;
    ws_status st = ws_read_file(args[0], 1 << 20, &source, err);
    if (!st)
        st = parse_macros(&o->define, &a, &macros, err);
    if (!st)
        st = comp_service_open(&(comp_service_options){0}, &service, err);
    if (!st) {
        const char *slash = strrchr(args[0], '/');
        comp_request q = {.source = ws_buf_z(&source), .source_bytes = source.n,
                          .file = slash ? slash + 1 : args[0], .arch = o->arch, .macro = macros,
                          .n_macros = o->define.n, .want_cubin = true,
                          .line_info = o->line_info, .fmad = true};
        st = comp_compile(service, &q, &a, &r, err);
    }
    if (!st && r.ok && o->ptx)
        st = ws_write_file(o->ptx, r.ptx, r.ptx_bytes, err);
    if (!st && r.ok && o->cubin)
        st = ws_write_file(o->cubin, r.cubin, r.cubin_bytes, err);
    if (!st) {
        print_result(&r, o->common.json);
        *exit_code = !r.ok;
    }
    comp_service_close(service);
    ws_arena_release(&a);
    ws_buf_release(&source);
    return st;
}

const cli_command cmd_compile = {
    .doc = {.name = "compile",
            .summary = "compile a CUDA source with NVRTC, as candidates are compiled",
            .usage = "FILE.cu [options]",
            .examples = "warpsmith compile softmax.cu -D DIM_B=3 -D DIM_N=100 --ptx softmax.ptx",
            .options = option_table,
            .min_args = 1,
            .max_args = 1},
    .values_size = sizeof(options),
    .run = run,
};
