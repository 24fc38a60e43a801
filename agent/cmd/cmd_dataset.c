/* `dataset` writes training data out of an archive. */
#include "agent/cli.h"
#include "agent/evidence/memory.h"
#include "agent/version.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "results/dataset.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FORMATS "trl-sft|trl-grpo|trl-dpo|trl-kto|verl|openrlhf|tinker|tinker-pairs"

typedef struct options {
    cli_common common;
    const char *archive, *format, *output, *split, *reward, *license, *run;
    ws_opt_list held_out, purposes;
    double min_speedup, margin, held_out_share, lint_seconds;
    int64_t max_pairs;
} options;

#define FIELD(f) .offset = offsetof(options, f)
static const ws_opt option_table[] = {
    {.name = "format", .letter = 'f', .type = WS_OPT_CHOICE, FIELD(format), .arg = "FORMAT",
     .choices = FORMATS, .help = "the trainer's shape; required"},
    {.name = "archive", .letter = 'a', .type = WS_OPT_STRING, FIELD(archive),
     .fallback = "warpsmith.db", .arg = "FILE", .help = "the archive", .env = "WARPSMITH_ARCHIVE"},
    {.name = "run", .type = WS_OPT_STRING, FIELD(run), .arg = "RUN", .help = "only this run"},
    {.name = "output", .letter = 'o', .type = WS_OPT_STRING, FIELD(output), .fallback = "-",
     .arg = "PATH", .help = "a directory for train.jsonl, test.jsonl, manifest.json and README.md; "
     "a file of rows if it ends in .jsonl; - is standard output"},
    {.name = "split", .type = WS_OPT_CHOICE, FIELD(split), .fallback = "all",
     .choices = "all|train|test", .arg = "SPLIT", .help = "rows of a file: which of them"},
    {.name = "held-out", .type = WS_OPT_LIST, FIELD(held_out), .arg = "FAMILY,...",
     .help = "op families for the test split, as 'matmul' or 'matmul+gelu'; repeatable"},
    {.name = "held-out-share", .type = WS_OPT_NUMBER, FIELD(held_out_share), .fallback = "0.1",
     .arg = "X", .help = "share of the op families for the test split, when none is named"},
    {.name = "reward", .type = WS_OPT_CHOICE, FIELD(reward), .fallback = "gated",
     .choices = VFY_REWARD_SCHEMES, .arg = "SCHEME",
     .help = "gated: right kernels alone; shaped: small shares for format and compilation"},
    {.name = "min-speedup", .type = WS_OPT_NUMBER, FIELD(min_speedup), .fallback = "1", .arg = "X",
     .help = "of kernels to imitate, over the plain translation"},
    {.name = "margin", .type = WS_OPT_NUMBER, FIELD(margin), .fallback = "1.2", .arg = "X",
     .help = "the worse kernel of a pair takes so many times longer, if it is right"},
    {.name = "max-pairs", .type = WS_OPT_INT, FIELD(max_pairs), .fallback = "256", .arg = "N",
     .help = "pairs of one spec, at most; 0: all", .min = 0, .max = INT32_MAX},
    {.name = "purpose", .type = WS_OPT_LIST, FIELD(purposes), .arg = "NAME,...",
     .help = "only calls that were made to generate, repair, improve, ...; repeatable"},
    {.name = "license", .type = WS_OPT_STRING, FIELD(license), .arg = "TEXT",
     .help = "what the replies may be used under; by default 'not stated'"},
    {.name = "lint-time", .type = WS_OPT_SECONDS, FIELD(lint_seconds), .fallback = "5s",
     .arg = "TIME", .help = "processor time for the flaws of one spec"},
    CLI_COMMON_OPTIONS};

/* ---- where rows go ---- */

typedef struct output {
    const options *o;
    FILE *file[2]; /* of a directory: train, test; else the first for both */
    ws_buf path[2], temporary[2];
} output;

static bool is_rows_file(const char *path)
{
    size_t n = strlen(path);
    return strcmp(path, "-") == 0 || (n > 6 && strcmp(path + n - 6, ".jsonl") == 0);
}

static ws_status open_file(output *out, int i, const char *path, ws_err *err)
{
    ws_buf_adds(&out->path[i], path);
    ws_buf_printf(&out->temporary[i], "%s.%d", path, (int)getpid());
    if (!(out->file[i] = fopen(ws_buf_z(&out->temporary[i]), "we")))
        return ws_fail_errno(err, WS_EENV, "cannot write '%s'", path);
    return WS_OK;
}

static ws_status open_output(output *out, ws_err *err)
{
    static const char *const names[] = {"train", "test"};
    const char *path = out->o->output;
    if (strcmp(path, "-") == 0) {
        out->file[0] = stdout;
        return WS_OK;
    }
    if (is_rows_file(path))
        return open_file(out, 0, path, err);
    ws_status st = ws_make_dirs(path, err);
    for (int i = 0; !st && i < 2; i++) {
        ws_buf name = {0};
        ws_buf_printf(&name, "%s/%s.jsonl", path, names[i]);
        st = open_file(out, i, ws_buf_z(&name), err);
        ws_buf_release(&name);
    }
    return st;
}

static ws_status take_row(void *ud, bool held_out, const char *line, size_t n, ws_err *err)
{
    output *out = ud;
    const char *split = out->o->split;
    if (is_rows_file(out->o->output) && strcmp(split, "all") != 0 &&
        strcmp(split, held_out ? "test" : "train") != 0)
        return WS_OK;
    FILE *to = out->file[1] && held_out ? out->file[1] : out->file[0];
    if (fwrite(line, 1, n, to) != n && !(to == stdout && errno == EPIPE))
        return ws_fail_errno(err, WS_EENV, "cannot write '%s'", out->o->output);
    return WS_OK;
}

/* Whole files under their names, or none. */
static ws_status close_output(output *out, ws_status st, ws_err *err)
{
    for (int i = 0; i < 2; i++) {
        const char *temporary = ws_buf_z(&out->temporary[i]), *path = ws_buf_z(&out->path[i]);
        if (*temporary && out->file[i]) {
            bool bad = fclose(out->file[i]) != 0;
            if (!st && (bad || rename(temporary, path)))
                st = ws_fail_errno(err, WS_EENV, "cannot write '%s'", path);
            if (st)
                unlink(temporary);
        }
        ws_buf_release(&out->path[i]);
        ws_buf_release(&out->temporary[i]);
    }
    return st;
}

static ws_status write_beside(const char *dir, const char *name, const ws_buf *text, ws_err *err)
{
    ws_buf path = {0};
    ws_buf_printf(&path, "%s/%s", dir, name);
    ws_status st = ws_write_file(ws_buf_z(&path), text->p, text->n, err);
    ws_buf_release(&path);
    return st;
}

static ws_status describe(const options *o, const data_options *d, const data_result *r,
                          ws_err *err)
{
    ws_buf manifest = {0}, card = {0};
    cJSON *m = data_manifest(d, r);
    ws_json_print(m, true, &manifest);
    ws_buf_addc(&manifest, '\n');
    cJSON_Delete(m);
    data_card(d, r, &card);
    ws_status st = write_beside(o->output, "manifest.json", &manifest, err);
    if (!st)
        st = write_beside(o->output, "README.md", &card, err);
    ws_buf_release(&manifest);
    ws_buf_release(&card);
    return st;
}

/* ---- the command ---- */

static const char *family_of(const spec *s, ws_arena *a)
{
    memory_keys k;
    memory_keys_of(s, a, &k);
    return k.family;
}

/* "a,b" and repetitions alike. */
static const char *const *split_list(const ws_opt_list *list, ws_arena *a, int *n)
{
    const char **out = NULL;
    int cap = 0;
    *n = 0;
    for (size_t i = 0; i < list->n; i++)
        for (const char *p = list->item[i]; *p;) {
            size_t len = strcspn(p, ",");
            if (len) {
                WS_GROW(out, *n, cap);
                out[(*n)++] = ws_arena_strndup(a, p, len);
            }
            p += len + (p[len] != 0);
        }
    const char **kept = WS_ARENA_NEW(a, const char *, *n + 1);
    if (*n)
        memcpy(kept, out, (size_t)*n * sizeof *out);
    free(out);
    return kept;
}

/* On standard error: the rows are the result. */
static void report(const data_options *d, const data_result *r)
{
    fprintf(stderr, "%s: %" PRId64 " rows for training, %" PRId64 " held out, of %d specs\n",
            d->format->name, r->rows[0], r->rows[1], r->n_specs);
    for (int i = 0; i < DATA_OUT_COUNT; i++)
        if (r->left_out[i])
            fprintf(stderr, "left out: %" PRId64 " %s\n", r->left_out[i],
                    data_left_out_text((data_left_out)i));
    for (int i = 0; i < r->n_specs; i++)
        if (r->spec[i].flaw)
            fprintf(stderr, "flawed: %s: %s\n", r->spec[i].name, r->spec[i].flaw);
    if (r->scrubbed)
        fprintf(stderr, "replaced: %" PRId64 " keys, addresses and paths\n", r->scrubbed);
}

static ws_status check_options(const options *o, ws_err *err)
{
    if (!o->format) {
        ws_fail(err, WS_EUSAGE, "dataset needs --format");
        return ws_hint(err, "one of %s", FORMATS);
    }
    if (!(o->held_out_share >= 0 && o->held_out_share <= 1))
        return ws_fail(err, WS_EUSAGE, "--held-out-share is a number from 0 to 1");
    if (!(o->margin >= 1))
        return ws_fail(err, WS_EUSAGE, "--margin is a number from 1 on");
    if (!(o->min_speedup >= 0))
        return ws_fail(err, WS_EUSAGE, "--min-speedup is a number from 0 on");
    if (o->common.json && is_rows_file(o->output) && strcmp(o->output, "-") == 0)
        return ws_fail(err, WS_EUSAGE, "--json prints the manifest where the rows go: name a "
                                       "directory or file with --output");
    return WS_OK;
}

static ws_status make(const options *o, data_options *d, db_archive *db, int *exit_code,
                      ws_err *err)
{
    output out = {.o = o};
    data_result r = {0};
    ws_status st = open_output(&out, err);
    if (!st)
        st = data_make(db, d, take_row, &out, &r, err);
    st = close_output(&out, st, err);
    if (!st && !is_rows_file(o->output))
        st = describe(o, d, &r, err);
    if (!st) {
        report(d, &r);
        if (o->common.json)
            cli_print_json(data_manifest(d, &r));
        *exit_code = r.rows[0] + r.rows[1] == 0;
    }
    data_result_release(&r);
    return st;
}

static ws_status run(const void *values, const char **args, int nargs, int *exit_code, ws_err *err)
{
    const options *o = values;
    db_archive *db = NULL;
    ws_arena a = {0};
    db_run chosen = {0};
    (void)args, (void)nargs;
    ws_status st = check_options(o, err);
    if (!st)
        st = db_open(o->archive, true, &db, err);
    if (!st && o->run)
        st = db_run_find(db, o->run, &a, &chosen, err);
    if (!st) {
        data_options d = {.format = data_format_find(o->format),
                          .scheme = vfy_reward_scheme_of(o->reward),
                          .min_speedup = o->min_speedup,
                          .margin = o->margin,
                          .max_pairs = (int)o->max_pairs,
                          .held_out_share = o->held_out_share,
                          .run = chosen.id,
                          .lint_seconds = o->lint_seconds,
                          .license = o->license,
                          .tool_version = WARPSMITH_VERSION,
                          .family_of = family_of};
        d.held_out = split_list(&o->held_out, &a, &d.n_held_out);
        d.purpose = split_list(&o->purposes, &a, &d.n_purposes);
        st = make(o, &d, db, exit_code, err);
    }
    db_close(db);
    ws_arena_release(&a);
    return st;
}

const cli_command cmd_dataset = {
    .doc = {.name = "dataset",
            .summary = "write training data out of the archive, in the shapes of trainers",
            .usage = "--format FORMAT [options]",
            .details =
                "One JSON object a line. trl-sft and tinker: right and fast kernels, each once. "
                "trl-kto: right or wrong.\ntrl-dpo and tinker-pairs: a better and a worse reply. "
                "trl-grpo, verl and openrlhf: prompts that 'warpsmith serve' judges.\nRewards are "
                "those of docs/reward.md, columns those of docs/dataset.md. What is left out is "
                "counted on standard error.\nExit code 1: there are no rows.",
            .examples = "warpsmith dataset --format trl-sft --archive runs.db -o sft\n"
                        "warpsmith dataset --format verl --held-out softmax,conv -o verl\n"
                        "warpsmith dataset --format trl-dpo --split train -o pairs.jsonl",
            .options = option_table,
            .min_args = 0,
            .max_args = 0},
    .values_size = sizeof(options),
    .run = run,
};
