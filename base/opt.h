/* Command-line options: one table per command gives parsing, -h, --help, defaults, the man page and
 * the
 * --show-config dump. Precedence: flag > environment (WARPSMITH_<NAME>) > default. */
#ifndef BASE_OPT_H
#define BASE_OPT_H

#include "base/buf.h"

#include <stdint.h>

typedef enum ws_opt_type {
    WS_OPT_FLAG,     /* bool; --no-x clears */
    WS_OPT_STRING,   /* const char * */
    WS_OPT_LIST,     /* ws_opt_list, repeatable */
    WS_OPT_INT,      /* int64_t; k, M, G suffixes (powers of 1000) */
    WS_OPT_SECONDS,  /* double; ms, s, m, h suffixes, plain number = seconds */
    WS_OPT_NUMBER,   /* double */
    WS_OPT_CHOICE    /* const char *, one of `choices` ("a|b|c") */
} ws_opt_type;

typedef struct ws_opt_list {
    const char **item;
    size_t n, cap;
} ws_opt_list;

typedef struct ws_opt {
    const char *name;     /* long name without dashes; NULL ends the table */
    char letter;          /* 0: none */
    ws_opt_type type;
    size_t offset;        /* of the field in the command's options struct */
    const char *fallback; /* default as text, NULL: zero/NULL */
    const char *arg;      /* what the argument is called in help, NULL for flags */
    const char *help;     /* one sentence, no full stop */
    const char *group;    /* heading in --help; NULL: "Options" */
    const char *choices;
    const char *env;      /* environment variable, NULL: none */
    int64_t min, max;     /* for INT when max > min */
    size_t given; /* offset of a bool, set when flag or environment give the value; 0: none */
} ws_opt;

typedef struct ws_command_doc {
    const char *name;      /* "verify" */
    const char *summary;   /* one line: what it does */
    const char *usage;     /* "SPEC FILE.cu [options]" */
    const char *details;   /* paragraphs, or NULL */
    const char *examples;  /* lines, "warpsmith verify ..." each, or NULL */
    const ws_opt *options; /* NULL-name terminated, or NULL */
    int min_args, max_args; /* positional arguments; max -1: any number */
    bool first_ends_options; /* as "--" does: what follows is another program's */
} ws_command_doc;

typedef enum ws_opt_result { WS_OPT_RUN, WS_OPT_HELP_SHOWN, WS_OPT_BAD } ws_opt_result;

/* Fills `values` (the options struct) from defaults, environment and argv[1..]; positional
 * arguments are left in args[0..*nargs) (args has room for argc). "--" ends options. -h / --help
 * print to stdout and give WS_OPT_HELP_SHOWN. On WS_OPT_BAD `err` has the sentence, with the
 * nearest option as hint. */
ws_opt_result ws_opt_parse(const ws_command_doc *doc, int argc, char **argv, void *values,
                           const char **args, int *nargs, ws_err *err);
void ws_opt_help(const ws_command_doc *doc, bool full, ws_buf *out);
/* The command's section of the man page, in man(7) macros. */
void ws_opt_man(const ws_command_doc *doc, ws_buf *out);

/* "12", "64k", "1M", "2G" (powers of 1000). */
bool ws_parse_count(const char *text, int64_t *out);

#endif
