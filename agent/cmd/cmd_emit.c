#include "agent/cli.h"
#include "reference/emit.h"

typedef struct options {
    cli_common common;
    const char *output;
    bool fused;
} options;

static const ws_opt option_table[] = {
    {.name = "output", .letter = 'o', .type = WS_OPT_STRING, .offset = offsetof(options, output),
     .fallback = "-", .arg = "FILE", .help = "where to write; - is standard output"},
    {.name = "fused", .type = WS_OPT_FLAG, .offset = offsetof(options, fused),
     .help = "fold elementwise ops into the kernels that make or reduce their operands"},
    CLI_COMMON_OPTIONS};

static ws_status run(const void *values, const char **args, int nargs, int *exit_code, ws_err *err)
{
    const options *o = values;
    spec *s = NULL;
    ref_graph *g = NULL;
    ws_buf source = {0};
    (void)nargs, (void)exit_code;
    ws_status st = spec_find(args[0], &s, err);
    if (!st)
        st = ref_graph_new(s, &g, err);
    if (!st)
        st = o->fused ? ref_emit_fused(g, &source, err) : ref_emit(g, &source, err);
    if (!st)
        st = cli_write_text(o->output, o->common.json, "source", &source, err);
    ws_buf_release(&source);
    ref_graph_free(g);
    spec_free(s);
    return st;
}

const cli_command cmd_emit = {
    .doc = {.name = "emit",
            .summary = "translate a spec into plain CUDA with its launch plan, for no token",
            .usage = "SPEC [options]",
            .examples = "warpsmith emit softmax -o softmax.cu",
            .options = option_table,
            .min_args = 1,
            .max_args = 1},
    .values_size = sizeof(options),
    .run = run,
};
