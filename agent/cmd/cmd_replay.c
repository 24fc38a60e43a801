#include "agent/cli.h"
#include "agent/llm/replay.h"

typedef struct options {
    cli_common common;
    int64_t port;
    bool no_stream;
} options;

static const ws_opt option_table[] = {
    {.name = "port", .letter = 'p', .type = WS_OPT_INT, .offset = offsetof(options, port),
     .fallback = "0", .arg = "N", .help = "port on 127.0.0.1; 0 lets the system choose", .min = 0,
     .max = 65535},
    {.name = "no-stream", .type = WS_OPT_FLAG, .offset = offsetof(options, no_stream),
     .help = "answer streaming requests with plain JSON"},
    CLI_COMMON_OPTIONS};

static ws_status run(const void *values, const char **args, int nargs, int *exit_code, ws_err *err)
{
    const options *o = values;
    (void)exit_code;
    replay_options r = {nargs ? args[0] : NULL, (int)o->port, o->no_stream};
    return replay_serve(&r, err);
}

const cli_command cmd_replay = {
    .doc = {.name = "replay",
            .summary = "serve scripted replies over HTTP on loopback, in OpenAI's wire format",
            .usage = "[SCRIPT.json] [options]",
            .examples = "warpsmith replay --port 8080",
            .options = option_table,
            .min_args = 0,
            .max_args = 1},
    .values_size = sizeof(options),
    .run = run,
};
