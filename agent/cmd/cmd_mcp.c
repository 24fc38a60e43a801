#include "agent/cli.h"
#include "agent/mcp/server.h"

typedef struct options {
    cli_common common;
    const char *archive;
    bool keep;
    double timeout, call_timeout;
} options;

static const ws_opt option_table[] = {{.name = "archive",
                                       .letter = 'a',
                                       .type = WS_OPT_STRING,
                                       .offset = offsetof(options, archive),
                                       .fallback = "warpsmith.db",
                                       .arg = "FILE",
                                       .help = "the archive that is searched",
                                       .env = "WARPSMITH_ARCHIVE"},
                                      {.name = "keep",
                                       .type = WS_OPT_FLAG,
                                       .offset = offsetof(options, keep),
                                       .help = "keep what is submitted as runs of the archive"},
                                      {.name = "timeout",
                                       .type = WS_OPT_SECONDS,
                                       .offset = offsetof(options, timeout),
                                       .fallback = "25s",
                                       .arg = "TIME",
                                       .help = "processor time of one run of a candidate"},
                                      {.name = "call-timeout",
                                       .type = WS_OPT_SECONDS,
                                       .offset = offsetof(options, call_timeout),
                                       .fallback = "10m",
                                       .arg = "TIME",
                                       .help = "wall time of one call of a tool"},
                                      CLI_COMMON_OPTIONS};

static ws_status run(const void *values, const char **args, int nargs, int *exit_code, ws_err *err)
{
    const options *o = values;
    (void)args, (void)nargs, (void)exit_code;
    return mcp_serve(
        &(mcp_options){o->archive, o->keep, o->timeout, o->call_timeout, &cli_interrupted}, err);
}

const cli_command cmd_mcp = {
    .doc = {.name = "mcp",
            .summary = "serve the verifier to coding agents (Model Context Protocol on stdio)",
            .usage = "[options]",
            .details =
                "Tools: list_specs, get_spec, verify_candidate, profile_candidate, tune_candidate, "
                "archive_search, get_candidate.\nAll revisions of the protocol from 2024-11-05 to "
                "2026-07-28. Agents start this command themselves: it is what\nstands in their "
                "configuration.",
            .examples = "warpsmith mcp\nwarpsmith mcp --archive runs.db",
            .options = option_table,
            .min_args = 0,
            .max_args = 0},
    .values_size = sizeof(options),
    .run = run,
};
