/* `warpsmith reference`: the double-precision evaluation, from .npy inputs to .npy outputs. */
#include "agent/cli.h"
#include "base/file.h"
#include "base/json.h"
#include "reference/npy.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct options {
    cli_common common;
    const char *in, *out;
    ws_opt_list dims;
    int64_t check, seed;
    bool bounds;
} options;

static const ws_opt option_table[] = {
    {.name = "in", .letter = 'i', .type = WS_OPT_STRING, .offset = offsetof(options, in),
     .arg = "DIR",
     .help = "read each input and weight from DIR/<name>.npy; what is not there is generated"},
    {.name = "out", .letter = 'o', .type = WS_OPT_STRING, .offset = offsetof(options, out),
     .arg = "DIR", .help = "write inputs and outputs as DIR/<name>.npy, outputs as float64"},
    {.name = "dim", .letter = 'd', .type = WS_OPT_LIST, .offset = offsetof(options, dims),
     .arg = "NAME=N", .help = "set a dim; the others keep the chosen shape's value"},
    {.name = "check", .type = WS_OPT_INT, .offset = offsetof(options, check), .fallback = "0",
     .arg = "I", .help = "start from check shape I; -1 is the benchmark shape", .min = -1,
     .max = 1000},
    {.name = "seed", .type = WS_OPT_INT, .offset = offsetof(options, seed), .fallback = "1",
     .arg = "N", .help = "seed of generated inputs"},
    {.name = "bounds", .type = WS_OPT_FLAG, .offset = offsetof(options, bounds),
     .help = "also write the error bound of each output as DIR/<name>.bound.npy"},
    CLI_COMMON_OPTIONS};

static ws_status path_in(ws_buf *out, const char *dir, const char *name, const char *suffix,
                         ws_err *err)
{
    ws_buf_reset(out);
    ws_buf_printf(out, "%s/%s%s", dir, name, suffix);
    return out->overflow ? ws_fail(err, WS_EINPUT, "path under '%s' is too long", dir) : WS_OK;
}

/* From DIR/<name>.npy when it is there; its shape must be the spec's, its values are rounded to the
 * tensor's dtype, as a kernel would receive them. */
static ws_status load_input(const options *o, const ref_bound *b, int i, ref_tensor *t, ws_err *err)
{
    const spec_tensor *want = &b->graph->spec->tensor[i];
    ws_buf path = {0};
    ws_status st = WS_OK;
    if (o->in)
        st = path_in(&path, o->in, want->name, ".npy", err);
    if (st)
        goto out;
    if (!o->in || !ws_file_exists(ws_buf_z(&path))) {
        st = ref_make_input(b, i, (uint64_t)o->seed, t, err);
        goto out;
    }
    if ((st = ref_npy_read(ws_buf_z(&path), t, err)))
        goto out;
    ref_shape shape = {.rank = want->rank};
    if ((st = spec_tensor_dims(want, &b->env, shape.dim, &shape.count, err)))
        goto out;
    bool same = shape.rank == t->shape.rank;
    for (int d = 0; same && d < shape.rank; d++)
        same = shape.dim[d] == t->shape.dim[d];
    if (!same) {
        st = ws_fail(err, WS_EINPUT, "'%s' does not have the shape of '%s' at these dims",
                     ws_buf_z(&path), want->name);
        ws_hint(err, "set the dims with --dim NAME=N");
        goto out;
    }
    for (int64_t k = 0; k < t->shape.count; k++)
        t->v[k] = ws_dtype_round(want->dtype, t->v[k]);
out:
    ws_buf_release(&path);
    return st;
}

static ws_status write_one(const options *o, const char *name, const char *suffix,
                           const ref_tensor *t, ws_dtype dtype, ws_err *err)
{
    ws_buf path = {0};
    ws_status st = path_in(&path, o->out, name, suffix, err);
    if (!st)
        st = ref_npy_write(ws_buf_z(&path), t, dtype, err);
    ws_buf_release(&path);
    return st;
}

static ws_status write_all(const options *o, const ref_graph *g, const ref_tensor *input,
                           const ref_tensor *output, ws_err *err)
{
    const spec *s = g->spec;
    if (ws_make_dirs(o->out, err))
        return err->status;
    for (int i = 0; i < s->n_inputs + s->n_weights; i++)
        if (write_one(o, s->tensor[i].name, ".npy", &input[i], s->tensor[i].dtype, err))
            return err->status;
    for (int k = 0; k < g->n_outputs; k++) {
        if (write_one(o, s->output[k], ".npy", &output[k], WS_F64, err))
            return err->status;
        ref_tensor bound = {.shape = output[k].shape, .v = output[k].e};
        if (o->bounds && bound.v && write_one(o, s->output[k], ".bound.npy", &bound, WS_F64, err))
            return err->status;
    }
    return WS_OK;
}

static void print_outputs(const ref_graph *g, const ref_tensor *output, bool json)
{
    cJSON *array = json ? cJSON_CreateArray() : NULL;
    for (int k = 0; k < g->n_outputs; k++) {
        const ref_tensor *t = &output[k];
        ws_buf shape = {0};
        double sum = 0, largest = 0;
        for (int d = 0; d < t->shape.rank; d++)
            ws_buf_printf(&shape, "%s%" PRId64, d ? "," : "", t->shape.dim[d]);
        for (int64_t i = 0; i < t->shape.count; i++) {
            sum += t->v[i];
            if (t->e && t->e[i] > largest)
                largest = t->e[i];
        }
        if (json) {
            cJSON *o = cJSON_CreateObject();
            cJSON_AddStringToObject(o, "name", g->spec->output[k]);
            cJSON_AddStringToObject(o, "shape", ws_buf_z(&shape));
            ws_json_add_double(o, "sum", sum);
            ws_json_add_double(o, "largest_error_bound", largest);
            cJSON_AddItemToArray(array, o);
        } else {
            printf("%s [%s]  sum %.17g  largest error bound %.3g\n", g->spec->output[k],
                   ws_buf_z(&shape), sum, largest);
        }
        ws_buf_release(&shape);
    }
    if (json)
        cli_print_json(array);
}

static ws_status evaluate(const options *o, const ref_graph *g, ws_err *err)
{
    const spec *s = g->spec;
    int n = s->n_inputs + s->n_weights;
    ws_arena a = {0};
    ref_tensor *input = WS_ARENA_NEW(&a, ref_tensor, n + 1);
    ref_tensor *output = WS_ARENA_NEW(&a, ref_tensor, g->n_outputs + 1);
    ws_env env = {0};
    ref_bound *b = NULL;
    ws_status st = cli_spec_env(s, (int)o->check, &o->dims, &a, &env, err);
    if (!st)
        st = ref_bind(g, &env, &a, &b, err);
    for (int i = 0; !st && i < n; i++)
        st = load_input(o, b, i, &input[i], err);
    if (!st)
        st = ref_eval(b, input, true, output, err);
    if (!st && o->out)
        st = write_all(o, g, input, output, err);
    if (!st)
        print_outputs(g, output, o->common.json);
    for (int i = 0; i < n; i++)
        ref_tensor_release(&input[i]);
    for (int k = 0; k < g->n_outputs; k++)
        ref_tensor_release(&output[k]);
    ws_arena_release(&a);
    return st;
}

static ws_status run(const void *values, const char **args, int nargs, int *exit_code, ws_err *err)
{
    const options *o = values;
    spec *s = NULL;
    ref_graph *g = NULL;
    (void)nargs, (void)exit_code;
    ws_status st = spec_find(args[0], &s, err);
    if (!st && o->in && !ws_file_exists(o->in))
        st = ws_fail(err, WS_EINPUT, "--in '%s': there is no such directory", o->in);
    if (!st)
        st = ref_graph_new(s, &g, err);
    if (!st)
        st = evaluate(o, g, err);
    ref_graph_free(g);
    spec_free(s);
    return st;
}

const cli_command cmd_reference = {
    .doc = {.name = "reference",
            .summary = "evaluate a spec in double precision, with error bounds",
            .usage = "SPEC [options]",
            .examples = "warpsmith reference softmax --out out\n"
                        "warpsmith reference softmax --in data --out out --dim B=3 --dim N=100",
            .options = option_table,
            .min_args = 1,
            .max_args = 1},
    .values_size = sizeof(options),
    .run = run,
};
