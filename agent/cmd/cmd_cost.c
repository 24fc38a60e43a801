/* `warpsmith cost`: what an operation must compute and move, and the time below which no GPU of the
 * table can do it. */
#include "agent/cli.h"
#include "base/json.h"
#include "verifier/roof.h"

#include <stdio.h>
#include <string.h>

typedef struct options {
    cli_common common;
    ws_opt_list dims;
    int64_t check;
    const char *gpu;
} options;

static const ws_opt option_table[] = {
    {.name = "dim",
     .letter = 'd',
     .type = WS_OPT_LIST,
     .offset = offsetof(options, dims),
     .arg = "NAME=N",
     .help = "set a dim; the others keep the chosen shape's value"},
    {.name = "check",
     .type = WS_OPT_INT,
     .offset = offsetof(options, check),
     .fallback = "-1",
     .arg = "I",
     .help = "start from check shape I; -1 is the benchmark shape",
     .min = -1,
     .max = 1000},
    {.name = "gpu",
     .type = WS_OPT_STRING,
     .offset = offsetof(options, gpu),
     .arg = "NAME",
     .help = "only this GPU, any of the cost model's"},
    CLI_COMMON_OPTIONS};

/* GPUs of the usual table, in its order. */
static const char *const usual[] = {"a100", "h100", "h200", "l40s", "rtx4090", "b200"};

/* ---- printing ---- */

typedef struct report {
    const spec *s;
    ws_env env;
    ref_cost cost;
    const tim_gpu *gpu[16];
    int n_gpus;
    double per_token; /* calls / tokens; 0: the spec says nothing */
} report;

static void print_text(const report *r)
{
    const ref_cost *c = &r->cost;
    ws_buf dims = {0};
    spec_env_print(&r->env, &dims);
    printf("%s  %s\n", r->s->name, ws_buf_z(&dims));
    printf("  operations  %.6g\n", c->flops);
    for (int u = 0; u < REF_UNIT_COUNT; u++)
        if (c->unit[u] > 0)
            printf("    %-18s %.6g\n", ref_unit_name((ref_unit)u), c->unit[u]);
    printf("  bytes       %.6g at least\n", c->min_bytes);
    if (c->min_bytes > 0)
        printf("  intensity   %.4g operations a byte\n", c->flops / c->min_bytes);
    printf("  floor of the graph as written, cold caches:\n");
    for (int i = 0; i < r->n_gpus; i++) {
        vfy_floor f = vfy_floor_of(r->gpu[i], c, vfy_is_half(r->s));
        printf("    %-24s %12.3f us  %s", r->gpu[i]->title, f.seconds * 1e6, f.bound);
        if (r->per_token > 0)
            printf(", %.3g GPU-seconds a million tokens", f.seconds * r->per_token * 1e6);
        putchar('\n');
    }
    if (r->s->economics)
        printf("  tokens      of %s, %s\n", r->s->economics->model, r->s->economics->phase);
    ws_buf_release(&dims);
}

static void print_json(const report *r)
{
    const ref_cost *c = &r->cost;
    cJSON *o = cJSON_CreateObject(), *dims, *units, *floors;
    cJSON_AddNumberToObject(o, "schema", 1);
    cJSON_AddStringToObject(o, "spec", r->s->name);
    dims = cJSON_AddObjectToObject(o, "dims");
    for (size_t d = 0; d < r->env.n; d++)
        ws_json_add_double(dims, r->env.item[d].name, (double)r->env.item[d].value);
    ws_json_add_double(o, "operations", c->flops);
    units = cJSON_AddObjectToObject(o, "units");
    for (int u = 0; u < REF_UNIT_COUNT; u++)
        if (c->unit[u] > 0)
            ws_json_add_double(units, ref_unit_name((ref_unit)u), c->unit[u]);
    ws_json_add_double(o, "min_bytes", c->min_bytes);
    if (c->min_bytes > 0)
        ws_json_add_double(o, "intensity", c->flops / c->min_bytes);
    floors = cJSON_AddArrayToObject(o, "floor");
    for (int i = 0; i < r->n_gpus; i++) {
        vfy_floor f = vfy_floor_of(r->gpu[i], c, vfy_is_half(r->s));
        cJSON *row = cJSON_CreateObject();
        cJSON_AddStringToObject(row, "gpu", r->gpu[i]->name);
        ws_json_add_double(row, "seconds", f.seconds);
        cJSON_AddStringToObject(row, "bound", f.bound);
        if (r->per_token > 0)
            ws_json_add_double(row, "seconds_per_million_tokens", f.seconds * r->per_token * 1e6);
        cJSON_AddItemToArray(floors, row);
    }
    if (r->s->economics) {
        cJSON *e = cJSON_AddObjectToObject(o, "economics");
        cJSON_AddStringToObject(e, "model", r->s->economics->model);
        cJSON_AddStringToObject(e, "phase", r->s->economics->phase);
    }
    cli_print_json(o);
}

/* ---- the command ---- */

static ws_status choose_gpus(const char *only, report *r, ws_err *err)
{
    if (only && cli_check_gpu(only, err))
        return err->status;
    if (only)
        r->gpu[r->n_gpus++] = tim_gpu_find(only);
    for (size_t i = 0; !only && i < WS_COUNT(usual); i++)
        r->gpu[r->n_gpus++] = tim_gpu_find(usual[i]);
    return WS_OK;
}

static ws_status weigh_tokens(report *r, ws_err *err)
{
    const spec_economics *e = r->s->economics;
    int64_t tokens = 0, calls = 0;
    if (!e)
        return WS_OK;
    if (ws_expr_eval(e->tokens, &r->env, &tokens, err) ||
        ws_expr_eval(e->calls, &r->env, &calls, err))
        return ws_wrap(err, "economics");
    r->per_token = tokens > 0 && calls > 0 ? (double)calls / (double)tokens : 0;
    return WS_OK;
}

static ws_status fill(const options *o, const ref_graph *g, ws_arena *a, report *r, ws_err *err)
{
    ref_bound *b = NULL;
    r->s = g->spec;
    if (choose_gpus(o->gpu, r, err) ||
        cli_spec_env(g->spec, (int)o->check, &o->dims, a, &r->env, err) ||
        ref_bind(g, &r->env, a, &b, err) || weigh_tokens(r, err))
        return err->status;
    ref_cost_of(b, &r->cost);
    return WS_OK;
}

static ws_status run(const void *values, const char **args, int nargs, int *exit_code, ws_err *err)
{
    const options *o = values;
    spec *s = NULL;
    ref_graph *g = NULL;
    ws_arena a = {0};
    report r = {0};
    (void)nargs, (void)exit_code;
    ws_status st = spec_find(args[0], &s, err);
    if (!st)
        st = ref_graph_new(s, &g, err);
    if (!st)
        st = fill(o, g, &a, &r, err);
    if (!st && o->common.json)
        print_json(&r);
    else if (!st)
        print_text(&r);
    ws_arena_release(&a);
    ref_graph_free(g);
    spec_free(s);
    return st;
}

const cli_command cmd_cost = {
    .doc =
        {.name = "cost",
         .summary = "count a spec's work and traffic, and the floor of its time on each GPU",
         .details =
             "Operations by unit (sums of products by the numbers multiplied), the bytes that must "
             "move, and the roofline: the time that no kernel of this graph can stay below when "
             "caches are cold. Peaks are dense; their sources are in harness/timing/gpus.c.",
         .usage = "SPEC [options]",
         .examples = "warpsmith cost llm/decode_paged\n"
                     "warpsmith cost matmul --dim M=1 --gpu h200 --json",
         .options = option_table,
         .min_args = 1,
         .max_args = 1},
    .values_size = sizeof(options),
    .run = run,
};
