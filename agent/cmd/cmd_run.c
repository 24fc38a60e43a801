/* warpsmith run: a program that uses the CUDA driver API on the CPU driver, as compute-sanitizer
 * runs it on a GPU. The driver stands in for libcuda.so.1 in a folder that comes first in
 * LD_LIBRARY_PATH; what it finds it writes into a file that is read here. */
#include "agent/cli.h"
#include "agent/cmd/run_findings.h"
#include "base/clock.h"
#include "base/mem.h"
#include "harness/driver.h"
#include "harness/ptx/sanitizer.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

typedef struct options {
    cli_common common;
    ws_opt_list tools;
    bool leaks, api;
    const char *output;
    double launch_seconds, seconds;
    int64_t error_exit;
} options;

#define OPT(field) offsetof(options, field)
static const ws_opt option_table[] = {
    {.name = "tool", .type = WS_OPT_LIST, .offset = OPT(tools), .arg = "NAME",
     .help = "what looks: memcheck, racecheck, initcheck or synccheck; repeatable [all]",
     .group = "Checks"},
    {.name = "leak-check", .type = WS_OPT_FLAG, .offset = OPT(leaks),
     .help = "memory that is not freed at the end is an error", .group = "Checks"},
    {.name = "api-errors", .type = WS_OPT_FLAG, .offset = OPT(api), .fallback = "1",
     .help = "a call that fails is an error, unless it only asks for something",
     .group = "Checks"},
    {.name = "launch-timeout", .type = WS_OPT_SECONDS, .offset = OPT(launch_seconds),
     .fallback = "0", .arg = "SECONDS",
     .help = "a launch that takes longer is an error; 0: none does", .group = "Checks"},
    {.name = "timeout", .type = WS_OPT_SECONDS, .offset = OPT(seconds), .fallback = "0",
     .arg = "SECONDS", .help = "the program is killed then; 0: never", .group = "Checks"},
    {.name = "error-exitcode", .type = WS_OPT_INT, .offset = OPT(error_exit), .fallback = "1",
     .arg = "N", .help = "exit code when an error was found and the program itself gives 0",
     .group = "Output", .min = 0, .max = 255},
    {.name = "output", .letter = 'o', .type = WS_OPT_STRING, .offset = OPT(output), .arg = "FILE",
     .help = "findings go there, not to standard error", .group = "Output"},
    CLI_COMMON_OPTIONS};

/* ---- where the program finds the driver ---- */

typedef struct place {
    char dir[1024]; /* "": none was made */
    ws_buf report, library;
    int fd; /* of the report, for reading */
} place;

static ws_status add_link(const place *p, const char *driver, const char *name, ws_err *err)
{
    ws_buf link = {0};
    ws_buf_printf(&link, "%s/%s", p->dir, name);
    if (symlink(driver, ws_buf_z(&link)))
        ws_fail_errno(err, WS_EENV, "cannot make '%s'", ws_buf_z(&link));
    ws_buf_release(&link);
    return err->status;
}

static void remove_file(const place *p, const char *name)
{
    ws_buf path = {0};
    ws_buf_printf(&path, "%s/%s", p->dir, name);
    unlink(ws_buf_z(&path));
    ws_buf_release(&path);
}

static void leave_place(place *p)
{
    if (p->fd >= 0)
        close(p->fd);
    if (p->dir[0]) {
        remove_file(p, "libcuda.so.1");
        remove_file(p, "libcuda.so");
        remove_file(p, "report");
        rmdir(p->dir);
    }
    ws_buf_release(&p->report);
    ws_buf_release(&p->library);
}

static ws_status make_place(place *p, ws_err *err)
{
    char absolute[4096];
    const char *tmp = getenv("TMPDIR");
    *p = (place){.fd = -1};
    if (cu_engine_path(&p->library, err))
        return err->status;
    if (!realpath(ws_buf_z(&p->library), absolute))
        return ws_fail_errno(err, WS_EENV, "cannot find the CPU driver '%s'",
                             ws_buf_z(&p->library));
    snprintf(p->dir, sizeof p->dir, "%.900s/warpsmith-run-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    if (!mkdtemp(p->dir)) {
        ws_fail_errno(err, WS_EENV, "cannot make the folder '%s'", p->dir);
        p->dir[0] = '\0';
        return err->status;
    }
    ws_buf_printf(&p->report, "%s/report", p->dir);
    p->fd = open(ws_buf_z(&p->report), O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (p->fd < 0)
        return ws_fail_errno(err, WS_EENV, "cannot make '%s'", ws_buf_z(&p->report));
    return add_link(p, absolute, "libcuda.so.1", err) || add_link(p, absolute, "libcuda.so", err)
               ? err->status
               : WS_OK;
}

/* ---- the program ---- */

static ws_status join_tools(const options *o, ws_buf *out, ws_err *err)
{
    for (size_t i = 0; i < o->tools.n; i++) {
        const char *name = o->tools.item[i];
        if (!ptx_tool_named(name, strlen(name))) {
            ws_fail(err, WS_EUSAGE, "no tool is called '%s'", name);
            return ws_hint(err, "there are memcheck, racecheck, initcheck and synccheck");
        }
        ws_buf_printf(out, "%s%s", i ? "," : "", name);
    }
    return WS_OK;
}

/* In the child: the rest of its environment is the caller's. Cubins that the program has nvcc make
 * keep their PTX with -lineinfo, and findings get lines. */
static void set_environment(const options *o, const place *p, const char *tools)
{
    const char *path = getenv("LD_LIBRARY_PATH"), *flags = getenv("NVCC_APPEND_FLAGS");
    ws_buf libraries = {0}, ms = {0}, nvcc = {0};
    ws_buf_printf(&nvcc, "%s%s-lineinfo", flags ? flags : "", flags && *flags ? " " : "");
    setenv("NVCC_APPEND_FLAGS", ws_buf_z(&nvcc), 1);
    ws_buf_printf(&libraries, "%s%s%s", p->dir, path && *path ? ":" : "", path ? path : "");
    setenv("LD_LIBRARY_PATH", ws_buf_z(&libraries), 1);
    setenv("WARPSMITH_RUN_REPORT", ws_buf_z(&p->report), 1);
    setenv("WARPSMITH_RUN_TOOLS", tools, 1);
    ws_buf_printf(&ms, "%.0f", o->launch_seconds * 1e3);
    setenv("WARPSMITH_RUN_LAUNCH_MS", ws_buf_z(&ms), 1);
    setenv("WARPSMITH_RUN_API", o->api ? "yes" : "no", 1);
    setenv("WARPSMITH_LEAK_CHECK", o->leaks ? "full" : "no", 1);
}

/* `failed` is closed when the program runs; through it comes the errno of why it does not. */
static _Noreturn void become(const options *o, const place *p, const char *tools, char **argv,
                             int failed)
{
    static const int ours[] = {SIGINT, SIGQUIT, SIGTERM, SIGPIPE, SIGXFSZ};
    for (size_t i = 0; i < WS_COUNT(ours); i++)
        signal(ours[i], SIG_DFL);
    set_environment(o, p, tools);
    execvp(argv[0], argv);
    const int why = errno;
    (void)!write(failed, &why, sizeof why);
    _exit(127);
}

static ws_status start(const options *o, const place *p, const char *tools, const char **args,
                       int nargs, pid_t *pid, ws_err *err)
{
    int pipes[2], why = 0;
    char **argv = ws_calloc((size_t)nargs + 1, sizeof *argv);
    for (int i = 0; i < nargs; i++)
        argv[i] = ws_strdup(args[i]);
    if (pipe2(pipes, O_CLOEXEC)) {
        ws_fail_errno(err, WS_EENV, "cannot make a pipe");
    } else if ((*pid = fork()) < 0) {
        ws_fail_errno(err, WS_EENV, "cannot start a process");
    } else if (!*pid) {
        become(o, p, tools, argv, pipes[1]);
    } else {
        close(pipes[1]);
        if (read(pipes[0], &why, sizeof why) == (ssize_t)sizeof why) {
            waitpid(*pid, NULL, 0);
            errno = why;
            ws_fail_errno(err, WS_EINPUT, "cannot run '%s'", argv[0]);
        }
        close(pipes[0]);
    }
    for (int i = 0; i < nargs; i++)
        free(argv[i]);
    free(argv);
    return err->status;
}

/* A SIGTERM to us is passed on. */
static int wait_for(const options *o, pid_t pid, run_findings *f, int report, bool *late)
{
    enum { SHORTEST_NS = 1000000, LONGEST_NS = 50000000 };
    const int64_t began = ws_now_ns();
    struct timespec nap = {.tv_nsec = SHORTEST_NS};
    int status = 0;
    *late = false;
    while (waitpid(pid, &status, WNOHANG) == 0) {
        run_findings_read(f, report);
        if (cli_interrupted) {
            kill(pid, SIGTERM);
            cli_interrupted = 0;
        }
        if (o->seconds > 0 && ws_seconds_since(began) > o->seconds && !*late) {
            *late = true;
            kill(pid, SIGKILL);
        }
        nanosleep(&nap, NULL);
        nap.tv_nsec = nap.tv_nsec * 2 < LONGEST_NS ? nap.tv_nsec * 2 : LONGEST_NS;
    }
    run_findings_read(f, report);
    return status;
}

/* ---- the report ---- */

static void print_json(const run_findings *f, const char *program, int status, FILE *to)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddNumberToObject(o, "schema", 1);
    cJSON_AddStringToObject(o, "program", program);
    if (WIFSIGNALED(status))
        cJSON_AddNumberToObject(o, "signal", WTERMSIG(status));
    else
        cJSON_AddNumberToObject(o, "exit_code", WEXITSTATUS(status));
    cJSON_AddNumberToObject(o, "processes", f->processes);
    cJSON_AddNumberToObject(o, "launches", (double)f->launches);
    cJSON_AddNumberToObject(o, "errors", (double)run_findings_errors(f));
    cJSON_AddItemToObject(o, "findings", cJSON_Duplicate(f->finding, true));
    char *text = cJSON_Print(o);
    fprintf(to, "%s\n", text);
    free(text);
    cJSON_Delete(o);
}

static int exit_code_of(const options *o, const run_findings *f, int status, bool late)
{
    if (late)
        return 124; /* as timeout(1) */
    if (WIFSIGNALED(status))
        return 128 + WTERMSIG(status);
    return WEXITSTATUS(status) || !run_findings_errors(f) ? WEXITSTATUS(status)
                                                          : (int)o->error_exit;
}

static void print_end(const options *o, const run_findings *f, const char *program, int status,
                      bool late, FILE *to)
{
    if (o->common.json) {
        print_json(f, program, status, to);
        return;
    }
    if (late)
        fprintf(to, "========= '%s' was killed after %g s\n", program, o->seconds);
    else if (WIFSIGNALED(status))
        fprintf(to, "========= '%s' was ended by signal %d (%s)\n", program, WTERMSIG(status),
                strsignal(WTERMSIG(status)));
    if (!o->common.quiet || run_findings_errors(f))
        run_findings_sum_up(f, to);
}

static ws_status run_in(const options *o, const place *p, const char *tools, const char **args,
                        int nargs, FILE *to, int *exit_code, ws_err *err)
{
    run_findings f;
    pid_t pid = 0;
    bool late;
    if (!o->common.json && !o->common.quiet) {
        fputs("========= WARPSMITH RUN (CPU driver in place of libcuda.so.1)\n", to);
        fflush(to);
    }
    signal(SIGINT, SIG_IGN); /* a terminal's Ctrl-C reaches the program itself */
    signal(SIGQUIT, SIG_IGN);
    if (start(o, p, tools, args, nargs, &pid, err))
        return err->status;
    run_findings_open(&f, o->common.json ? NULL : to);
    const int status = wait_for(o, pid, &f, p->fd, &late);
    print_end(o, &f, args[0], status, late, to);
    *exit_code = exit_code_of(o, &f, status, late);
    run_findings_release(&f);
    return WS_OK;
}

static ws_status run(const void *values, const char **args, int nargs, int *exit_code, ws_err *err)
{
    const options *o = values;
    ws_buf tools = {0};
    place p;
    if (join_tools(o, &tools, err))
        return err->status;
    FILE *to = o->output ? fopen(o->output, "we") : stderr;
    if (!to) {
        ws_fail_errno(err, WS_EINPUT, "cannot write '%s'", o->output);
    } else {
        if (!make_place(&p, err))
            (void)!run_in(o, &p, ws_buf_z(&tools), args, nargs, to, exit_code, err);
        leave_place(&p);
        if (o->output && fclose(to) && !err->status)
            ws_fail_errno(err, WS_EENV, "cannot write '%s'", o->output);
    }
    ws_buf_release(&tools);
    return err->status;
}

const cli_command cmd_run = {
    .doc = {.name = "run",
            .summary = "run a program that uses CUDA on the CPU driver, with the checkers on",
            .usage = "[options] PROGRAM [ARGUMENT...]",
            .details =
                "The program finds the CPU driver in the place of libcuda.so.1 and is not changed "
                "otherwise: its output, input and exit code are its own. What memcheck, racecheck, "
                "initcheck and synccheck find is printed to standard error, in the words of "
                "compute-sanitizer; a launch in which they found an error fails as one that faults "
                "on a GPU does. Kernels must be there as PTX: in a module, in a fat binary, or "
                "made by NVRTC. Exit code: the program's; 1 when that is 0 and an error was found.",
            .examples = "warpsmith run -- ./saxpy 1000\n"
                        "warpsmith run --tool racecheck -- python3 train.py --steps 3\n"
                        "warpsmith run --json -o findings.json -- ./app",
            .options = option_table,
            .min_args = 1,
            .max_args = -1,
            .first_ends_options = true},
    .values_size = sizeof(options),
    .run = run,
};
