#include "agent/loop/loop.h"

#include "base/file.h"
#include "base/json.h"
#include "reference/graph.h"

#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_TEMPLATE = 64 * 1024, RECENT = 5 };

typedef struct variable {
    const char *name;
    ws_buf text;
} variable;

typedef struct context {
    const spec *spec;
    const char *gpu;
    const loop_history *history;
    const loop_step *step;
} context;

double loop_seconds(const db_candidate *c)
{
    return isnan(c->measured_s) ? c->modelled_s : c->measured_s;
}

/* ---- one writer per template variable ---- */

static void put_name(const context *c, ws_buf *out)
{
    ws_buf_adds(out, c->spec->name);
}

static void put_title(const context *c, ws_buf *out)
{
    ws_buf_adds(out, c->spec->title ? c->spec->title : "");
}

/* Type and shape of every output follow from the graph. */
static void put_outputs(const spec *s, ws_buf *out)
{
    ref_graph *g = NULL;
    ws_err err = {0};
    if (ref_graph_new(s, &g, &err)) { /* verification will say what is wrong with it */
        for (int o = 0; o < s->n_outputs; o++)
            ws_buf_printf(out, "  output %s\n", s->output[o]);
        return;
    }
    for (int o = 0; o < g->n_outputs; o++) {
        const ref_value *v = &g->value[g->output[o]];
        ws_buf_printf(out, "  output %s: %s *, shape [", s->output[o], ws_dtype_cuda(v->dtype));
        for (int d = 0; d < v->rank; d++) {
            ws_buf_adds(out, d ? ", " : "");
            ws_expr_print(v->dim[d], out);
        }
        ws_buf_adds(out, v->rank ? "]\n" : "], one element\n");
    }
    ref_graph_free(g);
}

static void put_tensors(const context *c, ws_buf *out)
{
    const spec *s = c->spec;
    for (int i = 0; i < s->n_inputs + s->n_weights; i++) {
        const spec_tensor *t = &s->tensor[i];
        ws_buf_printf(out, "  %s %s: const %s *, shape [", t->is_weight ? "weight" : "input",
                      t->name, ws_dtype_cuda(t->dtype));
        for (int d = 0; d < t->rank; d++) {
            ws_buf_adds(out, d ? ", " : "");
            ws_expr_print(t->shape[d], out);
        }
        ws_buf_adds(out, "]\n");
    }
    put_outputs(s, out);
}

static void put_graph(const context *c, ws_buf *out)
{
    const cJSON *node;
    cJSON_ArrayForEach(node, cJSON_GetObjectItemCaseSensitive(c->spec->root, "graph"))
    {
        ws_buf_adds(out, "  ");
        ws_json_print(node, false, out);
        ws_buf_addc(out, '\n');
    }
}

static void put_precision(const context *c, ws_buf *out)
{
    ws_buf_printf(out, "%s, sums in %s", ws_dtype_name(c->spec->precision),
                  ws_dtype_name(c->spec->accumulate));
}

static void put_dims(const context *c, ws_buf *out)
{
    ws_env env = spec_env(c->spec, -1);
    spec_env_print(&env, out);
}

static void put_checks(const context *c, ws_buf *out)
{
    for (int i = 0; i < c->spec->n_checks; i++) {
        ws_env env = spec_env(c->spec, i);
        ws_buf_adds(out, i ? "; " : "");
        spec_env_print(&env, out);
    }
}

static void put_notes(const context *c, ws_buf *out)
{
    if (c->spec->notes)
        ws_buf_printf(out, "Notes: %s\n", c->spec->notes);
}

static void put_gpu(const context *c, ws_buf *out)
{
    const tim_gpu *g = tim_gpu_find(c->gpu);
    if (!g) {
        ws_buf_adds(out, c->gpu);
        return;
    }
    ws_buf_printf(out, "%s (%s): %d SMs, %.2f TB/s DRAM, %.1f TFLOP/s f32, %d KiB shared memory a "
                       "block, %.0f MiB L2",
                  g->title, g->arch, g->sms, g->dram_bytes_per_s * 1e-12, g->f32_flops * 1e-12,
                  g->shared_per_block / 1024, g->l2_bytes / (1 << 20));
}

static void put_time(const db_candidate *c, ws_buf *out)
{
    double s = loop_seconds(c);
    if (isnan(s))
        ws_buf_adds(out, "not timed");
    else
        ws_buf_printf(out, "%.2f us %s", s * 1e6, isnan(c->measured_s) ? "modelled" : "measured");
    if (c->tune_json)
        ws_buf_printf(out, " with %s", c->tune_json);
}

static const loop_attempt *subject(const context *c)
{
    return c->step->subject >= 0 ? &c->history->attempt[c->step->subject] : NULL;
}

static void put_baseline(const context *c, ws_buf *out)
{
    if (c->history->n)
        ws_buf_adds(out, c->history->attempt[0].candidate->source);
}

static void put_baseline_time(const context *c, ws_buf *out)
{
    if (c->history->n)
        put_time(c->history->attempt[0].candidate, out);
}

static void put_source(const context *c, ws_buf *out)
{
    if (subject(c))
        ws_buf_adds(out, subject(c)->candidate->source);
}

/* Without hashes, seeds and our own times: they tell a model nothing and make every prompt
 * differ. */
static void put_verdict(const context *c, ws_buf *out)
{
    static const char *const noise[] = {"source_sha256", "ptx_sha256", "compile_seconds",
                                        "run_seconds",   "total_seconds",
                                        "worst_error_over_tolerance"};
    if (!subject(c))
        return;
    cJSON *v = cJSON_Parse(subject(c)->verdict_json);
    cJSON *evidence = cJSON_GetObjectItemCaseSensitive(v, "evidence");
    for (size_t i = 0; i < WS_COUNT(noise); i++)
        cJSON_DeleteItemFromObjectCaseSensitive(evidence, noise[i]);
    cJSON_DeleteItemFromObjectCaseSensitive(cJSON_GetObjectItemCaseSensitive(v, "case"), "seed");
    if (v)
        ws_json_print(v, false, out);
    cJSON_Delete(v);
}

static void put_subject_time(const context *c, ws_buf *out)
{
    if (subject(c))
        put_time(subject(c)->candidate, out);
}

static const loop_attempt *best(const context *c)
{
    return c->history->best >= 0 ? &c->history->attempt[c->history->best] : &c->history->attempt[0];
}

static void put_best(const context *c, ws_buf *out)
{
    if (c->history->n)
        ws_buf_adds(out, best(c)->candidate->source);
}

static void put_best_time(const context *c, ws_buf *out)
{
    if (c->history->n)
        put_time(best(c)->candidate, out);
}

/* Why a reply could not be used, and how it began. */
static void put_problem(const context *c, ws_buf *out)
{
    if (!subject(c))
        return;
    cJSON *v = cJSON_Parse(subject(c)->verdict_json);
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(v, "text"));
    const char *note = subject(c)->candidate->note;
    ws_buf_adds(out, text && *text ? text : subject(c)->candidate->reason);
    if (note && *note)
        ws_buf_printf(out, ". It began: \"%s\"", note);
    cJSON_Delete(v);
}

static void put_speedup(const context *c, ws_buf *out)
{
    if (!subject(c))
        return;
    double r = loop_seconds(c->history->attempt[0].candidate) / loop_seconds(subject(c)->candidate);
    if (isfinite(r))
        ws_buf_printf(out, "%.2fx", r);
    else
        ws_buf_adds(out, "speed-up unknown");
}

/* The last few attempts of the model, one line each: a short memory instead of an endless chat. */
static void put_attempts(const context *c, ws_buf *out)
{
    const loop_history *h = c->history;
    int first = h->n, shown = 0;
    for (int replies = 0; first > 1 && replies < RECENT; first--) /* tuned settings do not count */
        replies += strcmp(h->attempt[first - 1].candidate->origin, "model") == 0;
    for (int i = first; i < h->n; i++) {
        const db_candidate *k = h->attempt[i].candidate;
        if (i == c->step->subject || strcmp(k->origin, "model"))
            continue;
        ws_buf_printf(out, "%s- round %d: %s, ", shown++ ? "" : "Earlier attempts:\n", k->round,
                      k->reason);
        put_time(k, out);
        if (k->note && *k->note)
            ws_buf_printf(out, "; %s", k->note);
        ws_buf_addc(out, '\n');
    }
    if (shown)
        ws_buf_addc(out, '\n');
}

static ws_status fill(const char *dir, const char *name, const context *c, ws_buf *out,
                      ws_err *err);

static const struct {
    const char *name;
    void (*put)(const context *c, ws_buf *out);
} variables[] = {
    {"name", put_name},         {"title", put_title},     {"tensors", put_tensors},
    {"graph", put_graph},       {"precision", put_precision}, {"dims", put_dims},
    {"checks", put_checks},     {"notes", put_notes},     {"gpu", put_gpu},
    {"baseline", put_baseline}, {"baseline_time", put_baseline_time}, {"source", put_source},
    {"verdict", put_verdict},   {"time", put_subject_time},   {"speedup", put_speedup},
    {"attempts", put_attempts}, {"best", put_best},       {"best_time", put_best_time},
    {"problem", put_problem},
};

static ws_status put_variable(const char *dir, ws_str name, const context *c, ws_buf *out,
                              ws_err *err)
{
    if (ws_str_eqz(name, "task"))
        return fill(dir, "task", c, out, err);
    for (size_t i = 0; i < WS_COUNT(variables); i++)
        if (ws_str_eqz(name, variables[i].name)) {
            variables[i].put(c, out);
            return WS_OK;
        }
    return ws_fail(err, WS_EINPUT, "unknown variable '{{%.*s}}'", WS_STR_ARG(name));
}

static ws_status fill_text(const char *dir, const char *text, const context *c, ws_buf *out,
                           ws_err *err)
{
    int line = 1;
    for (const char *p = text; *p; p++) {
        line += *p == '\n';
        if (p[0] != '{' || p[1] != '{') {
            ws_buf_addc(out, *p);
            continue;
        }
        const char *end = strstr(p, "}}");
        if (!end)
            return ws_fail(err, WS_EINPUT, "line %d: '{{' without '}}'", line);
        ws_str name = ws_str_trim((ws_str){p + 2, (size_t)(end - p - 2)});
        if (put_variable(dir, name, c, out, err))
            return ws_wrap(err, "line %d", line);
        p = end + 1;
    }
    return WS_OK;
}

static ws_status fill(const char *dir, const char *name, const context *c, ws_buf *out, ws_err *err)
{
    ws_buf path = {0}, text = {0};
    if (dir)
        ws_buf_printf(&path, "%s/%s.txt", dir, name);
    /* A user's directory may hold only the templates that differ. */
    if (!dir || !ws_file_exists(ws_buf_z(&path))) {
        ws_buf_reset(&path);
        ws_home_path(&path, "agent/prompts/");
        ws_buf_printf(&path, "%s.txt", name);
    }
    ws_status st = ws_read_file(ws_buf_z(&path), MAX_TEMPLATE, &text, err);
    if (!st && fill_text(dir, ws_buf_z(&text), c, out, err))
        st = ws_wrap(err, "template '%s'", ws_buf_z(&path));
    ws_buf_release(&text);
    ws_buf_release(&path);
    return st;
}

ws_status loop_prompt_make(const spec *s, const char *dir, const char *gpu, const loop_history *h,
                           const loop_step *step, loop_prompt *out, ws_err *err)
{
    context c = {s, gpu, h, step};
    ws_buf system = {0}, user = {0};
    if (dir && !ws_file_exists(dir))
        return ws_fail(err, WS_EINPUT, "there is no directory '%s' with templates", dir);
    if (fill(dir, "system", &c, &system, err) || fill(dir, step->purpose, &c, &user, err)) {
        ws_buf_release(&system);
        ws_buf_release(&user);
        return err->status;
    }
    *out = (loop_prompt){ws_buf_take(&system), ws_buf_take(&user)};
    return WS_OK;
}

void loop_prompt_release(loop_prompt *p)
{
    free(p->system);
    free(p->user);
    *p = (loop_prompt){0};
}
