/* What a data set says of itself: a manifest for programs, a card for people. */
#include "results/dataset_parts.h"

#include <inttypes.h>
#include <string.h>

static cJSON *specs_json(const data_result *r)
{
    cJSON *list = cJSON_CreateArray();
    for (int i = 0; i < r->n_specs; i++) {
        const data_spec *d = &r->spec[i];
        cJSON *o = cJSON_CreateObject();
        cJSON_AddStringToObject(o, "spec", d->name);
        cJSON_AddStringToObject(o, "spec_sha256", d->sha256);
        cJSON_AddStringToObject(o, "op_family", d->family);
        cJSON_AddStringToObject(o, "structure", d->structure);
        cJSON_AddStringToObject(o, "split", d->held_out ? "test" : "train");
        ws_json_add_int(o, "rows", d->rows);
        if (d->flaw)
            cJSON_AddStringToObject(o, "flaw", d->flaw);
        cJSON_AddBoolToObject(o, "lint_complete", d->lint_complete);
        cJSON_AddItemToArray(list, o);
    }
    return list;
}

static cJSON *reward_rule(vfy_reward_scheme scheme)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddNumberToObject(o, "version", VFY_REWARD_VERSION);
    cJSON_AddStringToObject(o, "scheme", vfy_reward_scheme_name(scheme));
    cJSON_AddNumberToObject(o, "cap", VFY_REWARD_CAP);
    cJSON *w = cJSON_AddObjectToObject(o, "weights");
    for (int p = 0; p < VFY_REWARD_PART_COUNT; p++)
        cJSON_AddNumberToObject(w, vfy_reward_part_name((vfy_reward_part)p),
                                vfy_reward_weight((vfy_reward_part)p));
    return o;
}

cJSON *data_manifest(const data_options *o, const data_result *r)
{
    cJSON *m = cJSON_CreateObject();
    cJSON_AddNumberToObject(m, "schema", 1);
    cJSON_AddStringToObject(m, "format", o->format->name);
    cJSON_AddStringToObject(m, "trainer", o->format->trainer);
    cJSON_AddStringToObject(m, "tool", "warpsmith");
    cJSON_AddStringToObject(m, "tool_version", o->tool_version);
    cJSON *rows = cJSON_AddObjectToObject(m, "rows");
    ws_json_add_int(rows, "train", r->rows[0]);
    ws_json_add_int(rows, "test", r->rows[1]);
    cJSON_AddItemToObject(m, "reward", reward_rule(o->scheme));
    if (o->format->kind != DATA_PROMPTS)
        cJSON_AddNumberToObject(m, "min_speedup", o->min_speedup);
    if (o->format->kind == DATA_PAIRS)
        cJSON_AddNumberToObject(m, "margin", o->margin);
    cJSON *left = cJSON_AddArrayToObject(m, "left_out");
    for (int i = 0; i < DATA_OUT_COUNT; i++)
        if (r->left_out[i]) {
            cJSON *e = cJSON_CreateObject();
            ws_json_add_int(e, "count", r->left_out[i]);
            cJSON_AddStringToObject(e, "why", data_left_out_text((data_left_out)i));
            cJSON_AddItemToArray(left, e);
        }
    ws_json_add_int(m, "scrubbed", r->scrubbed);
    cJSON_AddItemToObject(m, "specs", specs_json(r));
    return m;
}

static void add_files(const data_result *r, ws_buf *out)
{
    static const char *const names[] = {"train", "test"};
    ws_buf_adds(out, "configs:\n- config_name: default\n  data_files:\n");
    for (int i = 0; i < 2; i++)
        if (r->rows[i])
            ws_buf_printf(out, "  - split: %s\n    path: %s.jsonl\n", names[i], names[i]);
}

void data_card(const data_options *o, const data_result *r, ws_buf *out)
{
    ws_buf_adds(out, "---\n");
    if (r->rows[0] + r->rows[1])
        add_files(r, out);
    ws_buf_printf(out,
                  "tags:\n- cuda\n- code\n- warpsmith\n---\n\n# CUDA kernels with verdicts\n\n"
                  "Format `%s` (%s): %s. %" PRId64 " rows for training, %" PRId64 " held out.\n\n"
                  "Written by Warpsmith %s from its archive. Rewards are of version %d, scheme "
                  "`%s`. Times are modelled where `time_kind` says so. Keys, e-mail addresses and "
                  "paths in texts were replaced: %" PRId64 ".\n\n"
                  "Held out are whole op families; no spec, and no spec of the same structure, is "
                  "in both splits.\n\n"
                  "| spec | op family | split | rows | |\n|---|---|---|---|---|\n",
                  o->format->name, o->format->trainer, o->format->summary, r->rows[0], r->rows[1],
                  o->tool_version, VFY_REWARD_VERSION, vfy_reward_scheme_name(o->scheme),
                  r->scrubbed);
    for (int i = 0; i < r->n_specs; i++) {
        const data_spec *d = &r->spec[i];
        ws_buf_printf(out, "| %s | %s | %s | %" PRId64 " | %s%s |\n", d->name, d->family,
                      d->held_out ? "test" : "train", d->rows, d->flaw ? "flawed: " : "",
                      d->flaw ? d->flaw : "");
    }
    ws_buf_adds(out, "\nLeft out:\n\n");
    for (int i = 0; i < DATA_OUT_COUNT; i++)
        if (r->left_out[i])
            ws_buf_printf(out, "- %" PRId64 " %s\n", r->left_out[i],
                          data_left_out_text((data_left_out)i));
}
