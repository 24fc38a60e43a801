/* The child processes that meet untrusted text and code; started by the harness, not by people. */
#include "agent/cli.h"
#include "base/proc.h"
#include "harness/compile/compile.h"
#include "harness/timing/sitting.h"
#include "harness/worker/run.h"

#include <string.h>
#include <unistd.h>

typedef struct options {
    cli_common common;
} options;

static const ws_opt option_table[] = {CLI_COMMON_OPTIONS};

/* The device worker is a program of its own, without what this one links. */
static ws_status become_device_worker(ws_err *err)
{
    ws_buf path = {0};
    if (ws_proc_beside("warpsmith-worker", &path)) {
        execl(ws_buf_z(&path), ws_buf_z(&path), "serve", (char *)NULL);
        ws_fail_errno(err, WS_EENV, "cannot run '%s'", ws_buf_z(&path));
    } else {
        ws_fail(err, WS_EENV, "cannot find 'warpsmith-worker', which make builds");
    }
    ws_buf_release(&path);
    return err->status;
}

static ws_status run(const void *values, const char **args, int nargs, int *exit_code, ws_err *err)
{
    (void)values, (void)nargs;
    if (strcmp(args[0], "compile") == 0)
        *exit_code = comp_worker_main();
    else if (strcmp(args[0], "run") == 0)
        *exit_code = run_worker_main();
    else if (strcmp(args[0], "device") == 0)
        return become_device_worker(err);
    else if (strcmp(args[0], "time") == 0)
        *exit_code = sit_worker_main();
    else
        return ws_fail(err, WS_EUSAGE, "unknown worker '%s'", args[0]);
    return WS_OK;
}

const cli_command cmd_worker = {
    .doc = {.name = "worker",
            .summary = "a child process of the harness",
            .usage = "compile | run | device | time",
            .options = option_table,
            .min_args = 1,
            .max_args = 1},
    .values_size = sizeof(options),
    .hidden = true,
    .run = run,
};
