/* The comment on top of an exported header. */
#include "base/json.h"
#include "base/sha256.h"
#include "results/export_parts.h"

#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

/* Text that cannot end or reopen the comment. */
const char *exp_safe(exp_job *j, const char *z)
{
    char *text = ws_arena_strdup(&j->arena, z ? z : "unknown");
    for (char *p = text; *p; p++) {
        if (!isprint((unsigned char)*p))
            *p = ' ';
        if ((*p == '*' && p[1] == '/') || (*p == '/' && p[1] == '*') || *p == '\\')
            *p = '_';
    }
    return text;
}

static void put_row(exp_job *j, const char *label, const char *value)
{
    ws_buf_printf(j->out, " *   %-12s %s\n", label, exp_safe(j, value));
}

void exp_put_tensor_shape(const exp_tensor *t, ws_buf *out)
{
    ws_buf_addc(out, '[');
    for (int i = 0; i < t->rank; i++) {
        ws_buf_adds(out, i ? ", " : "");
        ws_expr_print(t->dim[i], out);
    }
    ws_buf_addc(out, ']');
}

static void put_usage(exp_job *j)
{
    const spec *s = j->in->spec;
    ws_buf_printf(j->out, " *   warpsmith::%s::shape s{", j->name);
    for (int i = 0; i < s->n_dims; i++)
        ws_buf_printf(j->out, "%s%s", i ? ", " : "", s->dim[i].name);
    ws_buf_adds(j->out, "};\n");
    if (j->plan->n_scratch)
        ws_buf_printf(
            j->out,
            " *   warpsmith::%s::workspace_bytes(s, &bytes);  cudaMalloc(&workspace, bytes);\n",
            j->name);
    ws_buf_printf(j->out, " *   cudaError_t e = warpsmith::%s::launch(", j->name);
    for (int i = 0; i < j->n_tensors; i++)
        ws_buf_printf(j->out, "%s, ", j->tensor[i].name);
    ws_buf_printf(j->out, "s, %s, stream);\n *\n",
                  j->plan->n_scratch ? "workspace, bytes" : "nullptr, 0");
    ws_buf_adds(j->out,
                " * Tensors, row-major and contiguous, 16-byte aligned, on the current device:\n");
    for (int i = 0; i < j->n_tensors; i++) {
        ws_buf text = {0};
        ws_buf_printf(&text, "%-7s %s ", j->tensor[i].role, ws_dtype_name(j->tensor[i].dtype));
        exp_put_tensor_shape(&j->tensor[i], &text);
        put_row(j, j->tensor[i].name, ws_buf_z(&text));
        ws_buf_release(&text);
    }
}

static void put_time(exp_job *j, const char *label, double seconds, const char *kind,
                     const char *shape)
{
    ws_buf text = {0};
    if (!(seconds > 0))
        return;
    ws_buf_printf(&text, "%.3f us %s on %s at %s", seconds * 1e6, kind,
                  j->in->candidate->gpu ? j->in->candidate->gpu : "an unnamed GPU", shape);
    put_row(j, label, ws_buf_z(&text));
    ws_buf_release(&text);
}

static void put_hashes(exp_job *j)
{
    const exp_input *in = j->in;
    char sha[WS_SHA256_HEX];
    ws_sha256_of(in->candidate->source, strlen(in->candidate->source), sha);
    put_row(j, "spec", in->spec->name);
    put_row(j, "", ws_arena_printf(&j->arena, "sha256 %s", in->spec->sha256));
    put_row(j, "source", ws_arena_printf(&j->arena, "sha256 %s", sha));
    if (in->candidate->ptx_sha256 && *in->candidate->ptx_sha256)
        put_row(j, "PTX", ws_arena_printf(&j->arena, "sha256 %s", in->candidate->ptx_sha256));
}

static const char *text_of(const cJSON *o, const char *key)
{
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(o, key);
    return cJSON_IsString(v) && v->valuestring[0] ? v->valuestring : NULL;
}

static double number_of(const cJSON *o, const char *key)
{
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(o, key);
    return cJSON_IsNumber(v) ? v->valuedouble : NAN;
}

static void put_text(exp_job *j, const char *row, const cJSON *o, const char *key)
{
    if (text_of(o, key))
        put_row(j, row, text_of(o, key));
}

static void put_checks(exp_job *j, const cJSON *evidence)
{
    double shapes = number_of(evidence, "shapes_passed"), runs = number_of(evidence, "runs");
    double worst = number_of(evidence, "worst_error_over_tolerance");
    if (shapes > 0 && runs > 0)
        put_row(j, "checked",
                ws_arena_printf(&j->arena,
                                "%.0f shapes, %.0f runs, worst error %.3g of the tolerance", shapes,
                                runs, worst));
    if (number_of(evidence, "shapes_refused") > 0)
        put_row(j, "refused",
                ws_arena_printf(&j->arena, "%.0f check shapes, by the kernel's own guards",
                                number_of(evidence, "shapes_refused")));
    if (cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(evidence, "schedule_dependent")))
        put_row(j, "bits", "right on every schedule tried, but they depend on it");
    put_text(j, "schedule", evidence, "schedule");
    put_text(j, "relations", evidence, "relations");
    double u = number_of(evidence, "effective_roundoff");
    if (text_of(evidence, "precision") && u >= 0)
        put_row(j, "precision",
                u > 0 ? ws_arena_printf(&j->arena, "%s: errors as if operands had %.1f bits",
                                        text_of(evidence, "precision"), -log2(u))
                      : "exact: every element is the nearest value");
    if (text_of(evidence, "compiler"))
        put_row(j, "compiler",
                ws_arena_printf(&j->arena, "%s for %s", text_of(evidence, "compiler"),
                                text_of(evidence, "arch") ? text_of(evidence, "arch")
                                                          : "an unnamed target"));
}

static void put_verdict(exp_job *j, const cJSON *verdict)
{
    const db_candidate *c = j->in->candidate;
    const cJSON *evidence = cJSON_GetObjectItemCaseSensitive(verdict, "evidence");
    const cJSON *resources = cJSON_GetObjectItemCaseSensitive(verdict, "resources");
    put_row(j, "verdict",
            ws_arena_printf(&j->arena, "%s at level %d (%s)", c->reason ? c->reason : "pass",
                            c->level, vfy_level_name((vfy_level)c->level)));
    put_checks(j, evidence);
    put_text(j, "warning", cJSON_GetObjectItemCaseSensitive(verdict, "warning"), "text");
    ws_buf shapes = {0};
    for (int i = 0; i < j->in->spec->n_checks; i++) {
        ws_env env = spec_env(j->in->spec, i);
        ws_buf_reset(&shapes);
        spec_env_print(&env, &shapes);
        put_row(j, i ? "" : "at", ws_buf_z(&shapes));
    }
    ws_buf_release(&shapes);
    if (text_of(resources, "text"))
        put_row(j, "resources", text_of(resources, "text"));
}

static void put_times(exp_job *j)
{
    const db_candidate *c = j->in->candidate;
    ws_buf shape = {0};
    ws_env env = spec_env(j->in->spec, -1);
    spec_env_print(&env, &shape);
    put_time(j, "time", c->measured_s, "measured", ws_buf_z(&shape));
    put_time(j, c->measured_s > 0 ? "" : "time", c->modelled_s,
             "modelled (a cost model's estimate, no measurement)", ws_buf_z(&shape));
    for (int i = 0; i < j->plan->n_tune; i++)
        put_row(j, i ? "" : "tunables",
                ws_arena_printf(&j->arena, "%s = %" PRId64, j->plan->tune[i].name, j->tune[i]));
    ws_buf_release(&shape);
}

const char *exp_author(exp_job *j)
{
    const db_candidate *c = j->in->candidate;
    const db_run *r = j->in->run;
    const char *origin = c->origin ? c->origin : "submitted";
    if (strcmp(origin, "emitted") == 0)
        return "Warpsmith, translated op by op from the spec";
    if (r && r->scripted)
        return "a script that ships with Warpsmith (bundled replay server, no model)";
    if (r && r->model && *r->model && strcmp(origin, "submitted") != 0)
        return ws_arena_printf(&j->arena, "model %s%s", r->model,
                               strcmp(origin, "tuned") == 0 ? ", tunables chosen by search" : "");
    return "submitted by a person or another program";
}

static void put_origin(exp_job *j)
{
    const db_candidate *c = j->in->candidate;
    const db_run *r = j->in->run;
    put_row(j, "written by", exp_author(j));
    if (r && r->name[0])
        put_row(j, "run",
                ws_arena_printf(&j->arena, "%s, candidate %" PRId64 ", round %d", r->name, c->id,
                                c->round));
    if (c->created)
        put_row(j, "date", c->created);
}

ws_status exp_put_evidence_rows(exp_job *j, ws_err *err)
{
    const char *json = j->in->verdict_json;
    cJSON *verdict = NULL;
    if (json && *json && ws_json_parse(json, strlen(json), &verdict, err))
        return ws_wrap(err, "the stored verdict");
    put_hashes(j);
    put_verdict(j, verdict);
    put_times(j);
    put_origin(j);
    if (j->in->packet_sha256)
        put_row(j, "packet",
                ws_arena_printf(&j->arena, "sha256 %s; warpsmith recheck PACKET repeats it",
                                j->in->packet_sha256));
    put_row(j, "repeat",
            ws_arena_printf(
                &j->arena,
                "warpsmith verify %s FILE.cu, FILE.cu being the source with the sha256 above",
                j->in->spec->name));
    cJSON_Delete(verdict);
    return WS_OK;
}

ws_status exp_put_evidence(exp_job *j, ws_err *err)
{
    ws_buf_printf(
        j->out, "/* %s.cuh: %s.\n * A CUDA kernel with its launcher, exported by Warpsmith.\n *\n",
        j->name, exp_safe(j, j->in->spec->title ? j->in->spec->title : j->in->spec->name));
    put_usage(j);
    ws_buf_adds(j->out,
                " *\n * C++17; CUDA 11.8 or newer, for its launch attributes.\n *\n * Evidence:\n");
    if (exp_put_evidence_rows(j, err))
        return err->status;
    if (exp_put_evidence_json(j, " * ", j->out, err))
        return err->status;
    ws_buf_adds(j->out, " *\n"
                        " * The kernel was checked at the shapes listed; at others the launcher "
                        "runs it, if its guards hold,\n"
                        " * without that evidence.\n *\n"
                        " * Licence: the launcher and this comment are Warpsmith's and may be used "
                        "under Apache-2.0. The kernels\n"
                        " * were written as said above; where a model wrote them, its provider's "
                        "terms for output apply.\n */\n");
    return WS_OK;
}
