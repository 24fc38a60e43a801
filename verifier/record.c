#include "verifier/record.h"

#include "base/json.h"
#include "base/sha256.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct vfy_record {
    cJSON *compiles, *checks, *coverage;
    char what[64], note[256], choice[160];
};

vfy_record *vfy_record_new(void)
{
    vfy_record *r = ws_calloc(1, sizeof *r);
    r->compiles = cJSON_CreateArray();
    r->checks = cJSON_CreateArray();
    r->coverage = cJSON_CreateArray();
    return r;
}

void vfy_record_free(vfy_record *r)
{
    if (!r)
        return;
    cJSON_Delete(r->compiles);
    cJSON_Delete(r->checks);
    cJSON_Delete(r->coverage);
    free(r);
}

void vfy_record_take(vfy_record *r, cJSON *packet)
{
    cJSON_AddItemToObject(packet, "compiles", r->compiles);
    cJSON_AddItemToObject(packet, "checks", r->checks);
    cJSON_AddItemToObject(packet, "coverage", r->coverage);
    r->compiles = r->checks = r->coverage = NULL;
}

void vfy_record_of(vfy_record *r, const char *what, const char *note)
{
    if (!r)
        return;
    snprintf(r->what, sizeof r->what, "%s", what ? what : "");
    snprintf(r->note, sizeof r->note, "%s", note ? note : "");
}

void vfy_record_choice(vfy_record *r, const char *choice)
{
    if (r)
        snprintf(r->choice, sizeof r->choice, "%s", choice);
}

/* Six digits: the last bits of a reference may differ with the machine's mathematical library. */
static void add_ratio(cJSON *o, const char *key, double ratio)
{
    char text[32];
    snprintf(text, sizeof text, "%.6g", ratio);
    cJSON_AddStringToObject(o, key, text);
}

static void add_seed(cJSON *o, const char *key, uint64_t seed)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRIu64, seed);
    cJSON_AddStringToObject(o, key, text);
}

/* ---- compiles ---- */

/* "DIM_B=16 DIM_N=257 BLOCK=128" */
static void macros_text(const plan_bound *b, ws_buf *out)
{
    for (size_t i = 0; i < b->n_macros; i++)
        ws_buf_printf(out, "%s%s=%" PRId64, i ? " " : "", b->macro[i].name, b->macro[i].value);
}

static bool has_compile(const vfy_record *r, const char *macros, bool cubin)
{
    const cJSON *c;
    cJSON_ArrayForEach(c, r->compiles)
    {
        const char *m = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(c, "macros"));
        if (m && strcmp(m, macros) == 0 && (!cubin || cJSON_HasObjectItem(c, "cubin_sha256")))
            return true;
    }
    return false;
}

void vfy_record_compile(vfy_record *r, const plan_bound *b, bool cubin, const comp_result *c)
{
    ws_buf macros = {0};
    if (!r || !c->ok)
        return;
    macros_text(b, &macros);
    if (!has_compile(r, ws_buf_z(&macros), cubin)) {
        cJSON *o = cJSON_CreateObject();
        char sha[WS_SHA256_HEX];
        cJSON_AddStringToObject(o, "macros", ws_buf_z(&macros));
        cJSON_AddStringToObject(o, "ptx_sha256", c->ptx_sha256);
        if (cubin && c->cubin) {
            ws_sha256_of(c->cubin, c->cubin_bytes, sha);
            cJSON_AddStringToObject(o, "cubin_sha256", sha);
        }
        cJSON_AddItemToArray(r->compiles, o);
    }
    ws_buf_release(&macros);
}

/* ---- runs ---- */

static cJSON *new_check(vfy_record *r, vfy_level level, const char *what, const char *shape)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddNumberToObject(o, "level", level);
    cJSON_AddStringToObject(o, "what", what);
    if (r->choice[0])
        cJSON_AddStringToObject(o, "tunables", r->choice);
    cJSON_AddStringToObject(o, "shape", shape);
    cJSON_AddItemToArray(r->checks, o);
    return o;
}

static const char *schedule_name(ptx_schedule s)
{
    return s == PTX_SCHED_RANDOM ? "random" : s == PTX_SCHED_REVERSE ? "reverse" : "round robin";
}

static void add_outputs(cJSON *o, const vfy_run *run)
{
    cJSON *outputs = cJSON_AddObjectToObject(o, "outputs_sha256");
    for (int i = 0; i < run->n_tensors; i++) {
        const run_tensor *t = &run->tensor[i];
        char sha[WS_SHA256_HEX];
        if (t->role != RUN_OUTPUT || !t->out)
            continue;
        ws_sha256_of(t->out, t->bytes, sha);
        cJSON_AddStringToObject(outputs, t->name, sha);
    }
}

void vfy_record_run(vfy_record *r, const vfy_run *run, hx_reason reason, double ratio)
{
    if (!r || !run->c)
        return;
    const char *what = r->what[0] ? r->what : run->state ? "state kept from run to run" : "run";
    cJSON *o = new_check(r, VFY_EMULATED, what, run->c->shape);
    cJSON_AddStringToObject(o, "inputs", run->c->name);
    add_seed(o, "seed", run->c->seed);
    cJSON_AddStringToObject(o, "schedule", schedule_name(run->schedule));
    if (run->schedule_seed)
        add_seed(o, "schedule_seed", run->schedule_seed);
    if (r->note[0])
        cJSON_AddStringToObject(o, "if_wrong", r->note);
    cJSON_AddStringToObject(o, "result", hx_reason_name(reason));
    if (run->rep.reason != HX_PASS || run->state)
        return;
    add_ratio(o, "worst_error_over_tolerance", ratio);
    add_outputs(o, run);
}

void vfy_record_check(vfy_record *r, vfy_level level, const char *what, const char *shape,
                      hx_reason reason, const char *showed)
{
    if (!r)
        return;
    cJSON *o = new_check(r, level, what, shape);
    cJSON_AddStringToObject(o, "result", hx_reason_name(reason));
    if (showed && showed[0])
        cJSON_AddStringToObject(o, "showed", showed);
}
