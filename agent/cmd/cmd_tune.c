#include "agent/cli.h"
#include "agent/tune/space.h"
#include "agent/tune/store.h"
#include "agent/tune/table.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "verifier/choice.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_JOBS = 64 };

typedef struct options {
    cli_common common;
    const char *arch, *gpu, *output, *archive;
    int64_t max_points, jobs, seed;
    double timeout;
    bool exhaustive;
} options;

static const ws_opt option_table[] = {
    {.name = "max-points", .type = WS_OPT_INT, .offset = offsetof(options, max_points),
     .fallback = "0", .max = 1000000, .arg = "N",
     .help = "points to judge, at most; 0: a quarter of the space, 32 to 256", .group = "Search"},
    {.name = "exhaustive", .type = WS_OPT_FLAG, .offset = offsetof(options, exhaustive),
     .help = "judge every point, and say when the search would have found the best",
     .group = "Search"},
    {.name = "seed", .type = WS_OPT_INT, .offset = offsetof(options, seed), .fallback = "1",
     .arg = "N", .help = "of the search; the same seed asks for the same points",
     .group = "Search"},
    {.name = "jobs", .letter = 'j', .type = WS_OPT_INT, .offset = offsetof(options, jobs),
     .fallback = "4", .min = 1, .max = MAX_JOBS, .arg = "N",
     .help = "points judged at once; what is asked for follows from it too", .group = "Search"},
    {.name = "arch", .type = WS_OPT_STRING, .offset = offsetof(options, arch), .fallback = "sm_90",
     .arg = "ARCH", .help = "compile for this architecture", .group = "Device"},
    {.name = "gpu", .type = WS_OPT_STRING, .offset = offsetof(options, gpu), .fallback = "h100",
     .arg = "NAME", .help = "GPU of the cost model", .group = "Device"},
    {.name = "timeout", .type = WS_OPT_SECONDS, .offset = offsetof(options, timeout),
     .fallback = "25s", .arg = "TIME", .help = "processor time of one run of the verification",
     .group = "Device"},
    {.name = "output", .letter = 'o', .type = WS_OPT_STRING, .offset = offsetof(options, output),
     .arg = "FILE", .help = "write the source with the best values as defaults",
     .group = "Output"},
    {.name = "archive", .type = WS_OPT_STRING, .offset = offsetof(options, archive), .arg = "FILE",
     .help = "store the best point as a run without a model, which export takes",
     .group = "Output"},
    CLI_COMMON_OPTIONS};

/* One tuning on its way. */
typedef struct tuning {
    const options *o;
    spec *spec;
    ws_buf source;
    comp_service *comp;
    vfy_session *session;
    vfy_chooser *chooser;
    vfy_options vo;
    const plan *plan;
    tune_options search;
    tune_table table;    /* all that was judged, wrong ones marked */
    double points;       /* of the space */
    int same;            /* judged points that were programs met before */
    int best;             /* of the table, the fastest that was verified; -1: none */
    vfy_verdict *verdict; /* of the best; without one, of the last that was wrong */
    vfy_verdict *look;    /* of the point at hand */
    char refusal[256];   /* why the first point that cannot be used cannot be */
    int wrong;           /* points that were fast and failed verification */
    int needed;          /* exhaustive: evaluations that the search needs; 0: it fails */
    char run[64];        /* of the archive */
    double seconds;
} tuning;

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* ---- judging points ---- */

static tune_result result_of(const vfy_choice *c)
{
    return (tune_result){.right = c->reason == HX_PASS, .seconds = c->seconds,
                         .facts = {c->registers, c->shared_bytes, c->spill_bytes, c->occupancy}};
}

/* out[n] */
static ws_status judge(tuning *t, const int64_t *row, int n, tune_result *out, ws_err *err)
{
    vfy_choice *c = ws_calloc((size_t)n, sizeof *c);
    ws_status st = vfy_choose(t->chooser, row, n, (int)t->o->jobs, c, err);
    for (int i = 0; i < n && !st; i++) {
        const int64_t *one = row + (size_t)i * (size_t)t->plan->n_tune;
        ws_buf text = {0};
        out[i] = result_of(&c[i]);
        tune_table_put(&t->table, one, &out[i]);
        t->same += c[i].same;
        if (c[i].text[0] && !t->refusal[0])
            snprintf(t->refusal, sizeof t->refusal, "%s", c[i].text);
        tune_row_print(t->plan, one, &text);
        ws_log(WS_LOG_INFO, "%s: %.4g us modelled%s%s", ws_buf_z(&text), 1e6 * c[i].seconds,
               c[i].text[0] ? ", " : "", c[i].text);
        ws_buf_release(&text);
    }
    free(c);
    return st;
}

/* The fastest point found has to hold in full; one that is wrong is never the winner. Goes on to
 * the next until one is right, `most` are wrong, or none is left. t->best is the fastest that held.
 * `s` is told of wrong ones, NULL: nobody is. */
static ws_status verify_best(tuning *t, tune_search *s, int most, ws_err *err)
{
    for (; most > 0 && !cli_interrupted; most--) {
        vfy_options o = t->vo;
        const int best = tune_table_best(&t->table);
        if (best < 0 || best == t->best)
            return WS_OK;
        o.depth = VFY_FULL;
        o.tune = tune_table_row(&t->table, best);
        if (vfy_verify(t->session, ws_buf_z(&t->source), t->source.n, &o, t->look, err))
            return err->status;
        const bool right = t->look->reason == HX_PASS;
        if (right || t->best < 0)
            *t->verdict = *t->look;
        if (right) {
            t->best = best;
            return WS_OK;
        }
        t->wrong++;
        t->table.result[best].right = false;
        if (s)
            tune_search_tell(s, o.tune, &t->table.result[best]);
    }
    return WS_OK;
}

enum { MAX_WRONG = 24, WRONG_ON_THE_WAY = 3 };

/* At a third and at two thirds the best is verified too: a choice that is fast because it is wrong
 * would draw the search to it. */
static ws_status search_points(tuning *t, ws_err *err)
{
    tune_search *s = tune_search_new(t->plan, vfy_chooser_dims(t->chooser), &t->search, NULL);
    const int64_t *rows;
    tune_result r[MAX_JOBS];
    int64_t points = 0;
    ws_status st = WS_OK;
    int n, asked = 0, judged_right = 0, most = tune_search_most(s), next_check = most / 3;
    while (!st && !cli_interrupted && (n = tune_search_ask(s, &rows)) > 0) {
        st = judge(t, rows, n, r, err);
        for (int i = 0; i < n && !st; i++)
            tune_search_tell(s, rows + (size_t)i * (size_t)t->plan->n_tune, &r[i]);
        asked += n;
        if (!st && asked >= next_check && asked < most) {
            st = verify_best(t, s, WRONG_ON_THE_WAY, err);
            next_check += most / 3 + 1;
        }
    }
    if (!st)
        st = verify_best(t, s, MAX_WRONG, err);
    tune_search_counts(s, &points, &asked, &judged_right);
    t->points = (double)points;
    tune_search_free(s);
    return st;
}

/* ---- all points ---- */

/* How many evaluations the search takes to the best time of the table (within a thousandth); 0:
 * more than it may have. */
static int needed_by_search(const tuning *t)
{
    int best = t->best, found = 0, told = 0, n;
    if (best < 0)
        return 0;
    tune_search *s = tune_search_new(t->plan, vfy_chooser_dims(t->chooser), &t->search, NULL);
    const double enough = t->table.result[best].seconds * (1 + TUNE_TIE);
    const int64_t *rows;
    while (!found && (n = tune_search_ask(s, &rows)) > 0)
        for (int i = 0; i < n; i++) {
            const int64_t *row = rows + (size_t)i * (size_t)t->plan->n_tune;
            const tune_result *r = &t->table.result[tune_table_find(&t->table, row)];
            tune_search_tell(s, row, r);
            told++;
            if (r->right && r->seconds <= enough && !found)
                found = told;
        }
    tune_search_free(s);
    return found;
}

static ws_status judge_all(tuning *t, ws_err *err)
{
    enum { AT_ONCE = 32 };
    tune_space space;
    tune_result r[AT_ONCE];
    ws_status st = WS_OK;
    tune_space_init(&space, t->plan, vfy_chooser_dims(t->chooser), 1);
    t->points = space.count;
    if (!space.whole)
        st = ws_fail(err, WS_EINPUT, "about %.0f points are too many for --exhaustive",
                     space.count);
    for (int i = 0; i < space.n && !st && !cli_interrupted; i += AT_ONCE) {
        int n = space.n - i < AT_ONCE ? space.n - i : AT_ONCE;
        st = judge(t, tune_space_row(&space, i), n, r, err);
        ws_log(WS_LOG_INFO, "%d of %d points", i + n, space.n);
    }
    if (t->search.max_points < 1)
        t->search.max_points = space.n / 4;
    tune_space_release(&space);
    if (!st)
        st = verify_best(t, NULL, MAX_WRONG, err);
    if (!st && !cli_interrupted)
        t->needed = needed_by_search(t);
    return st;
}

/* ---- what is printed ---- */

static void print_best(const tuning *t, int best, ws_buf *out)
{
    const tune_result *r = &t->table.result[best];
    int64_t first[PLAN_MAX_TUNE];
    ws_buf_adds(out, "best  ");
    tune_row_print(t->plan, tune_table_row(&t->table, best), out);
    ws_buf_printf(out, ": %.4g us modelled on %s", 1e6 * r->seconds, t->o->gpu);
    for (int k = 0; k < t->plan->n_tune; k++)
        first[k] = t->plan->tune[k].value[0];
    int d = tune_table_find(&t->table, first);
    if (d >= 0 && t->table.result[d].right)
        ws_buf_printf(out, ", %.2fx the default's speed",
                      t->table.result[d].seconds / r->seconds);
    ws_buf_printf(out, "\n      %d registers, %d bytes of shared memory, %d spilled, occupancy "
                  "%.2f\n", r->facts.registers, r->facts.shared_bytes, r->facts.spill_bytes,
                  r->facts.occupancy);
    if (r->facts.spill_bytes > 0)
        ws_buf_adds(out, "      the modelled time does not know of spills: it is too good\n");
    ws_buf_printf(out, "      %s\n", t->verdict->text);
}

static void print_text(const tuning *t)
{
    ws_buf out = {0};
    int best = t->best, unusable = 0;
    for (int i = 0; i < t->table.n; i++)
        unusable += !t->table.result[i].right;
    ws_buf_printf(&out, "%s: %.0f points, %d judged (%.1f %%) in %.1f s; %d cannot be used, %d "
                  "fast ones wrong, %d the same program as another\n", t->spec->name, t->points,
                  t->table.n, t->points > 0 ? 100 * t->table.n / t->points : 0, t->seconds,
                  unusable - t->wrong, t->wrong, t->same);
    if (best >= 0)
        print_best(t, best, &out);
    else if (t->verdict->text[0])
        ws_buf_printf(&out, "none is right, tried the %d fastest: %s\n", t->wrong,
                      t->verdict->text);
    else
        ws_buf_printf(&out, "none can be used%s%s\n", t->refusal[0] ? ": " : "", t->refusal);
    if (best >= 0)
        ws_buf_adds(&out, "best time at each value, over the best of all:\n");
    tune_table_report(t->plan, &t->table, PLAN_MAX_TUNE, &out);
    if (t->o->exhaustive && t->needed)
        ws_buf_printf(&out, "the search finds the best after %d of %d points (%.1f %%)\n",
                      t->needed, t->table.n, 100.0 * t->needed / t->table.n);
    else if (t->o->exhaustive && best >= 0)
        ws_buf_printf(&out, "the search does not find the best with %d points\n",
                      t->search.max_points);
    if (t->run[0])
        ws_buf_printf(&out, "stored as run '%s' in %s\n", t->run, t->o->archive);
    fputs(ws_buf_z(&out), stdout);
    ws_buf_release(&out);
}

static void add_best_json(const tuning *t, int best, cJSON *o)
{
    const tune_result *r = &t->table.result[best];
    cJSON *b = cJSON_AddObjectToObject(o, "best");
    cJSON_AddItemToObject(b, "tune", tune_row_json(t->plan, tune_table_row(&t->table, best)));
    cJSON_AddNumberToObject(b, "modelled_s", r->seconds);
    cJSON_AddNumberToObject(b, "registers", r->facts.registers);
    cJSON_AddNumberToObject(b, "shared_bytes", r->facts.shared_bytes);
    cJSON_AddNumberToObject(b, "spill_bytes", r->facts.spill_bytes);
    ws_json_add_double(b, "occupancy", r->facts.occupancy);
}

static void print_json(const tuning *t, const char *file)
{
    cJSON *o = cJSON_CreateObject();
    int best = t->best;
    cJSON_AddNumberToObject(o, "schema", 1);
    cJSON_AddStringToObject(o, "spec", t->spec->name);
    cJSON_AddStringToObject(o, "source", base_name(file));
    cJSON_AddStringToObject(o, "gpu", t->o->gpu);
    cJSON_AddStringToObject(o, "arch", t->o->arch);
    cJSON_AddStringToObject(o, "compiler", t->verdict->compiler);
    cJSON_AddBoolToObject(o, "exhaustive", t->o->exhaustive);
    cJSON_AddNumberToObject(o, "space", t->points);
    cJSON_AddNumberToObject(o, "judged", t->table.n);
    cJSON_AddNumberToObject(o, "same_program", t->same);
    cJSON_AddNumberToObject(o, "wrong", t->wrong);
    cJSON_AddNumberToObject(o, "seconds", t->seconds);
    if (best >= 0)
        add_best_json(t, best, o);
    else
        cJSON_AddNullToObject(o, "best");
    cJSON_AddItemToObject(o, "sensitivity", tune_table_sensitivity(t->plan, &t->table));
    if (t->verdict->text[0])
        cJSON_AddItemToObject(o, "verdict", vfy_verdict_json(t->verdict));
    if (t->o->exhaustive && t->needed)
        cJSON_AddNumberToObject(o, "search_needs", t->needed);
    else if (t->o->exhaustive)
        cJSON_AddNullToObject(o, "search_needs");
    if (t->run[0])
        cJSON_AddStringToObject(o, "run", t->run);
    cJSON_AddItemToObject(o, "table", tune_table_json(t->plan, &t->table));
    cli_print_json(o);
}

/* ---- the command ---- */

static ws_status open_all(tuning *t, const char **args, ws_err *err)
{
    hx_diag d;
    if (cli_check_gpu(t->o->gpu, err) || spec_find(args[0], &t->spec, err) ||
        ws_read_file(args[1], 1 << 20, &t->source, err) ||
        comp_service_open(&(comp_service_options){0}, &t->comp, err) ||
        vfy_session_open(t->spec, t->comp, &t->session, err))
        return err->status;
    if (vfy_chooser_open(t->session, ws_buf_z(&t->source), t->source.n, &t->vo, &t->chooser, &d,
                         err))
        return err->status;
    if (!t->chooser)
        return ws_fail(err, WS_EINPUT, "%s:%d: %s: %s", base_name(args[1]), d.line,
                       hx_reason_name(d.reason), d.text);
    t->plan = vfy_chooser_plan(t->chooser);
    t->table.width = t->plan->n_tune;
    if (!t->plan->n_tune)
        return ws_fail(err, WS_EINPUT, "%s: the plan has no 'tune': there is nothing to search",
                       base_name(args[1]));
    return WS_OK;
}

static ws_status write_source(const tuning *t, ws_err *err)
{
    ws_buf text = {0};
    int best = t->best;
    if (best < 0)
        return WS_OK;
    plan_put_defaults(ws_buf_z(&t->source), t->source.n, t->plan, tune_table_row(&t->table, best),
                      &text);
    ws_status st = ws_write_file(t->o->output, text.p, text.n, err);
    ws_buf_release(&text);
    return st;
}

static ws_status store(tuning *t, ws_err *err)
{
    int best = t->best;
    if (best < 0)
        return WS_OK;
    const tune_winner w = {.spec = t->spec, .source = ws_buf_z(&t->source), .plan = t->plan,
                           .row = tune_table_row(&t->table, best), .verdict = t->verdict,
                           .judged = t->table.n, .space = t->points};
    return tune_store(t->o->archive, &w, t->run, err);
}

static ws_status run(const void *values, const char **args, int nargs, int *exit_code, ws_err *err)
{
    const options *o = values;
    int64_t start = ws_now_ns();
    tuning t = {.o = o, .best = -1, .verdict = ws_calloc(1, sizeof *t.verdict),
                .look = ws_calloc(1, sizeof *t.look),
                .vo = {.arch = o->arch, .gpu = o->gpu, .wall_seconds = o->timeout,
                       .file = base_name(args[1])},
                .search = {.max_points = (int)o->max_points, .batch = (int)o->jobs,
                           .seed = (uint64_t)o->seed}};
    (void)nargs;
    ws_status st = open_all(&t, args, err);
    if (!st)
        st = o->exhaustive ? judge_all(&t, err) : search_points(&t, err);
    if (!st && cli_interrupted)
        st = ws_fail(err, WS_EINTR, "interrupted after %d points", t.table.n);
    if (!st && o->output)
        st = write_source(&t, err);
    if (!st && o->archive)
        st = store(&t, err);
    t.seconds = ws_seconds_since(start);
    if (!st) {
        if (o->common.json)
            print_json(&t, args[1]);
        else
            print_text(&t);
        *exit_code = t.best < 0;
    }
    tune_table_release(&t.table);
    vfy_chooser_close(t.chooser);
    vfy_session_close(t.session);
    comp_service_close(t.comp);
    ws_buf_release(&t.source);
    spec_free(t.spec);
    free(t.verdict);
    free(t.look);
    return st;
}

const cli_command cmd_tune = {
    .doc = {.name = "tune",
            .summary = "search a source's tune space for the fastest choice of its tunables",
            .usage = "SPEC FILE.cu [options]",
            .details = "Points are compiled for the benchmark shape and their time is modelled; "
                       "the fastest is\nverified in full before it is called the best, and a wrong "
                       "one never is.",
            .examples = "warpsmith tune matmul matmul.cu -o tuned.cu\n"
                        "warpsmith tune matmul matmul.cu --exhaustive --json",
            .options = option_table,
            .min_args = 2,
            .max_args = 2},
    .values_size = sizeof(options),
    .run = run,
};
