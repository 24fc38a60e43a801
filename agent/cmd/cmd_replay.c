#include "agent/cli.h"
#include "agent/llm/replay.h"

typedef struct options {
    cli_common common;
    const char *behaviour, *spec, *answers;
    int64_t port, seed, delay_ms;
    double speed;
    bool no_stream, loose;
} options;

static const ws_opt option_table[] = {
    {.name = "port",
     .letter = 'p',
     .type = WS_OPT_INT,
     .offset = offsetof(options, port),
     .fallback = "0",
     .arg = "N",
     .help = "port on 127.0.0.1; 0 lets the system choose",
     .min = 0,
     .max = 65535},
    {.name = "no-stream",
     .type = WS_OPT_FLAG,
     .offset = offsetof(options, no_stream),
     .help = "answer streaming requests with plain JSON"},
    {.name = "answers",
     .type = WS_OPT_STRING,
     .offset = offsetof(options, answers),
     .arg = "FILE",
     .help = "append a JSON line an answer: turn, status, tokens, whether all was sent and read"},
    {.group = "Of a cassette",
     .name = "speed",
     .type = WS_OPT_NUMBER,
     .offset = offsetof(options, speed),
     .fallback = "1",
     .arg = "X",
     .help = "1: as recorded, 2: twice as fast, 0: without waiting"},
    {.group = "Of a cassette",
     .name = "loose",
     .type = WS_OPT_FLAG,
     .offset = offsetof(options, loose),
     .help = "answer what was not recorded with the next answer of the same turn or model"},
    {.group = "A played model",
     .name = "behaviour",
     .type = WS_OPT_STRING,
     .offset = offsetof(options, behaviour),
     .arg = "NAME",
     .help = "perfect, sloppy, wrong, plagiarist or flaky"},
    {.group = "A played model",
     .name = "spec",
     .type = WS_OPT_STRING,
     .offset = offsetof(options, spec),
     .arg = "SPEC",
     .help = "that it answers for; the one of the prompt when not given"},
    {.group = "A played model",
     .name = "seed",
     .type = WS_OPT_INT,
     .offset = offsetof(options, seed),
     .fallback = "1",
     .arg = "N",
     .help = "of its choices",
     .min = 0,
     .max = INT64_MAX},
    {.group = "A played model",
     .name = "delay-ms",
     .type = WS_OPT_INT,
     .offset = offsetof(options, delay_ms),
     .fallback = "0",
     .arg = "N",
     .help = "before an answer, on the average",
     .min = 0,
     .max = 60000},
    CLI_COMMON_OPTIONS};

static ws_status run(const void *values, const char **args, int nargs, int *exit_code, ws_err *err)
{
    const options *o = values;
    (void)exit_code;
    replay_options r = {.script = nargs ? args[0] : NULL,
                        .port = (int)o->port,
                        .no_stream = o->no_stream,
                        .behaviour = o->behaviour,
                        .spec = o->spec,
                        .seed = (uint64_t)o->seed,
                        .delay_ms = o->delay_ms,
                        .speed = o->speed,
                        .loose = o->loose,
                        .answers = o->answers};
    if (o->behaviour && nargs)
        return ws_fail(err, WS_EUSAGE, "a played model has no script");
    return replay_serve(&r, err);
}

const cli_command cmd_replay = {
    .doc = {.name = "replay",
            .summary = "serve scripted, recorded or played replies over HTTP on loopback",
            .usage = "[SCRIPT.json | CASSETTE.jsonl] [options]",
            .details = "Scripts and played models answer in the format that is asked for: Chat "
                       "Completions, Responses\nor Messages. A cassette, which optimize --record "
                       "writes, is served as it was recorded.",
            .examples = "warpsmith replay --port 8080\n"
                        "warpsmith replay run.jsonl --speed 0\n"
                        "warpsmith replay --behaviour sloppy --spec basics/softmax",
            .options = option_table,
            .min_args = 0,
            .max_args = 1},
    .values_size = sizeof(options),
    .run = run,
};
