#include "verifier/baseline.h"

#include "base/file.h"
#include "base/json.h"

#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_FILE = 64 << 20, MAX_SAMPLES = 1 << 20 };
/* KernelBench writes times in ms with three significant digits. */
static const double PUBLISHED_RESOLUTION = 1e-3, MILLI = 1e-3;

const char *vfy_baseline_kind_name(vfy_baseline_kind k)
{
    static const char *const names[] = {"absent", "measured", "external"};
    return names[k];
}

void vfy_baseline_absent(const char *name, const char *why, const char *hint, vfy_baseline *out)
{
    *out = (vfy_baseline){.kind = VFY_BASELINE_ABSENT, .seconds = (double)NAN, .std_s = (double)NAN,
                          .min_s = (double)NAN, .max_s = (double)NAN};
    snprintf(out->name, sizeof out->name, "%s", name);
    snprintf(out->why, sizeof out->why, "%s", why);
    snprintf(out->hint, sizeof out->hint, "%s", hint ? hint : "");
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static const cJSON *member(const cJSON *o, const char *key)
{
    return cJSON_GetObjectItemCaseSensitive(o, key);
}

static const char *text(const cJSON *o, const char *key, const char *otherwise)
{
    const cJSON *v = member(o, key);
    return cJSON_IsString(v) ? v->valuestring : otherwise;
}

static double number(const cJSON *o, const char *key)
{
    const cJSON *v = member(o, key);
    return cJSON_IsNumber(v) ? v->valuedouble : (double)NAN;
}

/* Letters and digits alone, small: "NVIDIA H100 80GB HBM3" -> "nvidiah10080gbhbm3". */
static void squeeze(const char *z, char *out, size_t size)
{
    size_t n = 0;
    for (; *z && n + 1 < size; z++)
        if (isalnum((unsigned char)*z))
            out[n++] = (char)tolower((unsigned char)*z);
    out[n] = '\0';
}

/* "h100-pcie" is an H100 with PCIe; one without the word is none. */
static bool is_same_gpu(const tim_gpu *gpu, const char *hardware)
{
    char name[64], there[160];
    squeeze(gpu->name, name, sizeof name);
    squeeze(hardware, there, sizeof there);
    char *pcie = strstr(name, "pcie");
    if ((pcie != NULL) != (strstr(there, "pcie") != NULL))
        return false;
    if (pcie)
        *pcie = '\0';
    return strstr(there, name) != NULL;
}

/* ---- KernelBench's figures ---- */

/* The problem "23_Softmax.py" of a level; of files of other versions, which call it otherwise, the
 * one with its number. */
static const cJSON *find_problem(const cJSON *level, const char *problem)
{
    const cJSON *p = member(level, problem);
    const size_t digits = strspn(problem, "0123456789");
    if (p || !digits)
        return p;
    cJSON_ArrayForEach(p, level)
    {
        if (p->string && strncmp(p->string, problem, digits + 1) == 0)
            return p;
    }
    return NULL;
}

static ws_status read_published(const cJSON *root, const char *path, const spec *s,
                                const tim_gpu *gpu, vfy_baseline *out, ws_err *err)
{
    char level[32] = "";
    const char *slash = s->source ? strchr(s->source, '/') : NULL;
    if (slash)
        snprintf(level, sizeof level, "%.*s", (int)(slash - s->source), s->source);
    const cJSON *p = slash ? find_problem(member(root, level), slash + 1) : NULL;
    if (!p) {
        vfy_baseline_absent(base_name(path), "KernelBench's file has no figure for this spec", NULL,
                            out);
        return WS_OK;
    }
    const double mean = number(p, "mean");
    if (!(mean > 0) || !isfinite(mean))
        return ws_fail(err, WS_EINPUT, "%s: '%s' has no 'mean' in milliseconds", level, p->string);
    *out = (vfy_baseline){.kind = VFY_BASELINE_EXTERNAL,
                          .seconds = mean * MILLI,
                          .std_s = number(p, "std") * MILLI,
                          .min_s = number(p, "min") * MILLI,
                          .max_s = number(p, "max") * MILLI,
                          .resolution = PUBLISHED_RESOLUTION,
                          .samples = (int)fmin(fmax(number(p, "num_trials"), 0), 1e9)};
    snprintf(out->name, sizeof out->name, "%s", base_name(path));
    snprintf(out->hardware, sizeof out->hardware, "%s", text(p, "hardware", "unknown hardware"));
    snprintf(out->note, sizeof out->note, "KernelBench's published figure of %s, at its own shapes",
             p->string);
    out->same_gpu = is_same_gpu(gpu, out->hardware);
    return WS_OK;
}

/* ---- our own schema ---- */

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Raw samples: every one has to be a time. */
static ws_status read_samples(const cJSON *run, const char *where, vfy_baseline *out, ws_err *err)
{
    const cJSON *list, *v;
    double sum = 0, squares = 0;
    int n = 0;
    if (ws_json_array(run, where, "seconds", &list, err))
        return err->status;
    const int all = cJSON_GetArraySize(list);
    if (all < 1 || all > MAX_SAMPLES)
        return ws_fail(err, WS_EINPUT, "%s.seconds: %d samples, expected 1 to %d", where, all,
                       MAX_SAMPLES);
    double *t = ws_malloc((size_t)all * sizeof *t);
    cJSON_ArrayForEach(v, list)
    {
        if (!cJSON_IsNumber(v) || !(v->valuedouble > 0) || !isfinite(v->valuedouble))
            ws_fail(err, WS_EINPUT, "%s.seconds[%d]: expected a time in seconds", where, n);
        t[n++] = v->valuedouble;
    }
    qsort(t, (size_t)n, sizeof *t, by_value);
    out->samples = n;
    out->seconds = n % 2 ? t[n / 2] : (t[n / 2 - 1] + t[n / 2]) / 2;
    out->min_s = t[0];
    out->max_s = t[n - 1];
    for (int i = 0; i < n; i++)
        sum += t[i];
    for (int i = 0; i < n; i++)
        squares += (t[i] - sum / n) * (t[i] - sum / n);
    out->std_s = n > 1 ? sqrt(squares / (n - 1)) : (double)NAN;
    free(t);
    return err->status;
}

/* The precision class: what went in, what sums were kept in, whether TF32 was allowed. */
static void read_precision(const cJSON *run, vfy_baseline *out)
{
    const cJSON *p = member(run, "precision"), *tf32 = member(p, "allow_tf32");
    if (!cJSON_IsObject(p))
        return;
    snprintf(out->precision, sizeof out->precision, "%.16s in, %.16s sums%s", text(p, "in", "?"),
             text(p, "accumulate", "?"),
             cJSON_IsTrue(tf32)    ? ", TF32 allowed"
             : cJSON_IsFalse(tf32) ? ", TF32 not allowed"
                                   : "");
}

/* What was measured at other dims is no baseline here; says at which. */
static bool same_dims(const cJSON *root, const spec *s, const ws_env *dims, char *why, size_t size)
{
    const cJSON *there = member(root, "dims");
    for (int i = 0; i < s->n_dims; i++) {
        const char *name = s->dim[i].name;
        const double v = number(there, name);
        int64_t here = 0;
        if (ws_env_find(dims, name, &here) && v == (double)here)
            continue;
        snprintf(why, size, "it was measured at %s=%.15g, not at %s=%" PRId64, name, v, name, here);
        return false;
    }
    return true;
}

static ws_status read_own(const cJSON *root, const char *path, const spec *s, const ws_env *dims,
                          const tim_gpu *gpu, vfy_baseline *out, int *n, ws_err *err)
{
    const char *of;
    char why[256];
    const cJSON *runs, *run;
    int i = 0;
    if (ws_json_string(root, "", "spec", &of, err) || ws_json_array(root, "", "runs", &runs, err))
        return err->status;
    if (strcmp(of, s->name) != 0)
        return ws_fail(err, WS_EINPUT, "it is of the spec '%s', not of '%s'", of, s->name);
    if (!same_dims(root, s, dims, why, sizeof why)) {
        if (*n < VFY_MAX_BASELINES)
            vfy_baseline_absent(base_name(path), why, "choose that shape with --shape",
                                &out[(*n)++]);
        return WS_OK;
    }
    cJSON_ArrayForEach(run, runs)
    {
        char where[32];
        const char *name;
        vfy_baseline b = {.kind = VFY_BASELINE_MEASURED};
        snprintf(where, sizeof where, "runs[%d]", i++);
        if (ws_json_string(run, where, "name", &name, err) || read_samples(run, where, &b, err))
            return err->status;
        snprintf(b.name, sizeof b.name, "%s", name);
        snprintf(b.hardware, sizeof b.hardware, "%s",
                 text(member(root, "device"), "name", "unknown hardware"));
        snprintf(b.note, sizeof b.note, "%s", text(run, "regime", ""));
        read_precision(run, &b);
        b.same_gpu = is_same_gpu(gpu, b.hardware);
        if (*n < VFY_MAX_BASELINES)
            out[(*n)++] = b;
    }
    return WS_OK;
}

/* ---- files ---- */

static bool is_published(const cJSON *root)
{
    const cJSON *v;
    cJSON_ArrayForEach(v, root)
    {
        if (v->string && strncmp(v->string, "level", 5) == 0 && cJSON_IsObject(v))
            return true;
    }
    return false;
}

ws_status vfy_baseline_read(const char *path, const spec *s, const ws_env *dims, const tim_gpu *gpu,
                            vfy_baseline *out, int *n, ws_err *err)
{
    ws_buf file = {0};
    cJSON *root = NULL;
    const int first = *n;
    ws_status st = ws_read_file(path, MAX_FILE, &file, err);
    if (!st)
        st = ws_json_parse(ws_buf_z(&file), file.n, &root, err);
    if (!st && strcmp(text(root, "kind", ""), "baseline") == 0)
        st = read_own(root, path, s, dims, gpu, out, n, err);
    else if (!st && is_published(root) && *n < VFY_MAX_BASELINES)
        st = read_published(root, path, s, gpu, &out[(*n)++], err);
    else if (!st)
        st = ws_fail(err, WS_EINPUT, "neither a baseline of ours (\"kind\": \"baseline\") nor "
                                     "KernelBench's published times (\"level1\": ...)");
    for (int i = first; !st && i < *n; i++)
        out[i].file = path;
    cJSON_Delete(root);
    ws_buf_release(&file);
    return st ? ws_wrap(err, "baseline '%s'", path) : WS_OK;
}
