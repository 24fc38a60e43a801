#include "agent/cmd/run_options.h"
#include "agent/sweep/kernelbench.h"
#include "agent/sweep/slurm.h"
#include "agent/sweep/suite.h"
#include "agent/sweep/sweep.h"
#include "agent/version.h"
#include "base/file.h"
#include "results/report.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct options {
    run_options run; /* its budget is what each problem may take */
    ws_opt_list models, strategies;
    budget_limits total;
    const char *name, *resume, *shard, *record, *replay, *csv, *html, *show;
    const char *import_dir, *export_dir, *slurm_dir;
    ws_opt_list baselines, slurm_args;
    int64_t jobs, most, level, slurm, slurm_at_once;
    bool go_on, retry, memory, list, no_sources, dry_run;
} options;

#define OPT(field) offsetof(run_options, field)
#define GIVEN(field) .given = offsetof(run_options, given.field)
#define OWN(field) offsetof(options, field)
static const ws_opt option_table[] = {
    {.name = "resume", .type = WS_OPT_STRING, .offset = OWN(resume), .arg = "SWEEP",
     .help = "go on with a sweep of the archive, with its own options; 'last' is the newest",
     .group = "Sweep"},
    {.name = "continue", .type = WS_OPT_FLAG, .offset = OWN(go_on),
     .help = "go on with this sweep if it is in the archive, else begin it", .group = "Sweep"},
    {.name = "retry-failed", .type = WS_OPT_FLAG, .offset = OWN(retry),
     .help = "with --resume: problems that failed or met a limit, too", .group = "Sweep"},
    {.name = "name", .type = WS_OPT_STRING, .offset = OWN(name), .arg = "NAME",
     .help = "of the sweep; else made of the suite, and a hash of specs and options",
     .group = "Sweep"},
    {.name = "jobs", .letter = 'j', .type = WS_OPT_INT, .offset = OWN(jobs), .fallback = "0",
     .arg = "N", .help = "problems at once; 0 is one a core", .group = "Sweep", .min = 0,
     .max = SWEEP_MAX_JOBS},
    {.name = "shard", .type = WS_OPT_STRING, .offset = OWN(shard), .arg = "I/N",
     .help = "every N-th problem, from the I-th; in a Slurm array its task", .group = "Sweep"},
    {.name = "first", .type = WS_OPT_INT, .offset = OWN(most), .fallback = "0", .arg = "N",
     .help = "the first N specs of the set alone", .group = "Sweep", .min = 0, .max = 1000000},
    {.name = "list", .type = WS_OPT_FLAG, .offset = OWN(list),
     .help = "list the sweeps of the archive, or with a set its specs, and do nothing",
     .group = "Sweep"},
    {.name = "show", .type = WS_OPT_STRING, .offset = OWN(show), .arg = "SWEEP",
     .help = "print the scores of a sweep of the archive, and do nothing", .group = "Sweep"},
    {.name = "slurm", .type = WS_OPT_INT, .offset = OWN(slurm), .fallback = "0", .arg = "N",
     .help = "submit an array job of N shards, and a job that merges them into --archive",
     .group = "Slurm", .min = 0, .max = SWEEP_MAX_SHARDS},
    {.name = "slurm-arg", .type = WS_OPT_LIST, .offset = OWN(slurm_args), .arg = "ARG",
     .help = "an option for sbatch, such as --slurm-arg=--partition=gpu", .group = "Slurm"},
    {.name = "slurm-at-once", .type = WS_OPT_INT, .offset = OWN(slurm_at_once), .fallback = "0",
     .arg = "N", .help = "shards at work at once; 0 is all", .group = "Slurm", .min = 0,
     .max = SWEEP_MAX_SHARDS},
    {.name = "slurm-dir", .type = WS_OPT_STRING, .offset = OWN(slurm_dir), .arg = "DIR",
     .help = "where scripts, logs and archives of the shards go; else NAME.slurm",
     .group = "Slurm"},
    {.name = "dry-run", .type = WS_OPT_FLAG, .offset = OWN(dry_run),
     .help = "print the scripts and what would be submitted", .group = "Slurm"},
    {.name = "import-kernelbench", .type = WS_OPT_STRING, .offset = OWN(import_dir), .arg = "DIR",
     .help = "take a result folder of KernelBench's (runs/NAME) in, as a sweep that is done",
     .group = "KernelBench"},
    {.name = "level", .type = WS_OPT_INT, .offset = OWN(level), .fallback = "0", .arg = "N",
     .help = "of the folder, when its files do not tell", .group = "KernelBench", .min = 0,
     .max = 9},
    {.name = "baseline", .type = WS_OPT_LIST, .offset = OWN(baselines), .arg = "NAME=FILE",
     .help = "times to compare with: a baseline_time_*.json of KernelBench's",
     .group = "KernelBench"},
    {.name = "export-kernelbench", .type = WS_OPT_STRING, .offset = OWN(export_dir), .arg = "DIR",
     .help = "write a sweep (--show, else the last) as a result folder of KernelBench's",
     .group = "KernelBench"},
    {.name = "no-sources", .type = WS_OPT_FLAG, .offset = OWN(no_sources),
     .help = "with --export-kernelbench: the results alone, no file with ModelNew",
     .group = "KernelBench"},
    {.name = "model", .letter = 'm', .type = WS_OPT_LIST, .offset = OWN(models),
     .arg = "NAME,...", .help = "a model to ask, or several in one run; repeat it to compare",
     .group = "Model"},
#include "agent/cmd/run_server.def"
    {.name = "strategy", .letter = 's', .type = WS_OPT_LIST, .offset = OWN(strategies),
     .arg = "NAME", .help = "refine (default), best-of, ideas or evolve; repeat it to compare",
     .group = "Strategy"},
#include "agent/cmd/run_search.def"
    {.name = "memory", .type = WS_OPT_FLAG, .offset = OWN(memory),
     .help = "let runs use what runs before them learned: the order then matters",
     .group = "Strategy"},
    {.name = "max-cost", .type = WS_OPT_NUMBER, .offset = OWN(total.most.usd), .fallback = "0",
     .arg = "USD", .help = "never spend more on models, over all problems; 0 is no limit",
     .group = "Budget of the sweep"},
    {.name = "max-time", .type = WS_OPT_SECONDS, .offset = OWN(total.seconds), .fallback = "0",
     .arg = "TIME", .help = "wall time of all sessions together; 0 is no limit",
     .group = "Budget of the sweep"},
    {.name = "token-budget", .type = WS_OPT_INT, .offset = OWN(total.most.tokens),
     .fallback = "0", .arg = "N", .help = "tokens over all problems; 0 is no limit",
     .group = "Budget of the sweep", .min = 0, .max = 1000000000000000},
    {.name = "call-budget", .type = WS_OPT_INT, .offset = OWN(total.most.requests),
     .fallback = "0", .arg = "N", .help = "requests over all problems; 0 is no limit",
     .group = "Budget of the sweep", .min = 0, .max = 1000000000},
    {.name = "rounds", .letter = 'n', .type = WS_OPT_INT, .offset = OPT(l.budget.most.replies),
     .fallback = "6", .arg = "N", .help = "replies to ask for; 0 asks no model: translations only",
     .group = "Budget of each problem", .min = 0, .max = 1000000, GIVEN(rounds)},
    {.name = "problem-cost", .type = WS_OPT_NUMBER, .offset = OPT(l.budget.most.usd),
     .fallback = "0", .arg = "USD", .help = "dollars; 0 is no limit",
     .group = "Budget of each problem", GIVEN(cost)},
    {.name = "problem-time", .type = WS_OPT_SECONDS, .offset = OPT(l.budget.seconds),
     .fallback = "2h", .arg = "TIME", .help = "then it is over, whatever it does; 0 is no limit",
     .group = "Budget of each problem", GIVEN(time)},
    {.name = "problem-tokens", .type = WS_OPT_INT, .offset = OPT(l.budget.most.tokens),
     .fallback = "0", .arg = "N", .help = "tokens; 0 is no limit",
     .group = "Budget of each problem", .min = 0, .max = 1000000000000000, GIVEN(tokens)},
    {.name = "problem-calls", .type = WS_OPT_INT, .offset = OPT(l.budget.most.requests),
     .fallback = "0", .arg = "N", .help = "requests, retries included; 0 is no limit",
     .group = "Budget of each problem", .min = 0, .max = 1000000000, GIVEN(calls)},
    {.name = "candidates", .type = WS_OPT_INT, .offset = OPT(l.budget.most.candidates),
     .fallback = "0", .arg = "N", .help = "kernels to judge, tuned ones too; 0 is no limit",
     .group = "Budget of each problem", .min = 0, .max = 1000000000, GIVEN(candidates)},
#include "agent/cmd/run_worth.def"
#include "agent/cmd/run_device.def"
    {.name = "seed", .type = WS_OPT_INT, .offset = OPT(l.seed), .fallback = "0", .arg = "N",
     .help = "of inputs and choices of all runs; 0 makes one of the sweep's name",
     .group = "Device", GIVEN(seed)},
    {.name = "archive", .letter = 'a', .type = WS_OPT_STRING, .offset = OPT(l.archive),
     .fallback = "warpsmith.db", .arg = "FILE", .help = "the archive", .env = "WARPSMITH_ARCHIVE"},
    {.name = "record", .type = WS_OPT_STRING, .offset = OWN(record), .arg = "DIR",
     .help = "write every exchange with a model, a file a problem, without keys",
     .group = "Output"},
    {.name = "replay", .type = WS_OPT_STRING, .offset = OWN(replay), .arg = "DIR",
     .help = "ask no model: what --record wrote answers, with its options", .group = "Output"},
    {.name = "replay-speed", .type = WS_OPT_NUMBER, .offset = OPT(l.replay_speed),
     .fallback = "0", .arg = "X", .help = "1 is as recorded, 0 is at once", .group = "Output"},
    {.name = "loose", .type = WS_OPT_FLAG, .offset = OPT(l.replay_loose),
     .help = "with --replay: answer other prompts too, with the recorded replies in order",
     .group = "Output"},
    {.name = "html", .type = WS_OPT_STRING, .offset = OWN(html), .arg = "FILE",
     .help = "at the end, the report as one page; 'warpsmith report' makes others",
     .group = "Output"},
    {.name = "csv", .type = WS_OPT_STRING, .offset = OWN(csv), .arg = "FILE",
     .help = "at the end, a row a problem", .group = "Output"},
    CLI_COMMON_OPTIONS};

/* ---- what is asked for ---- */

/* "3/8"; without the option the element of a Slurm array. */
static ws_status read_shard(const char *text, sweep_options *o, ws_err *err)
{
    const char *id = getenv("SLURM_ARRAY_TASK_ID"), *least = getenv("SLURM_ARRAY_TASK_MIN");
    const char *count = getenv("SLURM_ARRAY_TASK_COUNT"), *step = getenv("SLURM_ARRAY_TASK_STEP");
    int i = 1, n = 1, used = 0;
    if (text && (sscanf(text, "%d/%d%n", &i, &n, &used) != 2 || text[used]))
        return ws_fail(err, WS_EUSAGE, "--shard: '%s' is not of the form 3/8", text);
    if (!text && id && least && count) {
        int by = step && atoi(step) > 0 ? atoi(step) : 1;
        i = (atoi(id) - atoi(least)) / by + 1;
        n = atoi(count);
    }
    if (n < 1 || n > SWEEP_MAX_SHARDS || i < 1 || i > n)
        return ws_fail(err, WS_EUSAGE, "there is no shard %d of %d", i, n);
    o->shard = i;
    o->shards = n;
    return WS_OK;
}

/* Every model with every strategy. */
static ws_status read_arms(const options *o, sweep_options *w, ws_err *err)
{
    const char *first = NULL, *variable = getenv("WARPSMITH_MODEL");
    const char *const *model = o->models.item;
    size_t models = o->models.n, strategies_n = o->strategies.n;
    if (!models && variable && *variable) {
        model = &variable;
        models = 1;
    }
    if (w->l.no_model) {
        w->arm[w->n_arms++] = (sweep_arm){NULL, NULL};
        return WS_OK;
    }
    for (size_t m = 0; m < (models ? models : 1); m++)
        for (size_t s = 0; s < (strategies_n ? strategies_n : 1); s++) {
            if (w->n_arms == SWEEP_MAX_ARMS)
                return ws_fail(err, WS_EUSAGE, "more than %d pairs of model and strategy",
                               SWEEP_MAX_ARMS);
            w->arm[w->n_arms++] =
                (sweep_arm){models ? model[m] : first,
                            strategies_n ? o->strategies.item[s] : strategies[0]->name};
        }
    return WS_OK;
}

static ws_status check_name(const char *name, ws_err *err)
{
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
    if (!name || (*name && strlen(name) < 60 && strspn(name, plain) == strlen(name)))
        return WS_OK;
    return ws_fail(err, WS_EUSAGE,
                   "--name: '%.80s' is not up to 59 letters, digits, '_', '.' and '-'", name);
}

static ws_status read_options(const options *o, const char **args, int nargs, sweep_options *w,
                              ws_err *err)
{
    const run_options *r = &o->run;
    *w = (sweep_options){.l = r->l,
                         .given = r,
                         .wish = {NULL, r->provider, r->l.base_url, r->wire, r->api_key_file},
                         .total = o->total,
                         .suite = args,
                         .n_suites = nargs,
                         .name = o->name,
                         .resume = o->resume,
                         .go_on = o->go_on,
                         .retry = o->retry,
                         .memory = o->memory,
                         .jobs = o->jobs,
                         .most = o->most,
                         .record = o->record,
                         .replay = o->replay};
    w->l.no_model = r->given.rounds && !r->l.budget.most.replies;
    if (!(o->total.most.usd >= 0 && o->total.seconds >= 0 && r->l.budget.seconds >= 0))
        return ws_fail(err, WS_EUSAGE, "budgets cannot be negative");
    if (o->record && o->replay)
        return ws_fail(err, WS_EUSAGE, "--record and --replay exclude each other");
    if (o->resume && nargs)
        return ws_fail(err, WS_EUSAGE, "--resume goes on with the specs that the sweep has");
    if (!o->resume && !nargs) {
        ws_fail(err, WS_EUSAGE, "sweep needs a set of specs, or --resume SWEEP");
        return ws_hint(err, "such as kernelbench/level1; 'warpsmith help sweep' tells more");
    }
    if (run_options_check(r, &w->l, err) || check_name(o->name, err) ||
        read_shard(o->shard, w, err))
        return err->status;
    return read_arms(o, w, err);
}

/* ---- listing ---- */

static ws_status list_specs(const char **args, int n, ws_err *err)
{
    suite s;
    if (suite_open(args, n, &s, err))
        return err->status;
    for (int i = 0; i < s.n; i++)
        printf("%s%s%s\n", s.spec[i].name, s.spec[i].error ? ": " : "",
               s.spec[i].error ? s.spec[i].error : "");
    suite_release(&s);
    return WS_OK;
}

static int count_over(const db_problem *p, int n)
{
    int over = 0;
    for (int i = 0; i < n; i++)
        over += strcmp(p[i].status, "waiting") != 0 && strcmp(p[i].status, "running") != 0;
    return over;
}

static ws_status list_sweeps(const char *archive, bool json, ws_err *err)
{
    db_archive *db = NULL;
    ws_arena a = {0};
    db_sweep *w = NULL;
    int n = 0;
    cJSON *rows = json ? cJSON_CreateArray() : NULL;
    ws_status st = db_open(archive, true, &db, err);
    if (!st)
        st = db_sweep_list(db, &a, &w, &n, err);
    if (!st && n && !json)
        printf("%-36s %-11s %9s %9s begun\n", "sweep", "status", "over", "shard");
    for (int i = 0; i < n && !st; i++) {
        db_problem *p;
        int problems;
        if ((st = db_problem_list(db, w[i].id, &a, &p, &problems, err)))
            break;
        if (!json) {
            printf("%-36s %-11s %4d/%-4d %5d/%-3d %.16s\n", w[i].name, w[i].status,
                   count_over(p, problems), problems, w[i].shard, w[i].shards, w[i].started);
            continue;
        }
        cJSON *o = cJSON_CreateObject();
        cJSON_AddStringToObject(o, "sweep", w[i].name);
        cJSON_AddStringToObject(o, "suite", w[i].suite);
        cJSON_AddStringToObject(o, "status", w[i].status);
        cJSON_AddNumberToObject(o, "problems", problems);
        cJSON_AddNumberToObject(o, "over", count_over(p, problems));
        cJSON_AddStringToObject(o, "started", w[i].started);
        cJSON_AddItemToArray(rows, o);
    }
    if (!st && json)
        cli_print_json(rows);
    else
        cJSON_Delete(rows);
    if (!st && !n && !json)
        puts("no sweeps");
    db_close(db);
    ws_arena_release(&a);
    return st;
}

/* ---- scores of a sweep that is there ---- */

typedef struct scores {
    ws_arena arena;
    db_sweep sweep;
    res_set set;
} scores;

static ws_status read_scores(const char *archive, const char *which, scores *out, ws_err *err)
{
    db_archive *db = NULL;
    ws_status st = db_open(archive, true, &db, err);
    if (!st)
        st = db_sweep_find(db, which, &out->arena, &out->sweep, err);
    if (!st)
        st = res_of_sweep(db, out->sweep.id, &out->arena, &out->set, err);
    db_close(db);
    return st;
}

static ws_status write_one(const char *path, const rep_report *r,
                           void (*write)(const rep_report *r, ws_buf *out), ws_err *err)
{
    ws_buf text = {.max = (size_t)1 << 31};
    write(r, &text);
    ws_status st = ws_write_file(path, ws_buf_z(&text), text.n, err);
    ws_buf_release(&text);
    return st;
}

/* The files that were asked for. */
static ws_status write_files(const options *o, const char *which, ws_err *err)
{
    db_archive *db = NULL;
    ws_arena a = {0};
    rep_report r;
    const rep_options how = {.tool = "warpsmith " WARPSMITH_VERSION};
    if (!o->csv && !o->html)
        return WS_OK;
    ws_status st = db_open(o->run.l.archive, true, &db, err);
    if (!st)
        st = rep_collect(db, &which, 1, &how, &a, &r, err);
    if (!st && o->csv)
        st = write_one(o->csv, &r, rep_csv, err);
    if (!st && o->html)
        st = write_one(o->html, &r, rep_html, err);
    db_close(db);
    ws_arena_release(&a);
    return st;
}

static ws_status show(const options *o, const char *which, ws_err *err)
{
    scores s = {0};
    ws_buf text = {0};
    ws_status st = read_scores(o->run.l.archive, which, &s, err);
    if (!st && o->run.common.json) {
        cli_print_json(sweep_json(&s.sweep, &s.set));
    } else if (!st) {
        sweep_table(&s.set, &text);
        printf("%s\nsweep %s: %s%s%s; archive %s\n", ws_buf_z(&text), s.sweep.name, s.sweep.status,
               s.sweep.stop_reason ? ", " : "", s.sweep.stop_reason ? s.sweep.stop_reason : "",
               o->run.l.archive);
    }
    ws_buf_release(&text);
    ws_arena_release(&s.arena);
    return st ? st : write_files(o, which, err);
}

/* ---- KernelBench ---- */

static ws_status import_results(const options *o, ws_err *err)
{
    char name[64];
    const kb_import k = {.dir = o->import_dir,
                         .name = o->name,
                         .model = o->models.n ? o->models.item[0] : NULL,
                         .level = (int)o->level,
                         .baseline = o->baselines};
    if (check_name(o->name, err) || kb_read(&k, o->run.l.archive, name, err))
        return err->status;
    return show(o, name, err);
}

static ws_status export_results(const options *o, ws_err *err)
{
    kb_written n;
    if (kb_write(o->run.l.archive, o->show ? o->show : "last", o->export_dir, o->no_sources, &n,
                 err))
        return err->status;
    if (o->run.common.json) {
        cJSON *j = cJSON_CreateObject();
        cJSON_AddNumberToObject(j, "schema", 1);
        cJSON_AddStringToObject(j, "folder", o->export_dir);
        cJSON_AddNumberToObject(j, "problems", n.problems);
        cJSON_AddNumberToObject(j, "samples", n.samples);
        cJSON_AddNumberToObject(j, "sources", n.sources);
        cJSON_AddNumberToObject(j, "refused", n.refused);
        cli_print_json(j);
        return WS_OK;
    }
    printf("%s: %d problems, %d samples, %d sources\n", o->export_dir, n.problems, n.samples,
           n.sources);
    if (n.refused)
        printf("%d right kernels have no source, the first: %s\n", n.refused, n.why);
    return WS_OK;
}

/* ---- Slurm ---- */

static ws_status submit(const options *o, const char **args, int nargs, ws_err *err)
{
    sweep_options w;
    char name[64];
    int problems;
    if (o->resume || o->shard)
        return ws_fail(err, WS_EUSAGE, "--slurm divides a new sweep: no --resume, no --shard");
    if (read_options(o, args, nargs, &w, err) || sweep_name(&w, name, &problems, err))
        return err->status;
    const char **words = slurm_words(err);
    if (!words)
        return err->status;
    const slurm_options s = {.name = name,
                             .dir = o->slurm_dir,
                             .archive = o->run.l.archive,
                             .shards = o->slurm < problems ? (int)o->slurm : problems,
                             .at_once = (int)o->slurm_at_once,
                             .args = &o->slurm_args,
                             .dry_run = o->dry_run,
                             .word = words};
    ws_status st = slurm_submit(&s, err);
    free(words);
    return st;
}

/* What needs no sweep to be worked on; false: none of it is asked for. */
static bool run_other(const options *o, const char **args, int nargs, ws_status *st, ws_err *err)
{
    if (o->list)
        *st = nargs ? list_specs(args, nargs, err)
                    : list_sweeps(o->run.l.archive, o->run.common.json, err);
    else if (o->import_dir)
        *st = import_results(o, err);
    else if (o->export_dir)
        *st = export_results(o, err);
    else if (o->show)
        *st = show(o, o->show, err);
    else if (o->slurm)
        *st = submit(o, args, nargs, err);
    else if (o->dry_run || o->slurm_args.n || o->slurm_dir)
        *st = ws_fail(err, WS_EUSAGE, "--dry-run, --slurm-arg and --slurm-dir belong to --slurm N");
    else if (o->baselines.n || o->level || o->no_sources)
        *st = ws_fail(err, WS_EUSAGE, "--baseline, --level and --no-sources belong to "
                                      "--import-kernelbench and --export-kernelbench");
    else
        return false;
    return true;
}

static ws_status run(const void *values, const char **args, int nargs, int *exit_code, ws_err *err)
{
    const options *o = values;
    sweep_options w;
    model_access m;
    char name[64] = "";
    ws_status st;
    if (run_other(o, args, nargs, &st, err))
        return st;
    model_access_init(&m);
    st = read_options(o, args, nargs, &w, err);
    if (!st)
        st = sweep_run(&w, &m, name, exit_code, err);
    model_access_release(&m);
    if (*name) { /* also of a sweep in which problems failed */
        ws_err late = {0};
        if (write_files(o, name, &late) && !st) {
            *err = late;
            st = late.status;
        }
    }
    return st;
}

const cli_command cmd_sweep = {
    .doc =
        {.name = "sweep",
         .summary = "optimize every spec of a set; KernelBench's metrics of it",
         .usage =
             "SET... | --resume SWEEP | --show SWEEP | --list | --import-kernelbench DIR [options]",
         .details =
             "SET is a suite (kernelbench, kernelbench/level1, basics, llm, all), a spec, a "
             "folder, a pattern\n(kernelbench/level2/*_conv*), or @FILE with one of these a "
             "line. Every spec is worked on with every\nmodel and strategy, each in a process "
             "of its own. A sweep that is killed goes on with --resume.\n"
             "Limits are exact: what is spent and what problems at work may still spend never "
             "exceed them.\n"
             "The tables at the end are over all problems, those that failed too; flawed specs "
             "are apart.\n"
             "Exit code 1: no problem got faster than its plain translation; 6: some met a limit; "
             "else that of the\nfirst problem that failed.",
         .examples = "warpsmith sweep kernelbench/level1 --model NAME --max-cost 20\n"
                     "warpsmith sweep kernelbench --rounds 0\n"
                     "warpsmith sweep kernelbench/level2 -m a -m b -s refine -s best-of "
                     "--shard 3/8 --archive shard3.db\n"
                     "warpsmith sweep --resume last\n"
                     "warpsmith sweep --import-kernelbench runs/NAME --baseline "
                     "eager=results/timing/H100_Modal/baseline_time_torch.json",
         .options = option_table,
         .min_args = 0,
         .max_args = -1},
    .values_size = sizeof(options),
    .run = run,
};
