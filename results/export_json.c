/* The evidence for programs: what the comment of a header says, as one JSON object. */
#include "results/export_parts.h"

#include "base/json.h"

#include <string.h>

static void add_dims(const spec *s, int which, cJSON *o)
{
    ws_env env = spec_env(s, which);
    for (int i = 0; i < s->n_dims; i++) {
        int64_t v = 0;
        if (ws_env_find(&env, s->dim[i].name, &v))
            ws_json_add_int(o, s->dim[i].name, v);
    }
}

static void add_text(cJSON *o, const char *key, const char *z)
{
    if (z && *z)
        cJSON_AddStringToObject(o, key, z);
}

static void add_copy(const cJSON *from, const char *key, cJSON *o)
{
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(from, key);
    if (v)
        cJSON_AddItemToObject(o, key, cJSON_Duplicate(v, true));
}

/* What the verdict's evidence says, as it says it. */
static void add_evidence(const cJSON *verdict, cJSON *o)
{
    static const char *const keys[] = {"shapes_passed",
                                       "shapes_refused",
                                       "runs",
                                       "worst_error_over_tolerance",
                                       "precision",
                                       "effective_roundoff",
                                       "schedule_dependent",
                                       "schedule",
                                       "relations",
                                       "compiler",
                                       "arch",
                                       "seed"};
    const cJSON *e = cJSON_GetObjectItemCaseSensitive(verdict, "evidence");
    for (size_t i = 0; i < WS_COUNT(keys); i++)
        add_copy(e, keys[i], o);
    add_copy(verdict, "warning", o);
}

static void add_verdict(exp_job *j, const cJSON *verdict, cJSON *o)
{
    const db_candidate *c = j->in->candidate;
    cJSON *v = cJSON_AddObjectToObject(o, "verdict");
    add_text(v, "reason", c->reason ? c->reason : "pass");
    ws_json_add_int(v, "level", c->level);
    add_text(v, "level_name", vfy_level_name((vfy_level)c->level));
    add_evidence(verdict, v);
    cJSON *shapes = cJSON_AddArrayToObject(o, "checked");
    for (int i = 0; i < j->in->spec->n_checks; i++) {
        cJSON *dims = cJSON_CreateObject();
        add_dims(j->in->spec, i, dims);
        cJSON_AddItemToArray(shapes, dims);
    }
    add_text(o, "precision",
             cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(v, "precision")));
}

static void add_time(exp_job *j, cJSON *o, double seconds, const char *kind)
{
    if (!(seconds > 0))
        return;
    cJSON *t = cJSON_CreateObject();
    ws_json_add_double(t, "seconds", seconds);
    add_text(t, "kind", kind);
    add_text(t, "gpu", j->in->candidate->gpu);
    add_dims(j->in->spec, -1, cJSON_AddObjectToObject(t, "shape"));
    cJSON_AddItemToArray(o, t);
}

static void add_origin(exp_job *j, cJSON *o)
{
    const db_candidate *c = j->in->candidate;
    const db_run *r = j->in->run;
    cJSON *from = cJSON_AddObjectToObject(o, "origin");
    add_text(from, "written_by", exp_author(j));
    add_text(from, "date", c->created);
    if (r && r->name[0]) {
        add_text(from, "run", r->name);
        ws_json_add_int(from, "candidate", c->id);
        ws_json_add_int(from, "round", c->round);
        add_text(from, "model", r->scripted ? NULL : r->model);
    }
}

static void add_images(exp_job *j, cJSON *o)
{
    cJSON *list = cJSON_AddArrayToObject(o, "images");
    for (int i = 0; i < j->n_images; i++) {
        const exp_image *image = &j->image[i];
        cJSON *one = cJSON_CreateObject();
        add_text(one, "form", image->is_ptx ? "ptx" : "cubin");
        add_text(one, "arch", image->arch);
        if (j->any_baked)
            add_text(one, "for", j->variant[image->variant].what);
        ws_json_add_int(one, "bytes", (int64_t)image->n);
        add_text(one, "sha256", image->sha256);
        cJSON_AddItemToArray(list, one);
    }
}

static cJSON *make(exp_job *j, const cJSON *verdict)
{
    const exp_input *in = j->in;
    cJSON *o = cJSON_CreateObject();
    ws_json_add_int(o, "schema", 1);
    add_text(o, "kind", "warpsmith export");
    add_text(o, "name", j->name);
    add_text(o, "symbol", ws_arena_printf(&j->arena, "%s_%s", j->name, j->tag));
    cJSON *s = cJSON_AddObjectToObject(o, "spec");
    add_text(s, "name", in->spec->name);
    add_text(s, "sha256", in->spec->sha256);
    add_text(o, "source_sha256", j->source_sha256);
    add_text(o, "kernels_sha256", j->kernels_sha256);
    add_text(o, "packet_sha256", in->packet_sha256);
    add_verdict(j, verdict, o);
    cJSON *tune = cJSON_AddObjectToObject(o, "tunables");
    for (int i = 0; i < j->plan->n_tune; i++)
        ws_json_add_int(tune, j->plan->tune[i].name, j->tune[i]);
    cJSON *times = cJSON_AddArrayToObject(o, "times");
    add_time(j, times, in->candidate->measured_s, "measured");
    add_time(j, times, in->candidate->modelled_s, "modelled");
    add_text(o, "compiler", j->compiler);
    if (j->n_images)
        add_images(j, o);
    add_origin(j, o);
    return o;
}

void exp_put_lines(const char *json, const char *prefix, ws_buf *out)
{
    for (const char *p = json; *p; p++) {
        if (*p == '\t') /* cJSON indents by tabs and puts one behind each colon */
            ws_buf_adds(out, p > json && p[-1] == ':' ? " " : "  ");
        else if (*p == '/' && (p[1] == '*' || (p > json && p[-1] == '*')))
            ws_buf_adds(out, "\\/"); /* neither begins nor ends a comment */
        else
            ws_buf_addc(out, *p);
        if (*p == '\n')
            ws_buf_adds(out, prefix);
    }
}

ws_status exp_evidence_json(exp_job *j, cJSON **out, ws_err *err)
{
    const char *json = j->in->verdict_json;
    cJSON *verdict = NULL;
    if (json && *json && ws_json_parse(json, strlen(json), &verdict, err))
        return ws_wrap(err, "the stored verdict");
    *out = make(j, verdict);
    cJSON_Delete(verdict);
    return WS_OK;
}

ws_status exp_put_evidence_json(exp_job *j, const char *prefix, ws_buf *out, ws_err *err)
{
    cJSON *evidence = NULL;
    ws_buf json = {.max = EXP_MAX_BYTES};
    if (exp_evidence_json(j, &evidence, err))
        return err->status;
    ws_json_print(evidence, true, &json);
    ws_buf_printf(out, "%swarpsmith-evidence:begin\n%s", prefix, prefix);
    exp_put_lines(ws_buf_z(&json), prefix, out);
    ws_buf_printf(out, "\n%swarpsmith-evidence:end\n", prefix);
    ws_buf_release(&json);
    cJSON_Delete(evidence);
    return WS_OK;
}
