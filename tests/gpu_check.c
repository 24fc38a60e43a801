/* `make gpu-check`: what needs a GPU, behind one command. Every spec's emitted kernels, and the
 * right kernels of tests/kernels/honest, run on the device at every check shape with random inputs
 * and are compared with the double-precision reference; times are the driver's events. The PTX
 * files of tests/ptx run there, too. Writes a JSON report.
 *
 *     build/tests/gpu_check [REPORT.json]      WARPSMITH_DEVICE=cpu runs the same on the CPU
 * engine */
#include "base/file.h"
#include "base/json.h"
#include "harness/case_driver.h"
#include "harness/driver.h"
#include "harness/worker/run.h"
#include "reference/emit.h"
#include "verifier/compare.h"

#include <dirent.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { REPEATS = 20, MAX_TENSORS = 2048, MAX_SOURCE = 1 << 20 };

typedef struct check {
    comp_service *comp;
    const char *device;
    char arch[16];
    cJSON *rows;
    int repeats, passed, failed, skipped;
} check;

/* One source at one check shape of a spec. */
typedef struct subject {
    check *c;
    const char *name;     /* of the row */
    const ref_graph *graph;
    const char *tensor[MAX_TENSORS], *dim[MAX_TENSORS];
    plan_names names;
    ws_buf source;
    ws_arena arena;
} subject;

static void add_row(subject *s, const vfy_case *k, const char *reason, const char *text,
                    double worst, const double *ms, int n_ms)
{
    cJSON *row = cJSON_CreateObject(), *times = cJSON_CreateArray();
    bool pass = strcmp(reason, "pass") == 0;
    cJSON_AddStringToObject(row, "spec", s->graph->spec->name);
    cJSON_AddStringToObject(row, "kernel", s->name);
    cJSON_AddStringToObject(row, "shape", k ? k->shape : "");
    cJSON_AddStringToObject(row, "reason", reason);
    cJSON_AddStringToObject(row, "text", text);
    ws_json_add_double(row, "worst_of_tolerance", worst);
    for (int i = 0; i < n_ms; i++)
        cJSON_AddItemToArray(times, cJSON_CreateNumber(ms[i]));
    cJSON_AddItemToObject(row, "ms", times);
    cJSON_AddItemToArray(s->c->rows, row);
    *(pass ? &s->c->passed : &s->c->failed) += 1;
    printf("%-7s %-28s %-32s %s %s\n", pass ? "ok" : "not ok", s->graph->spec->name, s->name,
           k ? k->shape : "", text);
}

static void judge(subject *s, const vfy_case *k, const run_tensor *t, int n_in,
                  const run_report *rep)
{
    double worst = 0;
    char text[512] = "";
    bool right = rep->reason == HX_PASS;
    if (!right)
        snprintf(text, sizeof text, "%.500s", rep->text);
    for (int o = 0; o < s->graph->n_outputs && right; o++) {
        vfy_comparison cmp;
        vfy_compare(k, o, t[n_in + o].out, &cmp);
        worst = cmp.worst_ratio > worst ? cmp.worst_ratio : worst;
        right = !cmp.wrong;
        if (!right)
            snprintf(text, sizeof text, "%lld of %lld elements wrong: %g for %g",
                     (long long)cmp.wrong, (long long)cmp.checked, cmp.got, cmp.want);
    }
    const char *reason = rep->reason != HX_PASS ? hx_reason_name(rep->reason)
                         : right                ? "pass"
                                                : "wrong_result";
    add_row(s, k, reason, text, worst, rep->ms, rep->n_ms);
}

static ws_status run_case(subject *s, const vfy_case *k, const plan *p, const plan_bound *b,
                          const comp_result *c, ws_err *err)
{
    const spec *sp = s->graph->spec;
    int n_in = sp->n_inputs + sp->n_weights, n = n_in + s->graph->n_outputs;
    run_tensor t[MAX_TENSORS] = {0};
    for (int i = 0; i < n_in; i++)
        t[i] = (run_tensor){
            .name = s->tensor[i], .role = RUN_INPUT, .bytes = k->in_bytes[i], .in = k->in[i]};
    for (int o = 0; o < s->graph->n_outputs; o++) {
        size_t bytes = ws_dtype_size(s->graph->value[s->graph->output[o]].dtype,
                                     (size_t)k->want[o].shape.count);
        t[n_in + o] = (run_tensor){.name = s->tensor[n_in + o],
                                   .role = RUN_OUTPUT,
                                   .bytes = bytes,
                                   .out = ws_malloc(bytes)};
    }
    run_request r = {.device = s->c->device,
                     .image = c->cubin,
                     .image_bytes = c->cubin_bytes,
                     .kernel = c->kernel,
                     .n_kernels = c->n_kernels,
                     .plan = b,
                     .scratch_name = plan_scratch_names(p, &s->arena),
                     .tensor = t,
                     .n_tensors = n,
                     .engine = PTX_OPTIONS_CHECKED,
                     .poison = 0xa5,
                     .repeats = s->c->repeats};
    if (strcmp(s->c->device, "cpu") == 0) {
        r.image = c->ptx;
        r.image_bytes = c->ptx_bytes + 1;
    }
    run_report rep;
    ws_status st = run_execute(&r, &rep, err);
    if (!st)
        judge(s, k, t, n_in, &rep);
    run_report_release(&rep);
    for (int i = n_in; i < n; i++)
        free(t[i].out);
    return st;
}

static ws_status check_shape(subject *s, const plan *p, int shape, ws_err *err)
{
    const spec *sp = s->graph->spec;
    ws_env env = spec_env(sp, shape);
    plan_bound *b;
    hx_diag d = {0};
    comp_result c = {0};
    vfy_case k;
    if (!plan_bind(&s->arena, p, &env, NULL, &b, &d))
        return WS_OK; /* the plan's require refuses the shape */
    comp_macro *macro = WS_ARENA_NEW(&s->arena, comp_macro, b->n_macros + 1);
    for (size_t i = 0; i < b->n_macros; i++)
        macro[i] = (comp_macro){b->macro[i].name, b->macro[i].value};
    comp_request q = {.source = ws_buf_z(&s->source),
                      .source_bytes = s->source.n,
                      .file = s->name,
                      .arch = s->c->arch,
                      .macro = macro,
                      .n_macros = b->n_macros,
                      .want_cubin = true,
                      .fmad = true};
    if (comp_compile(s->c->comp, &q, &s->arena, &c, err) ||
        vfy_case_init(&k, s->graph, shape, VFY_INPUTS_RANDOM, 1, err))
        return err->status;
    ws_status st = WS_OK;
    if (!c.ok || !plan_check_kernels(p, c.kernel, c.n_kernels, &s->names, &d))
        add_row(s, &k, hx_reason_name(c.ok ? d.reason : c.diag.reason), c.ok ? d.text : c.diag.text,
                0, NULL, 0);
    else
        st = run_case(s, &k, p, b, &c, err);
    vfy_case_release(&k);
    return st;
}

static void name_tensors(subject *s)
{
    const spec *sp = s->graph->spec;
    int n = sp->n_inputs + sp->n_weights;
    for (int i = 0; i < n; i++)
        s->tensor[i] = sp->tensor[i].name;
    for (int o = 0; o < sp->n_outputs; o++)
        s->tensor[n + o] = sp->output[o];
    for (int i = 0; i < sp->n_dims; i++)
        s->dim[i] = sp->dim[i].name;
    s->names = (plan_names){s->tensor, n + sp->n_outputs, s->dim, sp->n_dims};
}

static ws_status check_source(subject *s, ws_err *err)
{
    plan *p;
    hx_diag d = {0};
    name_tensors(s);
    if (!plan_parse(&s->arena, ws_buf_z(&s->source), s->source.n, &s->names, &p, &d)) {
        add_row(s, NULL, hx_reason_name(d.reason), d.text, 0, NULL, 0);
        return WS_OK;
    }
    for (int shape = 0; shape < s->graph->spec->n_checks; shape++)
        if (check_shape(s, p, shape, err))
            return ws_wrap(err, "%s", s->name);
    return WS_OK;
}

/* The emitted kernels of `spec_name` when `file` is NULL. A spec or source that cannot be read is a
 * failure of its own. */
static void check_one(check *c, const char *spec_name, const char *file)
{
    ws_err err = {0};
    spec *sp = NULL;
    ref_graph *g = NULL;
    const char *slash = file ? strrchr(file, '/') : NULL;
    subject s = {.c = c, .name = slash ? slash + 1 : "emitted.cu", .source = {.max = MAX_SOURCE}};
    if (!spec_find(spec_name, &sp, &err) && !ref_graph_new(sp, &g, &err) &&
        !(file ? ws_read_file(file, MAX_SOURCE, &s.source, &err) : ref_emit(g, &s.source, &err))) {
        s.graph = g;
        (void)!check_source(&s, &err);
    }
    if (err.status) {
        fprintf(stderr, "gpu-check: %s: %s\n", spec_name, err.msg);
        c->failed++;
    }
    ws_buf_release(&s.source);
    ws_arena_release(&s.arena);
    ref_graph_free(g);
    spec_free(sp);
}

static void check_emitted(void *ud, const char *path)
{
    check_one(ud, path, NULL);
}

/* The spec that a corpus file's first line names: "// spec: basics/softmax ...". */
static bool named_spec(const char *file, char out[128])
{
    FILE *f = fopen(file, "r");
    bool ok = f && fscanf(f, "// spec: %127s", out) == 1;
    if (f)
        fclose(f);
    return ok;
}

static void check_corpus(check *c, const char *dir)
{
    struct dirent **list = NULL;
    int n = scandir(dir, &list, NULL, alphasort);
    for (int i = 0; i < n; i++) {
        char path[512], name[128];
        snprintf(path, sizeof path, "%s/%s", dir, list[i]->d_name);
        if (strstr(path, ".cu") && named_spec(path, name))
            check_one(c, name, path);
        free(list[i]);
    }
    free(list);
}

/* ---- tests/ptx ---- */

static void add_ptx_row(check *c, const char *path, const char *reason, const char *text)
{
    cJSON *row = cJSON_CreateObject();
    cJSON_AddStringToObject(row, "ptx", path);
    cJSON_AddStringToObject(row, "reason", reason);
    cJSON_AddStringToObject(row, "text", text);
    cJSON_AddItemToArray(c->rows, row);
    bool skipped = strcmp(reason, "skipped") == 0, pass = strcmp(reason, "pass") == 0;
    *(skipped ? &c->skipped : pass ? &c->passed : &c->failed) += 1;
    printf("%-7s %s %s\n", skipped ? "skip" : pass ? "ok" : "not ok", path, text);
}

static void check_ptx_file(check *c, cu_device *d, const char *path)
{
    ptx_case k;
    ws_err err = {0};
    ws_buf wrong = {0};
    ptx_options engine = PTX_OPTIONS_CHECKED;
    ptx_case_outcome *o = ws_calloc(1, sizeof *o);
    ws_status st = ptx_case_load(path, &k, &err);
    const char *why = st ? NULL : case_driver_skips(d, &k);
    if (why) {
        add_ptx_row(c, path, "skipped", why);
    } else {
        if (st || case_driver_run(d, &k, &engine, o, &err)) {
            ws_buf_adds(&wrong, err.msg);
        } else {
            if (cu_is_engine(d))
                ptx_case_judge_fault(&k, &engine, &o->report, false, &wrong);
            if (!o->report.n_faults)
                ptx_case_judge_buffers(&k, o, &wrong);
        }
        add_ptx_row(c, path, wrong.n ? "wrong_result" : "pass", ws_buf_z(&wrong));
    }
    ptx_case_outcome_release(o);
    ptx_case_release(&k);
    ws_buf_release(&wrong);
    free(o);
}

static ws_status check_ptx(check *c, ws_err *err)
{
    glob_t g = {0};
    cu_device *d;
    if (cu_open(c->device, &d, err))
        return err->status;
    if (glob("tests/ptx/*.ptx", 0, NULL, &g))
        g.gl_pathc = 0;
    for (size_t k = 0; k < g.gl_pathc; k++)
        check_ptx_file(c, d, g.gl_pathv[k]);
    globfree(&g);
    cu_close(d);
    return WS_OK;
}

static ws_status find_device(check *c, cJSON *report, ws_err *err)
{
    cu_device *d;
    char version[64];
    const char *wanted = getenv("WARPSMITH_DEVICE");
    c->device = wanted && strcmp(wanted, "cpu") == 0 ? "cpu" : "gpu";
    if (cu_open(c->device, &d, err) || comp_version(version, sizeof version, err))
        return err->status;
    snprintf(c->arch, sizeof c->arch, "sm_%d", cu_compute_capability(d));
    c->repeats = cu_is_engine(d) ? 2 : REPEATS;
    cJSON_AddStringToObject(report, "device", cu_name(d));
    cJSON_AddStringToObject(report, "arch", c->arch);
    cJSON_AddNumberToObject(report, "driver", cu_driver_version(d));
    cJSON_AddStringToObject(report, "compiler", version);
    cu_close(d);
    return WS_OK;
}

static void add_origin(cJSON *report)
{
    char date[32];
    time_t now = time(NULL);
    const char *commit = getenv("WARPSMITH_COMMIT");
    strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%SZ", gmtime(&now));
    cJSON_AddNumberToObject(report, "schema", 1);
    cJSON_AddStringToObject(report, "date", date);
    cJSON_AddStringToObject(report, "commit", commit ? commit : "unknown");
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "worker") == 0)
        return strcmp(argv[2], "compile") == 0 ? comp_worker_main() : run_worker_main();
    setenv("WARPSMITH_EXE", argv[0], 1);
    ws_err err = {0};
    cJSON *report = cJSON_CreateObject();
    check c = {.rows = cJSON_CreateArray()};
    add_origin(report);
    if (find_device(&c, report, &err) ||
        comp_service_open(&(comp_service_options){0}, &c.comp, &err) ||
        spec_catalogue(check_emitted, &c, &err)) {
        fprintf(stderr, "gpu-check: %s\n", err.msg);
        return 3;
    }
    check_corpus(&c, "tests/kernels/honest");
    comp_service_close(c.comp);
    if (check_ptx(&c, &err)) {
        fprintf(stderr, "gpu-check: %s\n", err.msg);
        c.failed++;
    }
    cJSON_AddNumberToObject(report, "passed", c.passed);
    cJSON_AddNumberToObject(report, "failed", c.failed);
    cJSON_AddNumberToObject(report, "skipped", c.skipped);
    cJSON_AddItemToObject(report, "rows", c.rows);
    ws_buf text = {0};
    ws_json_print(report, true, &text);
    const char *path = argc > 1 ? argv[1] : "gpu-check.json";
    if (ws_write_file(path, text.p, text.n, &err)) {
        fprintf(stderr, "gpu-check: %s\n", err.msg);
        return 3;
    }
    printf("%d passed, %d failed, %d skipped; report %s\n", c.passed, c.failed, c.skipped, path);
    ws_buf_release(&text);
    cJSON_Delete(report);
    return c.failed != 0;
}
