#include "agent/cli.h"
#include "agent/cmd/archive_merge.h"
#include "agent/cmd/archive_packet.h"
#include "agent/cmd/archive_rejudge.h"
#include "agent/cmd/archive_search.h"
#include "agent/cmd/archive_show.h"
#include "base/file.h"
#include "base/json.h"
#include "results/archive.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct options {
    cli_common common;
    const char *archive, *like, *gpu, *run, *stricter, *output, *spec, *model, *status, *since;
    int64_t limit, context;
    bool dry_run, apply, source, has_limit;
} options;

static const ws_opt option_table[] = {
    {.name = "archive", .letter = 'a', .type = WS_OPT_STRING, .offset = offsetof(options, archive),
     .fallback = "warpsmith.db", .arg = "FILE", .help = "the archive", .env = "WARPSMITH_ARCHIVE"},
    {.name = "spec", .type = WS_OPT_STRING, .offset = offsetof(options, spec), .arg = "TEXT",
     .help = "list: runs of specs with this in their name", .group = "List"},
    {.name = "model", .type = WS_OPT_STRING, .offset = offsetof(options, model), .arg = "TEXT",
     .help = "list: of models with this in their name", .group = "List"},
    {.name = "status", .type = WS_OPT_CHOICE, .offset = offsetof(options, status),
     .choices = "running|done|interrupted|limit|failed", .arg = "STATUS", .group = "List",
     .help = "list: with this status"},
    {.name = "since", .type = WS_OPT_STRING, .offset = offsetof(options, since), .arg = "DATE",
     .help = "list: begun on 2026-11-22 or later", .group = "List"},
    {.name = "source", .type = WS_OPT_FLAG, .offset = offsetof(options, source),
     .help = "show: nothing but the source of the winner or candidate", .group = "Show"},
    {.name = "context", .letter = 'U', .type = WS_OPT_INT, .offset = offsetof(options, context),
     .fallback = "3", .min = 0, .max = 100000, .arg = "N", .group = "Show",
     .help = "diff: lines around each change"},
    {.name = "like", .type = WS_OPT_STRING, .offset = offsetof(options, like), .arg = "SPEC",
     .help = "search: kernels and lessons of related specs", .group = "Search"},
    {.name = "gpu", .type = WS_OPT_STRING, .offset = offsetof(options, gpu), .arg = "NAME",
     .help = "list, search, lessons: of this GPU; h100 where a SPEC is given", .group = "Search"},
    {.name = "limit", .type = WS_OPT_INT, .offset = offsetof(options, limit), .fallback = "20",
     .min = 1, .max = 1000, .arg = "N", .group = "Search", .given = offsetof(options, has_limit),
     .help = "search, lessons: at most so many; list: the newest so many, else all"},
    {.name = "output", .letter = 'o', .type = WS_OPT_STRING, .offset = offsetof(options, output),
     .fallback = "-", .arg = "FILE", .help = "packet: where to write; - is standard output",
     .group = "Packet"},
    {.name = "run", .type = WS_OPT_STRING, .offset = offsetof(options, run), .arg = "RUN",
     .help = "rejudge: this run's alone", .group = "Rejudge"},
    {.name = "dry-run", .type = WS_OPT_FLAG, .offset = offsetof(options, dry_run),
     .help = "rejudge: say what would fall and change nothing", .group = "Rejudge"},
    {.name = "stricter", .type = WS_OPT_STRING, .offset = offsetof(options, stricter),
     .arg = "RULE", .group = "Rejudge",
     .help = "rejudge: what would fall if less of each tolerance were allowed: tolerance=0.5"},
    {.name = "apply", .type = WS_OPT_FLAG, .offset = offsetof(options, apply),
     .help = "rejudge: demote by --stricter, too, which alone changes nothing", .group = "Rejudge"},
    CLI_COMMON_OPTIONS};

/* ---- check ---- */

static ws_status check(db_archive *db, bool json, ws_err *err)
{
    if (db_check(db, err))
        return err->status;
    if (!json) {
        puts("ok");
        return WS_OK;
    }
    cJSON *o = cJSON_CreateObject();
    cJSON_AddNumberToObject(o, "schema", 1);
    cJSON_AddBoolToObject(o, "ok", true);
    cli_print_json(o);
    return WS_OK;
}

/* Retrieval keeps what it finds out of specs; an archive that cannot be written is searched as it
 * is. */
static ws_status open_for_search(const char *path, db_archive **out, ws_err *err)
{
    ws_err ignored = {0};
    if (ws_file_exists(path) && !db_open(path, false, out, &ignored))
        return WS_OK;
    return db_open(path, true, out, err);
}

typedef struct subcommand {
    const char *name;
    int max_args;  /* after the name; -1: any number */
    enum { READS, SEARCHES, WRITES, OPENS } access; /* OPENS: what it wants by itself */
    ws_status (*run)(db_archive *db, const char **args, int n, const options *o, int *exit_code,
                     ws_err *err);
} subcommand;

static search_options search_options_of(const options *o)
{
    return (search_options){.like = o->like, .gpu = o->gpu, .limit = (int)o->limit,
                            .json = o->common.json};
}

static ws_status run_list(db_archive *db, const char **args, int n, const options *o,
                          int *exit_code, ws_err *err)
{
    (void)exit_code;
    (void)args, (void)n;
    const db_overview_filter f = {.spec = o->spec, .model = o->model, .gpu = o->gpu,
                                  .status = o->status, .since = o->since,
                                  .most = o->has_limit ? (int)o->limit : 0};
    return archive_list(db, &f, o->common.json, err);
}

static ws_status run_show(db_archive *db, const char **args, int n, const options *o,
                          int *exit_code, ws_err *err)
{
    (void)exit_code;
    return archive_show(db, n ? args[0] : "last", o->source, o->common.json, err);
}

static ws_status run_lineage(db_archive *db, const char **args, int n, const options *o,
                             int *exit_code, ws_err *err)
{
    (void)exit_code;
    return archive_lineage(db, n ? args[0] : "last", o->common.json, err);
}

static ws_status run_diff(db_archive *db, const char **args, int n, const options *o,
                          int *exit_code, ws_err *err)
{
    (void)exit_code;
    return archive_diff(db, n ? args[0] : "last", n > 1 ? args[1] : NULL, (int)o->context,
                        o->common.json, err);
}

static ws_status run_check(db_archive *db, const char **args, int n, const options *o,
                           int *exit_code, ws_err *err)
{
    (void)exit_code;
    (void)args, (void)n;
    return check(db, o->common.json, err);
}

static ws_status run_search(db_archive *db, const char **args, int n, const options *o,
                            int *exit_code, ws_err *err)
{
    (void)exit_code;
    search_options s = search_options_of(o);
    return archive_search(db, args, n, &s, err);
}

static ws_status run_lessons(db_archive *db, const char **args, int n, const options *o,
                             int *exit_code, ws_err *err)
{
    (void)exit_code;
    search_options s = search_options_of(o);
    return archive_lessons(db, n ? args[0] : NULL, &s, err);
}

static ws_status run_rejudge(db_archive *db, const char **args, int n, const options *o,
                             int *exit_code, ws_err *err)
{
    const rejudge_options r = {.run = o->run, .stricter = o->stricter, .dry_run = o->dry_run,
                               .apply = o->apply, .json = o->common.json};
    int fell = 0;
    (void)args, (void)n;
    if (o->apply && o->dry_run)
        return ws_fail(err, WS_EUSAGE, "--apply and --dry-run contradict each other");
    ws_status st = archive_rejudge(db, o->archive, &r, &fell, err);
    *exit_code = fell > 0;
    return st;
}

static ws_status run_packet(db_archive *db, const char **args, int n, const options *o,
                            int *exit_code, ws_err *err)
{
    ws_arena a = {0};
    db_run r = {0};
    db_candidate c = {0};
    cJSON *packet = NULL;
    vfy_verdict *v = ws_calloc(1, sizeof *v);
    ws_status st = archive_choose(db, n ? args[0] : "last", &a, &r, &c, err);
    if (!st)
        st = archive_packet(db, &r, &c, v, &packet, err);
    if (!st)
        st = archive_packet_write(packet, o->output, err);
    *exit_code = !st && v->reason != HX_PASS;
    cJSON_Delete(packet);
    free(v);
    ws_arena_release(&a);
    return st;
}

static ws_status run_merge(db_archive *db, const char **args, int n, const options *o,
                           int *exit_code, ws_err *err)
{
    (void)db, (void)exit_code;
    return archive_merge(args, n, o->common.json, err);
}

static ws_status run_digest(db_archive *db, const char **args, int n, const options *o,
                            int *exit_code, ws_err *err)
{
    (void)db, (void)exit_code;
    return archive_digest(o->archive, n ? args[0] : NULL, o->common.json, err);
}

static const subcommand subcommands[] = {{"list", 0, READS, run_list},
                                         {"show", 1, READS, run_show},
                                         {"lineage", 1, READS, run_lineage},
                                         {"diff", 2, READS, run_diff},
                                         {"check", 0, READS, run_check},
                                         {"search", -1, SEARCHES, run_search},
                                         {"lessons", 1, SEARCHES, run_lessons},
                                         {"packet", 1, READS, run_packet},
                                         {"rejudge", 0, WRITES, run_rejudge},
                                         {"merge", -1, OPENS, run_merge},
                                         {"digest", 1, OPENS, run_digest}};

/* An archive that is not there is none to write to. */
static ws_status open_archive(const options *o, const subcommand *c, db_archive **out, ws_err *err)
{
    if (c->access == SEARCHES)
        return open_for_search(o->archive, out, err);
    const bool writes = c->access == WRITES && ws_file_exists(o->archive);
    return db_open(o->archive, !writes, out, err);
}

static ws_status unknown_subcommand(const char *name, ws_err *err)
{
    ws_buf names = {0};
    for (size_t i = 0; i < WS_COUNT(subcommands); i++)
        ws_buf_printf(&names, "%s%s", i ? ", " : "", subcommands[i].name);
    ws_fail(err, WS_EUSAGE, "unknown subcommand 'archive %s'; there are %s", name, ws_buf_z(&names));
    ws_buf_release(&names);
    return err->status;
}

static ws_status run(const void *values, const char **args, int nargs, int *exit_code, ws_err *err)
{
    const options *o = values;
    const subcommand *c = NULL;
    db_archive *db = NULL;
    for (size_t i = 0; i < WS_COUNT(subcommands) && !c; i++)
        if (strcmp(args[0], subcommands[i].name) == 0)
            c = &subcommands[i];
    if (!c)
        return unknown_subcommand(args[0], err);
    if (c->max_args >= 0 && nargs - 1 > c->max_args)
        return ws_fail(err, WS_EUSAGE, "archive %s takes %s; --archive FILE names the file",
                       args[0],
                       c->max_args > 1   ? "two arguments"
                       : c->max_args > 0 ? "one argument"
                                         : "no argument");
    if (o->gpu && cli_check_gpu(o->gpu, err))
        return err->status;
    ws_status st = c->access == OPENS ? WS_OK : open_archive(o, c, &db, err);
    if (!st)
        st = c->run(db, args + 1, nargs - 1, o, exit_code, err);
    db_close(db);
    return st;
}

const cli_command cmd_archive = {
    .doc = {.name = "archive",
            .summary = "runs, their candidates, lineages and diffs; search, judge again, merge",
            .usage = "list | show [RUN | #ID] | lineage [RUN] | diff [A [B]] | search TEXT... | search --like SPEC | lessons [SPEC] | "
                     "check | packet [RUN | #ID] | rejudge | merge OUT IN... | digest [RUN | SWEEP]",
            .details =
            "RUN is a run's name, the beginning of one, its number, or 'last' (also when "
                       "it is left out); '#12' is a candidate.\nlist can be narrowed by --spec, "
                       "--model, --gpu, --status and --since. show --json has every prompt, "
                       "reply,\nsource and verdict of the run; show '#12' one candidate; show "
                       "--source RUN the winner's source.\nlineage is the tree of a run's kernels, "
                       "each with verdict, time and note.\ndiff compares two candidates, or a "
                       "run's winner (or '#12') with what it was made from.\nsearch finds kernels that passed by the words of their notes, "
                       "specs and what their sources use (float4,\nshuffle, wmma, ...), and "
                       "lessons; --like those of specs with the same operations, numbers and "
                       "shapes.\nlessons are what runs learned: gains, losses and failures, with "
                       "the attempts that showed them.\ncheck looks for damage in the file.\n"
                       "packet verifies a candidate in full and writes its evidence packet, which "
                       "'warpsmith recheck' repeats.\n"
                       "rejudge verifies every candidate that passed again, in full, "
                       "demotes those that no longer hold and\nprints which and why; exit code 1 "
                       "means that some fell. An interrupted one goes on where it was.\n"
                       "merge puts archives together, such as those of a sweep's shards: the same "
                       "one twice changes nothing.\n"
                       "digest prints a hash of what the archive says, without times and row "
                       "numbers: equal ones hold the\nsame runs with the same results.",
            .examples = "warpsmith archive list --spec softmax --status done\n"
                        "warpsmith archive show last --json\n"
                        "warpsmith archive show '#12'\n"
                        "warpsmith archive lineage last\nwarpsmith archive diff last\n"
                        "warpsmith archive diff '#7' '#12'\n"
                        "warpsmith archive search online softmax\n"
                        "warpsmith archive search --like softmax\n"
                        "warpsmith archive lessons softmax\n"
                        "warpsmith archive packet last -o best.packet.json\n"
                        "warpsmith archive rejudge --dry-run\n"
                        "warpsmith archive merge all.db shard-*.db",
            .options = option_table,
            .min_args = 1,
            .max_args = -1},
    .values_size = sizeof(options),
    .run = run,
};
