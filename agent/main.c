/* The program: finds the command, parses its options, prints its error once. */
#include "agent/cli.h"
#include "agent/version.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "verifier/calibration.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* In a signal handler: no stdio. */
static void say(const char *text)
{
    ssize_t n = write(STDERR_FILENO, text, strlen(text));
    (void)n;
}

static void on_interrupt(int signal_number)
{
    (void)signal_number;
    if (cli_interrupted) {
        if (cli_resume_hint[0]) {
            say("\nwarpsmith: interrupted; nothing is lost, to go on: ");
            say(cli_resume_hint);
            say("\n");
        }
        _exit(130);
    }
    cli_interrupted = 1;
    if (cli_resume_hint[0])
        say("\nwarpsmith: interrupted: ending the step at hand; once more ends at once\n");
}

static void catch_interrupts(void)
{
    struct sigaction a = {.sa_handler = on_interrupt};
    sigemptyset(&a.sa_mask);
    sigaction(SIGINT, &a, NULL);
    sigaction(SIGTERM, &a, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a file over the limit is an error of the write */
}

static void print_overview(FILE *to)
{
    fputs("warpsmith: from the specification of a tensor operation to a CUDA kernel that can be "
          "trusted\n\nusage: warpsmith <command> [options] [arguments]\n\n",
          to);
    for (int i = 0; cli_commands[i]; i++)
        if (!cli_commands[i]->hidden)
            fprintf(to, "  %-10s %s\n", cli_commands[i]->doc.name, cli_commands[i]->doc.summary);
    fputs(
        "\n'warpsmith help COMMAND' tells more. Exit codes: 0 done, 1 negative verdict, 2 usage,\n"
        "3 environment, 4 bad input, 5 remote failure, 6 limit reached, 70 bug, 130 interrupted.\n",
        to);
}

static const cli_command *find_command(const char *name)
{
    for (int i = 0; cli_commands[i]; i++)
        if (strcmp(cli_commands[i]->doc.name, name) == 0)
            return cli_commands[i];
    return NULL;
}

static int report_error(const ws_err *err)
{
    fprintf(stderr, "warpsmith: %s\n", err->msg);
    if (err->hint[0])
        fprintf(stderr, "hint: %s\n", err->hint);
    return ws_status_exit_code(err->status);
}

/* A name of two words, "ptx run", takes two arguments. */
static const cli_command *find_words(int argc, char **argv, int *words)
{
    char pair[64];
    *words = 1;
    const cli_command *c = find_command(argv[0]);
    if (c || argc < 2)
        return c;
    *words = 2;
    snprintf(pair, sizeof pair, "%s %s", argv[0], argv[1]);
    return find_command(pair);
}

static int unknown_command(const char *name)
{
    const char *names[64] = {0};
    for (int i = 0; cli_commands[i] && i < 63; i++)
        names[i] = cli_commands[i]->doc.name;
    const char *near = ws_nearest(name, names);
    ws_err err = {0};
    size_t n = strlen(name);
    for (int i = 0; cli_commands[i]; i++)
        if (strncmp(cli_commands[i]->doc.name, name, n) == 0 &&
            cli_commands[i]->doc.name[n] == ' ') {
            ws_fail(&err, WS_EUSAGE, "'%s' wants a second word", name);
            ws_hint(&err, "'warpsmith help' lists the commands, like '%s'",
                    cli_commands[i]->doc.name);
            return report_error(&err);
        }
    ws_fail(&err, WS_EUSAGE, "unknown command '%s'", name);
    if (near)
        ws_hint(&err, "did you mean '%s'?", near);
    else
        ws_hint(&err, "'warpsmith help' lists the commands");
    return report_error(&err);
}

static int help(int argc, char **argv)
{
    if (argc < 2) {
        print_overview(stdout);
        return 0;
    }
    int words;
    const cli_command *c = find_words(argc - 1, argv + 1, &words);
    if (!c)
        return unknown_command(argv[1]);
    ws_buf text = {0};
    ws_opt_help(&c->doc, true, &text);
    fputs(ws_buf_z(&text), stdout);
    ws_buf_release(&text);
    return 0;
}

/* The man page, from the same tables as the help. */
static int man_page(void)
{
    ws_buf out = {0};
    ws_buf_adds(&out, ".TH WARPSMITH 1 \"\" \"warpsmith " WARPSMITH_VERSION
                      "\" \"User Commands\"\n.SH NAME\n"
                      "warpsmith \\- from the specification of a tensor operation to a CUDA kernel "
                      "that can be trusted\n.SH SYNOPSIS\n.B warpsmith\n.I command\n[options] "
                      "[arguments]\n.SH COMMANDS\n");
    for (int i = 0; cli_commands[i]; i++)
        if (!cli_commands[i]->hidden)
            ws_opt_man(&cli_commands[i]->doc, &out);
    ws_buf_adds(&out, ".SH EXIT STATUS\n0 done; 1 negative verdict; 2 usage; 3 environment; 4 bad "
                      "input; 5 remote failure; 6 limit reached; 70 bug; 130 interrupted.\n");
    fputs(ws_buf_z(&out), stdout);
    ws_buf_release(&out);
    return 0;
}

static int run_command(const cli_command *c, int argc, char **argv)
{
    ws_err err = {0};
    int nargs = 0, exit_code = 0, result;
    cli_common *values = ws_calloc(1, c->values_size);
    const char **args = ws_calloc((size_t)argc + 1, sizeof *args);
    switch (ws_opt_parse(&c->doc, argc, argv, values, args, &nargs, &err)) {
    case WS_OPT_HELP_SHOWN:
        result = 0;
        goto out;
    case WS_OPT_BAD:
        result = report_error(&err);
        goto out;
    case WS_OPT_RUN:
        break;
    }
    ws_log_set_level(values->quiet     ? WS_LOG_ERROR
                     : values->debug   ? WS_LOG_DEBUG
                     : values->verbose ? WS_LOG_INFO
                                       : WS_LOG_WARN);
    const char *calibration = getenv("WARPSMITH_CALIBRATION");
    if ((values->log && ws_log_open_file(values->log, &err)) ||
        (calibration && *calibration && vfy_calibration_use(calibration, &err)) ||
        c->run(values, args, nargs, &exit_code, &err))
        result = report_error(&err);
    else if ((fflush(stdout) || ferror(stdout)) &&
             errno != EPIPE) /* a reader may have had enough */
        result =
            report_error((ws_fail_errno(&err, WS_EENV, "cannot write to standard output"), &err));
    else
        result = exit_code;
out:
    free(args);
    free(values);
    ws_log_close();
    return result;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        print_overview(stderr);
        return 2;
    }
    const char *name = argv[1];
    if (strcmp(name, "help") == 0 || strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
        return help(argc - 1, argv + 1);
    if (strcmp(name, "--version") == 0) {
        puts("warpsmith " WARPSMITH_VERSION);
        return 0;
    }
    if (strcmp(name, "man") == 0)
        return man_page();
    int words;
    const cli_command *c = find_words(argc - 1, argv + 1, &words);
    if (!c)
        return unknown_command(name);
    catch_interrupts();
    return run_command(c, argc - words, argv + words);
}
