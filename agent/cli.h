/* What a command is. Each agent/cmd/cmd_*.c exports one record; main.c lists them. */
#ifndef AGENT_CLI_H
#define AGENT_CLI_H

#include "base/buf.h"
#include "base/opt.h"
#include "harness/ptx/report.h"
#include "specs/spec.h"

#include <cjson/cJSON.h>
#include <signal.h>
#include <stddef.h>

typedef struct cli_command {
    ws_command_doc doc;
    size_t values_size; /* of the command's options struct, which begins with cli_common */
    bool hidden;
    /* `exit_code` starts at 0; 1 is a negative verdict. An error is returned and printed by
     * main. */
    ws_status (*run)(const void *values, const char **args, int nargs, int *exit_code, ws_err *err);
} cli_command;

/* First member of every options struct. */
typedef struct cli_common {
    bool verbose, debug, quiet, json;
    const char *log;
} cli_common;

#define CLI_COMMON_OPTIONS                                                                         \
    {.name = "json", .type = WS_OPT_FLAG, .offset = offsetof(cli_common, json),                    \
     .help = "print one JSON document instead of text", .group = "Output"},                        \
    {.name = "verbose", .letter = 'v', .type = WS_OPT_FLAG,                                        \
     .offset = offsetof(cli_common, verbose), .help = "say what is being done", .group = "Output"},\
    {.name = "debug", .type = WS_OPT_FLAG, .offset = offsetof(cli_common, debug),                  \
     .help = "say everything", .group = "Output"},                                                 \
    {.name = "quiet", .letter = 'q', .type = WS_OPT_FLAG, .offset = offsetof(cli_common, quiet),   \
     .help = "say only errors", .group = "Output"},                                                \
    {.name = "log", .type = WS_OPT_STRING, .offset = offsetof(cli_common, log), .arg = "FILE",     \
     .help = "append JSON lines about what happens", .group = "Output"},                           \
    {0}

extern const cli_command cmd_optimize, cmd_verify, cmd_compile, cmd_emit, cmd_reference, cmd_prompt,
    cmd_submit, cmd_spec, cmd_archive, cmd_export, cmd_replay, cmd_compare, cmd_doctor,
    cmd_worker, cmd_cost, cmd_prices, cmd_mcp, cmd_tune, cmd_bench, cmd_profile, cmd_calibrate, cmd_ptx_check,
    cmd_ptx_ops, cmd_ptx_run, cmd_recheck, cmd_dataset, cmd_sweep, cmd_report,
    cmd_serve, cmd_run;
extern const cli_command *const cli_commands[]; /* NULL-terminated */

/* Set by the first SIGINT or SIGTERM; a second one ends the process at once with 130. */
extern volatile sig_atomic_t cli_interrupted;

/* The command that goes on with the run at hand, "" when there is none; printed when a second
 * signal ends the process. */
extern char cli_resume_hint[400];

/* A --gpu that the cost model does not know is an error that names those that it knows. */
ws_status cli_check_gpu(const char *name, ws_err *err) WS_MUST_CHECK;
/* The dims of check shape `check` (-1: the benchmark shape), changed by the NAME=N of --dim. */
ws_status cli_spec_env(const spec *s, int check, const ws_opt_list *dims, ws_arena *a, ws_env *out,
                       ws_err *err) WS_MUST_CHECK;
/* Of --mma-model, whose values are these. */
#define CLI_MMA_MODELS "target|hopper|ampere|exact"
ptx_mma_model cli_mma_model(const char *name);
/* For commands whose result is one text, to the file `path` ("-": stdout); with `json`
 * {"schema": 1, "<key>": text}, or the file's name. */
ws_status cli_write_text(const char *path, bool json, const char *key, const ws_buf *text,
                         ws_err *err) WS_MUST_CHECK;

/* Prints what a model, a compiler or a spec wrote to stdout, as one line without control characters;
 * longer than `width` bytes (0: any) it is cut and ends in "...". NULL prints nothing. */
void cli_put_foreign(const char *z, int width);
/* Columns of the terminal that stdout is; 0: it is none. */
int cli_columns(void);

/* Prints `v` to stdout with a newline, and frees it. */
void cli_print_json(cJSON *v);

#endif
