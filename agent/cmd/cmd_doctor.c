/* One line per capability: ok, or missing and how to get it. */
#include "agent/cli.h"
#include "agent/llm/provider.h"
#include "agent/llm/replay.h"
#include "base/file.h"
#include "base/mem.h"
#include "harness/compile/compile.h"
#include "harness/device/pool.h"
#include "harness/driver.h"
#include "harness/timing/model.h"
#include "specs/spec.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct options {
    cli_common common;
} options;

static const ws_opt option_table[] = {CLI_COMMON_OPTIONS};

typedef struct finding {
    bool ok;
    char text[512], fix[512];
} finding;

static void missing(finding *f, const ws_err *err, const char *fix)
{
    f->ok = false;
    snprintf(f->text, sizeof f->text, "%.500s", err->msg);
    snprintf(f->fix, sizeof f->fix, "%.500s", err->hint[0] ? err->hint : fix);
}

static void check_nvrtc(finding *f)
{
    ws_err err = {0};
    f->ok = true;
    if (comp_version(f->text, sizeof f->text, &err))
        missing(f, &err, "run 'make deps', or set CUDA_HOME");
}

static void check_compile(finding *f)
{
    static const char source[] =
        "extern \"C\" __global__ void k(float *x, int n)\n"
        "{ int i = blockIdx.x * blockDim.x + threadIdx.x; if (i < n) x[i] = INFINITY; }\n";
    ws_err err = {0};
    ws_arena a = {0};
    comp_service *s = NULL;
    comp_result r = {0};
    comp_request q = {.source = source, .source_bytes = sizeof source - 1, .file = "doctor.cu",
                      .want_cubin = true, .fmad = true};
    if (comp_service_open(&(comp_service_options){0}, &s, &err) ||
        comp_compile(s, &q, &a, &r, &err))
        missing(f, &err, "run 'make deps'");
    else if (!r.ok)
        snprintf(f->text, sizeof f->text, "a trivial kernel does not compile: %.400s", r.diag.text);
    else {
        f->ok = true;
        snprintf(f->text, sizeof f->text, "PTX and sm_90 cubin in %.0f ms%s", r.seconds * 1e3,
                 r.cached ? " (cached)" : "");
    }
    comp_service_close(s);
    ws_arena_release(&a);
}

static void check_device(finding *f, const char *which, const char *fix)
{
    ws_err err = {0};
    cu_device *d = NULL;
    if (cu_open(which, &d, &err)) {
        missing(f, &err, fix);
        return;
    }
    f->ok = true;
    snprintf(f->text, sizeof f->text, "%s, compute capability %d.%d", cu_name(d),
             cu_compute_capability(d) / 10, cu_compute_capability(d) % 10);
    cu_close(d);
}

static void check_engine(finding *f)
{
    check_device(f, "cpu", "run 'make' in the source tree, or set WARPSMITH_HOME to it");
}

static void check_gpu(finding *f)
{
    check_device(
        f, "gpu",
        "without a GPU kernels run on the CPU engine and times are modelled; nothing to do");
}

/* Each device that workers can be given, after a health check. */
static void check_workers(finding *f)
{
    ws_err err = {0};
    dev_pool *p = NULL;
    ws_buf text = {.max = sizeof f->text - 1};
    if (dev_pool_open(&(dev_pool_options){0}, &p, &err)) {
        missing(f, &err, "run make, which builds build/warpsmith-worker");
        return;
    }
    f->ok = true;
    for (int i = 0; i < dev_pool_count(p); i++) {
        const dev_device *d = dev_pool_device(p, i);
        const bool well = dev_pool_check(p, i);
        f->ok &= well;
        ws_buf_printf(&text, "%s%s (%s): %s%s", i ? "; " : "", d->name, d->uuid,
                      well ? "passes its health check" : "set aside, ", well ? "" : d->why);
        if (well && d->note[0])
            ws_buf_printf(&text, ", was set aside at %s", d->note);
    }
    dev_pool_close(p);
    snprintf(f->text, sizeof f->text, "%s", ws_buf_z(&text));
    if (!f->ok)
        snprintf(f->fix, sizeof f->fix,
                 "kernels do not run there; nvidia-smi may say more, and a reset or a reboot help");
    ws_buf_release(&text);
}

/* Whether modelled times were ever told what a GPU took. */
static void check_calibration(finding *f)
{
    ws_buf text = {.max = sizeof f->text - 1};
    int n;
    const tim_gpu *g = tim_gpu_list(&n);
    for (int i = 0; i < n; i++) {
        const tim_constants c = tim_constants_of(&g[i]);
        char how[64];
        tim_calibration_text(&g[i], how, sizeof how);
        if (c.calibrated)
            ws_buf_printf(&text, "%s%s %s, by %d kernels", f->ok ? "; " : "", g[i].name, how,
                          c.samples);
        f->ok |= c.calibrated;
    }
    snprintf(f->text, sizeof f->text, "%s",
             f->ok ? ws_buf_z(&text)
                   : "the cost model is uncalibrated: its constants are estimates");
    if (!f->ok)
        snprintf(f->fix, sizeof f->fix,
                 "on a GPU run 'make gpu-check', then 'warpsmith calibrate gpu-check.json -o "
                 "FILE', and set "
                 "WARPSMITH_CALIBRATION=FILE");
    ws_buf_release(&text);
}

static void count_spec(void *ud, const char *path)
{
    (void)path;
    ++*(int *)ud;
}

static void check_catalogue(finding *f)
{
    ws_err err = {0};
    int n = 0;
    if (spec_catalogue(count_spec, &n, &err)) {
        missing(f, &err, "set WARPSMITH_HOME to the source tree");
        return;
    }
    f->ok = n > 0;
    snprintf(f->text, sizeof f->text, "%d specs under %s/specs", n, ws_home_dir());
}

/* Names of the specs with a bundled script. */
static void note_script(void *ud, const char *path)
{
    ws_buf *names = ud;
    ws_buf root = {0};
    char script[4096];
    ws_buf_printf(&root, "%s/specs/", ws_home_dir());
    if (strncmp(path, ws_buf_z(&root), root.n) == 0) {
        const char *name = path + root.n, *dot = strrchr(name, '.');
        char *spec_name = ws_strndup(name, dot ? (size_t)(dot - name) : strlen(name));
        if (replay_find_script(spec_name, script, sizeof script))
            ws_buf_printf(names, "%s%s", names->n ? ", " : "", spec_name);
        free(spec_name);
    }
    ws_buf_release(&root);
}

static void check_replay(finding *f)
{
    ws_err err = {0};
    ws_buf names = {.max = 400};
    if (!spec_catalogue(note_script, &names, &err) && !names.n)
        ws_fail(&err, WS_EENV, "no script under %s/agent/replays", ws_home_dir());
    if (!names.n)
        missing(f, &err, "set WARPSMITH_HOME to the source tree");
    else {
        f->ok = true;
        snprintf(f->text, sizeof f->text, "scripts without a model: %.400s", ws_buf_z(&names));
    }
    ws_buf_release(&names);
}

/* Only for the user's own program around an exported header; nothing here runs it. */
static void check_nvcc(finding *f)
{
    const char *path = getenv("PATH");
    for (const char *p = path ? path : ""; *p; p += strcspn(p, ":"), p += *p == ':') {
        snprintf(f->text, sizeof f->text, "%.*s/nvcc", (int)strcspn(p, ":"), p);
        if (*p != ':' && access(f->text, X_OK) == 0) {
            f->ok = true;
            return;
        }
    }
    snprintf(f->text, sizeof f->text, "no nvcc on PATH");
    snprintf(
        f->fix, sizeof f->fix,
        "only what includes an exported header needs it; a CUDA toolkit, or build/cuda/bin after "
        "'make deps', has it");
}

/* Names of variables, never what is in them. */
static void list_keys(ws_buf *out)
{
    for (const llm_provider *p = llm_providers; p[1].name; p++) { /* the last has the first's */
        const char *variable = llm_key_variable(NULL, p);
        if (variable)
            ws_buf_printf(out, "%s%s (%s)", out->n ? ", " : "", p->name, variable);
    }
}

static void check_model(finding *f)
{
    static const char *const address[] = {"OPENAI_BASE_URL", "ANTHROPIC_BASE_URL", "OLLAMA_HOST"};
    const char *model = getenv("WARPSMITH_MODEL");
    ws_buf keys = {.max = 300}, urls = {.max = 200};
    list_keys(&keys);
    for (size_t i = 0; i < WS_COUNT(address); i++) {
        const char *url = getenv(address[i]);
        if (url && *url)
            ws_buf_printf(&urls, ", %s set", address[i]);
    }
    f->ok = keys.n || urls.n;
    if (f->ok) {
        snprintf(f->text, sizeof f->text, "%s%.280s%s%s", keys.n ? "keys: " : "no key",
                 ws_buf_z(&keys), ws_buf_z(&urls),
                 model && *model ? "" : ", no WARPSMITH_MODEL");
    } else {
        snprintf(f->text, sizeof f->text, "no model is configured");
        snprintf(f->fix, sizeof f->fix,
                 "set a provider's key (OPENAI_API_KEY, ANTHROPIC_API_KEY, ...), or "
                 "OPENAI_BASE_URL for a server without one; specs with a bundled script run "
                 "without");
    }
    ws_buf_release(&keys);
    ws_buf_release(&urls);
}

static void check_cache(finding *f)
{
    ws_buf dir = {0};
    ws_err err = {0};
    ws_cache_dir(&dir);
    f->ok = true;
    snprintf(f->text, sizeof f->text, "%.500s", ws_buf_z(&dir));
    if (ws_make_dirs(ws_buf_z(&dir), &err))
        missing(f, &err, "set WARPSMITH_CACHE to a directory that can be written");
    ws_buf_release(&dir);
}

static const struct {
    const char *name;
    void (*check)(finding *f);
    bool needed; /* for judging kernels at all */
} checks[] = {
    {"nvrtc", check_nvrtc, true},     {"compile", check_compile, true},
    {"engine", check_engine, true},   {"specs", check_catalogue, true},
    {"cache", check_cache, true},     {"gpu", check_gpu, false},
    {"workers", check_workers, false}, {"calibration", check_calibration, false},
    {"model", check_model, false},
    {"replay", check_replay, false},   {"nvcc", check_nvcc, false},
};

static ws_status run(const void *values, const char **args, int nargs, int *exit_code, ws_err *err)
{
    const options *o = values;
    cJSON *json = o->common.json ? cJSON_CreateArray() : NULL;
    bool broken = false;
    (void)args, (void)nargs, (void)exit_code;
    for (size_t i = 0; i < WS_COUNT(checks); i++) {
        finding f = {0};
        checks[i].check(&f);
        broken |= checks[i].needed && !f.ok;
        if (json) {
            cJSON *c = cJSON_CreateObject();
            cJSON_AddStringToObject(c, "capability", checks[i].name);
            cJSON_AddBoolToObject(c, "ok", f.ok);
            cJSON_AddStringToObject(c, "text", f.text);
            cJSON_AddStringToObject(c, "fix", f.fix);
            cJSON_AddItemToArray(json, c);
        } else {
            printf("%-9s %-8s %s%s%s\n", checks[i].name, f.ok ? "ok" : "missing", f.text,
                   f.fix[0] ? "; " : "", f.fix);
        }
    }
    if (json)
        cli_print_json(json);
    return broken ? ws_fail(err, WS_EENV, "kernels cannot be judged on this machine yet") : WS_OK;
}

const cli_command cmd_doctor = {
    .doc = {.name = "doctor",
            .summary = "say what works on this machine, and how to get what does not",
            .usage = "[options]",
            .options = option_table,
            .min_args = 0,
            .max_args = 0},
    .values_size = sizeof(options),
    .run = run,
};
