/* `warpsmith ptx ops`: the table of instruction forms that the engine executes, and what of it
 * tests executed. */
#include "agent/cli.h"
#include "base/file.h"
#include "base/json.h"
#include "harness/ptx/ops.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_BYTES = 256 << 20 };

typedef struct options {
    cli_common common;
    const char *executed;
    bool missing, words;
} options;

static const ws_opt option_table[] = {
    {.name = "executed",
     .type = WS_OPT_STRING,
     .offset = offsetof(options, executed),
     .arg = "FILE",
     .help = "mark what was executed by the processes that ran with WARPSMITH_PTX_EXECUTED=FILE"},
    {.name = "missing",
     .type = WS_OPT_FLAG,
     .offset = offsetof(options, missing),
     .help = "print only what was not executed; the exit code is 1 when there is something"},
    {.name = "words",
     .type = WS_OPT_FLAG,
     .offset = offsetof(options, words),
     .help = "print each different word and opcode once: a dictionary for fuzzers"},
    CLI_COMMON_OPTIONS};

/* ---- what was executed ---- */

static void note_line(ptx_form *form, int n, const char *line, size_t length)
{
    char *end;
    uint64_t words = strtoull(line, &end, 16);
    if (*end != ' ')
        return;
    ws_str text = {end + 1, length - (size_t)(end + 1 - line)};
    for (int f = 0; f < n; f++)
        if (ws_str_eqz(text, form[f].text))
            form[f].executed |= words;
}

static ws_status read_executed(const char *path, ws_err *err)
{
    int n;
    ptx_form *form = ptx_forms(&n);
    ws_buf text = {.max = MAX_BYTES};
    if (ws_read_file(path, MAX_BYTES, &text, err))
        return err->status;
    for (const char *p = ws_buf_z(&text), *next; *p; p = next + (*next == '\n')) {
        next = p + strcspn(p, "\n");
        note_line(form, n, p, (size_t)(next - p));
    }
    ws_buf_release(&text);
    return WS_OK;
}

/* Words that no test executed; PTX_FORM_EXECUTED: the form at all. */
static uint64_t missing_words(const ptx_form *f)
{
    return (f->counted | PTX_FORM_EXECUTED) & ~f->executed;
}

/* ---- the pages ---- */

static void add_missing(const ptx_form *f, ws_buf *out)
{
    uint64_t words = missing_words(f);
    if (words & PTX_FORM_EXECUTED) {
        ws_buf_adds(out, "all of it");
        return;
    }
    for (int w = 0; w < f->n_words; w++)
        if (words >> w & 1)
            ws_buf_printf(out, "%s.%.*s", out->n ? " " : "", WS_STR_ARG(f->word[w]));
}

static void print_text(const options *o, const ptx_form *form, int n, int complete)
{
    for (int f = 0; f < n; f++) {
        ws_buf missing = {0};
        if (o->executed)
            add_missing(&form[f], &missing);
        if (!o->missing || missing.n)
            printf("%s%s%s\n", form[f].text, missing.n ? "    not executed: " : "",
                   ws_buf_z(&missing));
        ws_buf_release(&missing);
    }
    if (o->executed)
        printf("%d forms, %d executed with each of their words\n", n, complete);
    else
        printf("%d forms\n", n);
}

static void print_json(const options *o, const ptx_form *form, int n)
{
    cJSON *root = cJSON_CreateObject(), *forms = cJSON_AddArrayToObject(root, "forms");
    cJSON_AddNumberToObject(root, "schema", 1);
    for (int f = 0; f < n; f++) {
        ws_buf missing = {0};
        if (o->executed)
            add_missing(&form[f], &missing);
        if (o->missing && !missing.n)
            continue;
        cJSON *one = cJSON_CreateObject();
        cJSON_AddStringToObject(one, "form", form[f].text);
        if (o->executed)
            cJSON_AddStringToObject(one, "not_executed", ws_buf_z(&missing));
        cJSON_AddItemToArray(forms, one);
        ws_buf_release(&missing);
    }
    cli_print_json(root);
}

static int by_text(const void *a, const void *b)
{
    const ws_str *x = a, *y = b;
    int order = memcmp(x->p, y->p, x->n < y->n ? x->n : y->n);
    return order ? order : (x->n > y->n) - (x->n < y->n);
}

static void print_words(const ptx_form *form, int n)
{
    ws_str *word = NULL;
    int count = 0, cap = 0;
    for (int f = 0; f < n; f++)
        for (int w = -1; w < form[f].n_words; w++) {
            WS_GROW(word, count, cap);
            word[count++] = w < 0 ? form[f].opcode : form[f].word[w];
        }
    qsort(word, (size_t)count, sizeof *word, by_text);
    for (int k = 0; k < count; k++)
        if (!k || by_text(&word[k], &word[k - 1]) != 0)
            printf("%.*s\n", WS_STR_ARG(word[k]));
    free(word);
}

static ws_status run(const void *values, const char **args, int nargs, int *exit_code, ws_err *err)
{
    const options *o = values;
    int n, complete = 0;
    const ptx_form *form = ptx_forms(&n);
    (void)args;
    (void)nargs;
    if (o->missing && !o->executed)
        return ws_fail(err, WS_EUSAGE, "--missing wants --executed FILE");
    if (o->executed && read_executed(o->executed, err))
        return err->status;
    for (int f = 0; f < n; f++)
        complete += !missing_words(&form[f]);
    if (o->words)
        print_words(form, n);
    else if (o->common.json)
        print_json(o, form, n);
    else
        print_text(o, form, n, complete);
    *exit_code = o->missing && complete < n;
    return WS_OK;
}

const cli_command cmd_ptx_ops = {
    .doc = {.name = "ptx ops",
            .summary = "print the instruction forms that the CPU engine executes",
            .usage = "[options]",
            .details = "One line a form, in the syntax of the PTX ISA: `.word` or one of "
                       "`.(several words)`, in braces "
                       "what may be absent; operands d are results, p and q predicates, h a cache "
                       "policy; `a:u32` "
                       "names a type other than the mnemonic's last one, `:1` its first one, `:2` "
                       "twice its width, "
                       "and `>` allows wider registers.",
            .examples = "warpsmith ptx ops | grep ^mma\n"
                        "WARPSMITH_PTX_EXECUTED=forms.txt warpsmith ptx run mine.ptx\n"
                        "warpsmith ptx ops --executed forms.txt --missing",
            .options = option_table,
            .max_args = 0},
    .values_size = sizeof(options),
    .run = run,
};
