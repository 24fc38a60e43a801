/* `serve` answers trainers: rewards over HTTP. */
#include "agent/cli.h"
#include "agent/serve/server.h"
#include "base/file.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

typedef struct options {
    cli_common common;
    const char *bind, *gpu, *arch, *reward, *token_file, *token_env;
    ws_opt_list specs;
    int64_t port, jobs, queue, connections, max_body, remember, choices;
    double rate, timeout, run_timeout, receive_timeout, idle_timeout, grace, lint_seconds;
} options;

#define FIELD(f) .offset = offsetof(options, f)
static const ws_opt option_table[] = {
    {.name = "port", .letter = 'p', .type = WS_OPT_INT, FIELD(port), .fallback = "8421",
     .arg = "N", .help = "TCP port; 0 takes a free one and tells it", .min = 0, .max = 65535},
    {.name = "bind", .type = WS_OPT_STRING, FIELD(bind), .fallback = "127.0.0.1", .arg = "ADDRESS",
     .help = "numeric address to listen on; other than loopback needs a token"},
    {.name = "token-file", .type = WS_OPT_STRING, FIELD(token_file), .arg = "FILE",
     .help = "its first line must come with each request, as Authorization: Bearer TOKEN"},
    {.name = "token-env", .type = WS_OPT_STRING, FIELD(token_env),
     .fallback = "WARPSMITH_SERVE_TOKEN", .arg = "NAME",
     .help = "the variable of the environment that holds the token, if it is set"},
    {.name = "spec", .type = WS_OPT_LIST, FIELD(specs), .arg = "FILE",
     .help = "a spec beside those of the catalogue, repeatable; requests name it by its name"},
    {.name = "reward", .type = WS_OPT_CHOICE, FIELD(reward), .fallback = "gated",
     .choices = VFY_REWARD_SCHEMES, .arg = "SCHEME",
     .help = "gated: right kernels alone; shaped: small shares for format and compilation"},
    {.name = "choices", .type = WS_OPT_INT, FIELD(choices), .fallback = "12", .arg = "N",
     .help = "other choices of a plan's tunables to check, at most", .min = 0, .max = 4096},
    {.name = "gpu", .type = WS_OPT_STRING, FIELD(gpu), .fallback = "h100", .arg = "NAME",
     .help = "GPU of the cost model", .group = "Device"},
    {.name = "arch", .type = WS_OPT_STRING, FIELD(arch), .fallback = "sm_90", .arg = "ARCH",
     .help = "compile for this architecture", .group = "Device"},
    {.name = "jobs", .letter = 'j', .type = WS_OPT_INT, FIELD(jobs), .fallback = "0", .arg = "N",
     .help = "sources judged at the same time; 0: one a core", .group = "Limits", .min = 0,
     .max = 256},
    {.name = "queue", .type = WS_OPT_INT, FIELD(queue), .fallback = "1024", .arg = "N",
     .help = "sources that wait; more get 503 and Retry-After", .group = "Limits", .min = 1,
     .max = 65536},
    {.name = "timeout", .type = WS_OPT_SECONDS, FIELD(timeout), .fallback = "5m", .arg = "TIME",
     .help = "for judging one source", .group = "Limits"},
    {.name = "run-timeout", .type = WS_OPT_SECONDS, FIELD(run_timeout), .fallback = "60s",
     .arg = "TIME", .help = "processor time of one run of a candidate", .group = "Limits"},
    {.name = "max-body", .type = WS_OPT_INT, FIELD(max_body), .fallback = "8M", .arg = "BYTES",
     .help = "of a request; more gets 413", .group = "Limits", .min = 1000, .max = 256000000},
    {.name = "connections", .type = WS_OPT_INT, FIELD(connections), .fallback = "512", .arg = "N",
     .help = "that are open at the same time", .group = "Limits", .min = 1, .max = 10000},
    {.name = "rate", .type = WS_OPT_NUMBER, FIELD(rate), .fallback = "0", .arg = "X",
     .help = "requests a second; more get 429 and Retry-After; 0: no limit", .group = "Limits"},
    {.name = "receive-timeout", .type = WS_OPT_SECONDS, FIELD(receive_timeout), .fallback = "30s",
     .arg = "TIME", .help = "for a body to arrive, and for an answer to be taken",
     .group = "Limits"},
    {.name = "idle-timeout", .type = WS_OPT_SECONDS, FIELD(idle_timeout), .fallback = "30s",
     .arg = "TIME", .help = "for the next request's head to arrive on an open connection",
     .group = "Limits"},
    {.name = "grace", .type = WS_OPT_SECONDS, FIELD(grace), .fallback = "30s", .arg = "TIME",
     .help = "after SIGTERM, for answers to what was asked before", .group = "Limits"},
    {.name = "remember", .type = WS_OPT_INT, FIELD(remember), .fallback = "2048", .arg = "N",
     .help = "verdicts that are kept in memory; 0: none", .group = "Limits", .min = 0,
     .max = 100000},
    {.name = "lint-time", .type = WS_OPT_SECONDS, FIELD(lint_seconds), .fallback = "5s",
     .arg = "TIME", .help = "processor time for the flaws of one spec", .group = "Limits"},
    CLI_COMMON_OPTIONS};

enum { SHORTEST_TOKEN = 16, LONGEST_TOKEN = 512 };

/* The first line of the file, which others may not read, or the variable; NULL: none. */
static ws_status read_token(const options *o, ws_buf *buf, const char **out, ws_err *err)
{
    struct stat st;
    const char *env = getenv(o->token_env);
    *out = NULL;
    if (!o->token_file) {
        *out = env && *env ? env : NULL;
    } else {
        if (ws_read_file(o->token_file, 4096, buf, err))
            return ws_wrap(err, "--token-file");
        if (!stat(o->token_file, &st) && (st.st_mode & 077)) {
            ws_fail(err, WS_EUSAGE, "--token-file: others may read '%s'", o->token_file);
            return ws_hint(err, "chmod 600 %s", o->token_file);
        }
        size_t n = strcspn(ws_buf_z(buf), "\r\n");
        ws_buf_addc(buf, '\0');
        buf->p[n] = '\0';
        *out = buf->p;
    }
    if (*out && (strlen(*out) < SHORTEST_TOKEN || strlen(*out) > LONGEST_TOKEN))
        return ws_fail(err, WS_EUSAGE, "the token has %zu characters; %d to %d are wanted",
                       strlen(*out), SHORTEST_TOKEN, LONGEST_TOKEN);
    return WS_OK;
}

static ws_status check_times(const options *o, ws_err *err)
{
    const struct {
        const char *name;
        double value;
    } times[] = {{"timeout", o->timeout},
                 {"run-timeout", o->run_timeout},
                 {"receive-timeout", o->receive_timeout},
                 {"idle-timeout", o->idle_timeout},
                 {"lint-time", o->lint_seconds}};
    for (size_t i = 0; i < sizeof times / sizeof *times; i++)
        if (!(times[i].value > 0))
            return ws_fail(err, WS_EUSAGE, "--%s: expected more than 0 seconds", times[i].name);
    if (!(o->rate >= 0) || !(o->grace >= 0))
        return ws_fail(err, WS_EUSAGE, "--rate and --grace are numbers from 0 on");
    return WS_OK;
}

static ws_status run(const void *values, const char **args, int nargs, int *exit_code, ws_err *err)
{
    const options *o = values;
    ws_buf file = {0};
    const char *token;
    (void)args, (void)nargs, (void)exit_code;
    ws_status st = cli_check_gpu(o->gpu, err);
    if (!st)
        st = check_times(o, err);
    if (!st)
        st = read_token(o, &file, &token, err);
    if (!st)
        st = serve_run(&(serve_options){.bind = o->bind,
                                        .port = (int)o->port,
                                        .token = token,
                                        .gpu = o->gpu,
                                        .arch = o->arch,
                                        .scheme = vfy_reward_scheme_of(o->reward),
                                        .jobs = (int)o->jobs,
                                        .queue = (int)o->queue,
                                        .choices = (int)o->choices,
                                        .connections = (int)o->connections,
                                        .remembered = (int)o->remember,
                                        .max_body = o->max_body,
                                        .rate = o->rate,
                                        .timeout = o->timeout,
                                        .run_timeout = o->run_timeout,
                                        .receive_timeout = o->receive_timeout,
                                        .idle_timeout = o->idle_timeout,
                                        .grace = o->grace,
                                        .lint_seconds = o->lint_seconds,
                                        .spec_file = o->specs.item,
                                        .n_spec_files = (int)o->specs.n,
                                        .json = o->common.json,
                                        .stop = &cli_interrupted},
                       err);
    ws_buf_release(&file);
    return st;
}

const cli_command cmd_serve = {
    .doc = {.name = "serve",
            .summary = "answer trainers with verdicts and rewards, over HTTP",
            .usage = "[options]",
            .details =
                "POST /reward (columns of 'warpsmith dataset'), /get_reward (OpenRLHF), /evaluate "
                "(KernelGYM) and\n/run_code (a part of SandboxFusion); GET /health. A kernel that "
                "is wrong is 200 with reward 0; 5xx are faults of\nthe server. Kernels are judged "
                "in "
                "child processes, in full. docs/serve.md has fields and answers.\nSIGTERM or "
                "Ctrl-C: what was asked is answered, then it ends with exit code 0.",
            .examples = "warpsmith serve\n"
                        "warpsmith serve --bind 0.0.0.0 --token-file token --jobs 16\n"
                        "curl -s localhost:8421/reward -H 'Content-Type: application/json' "
                        "-d '{\"spec\": \"softmax\", \"completion\": \"...\"}'",
            .options = option_table,
            .min_args = 0,
            .max_args = 0},
    .values_size = sizeof(options),
    .run = run,
};
