#include "agent/cli.h"
#include "results/export.h"

#include <inttypes.h>
#include <stdio.h>

typedef struct options {
    cli_common common;
    const char *archive, *output, *name;
} options;

static const ws_opt option_table[] = {
    {.name = "archive", .letter = 'a', .type = WS_OPT_STRING, .offset = offsetof(options, archive),
     .fallback = "warpsmith.db", .arg = "FILE", .help = "the archive", .env = "WARPSMITH_ARCHIVE"},
    {.name = "output", .letter = 'o', .type = WS_OPT_STRING, .offset = offsetof(options, output),
     .fallback = "-", .arg = "FILE", .help = "where to write; - is standard output"},
    {.name = "name", .type = WS_OPT_STRING, .offset = offsetof(options, name), .arg = "ID",
     .help = "C identifier of the launcher; from the spec's name by default"},
    CLI_COMMON_OPTIONS};

/* The winner of a run, or a candidate by "#id". */
static ws_status choose(db_archive *db, const char *which, ws_arena *a, db_run *run,
                        db_candidate *c, ws_err *err)
{
    int64_t id = 0;
    if (which[0] == '#') {
        if (sscanf(which + 1, "%" SCNd64, &id) != 1)
            return ws_fail(err, WS_EUSAGE, "'%s' is not a candidate; write #12", which);
    } else {
        if (db_run_find(db, which, a, run, err))
            return err->status;
        if (!(id = run->best_candidate))
            return ws_fail(err, WS_EINPUT, "run '%s' has no winner to export", run->name);
    }
    if (db_candidate_get(db, id, a, c, err))
        return err->status;
    char text[24];
    snprintf(text, sizeof text, "%" PRId64, c->run);
    return which[0] == '#' ? db_run_find(db, text, a, run, err) : WS_OK;
}

static ws_status run(const void *values, const char **args, int nargs, int *exit_code, ws_err *err)
{
    const options *o = values;
    db_archive *db = NULL;
    ws_arena a = {0};
    spec *s = NULL;
    db_run r = {0};
    db_candidate c = {0};
    ws_buf header = {0};
    const char *verdict = NULL;
    (void)exit_code;
    ws_status st = db_open(o->archive, true, &db, err);
    if (!st)
        st = choose(db, nargs ? args[0] : "last", &a, &r, &c, err);
    if (!st)
        st = db_verdict_json(db, c.id, &a, &verdict, err);
    if (!st)
        st = spec_from_text(r.spec_json, ws_str_of(r.spec_json).n, r.spec_name, &s, err);
    if (!st) {
        exp_input in = {s, &c, &r, verdict, o->name};
        st = exp_header(&in, &header, err);
    }
    if (!st)
        st = cli_write_text(o->output, o->common.json, "header", &header, err);
    ws_buf_release(&header);
    spec_free(s);
    ws_arena_release(&a);
    db_close(db);
    return st;
}

const cli_command cmd_export = {
    .doc = {.name = "export",
            .summary = "write a winner as a self-contained CUDA header",
            .usage = "[RUN | #CANDIDATE] [options]",
            .examples = "warpsmith export last -o softmax.cuh",
            .options = option_table,
            .min_args = 0,
            .max_args = 1},
    .values_size = sizeof(options),
    .run = run,
};
