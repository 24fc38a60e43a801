#include "agent/cli.h"
#include "agent/cmd/bench_libraries.h"
#include "agent/cmd/bench_print.h"
#include "base/file.h"
#include "base/json.h"
#include "base/random.h"
#include "harness/plan/plan.h"
#include "harness/device/pool.h"
#include "harness/driver.h"
#include "harness/timing/model.h"
#include "harness/timing/noise.h"
#include "reference/emit.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct options {
    cli_common common;
    const char *vs, *regime, *shape, *arch, *gpu, *noise, *archive, *device;
    int64_t seed, pairs;
    double budget, timeout;
} options;

static const ws_opt option_table[] = {
    {.name = "vs",
     .type = WS_OPT_STRING,
     .offset = offsetof(options, vs),
     .fallback = "naive",
     .arg = "LIST",
     .help = "baselines, with commas: naive (the spec as plain CUDA) and sources FILE.cu have a "
             "sitting each; "
             "cublas, torch and FILE.json are times of libraries (docs/baselines.md)",
     .group = "What"},
    {.name = "shape",
     .type = WS_OPT_STRING,
     .offset = offsetof(options, shape),
     .arg = "N|bench",
     .help = "check shape N, from 0, or the benchmark shape; default: the largest that the CPU "
             "engine gets through fast",
     .group = "What"},
    {.name = "regime",
     .type = WS_OPT_CHOICE,
     .offset = offsetof(options, regime),
     .fallback = "cold",
     .choices = "cold|warm|both",
     .arg = "REGIME",
     .help = "cold: other inputs for every stretch; warm: those that it has just run on",
     .group = "What"},
    {.name = "pairs",
     .type = WS_OPT_INT,
     .offset = offsetof(options, pairs),
     .fallback = "480",
     .min = 30,
     .max = 480,
     .arg = "N",
     .help = "pairs of a comparison, at most",
     .group = "How long"},
    {.name = "budget",
     .type = WS_OPT_SECONDS,
     .offset = offsetof(options, budget),
     .fallback = "120s",
     .arg = "TIME",
     .help = "wall time of a sitting; what is undecided then stays so",
     .group = "How long"},
    {.name = "timeout",
     .type = WS_OPT_SECONDS,
     .offset = offsetof(options, timeout),
     .fallback = "25s",
     .arg = "TIME",
     .help = "processor time of one run of the verification",
     .group = "How long"},
    {.name = "seed",
     .type = WS_OPT_INT,
     .offset = offsetof(options, seed),
     .fallback = "0",
     .arg = "N",
     .help = "of inputs, orders and noise; 0 takes a fresh one",
     .group = "Device"},
    {.name = "device",
     .type = WS_OPT_CHOICE,
     .offset = offsetof(options, device),
     .fallback = "auto",
     .choices = "cpu|gpu|auto",
     .arg = "DEVICE",
     .help = "gpu: measured times; cpu: modelled ones; auto: the GPU where there is one",
     .env = "WARPSMITH_DEVICE",
     .group = "Device"},
    {.name = "arch",
     .type = WS_OPT_STRING,
     .offset = offsetof(options, arch),
     .arg = "ARCH",
     .help = "compile for this architecture; without, for sm_90, or for the GPU",
     .group = "Device"},
    {.name = "gpu",
     .type = WS_OPT_STRING,
     .offset = offsetof(options, gpu),
     .fallback = "h100",
     .arg = "NAME",
     .help = "GPU of the cost model, whose clock is read",
     .group = "Device"},
    {.name = "noise",
     .type = WS_OPT_CHOICE,
     .offset = offsetof(options, noise),
     .fallback = "perfect",
     .choices = TIM_NOISE_NAMES,
     .arg = "NAME",
     .help = "how imperfectly the modelled machine times",
     .group = "Device"},
    {.name = "archive",
     .type = WS_OPT_STRING,
     .offset = offsetof(options, archive),
     .arg = "FILE",
     .help = "store every sample there; 'best' is the best kernel of the spec in it",
     .group = "Output"},
    CLI_COMMON_OPTIONS};

typedef struct work {
    const options *o;
    spec *spec;
    comp_service *comp;
    vfy_session *session;
    cu_identity gpu; /* whose times are measured */
    dev_lock lock;   /* on it */
    db_archive *db;
    ws_arena arena;
    vfy_bench b;
    vfy_bench_options bo;
    cJSON *json;
    vfy_bench_entry base[VFY_MAX_BASELINES]; /* that the candidates sit with, one after the other */
    int n_bases;
    vfy_baseline other[VFY_MAX_BASELINES];
    int n_others;
} work;

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* The candidate's source with its choice of the tunables as defaults. */
static ws_status put_choice(work *w, const db_candidate *c, vfy_bench_entry *e, ws_err *err)
{
    int64_t tune[PLAN_MAX_TUNE];
    const spec *of;
    const size_t n = strlen(c->source);
    const plan_names *names = vfy_session_names(w->session, &of);
    plan *p;
    hx_diag d = {0};
    ws_buf text = {0};
    if (!plan_parse(&w->arena, c->source, n, names, &p, &d))
        return ws_fail(err, WS_EINPUT, "%s: %s", e->name, d.text);
    if (plan_choice_parse(p, c->tune_json, tune, err))
        return ws_wrap(err, "%s", e->name);
    plan_put_defaults(c->source, n, p, tune, &text);
    e->n = text.n;
    e->source = ws_arena_strndup(&w->arena, ws_buf_z(&text), text.n);
    ws_buf_release(&text);
    return WS_OK;
}

static ws_status read_best(work *w, vfy_bench_entry *e, ws_err *err)
{
    db_kernel *k = WS_ARENA_NEW(&w->arena, db_kernel, 1);
    bool found = false;
    if (!w->db)
        return ws_fail(err, WS_EUSAGE, "'best' wants --archive FILE");
    if (db_kernel_best(w->db, w->spec->sha256, w->o->gpu, 0, &w->arena, k, &found, err))
        return err->status;
    if (!found)
        return ws_fail(err, WS_EINPUT, "archive '%s' has no kernel of %s for %s", w->o->archive,
                       w->spec->name, w->o->gpu);
    *e = (vfy_bench_entry){.name = ws_arena_printf(&w->arena, "best:%" PRId64, k->candidate.id)};
    return put_choice(w, &k->candidate, e, err);
}

static ws_status read_source(work *w, const char *path, vfy_bench_entry *e, ws_err *err)
{
    ws_buf text = {0};
    ws_status st = ws_read_file(path, 1 << 20, &text, err);
    if (!st)
        *e = (vfy_bench_entry){.name = base_name(path),
                               .n = text.n,
                               .source = ws_arena_strndup(&w->arena, ws_buf_z(&text), text.n)};
    ws_buf_release(&text);
    return st;
}

static ws_status make_naive(work *w, vfy_bench_entry *e, ws_err *err)
{
    ref_graph *g = NULL;
    ws_buf text = {0};
    ws_status st = ref_graph_new(w->spec, &g, err);
    if (!st)
        st = ref_emit(g, &text, err);
    if (!st)
        *e = (vfy_bench_entry){.name = "naive",
                               .n = text.n,
                               .source = ws_arena_strndup(&w->arena, ws_buf_z(&text), text.n)};
    ws_buf_release(&text);
    ref_graph_free(g);
    return st;
}

static ws_status read_shape(work *w, ws_err *err)
{
    const char *z = w->o->shape;
    char *end;
    if (!z) {
        w->bo.shape = vfy_bench_shape(w->session);
        return WS_OK;
    }
    const long n = strtol(z, &end, 10);
    w->bo.shape = (int)n;
    if (strcmp(z, "bench") == 0)
        w->bo.shape = -1;
    else if (!*z || *end || n < 0 || n >= w->spec->n_checks)
        return ws_fail(err, WS_EUSAGE, "--shape %s: %s has check shapes 0 to %d, and bench", z,
                       w->spec->name, w->spec->n_checks - 1);
    return WS_OK;
}

static bool ends_in(const char *z, const char *end)
{
    const size_t n = strlen(z), m = strlen(end);
    return n >= m && strcmp(z + n - m, end) == 0;
}

/* One word of --vs. */
static ws_status read_baseline(work *w, const char *what, ws_err *err)
{
    const ws_env dims = spec_env(w->spec, w->bo.shape);
    if (strcmp(what, "cublas") == 0)
        return bench_cublas(w->session, w->bo.shape, w->other, &w->n_others, err);
    if (strcmp(what, "torch") == 0)
        return bench_torch(w->spec, w->bo.shape, tim_gpu_find(w->o->gpu), w->other, &w->n_others,
                           err);
    if (ends_in(what, ".json"))
        return vfy_baseline_read(what, w->spec, &dims, tim_gpu_find(w->o->gpu), w->other,
                                 &w->n_others, err);
    vfy_bench_entry *e = &w->base[w->n_bases++];
    return strcmp(what, "naive") == 0 ? make_naive(w, e, err) : read_source(w, what, e, err);
}

/* Without a kernel among them, the plain translation is what the candidates sit with. */
static ws_status read_baselines(work *w, ws_err *err)
{
    int n = 0;
    for (const char *p = w->o->vs; *p; n++) {
        const size_t length = strcspn(p, ",");
        const char *what = ws_arena_strndup(&w->arena, p, length);
        if (!length || n == VFY_MAX_BASELINES / 2)
            return ws_fail(err, WS_EUSAGE,
                           "--vs %s: expected at most %d names with a comma between two", w->o->vs,
                           VFY_MAX_BASELINES / 2);
        if (read_baseline(w, what, err))
            return err->status;
        p += length + (p[length] == ',');
    }
    return w->n_bases ? WS_OK : make_naive(w, &w->base[w->n_bases++], err);
}

static ws_status open_all(work *w, const char **args, int nargs, ws_err *err)
{
    const options *o = w->o;
    if (cli_check_gpu(o->gpu, err) || spec_find(args[0], &w->spec, err) ||
        (o->archive && db_open(o->archive, false, &w->db, err)) ||
        comp_service_open(&(comp_service_options){0}, &w->comp, err) ||
        vfy_session_open(w->spec, w->comp, &w->session, err) || read_shape(w, err))
        return err->status;
    w->b.n = nargs - 1;
    w->b.entry = WS_ARENA_NEW(&w->arena, vfy_bench_entry, nargs);
    for (int i = 0; i < w->b.n; i++) {
        const char *path = args[1 + i];
        if (strcmp(path, "best") == 0 ? read_best(w, &w->b.entry[i], err)
                                      : read_source(w, path, &w->b.entry[i], err))
            return err->status;
    }
    return read_baselines(w, err);
}

/* One regime against one baseline: the sitting, what is said of it, what is stored. */
static ws_status sit(work *w, const vfy_bench_entry *base, bool warm, int *exit_code, ws_err *err)
{
    vfy_bench b = {
        .base = *base, .n = w->b.n, .entry = WS_ARENA_NEW(&w->arena, vfy_bench_entry, w->b.n)};
    const bench_report report = {w->spec, &w->bo, &b, w->o->noise};
    ws_buf text = {0};
    int64_t id = 0;
    memcpy(b.entry, w->b.entry, (size_t)b.n * sizeof *b.entry);
    w->bo.warm = warm;
    ws_status st = vfy_bench_run(w->session, &w->bo, &b, err);
    if (!st && w->db && b.aa.n)
        st = bench_store(&report, w->db, &id, err);
    if (!st && w->o->common.json) {
        cJSON_AddItemToArray(w->json, bench_print_json(&report));
    } else if (!st) {
        bench_print_text(&report, &text);
        if (id)
            ws_buf_printf(&text, "stored as sitting %" PRId64 " in %s\n", id, w->o->archive);
        fputs(ws_buf_z(&text), stdout);
    }
    if (!st && !bench_has_winner(&b))
        *exit_code = 1;
    ws_buf_release(&text);
    vfy_bench_release(&b);
    return st;
}

/* Each baseline that is a kernel, in each regime. */
static ws_status sit_all(work *w, int *exit_code, ws_err *err)
{
    const char *regime = w->o->regime;
    ws_status st = WS_OK;
    for (int i = 0; i < w->n_bases && !st; i++) {
        if (strcmp(regime, "warm") != 0)
            st = sit(w, &w->base[i], false, exit_code, err);
        if (!st && strcmp(regime, "cold") != 0)
            st = sit(w, &w->base[i], true, exit_code, err);
    }
    return st;
}

static void print_others(const work *w, cJSON *doc)
{
    ws_buf text = {0};
    if (w->o->common.json) {
        cJSON_AddItemToObject(doc, "baselines", bench_baselines_json(w->other, w->n_others));
        return;
    }
    bench_print_baselines(w->other, w->n_others, &text);
    fputs(ws_buf_z(&text), stdout);
    ws_buf_release(&text);
}

/* Of 52 bits, which every reader of JSON keeps. */
static ws_status choose_seed(int64_t given, uint64_t *out, ws_err *err)
{
    *out = (uint64_t)given;
    if (!given && ws_random(out, sizeof *out, err))
        return err->status;
    *out = given ? *out : *out >> 12;
    return WS_OK;
}

/* The row of the cost model's table that a device's name has in it; NULL: none is. */
static const char *model_of(const char *device)
{
    int n;
    const tim_gpu *list = tim_gpu_list(&n);
    for (int i = 0; i < n; i++)
        if (strcasestr(device, list[i].name))
            return list[i].name;
    return NULL;
}

/* Whether times are measured, and on what: one program at a time has a GPU for that. */
static ws_status find_device(work *w, ws_err *err)
{
    enum { LOCK_SECONDS = 600 };
    static const double event_step_s = 0.5e-6; /* cuEventElapsedTime's */
    cu_device *d = NULL;
    w->bo.device = "cpu";
    w->bo.arch = w->o->arch ? w->o->arch : "sm_90";
    if (strcmp(w->o->device, "cpu") == 0)
        return WS_OK;
    if (cu_open(w->o->device, &d, err) || cu_is_engine(d)) {
        cu_close(d);
        return err->status;
    }
    ws_status st = cu_identify(d, 0, &w->gpu, err);
    cu_close(d);
    if (st || dev_lock_take(w->gpu.uuid, LOCK_SECONDS, &w->lock, err))
        return err->status;
    const char *model = model_of(w->gpu.name);
    w->bo.device = "gpu";
    w->bo.measured_on = w->gpu.name;
    w->bo.gpu = model ? model : w->o->gpu;
    w->bo.no_floor = !model;
    w->bo.noise = (tim_noise){.quantum_s = event_step_s};
    if (!w->o->arch)
        w->bo.arch = ws_arena_printf(&w->arena, "sm_%d%s", w->gpu.capability,
                                     w->gpu.capability >= 90 ? "a" : "");
    return WS_OK;
}

static ws_status run(const void *values, const char **args, int nargs, int *exit_code, ws_err *err)
{
    const options *o = values;
    work w = {.o = o,
              .lock = {-1},
              .bo = {.gpu = o->gpu,
                     .max_pairs = (int)o->pairs,
                     .budget_s = o->budget,
                     .wall_seconds = 60 + 3 * o->budget,
                     .run_seconds = o->timeout,
                     .noise = *tim_noise_find(o->noise)}};
    cJSON *doc = cJSON_CreateObject();
    cJSON_AddNumberToObject(doc, "schema", 1);
    w.json = cJSON_AddArrayToObject(doc, "sittings");
    ws_status st = choose_seed(o->seed, &w.bo.seed, err);
    if (!st)
        st = find_device(&w, err);
    if (!st)
        st = open_all(&w, args, nargs, err);
    if (!st)
        st = sit_all(&w, exit_code, err);
    if (!st)
        print_others(&w, doc);
    if (!st && o->common.json)
        cli_print_json(doc);
    else
        cJSON_Delete(doc);
    vfy_session_close(w.session);
    comp_service_close(w.comp);
    db_close(w.db);
    dev_lock_give(&w.lock);
    ws_arena_release(&w.arena);
    spec_free(w.spec);
    return st;
}

const cli_command cmd_bench = {
    .doc =
        {.name = "bench",
         .summary = "time sources against a baseline, side by side, and say who is faster",
         .usage = "SPEC FILE.cu|best... [options]",
         .details =
             "All sources sit together: each is verified, then timed in pairs with the baseline, "
             "every output\nthat a timed launch leaves is compared, and a winner has to win "
             "again in a fresh process in the\nbaseline's place. The launches run on the CPU "
             "engine and time is the cost model's of --gpu: such\ntimes are modelled. On a GPU they are measured. Exit code 1: "
             "there is a baseline than which no source is faster.",
         .examples = "warpsmith bench softmax mine.cu yours.cu\n"
                     "warpsmith bench softmax mine.cu --vs naive,yours.cu,torch,times.json\n"
                     "warpsmith bench softmax best --archive runs.db --noise walk --json",
         .options = option_table,
         .min_args = 2,
         .max_args = 200},
    .values_size = sizeof(options),
    .run = run,
};
