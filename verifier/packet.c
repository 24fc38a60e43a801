#include "verifier/packet.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/pool.h"
#include "base/sha256.h"
#include "harness/plan/plan.h"
#include "verifier/record.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* In the order of ptx_mma_model. */
static const char *const mma_name[] = {"target", "hopper", "ampere", "exact"};
static const char *const depth_name[] = {"quick", "full"};

/* How every source is compiled, but for the paths of the headers (harness/compile/nvrtc.c). */
static const char *const compiler_options[] = {"--std=c++17", "-default-device", "--device-int128",
                                               "-lineinfo", "--fmad=true"};

/* ---- making ---- */

static void add_sha(cJSON *o, const char *text, size_t n)
{
    char sha[WS_SHA256_HEX];
    ws_sha256_of(text, n, sha);
    cJSON_AddStringToObject(o, "sha256", sha);
}

static void add_subject(cJSON *p, const vfy_packet_request *q)
{
    cJSON *o = cJSON_AddObjectToObject(p, "spec");
    ws_buf text = {0};
    ws_json_print(q->spec->root, false, &text);
    cJSON_AddStringToObject(o, "name", q->spec->name);
    add_sha(o, ws_buf_z(&text), text.n);
    cJSON_AddStringToObject(o, "text", ws_buf_z(&text));
    ws_buf_release(&text);
    o = cJSON_AddObjectToObject(p, "source");
    cJSON_AddStringToObject(o, "file", q->file);
    add_sha(o, q->source, q->n);
    cJSON_AddStringToObject(o, "text", q->source);
}

static void add_options(cJSON *p, const vfy_packet_request *q, uint64_t seed)
{
    cJSON *o = cJSON_AddObjectToObject(p, "options");
    cJSON_AddStringToObject(o, "arch", q->arch);
    cJSON_AddStringToObject(o, "gpu", q->gpu);
    cJSON_AddStringToObject(o, "mma_model", mma_name[q->mma_model]);
    cJSON_AddStringToObject(o, "depth", depth_name[q->depth]);
    cJSON_AddBoolToObject(o, "field", q->field);
    cJSON_AddNumberToObject(o, "choices", q->choices);
    ws_json_add_seed(o, "seed", seed);
    cJSON_AddNumberToObject(o, "wall_seconds", q->wall_seconds);
    cJSON_AddItemToObject(o, "tune",
                          q->tune ? cJSON_Duplicate(q->tune, true) : cJSON_CreateObject());
}

/* Six digits of what is no whole number: the last bits of a reference may differ with the machine's
 * mathematical library. */
static void round_numbers(cJSON *v)
{
    char text[32];
    if (cJSON_IsNumber(v) && v->valuedouble != floor(v->valuedouble)) {
        snprintf(text, sizeof text, "%.6g", v->valuedouble);
        cJSON_SetNumberValue(v, strtod(text, NULL));
    }
    for (cJSON *c = v->child; c; c = c->next)
        round_numbers(c);
}

/* The verdict without what has a place of its own in the packet, and without times. */
static void add_verdict(cJSON *p, const vfy_verdict *v)
{
    static const char *const elsewhere[] = {"source_sha256", "ptx_sha256",  "compiler",
                                            "arch",          "compile_seconds", "run_seconds",
                                            "total_seconds"};
    ws_buf text = {0};
    cJSON *made = vfy_verdict_json(v), *o;
    cJSON *e = cJSON_GetObjectItemCaseSensitive(made, "evidence");
    for (size_t i = 0; i < WS_COUNT(elsewhere); i++)
        cJSON_DeleteItemFromObjectCaseSensitive(e, elsewhere[i]);
    cJSON_DeleteItemFromObjectCaseSensitive(cJSON_GetObjectItemCaseSensitive(made, "field"),
                                            "seconds");
    cJSON_DeleteItemFromObjectCaseSensitive(made, "schema");
    cJSON_DeleteItemFromObjectCaseSensitive(made, "modelled");
    cJSON_DeleteItemFromObjectCaseSensitive(made, "launches");
    cJSON_DeleteItemFromObjectCaseSensitive(made, "plan_launches");
    ws_json_print(made, false, &text); /* raw parts of it become values */
    cJSON_Delete(made);
    o = cJSON_Parse(ws_buf_z(&text));
    ws_buf_release(&text);
    round_numbers(o);
    cJSON_AddItemToObject(p, "verdict", o);
}

static void add_compiler(cJSON *p, const vfy_verdict *v)
{
    cJSON *o = cJSON_AddObjectToObject(p, "compiler");
    cJSON_AddStringToObject(o, "version", v->compiler);
    cJSON_AddItemToObject(o, "options",
                          cJSON_CreateStringArray(compiler_options, WS_COUNT(compiler_options)));
}

/* What need not be the same elsewhere, or another day. */
static void add_circumstances(cJSON *p, const vfy_verdict *v)
{
    char now[WS_UTC_SIZE];
    cJSON *o = cJSON_AddObjectToObject(p, "circumstances");
    ws_utc_now(now);
    cJSON_AddStringToObject(o, "made", now);
    cJSON_AddNumberToObject(o, "cores", ws_cpu_count());
    ws_json_add_double(o, "compile_seconds", v->compile_seconds);
    ws_json_add_double(o, "run_seconds", v->run_seconds);
    ws_json_add_double(o, "total_seconds", v->total_seconds);
    if (v->has_model)
        ws_json_add_double(o, "modelled_seconds", v->model.seconds);
}

/* The values of all tunables in the plan's order, NULL for the defaults. */
static ws_status find_tune(const vfy_packet_request *q, const vfy_session *s, ws_arena *a,
                           const int64_t **out, ws_err *err)
{
    const spec *of = NULL;
    hx_diag d = {0};
    plan *p = NULL;
    *out = NULL;
    if (!q->tune || !plan_parse(a, q->source, q->n, vfy_session_names(s, &of), &p, &d))
        return WS_OK; /* a plan that cannot be read is the verdict's */
    int64_t *value = WS_ARENA_NEW(a, int64_t, p->n_tune + 1);
    *out = value;
    return plan_choice_read(p, q->tune, value, err) ? ws_wrap(err, "options.tune") : WS_OK;
}

ws_status vfy_packet_make(const vfy_packet_request *q, comp_service *comp, vfy_verdict *v,
                          cJSON **out, ws_err *err)
{
    ws_arena a = {0};
    vfy_session *s = NULL;
    vfy_record *record = vfy_record_new();
    vfy_options o = {.arch = q->arch, .gpu = q->gpu, .seed = q->seed, .mma_model = q->mma_model,
                     .depth = q->depth, .wall_seconds = q->wall_seconds, .file = q->file,
                     .max_level = q->field ? VFY_ALGEBRAIC : VFY_EMULATED, .threads = 1,
                     .record = record};
    ws_status st = vfy_session_open(q->spec, comp, &s, err);
    if (!st)
        st = find_tune(q, s, &a, &o.tune, err);
    if (!st)
        st = vfy_verify_choices(s, q->source, q->n, &o, q->choices, v, err);
    if (!st) {
        ws_buf text = {0};
        cJSON *p = cJSON_CreateObject();
        cJSON_AddNumberToObject(p, "schema", VFY_PACKET_SCHEMA);
        cJSON_AddStringToObject(p, "kind", "warpsmith packet");
        cJSON_AddStringToObject(p, "tool", q->tool_version);
        add_subject(p, q);
        add_options(p, q, v->seed);
        add_compiler(p, v);
        add_verdict(p, v);
        vfy_record_take(record, p);
        ws_json_print(p, false, &text);
        add_sha(p, ws_buf_z(&text), text.n);
        ws_buf_release(&text);
        add_circumstances(p, v);
        *out = p;
    }
    vfy_session_close(s);
    vfy_record_free(record);
    ws_arena_release(&a);
    return st;
}

/* ---- reading ---- */

static ws_status read_name(const cJSON *o, const char *key, const char *const *names, int n,
                           int *out, ws_err *err)
{
    const char *z;
    if (ws_json_string(o, "options", key, &z, err))
        return err->status;
    for (*out = 0; *out < n; (*out)++)
        if (strcmp(names[*out], z) == 0)
            return WS_OK;
    return ws_fail(err, WS_EINPUT, "options.%s: unknown value '%.40s'", key, z);
}

static ws_status read_seed(const cJSON *o, uint64_t *out, ws_err *err)
{
    const char *z;
    char *end;
    if (ws_json_string(o, "options", "seed", &z, err))
        return err->status;
    *out = strtoull(z, &end, 10);
    if (!isdigit((unsigned char)*z) || *end || !*out)
        return ws_fail(err, WS_EINPUT, "options.seed: '%.40s' is no seed", z);
    return WS_OK;
}

/* "sm_90a" */
static bool is_arch(const char *z)
{
    if (strncmp(z, "sm_", 3) != 0 || strlen(z) > 8)
        return false;
    size_t digits = strspn(z + 3, "0123456789");
    return digits >= 2 && (!z[3 + digits] || (strchr("af", z[3 + digits]) && !z[4 + digits]));
}

static ws_status read_options(const cJSON *o, vfy_packet_request *q, ws_err *err)
{
    const cJSON *field = cJSON_GetObjectItemCaseSensitive(o, "field"),
                *wall = cJSON_GetObjectItemCaseSensitive(o, "wall_seconds");
    int mma = 0, depth = 0;
    int64_t choices = 0;
    if (ws_json_string(o, "options", "arch", &q->arch, err) ||
        ws_json_string(o, "options", "gpu", &q->gpu, err) ||
        read_name(o, "mma_model", mma_name, WS_COUNT(mma_name), &mma, err) ||
        read_name(o, "depth", depth_name, WS_COUNT(depth_name), &depth, err) ||
        read_seed(o, &q->seed, err) || ws_json_object(o, "options", "tune", &q->tune, err))
        return err->status;
    if (!is_arch(q->arch))
        return ws_fail(err, WS_EINPUT, "options.arch: '%.40s' is no architecture", q->arch);
    if (!tim_gpu_find(q->gpu))
        return ws_fail(err, WS_EINPUT, "options.gpu: the cost model does not know '%.40s'", q->gpu);
    if (!cJSON_IsBool(field))
        return ws_fail(err, WS_EINPUT, "options.field: expected true or false");
    if (!ws_json_whole(cJSON_GetObjectItemCaseSensitive(o, "choices"), &choices) || choices < 0 ||
        choices > VFY_PACKET_CHOICES)
        return ws_fail(err, WS_EINPUT, "options.choices: expected 0 to %d", VFY_PACKET_CHOICES);
    if (!cJSON_IsNumber(wall) || !(wall->valuedouble >= 0 && wall->valuedouble <= 86400))
        return ws_fail(err, WS_EINPUT, "options.wall_seconds: expected 0 to 86400");
    q->mma_model = (ptx_mma_model)mma;
    q->depth = (vfy_depth)depth;
    q->field = cJSON_IsTrue(field);
    q->choices = (int)choices;
    q->wall_seconds = wall->valuedouble;
    return WS_OK;
}

static ws_status check_kind(const cJSON *p, ws_err *err)
{
    const char *kind;
    int64_t schema = 0;
    if (!cJSON_IsObject(p) || ws_json_string(p, "packet", "kind", &kind, err) ||
        strcmp(kind, "warpsmith packet") != 0) {
        *err = (ws_err){0};
        return ws_fail(err, WS_EINPUT, "this is no packet of warpsmith");
    }
    if (!ws_json_whole(cJSON_GetObjectItemCaseSensitive(p, "schema"), &schema) ||
        schema != VFY_PACKET_SCHEMA)
        return ws_fail(err, WS_EINPUT, "the packet's schema is not %d, which is what is known here",
                       VFY_PACKET_SCHEMA);
    return WS_OK;
}

ws_status vfy_packet_read(const cJSON *packet, vfy_packet_request *q,
                          const char **spec_name, const char **spec_text, ws_err *err)
{
    const cJSON *s, *source, *options;
    *q = (vfy_packet_request){0};
    if (check_kind(packet, err) || ws_json_object(packet, "packet", "spec", &s, err) ||
        ws_json_object(packet, "packet", "source", &source, err) ||
        ws_json_object(packet, "packet", "options", &options, err) ||
        ws_json_string(s, "spec", "name", spec_name, err) ||
        ws_json_string(s, "spec", "text", spec_text, err) ||
        ws_json_string(source, "source", "text", &q->source, err) ||
        ws_json_string(source, "source", "file", &q->file, err))
        return err->status;
    q->n = strlen(q->source);
    if (!*q->file || strlen(q->file) > 60 || strpbrk(q->file, "/\"\\\n"))
        return ws_fail(err, WS_EINPUT, "source.file: expected the name of a file");
    if (q->n > 1 << 20)
        return ws_fail(err, WS_EINPUT, "source.text: more than 1 MiB");
    return read_options(options, q, err);
}
