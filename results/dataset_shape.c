/* What a row looks like: one function a shape, and the table of formats. No column is ever null and
 * each has one type, as loaders that infer a schema need it; what there is none of is "" or 0. */
#include "results/dataset_parts.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- messages ---- */

static const cJSON *get(const cJSON *o, const char *key)
{
    return cJSON_GetObjectItemCaseSensitive(o, key);
}

/* Of a string, or of a list of parts with a text each. */
static void add_text(const cJSON *content, ws_buf *out)
{
    const cJSON *part;
    if (cJSON_IsString(content))
        ws_buf_adds(out, content->valuestring);
    else
        cJSON_ArrayForEach(part, content) add_text(
            cJSON_IsString(part) ? part : get(part, "text"), out);
}

static void add_message(cJSON *list, const char *role, const cJSON *content)
{
    ws_buf text = {0};
    add_text(content, &text);
    if (text.n) {
        cJSON *m = cJSON_CreateObject();
        cJSON_AddStringToObject(m, "role", role);
        cJSON_AddStringToObject(m, "content", ws_buf_z(&text));
        cJSON_AddItemToArray(list, m);
    }
    ws_buf_release(&text);
}

cJSON *data_messages(const char *body)
{
    cJSON *root = cJSON_Parse(body), *list = cJSON_CreateArray();
    const cJSON *m, *turns = get(root, "messages");
    const cJSON *system = get(root, "system"); /* Messages */
    if (!turns) {                              /* Responses */
        turns = get(root, "input");
        system = get(root, "instructions");
    }
    if (system)
        add_message(list, "system", system);
    if (cJSON_IsString(turns))
        add_message(list, "user", turns);
    else
        cJSON_ArrayForEach(m, turns)
        {
            const char *role = cJSON_GetStringValue(get(m, "role"));
            if (role)
                add_message(list, strcmp(role, "developer") == 0 ? "system" : role,
                            get(m, "content"));
        }
    cJSON_Delete(root);
    if (!cJSON_GetArraySize(list)) {
        cJSON_Delete(list);
        return NULL;
    }
    return list;
}

static cJSON *message(const char *role, const char *content)
{
    cJSON *m = cJSON_CreateObject();
    cJSON_AddStringToObject(m, "role", role);
    cJSON_AddStringToObject(m, "content", content);
    return m;
}

/* [{"role": "assistant", ...}] */
static cJSON *completion(const data_reply *r)
{
    cJSON *list = cJSON_CreateArray();
    cJSON_AddItemToArray(list, message("assistant", r->text));
    return list;
}

static cJSON *prompt(const data_reply *r)
{
    return cJSON_Duplicate(r->prompt, true);
}

/* ---- where it comes from ---- */

static void add_string(cJSON *o, const char *key, const char *value)
{
    cJSON_AddStringToObject(o, key, value ? value : "");
}

/* Always with a point or an exponent: readers take a column of 0 and 1 for whole numbers, and then
 * stumble over 0.5. */
static void add_number(cJSON *o, const char *key, double v)
{
    char text[40];
    snprintf(text, sizeof text, "%.17g", isfinite(v) && v > 0 ? v : 0);
    size_t n = strlen(text);
    if (!strpbrk(text, ".e"))
        snprintf(text + n, sizeof text - n, ".0");
    cJSON_AddRawToObject(o, key, text);
}

static void add_source(cJSON *o, const data_options *opt, const data_reply *r)
{
    const bool scripted = r->run->scripted;
    add_string(o, "run", r->run->name);
    ws_json_add_int(o, "call", r->call->id);
    ws_json_add_int(o, "turn", r->call->turn);
    add_string(o, "purpose", r->call->purpose);
    add_string(o, "strategy", r->run->strategy);
    add_string(o, "model", r->call->model ? r->call->model : r->run->model);
    add_string(o, "provider", r->call->provider);
    cJSON_AddBoolToObject(o, "scripted", scripted);
    add_string(o, "license", opt->license ? opt->license : scripted ? "Apache-2.0" : "not stated");
    add_string(o, "tool_version", opt->tool_version);
}

static cJSON *provenance(const data_options *opt, const data_reply *r)
{
    cJSON *o = cJSON_CreateObject();
    const db_candidate *c = r->candidate;
    add_source(o, opt, r);
    if (!c)
        return o;
    ws_json_add_int(o, "candidate", c->id);
    ws_json_add_int(o, "parent", c->parent);
    add_string(o, "created", c->created);
    add_string(o, "reason", c->reason);
    cJSON_AddNumberToObject(o, "level", c->level);
    add_string(o, "level_name", vfy_level_name((vfy_level)c->level));
    add_string(o, "depth", r->depth);
    add_number(o, "reward", r->reward.total);
    cJSON_AddBoolToObject(o, "reward_known", r->reward.known);
    cJSON_AddNumberToObject(o, "reward_version", VFY_REWARD_VERSION);
    add_string(o, "reward_scheme", vfy_reward_scheme_name(opt->scheme));
    for (int p = 0; p < VFY_REWARD_PART_COUNT; p++) {
        char key[40];
        snprintf(key, sizeof key, "reward_%s", vfy_reward_part_name((vfy_reward_part)p));
        add_number(o, key, r->reward.part[p]);
    }
    add_number(o, "speedup", r->reward.speedup);
    add_number(o, "seconds", r->seconds);
    add_string(o, "time_kind",
               !(r->seconds > 0)    ? ""
               : r->reward.measured ? "measured"
                                    : "modelled");
    ws_json_add_seed(o, "seed", r->seed);
    add_string(o, "compiler", r->compiler);
    add_string(o, "source_sha256", c->source_sha256);
    add_string(o, "ptx_sha256", c->ptx_sha256);
    cJSON_AddNumberToObject(o, "scrubbed", r->scrubbed);
    return o;
}

/* What `warpsmith serve` and a reward function need to judge what is sampled. */
static void add_spec(cJSON *o, const data_reply *r)
{
    add_string(o, "spec", r->spec->name);
    add_string(o, "spec_sha256", r->spec->sha256);
    add_string(o, "op_family", r->spec->family);
    add_string(o, "gpu", r->run->gpu);
    add_string(o, "arch", r->arch);
    add_string(o, "split", r->spec->held_out ? "test" : "train");
}

/* ---- shapes ---- */

typedef void (*shape)(cJSON *o, const data_options *opt, const data_reply *a, const data_reply *b,
                      int64_t index);

static void add_common(cJSON *o, const data_options *opt, const data_reply *a)
{
    add_spec(o, a);
    cJSON_AddItemToObject(o, "provenance", provenance(opt, a));
}

static void shape_prompt_completion(cJSON *o, const data_options *opt, const data_reply *a,
                                    const data_reply *b, int64_t index)
{
    (void)b, (void)index;
    cJSON_AddItemToObject(o, "prompt", prompt(a));
    cJSON_AddItemToObject(o, "completion", completion(a));
    add_common(o, opt, a);
}

static void shape_kto(cJSON *o, const data_options *opt, const data_reply *a, const data_reply *b,
                      int64_t index)
{
    shape_prompt_completion(o, opt, a, b, index);
    cJSON_AddBoolToObject(o, "label", a->reward.part[VFY_REWARD_CORRECT] > 0);
}

static void shape_grpo(cJSON *o, const data_options *opt, const data_reply *a, const data_reply *b,
                       int64_t index)
{
    (void)b, (void)index;
    cJSON_AddItemToObject(o, "prompt", prompt(a));
    add_common(o, opt, a);
}

static void add_pair(cJSON *o, const data_options *opt, const data_reply *a, const data_reply *b)
{
    add_spec(o, a);
    add_string(o, "pair", strcmp(a->prompt_sha256, b->prompt_sha256) == 0 ? "prompt" : "parent");
    cJSON_AddItemToObject(o, "provenance", provenance(opt, a));
    cJSON_AddItemToObject(o, "rejected_provenance", provenance(opt, b));
}

static void shape_dpo(cJSON *o, const data_options *opt, const data_reply *a, const data_reply *b,
                      int64_t index)
{
    (void)index;
    cJSON_AddItemToObject(o, "prompt", prompt(a));
    cJSON_AddItemToObject(o, "chosen", completion(a));
    cJSON_AddItemToObject(o, "rejected", completion(b));
    add_pair(o, opt, a, b);
}

static void shape_verl(cJSON *o, const data_options *opt, const data_reply *a, const data_reply *b,
                       int64_t index)
{
    (void)b;
    cJSON_AddStringToObject(o, "data_source", "warpsmith");
    cJSON_AddItemToObject(o, "prompt", prompt(a));
    cJSON_AddStringToObject(o, "ability", "cuda");
    cJSON *reward = cJSON_AddObjectToObject(o, "reward_model");
    cJSON_AddStringToObject(reward, "style", "rule");
    cJSON_AddStringToObject(reward, "ground_truth", a->spec->name);
    cJSON *extra = cJSON_AddObjectToObject(o, "extra_info");
    ws_json_add_int(extra, "index", index);
    add_common(extra, opt, a);
}

static void shape_openrlhf(cJSON *o, const data_options *opt, const data_reply *a,
                           const data_reply *b, int64_t index)
{
    (void)b, (void)index;
    cJSON_AddItemToObject(o, "input", prompt(a));
    cJSON_AddStringToObject(o, "label", a->spec->name);
    add_common(o, opt, a);
}

static void shape_tinker(cJSON *o, const data_options *opt, const data_reply *a,
                         const data_reply *b, int64_t index)
{
    (void)b, (void)index;
    cJSON *messages = prompt(a);
    cJSON_AddItemToArray(messages, message("assistant", a->text));
    cJSON_AddItemToObject(o, "messages", messages);
    add_common(o, opt, a);
}

/* The better one is A as often as B, by what the prompt is: no place is a hint. */
static void shape_tinker_pairs(cJSON *o, const data_options *opt, const data_reply *a,
                               const data_reply *b, int64_t index)
{
    const bool first = (a->candidate->source_sha256[0] & 1) == 0;
    (void)index;
    cJSON *c = cJSON_AddObjectToObject(o, "comparison");
    cJSON_AddItemToObject(c, "prompt_conversation", prompt(a));
    cJSON_AddItemToObject(c, "completion_A", completion(first ? a : b));
    cJSON_AddItemToObject(c, "completion_B", completion(first ? b : a));
    cJSON_AddStringToObject(o, "label", first ? "A" : "B");
    add_pair(o, opt, a, b);
}

/* ---- formats ---- */

const data_format data_formats[] = {
    {"trl-sft", DATA_WINNERS, "TRL", "right and fast kernels as prompt and completion"},
    {"trl-grpo", DATA_PROMPTS, "TRL", "prompts, with the spec that a reward function judges by"},
    {"trl-dpo", DATA_PAIRS, "TRL", "a chosen and a rejected reply to one prompt"},
    {"trl-kto", DATA_LABELS, "TRL", "replies with a label: right and fast, or wrong"},
    {"verl", DATA_PROMPTS, "verl", "prompts with data_source, reward_model and extra_info"},
    {"openrlhf", DATA_PROMPTS, "OpenRLHF", "prompts as 'input' and specs as 'label'"},
    {"tinker", DATA_WINNERS, "tinker-cookbook", "conversations that end in such a kernel"},
    {"tinker-pairs", DATA_PAIRS, "tinker-cookbook", "comparisons of two replies"},
    {0}};

static const shape shapes[] = {shape_prompt_completion, shape_grpo,   shape_dpo,
                               shape_kto,               shape_verl,   shape_openrlhf,
                               shape_tinker,            shape_tinker_pairs};
_Static_assert(sizeof shapes / sizeof *shapes + 1 == sizeof data_formats / sizeof *data_formats,
               "a shape for each format");

const data_format *data_format_find(const char *name)
{
    for (const data_format *f = data_formats; f->name; f++)
        if (strcmp(f->name, name) == 0)
            return f;
    return NULL;
}

cJSON *data_row(const data_options *o, const data_reply *a, const data_reply *b, int64_t index)
{
    cJSON *row = cJSON_CreateObject();
    shapes[o->format - data_formats](row, o, a, b, index);
    return row;
}
