#include "verifier/record.h"

#include "base/json.h"
#include "base/sha256.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Over all runs of a shape with one choice of tunables. */
typedef struct covered {
    char shape[256], choice[160];
    ptx_cover *item;
    int n;
    bool more; /* than the engine keeps */
} covered;

struct vfy_record {
    cJSON *compiles, *checks;
    covered *covered;
    int n_covered, cap;
    char what[64], note[256], choice[160];
};

vfy_record *vfy_record_new(void)
{
    vfy_record *r = ws_calloc(1, sizeof *r);
    r->compiles = cJSON_CreateArray();
    r->checks = cJSON_CreateArray();
    return r;
}

void vfy_record_free(vfy_record *r)
{
    if (!r)
        return;
    cJSON_Delete(r->compiles);
    cJSON_Delete(r->checks);
    for (int i = 0; i < r->n_covered; i++)
        free(r->covered[i].item);
    free(r->covered);
    free(r);
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

/* ---- coverage ---- */

static covered *covered_at(vfy_record *r, const char *shape)
{
    for (int i = 0; i < r->n_covered; i++)
        if (strcmp(r->covered[i].shape, shape) == 0 && strcmp(r->covered[i].choice, r->choice) == 0)
            return &r->covered[i];
    WS_GROW(r->covered, r->n_covered, r->cap);
    covered *c = &r->covered[r->n_covered++];
    *c = (covered){.item = ws_calloc(PTX_MAX_COVER, sizeof *c->item)};
    snprintf(c->shape, sizeof c->shape, "%s", shape);
    snprintf(c->choice, sizeof c->choice, "%s", r->choice);
    return c;
}

static int by_line(const void *a, const void *b)
{
    const ptx_cover *x = a, *y = b;
    return x->line != y->line ? (x->line > y->line) - (x->line < y->line)
                              : (x->ptx_line > y->ptx_line) - (x->ptx_line < y->ptx_line);
}

static void add_covered(vfy_record *r, const char *shape, const ptx_report *rep)
{
    covered *to = covered_at(r, shape);
    const ptx_coverage *from = rep->coverage;
    to->more |= from && from->full;
    for (int i = 0; from && i < from->n; i++) {
        const ptx_cover *c = &from->item[i];
        int k = 0;
        while (k < to->n && by_line(&to->item[k], c) != 0)
            k++;
        if (k == PTX_MAX_COVER) {
            to->more = true;
            continue;
        }
        if (k == to->n)
            to->item[to->n++] =
                (ptx_cover){.line = c->line, .ptx_line = c->ptx_line, .known = true};
        to->item[k].threads += c->threads;
        to->item[k].went_on += c->went_on;
        to->item[k].known &= c->known;
    }
}

/* "lines": [[line, threads], ...], "branches": [[line, went on, jumped], ...]; null: not known. */
static cJSON *covered_json(covered *c)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "shape", c->shape);
    if (c->choice[0])
        cJSON_AddStringToObject(o, "tunables", c->choice);
    cJSON *lines = cJSON_AddArrayToObject(o, "lines");
    cJSON *branches = cJSON_AddArrayToObject(o, "branches");
    qsort(c->item, (size_t)c->n, sizeof *c->item, by_line);
    for (int i = 0; i < c->n; i++) {
        const ptx_cover *x = &c->item[i];
        const double at[3] = {x->line, (double)(x->ptx_line ? x->went_on : x->threads),
                              (double)(x->threads - x->went_on)};
        cJSON *a = cJSON_CreateDoubleArray(at, !x->ptx_line ? 2 : x->known ? 3 : 1);
        if (!x->known) {
            cJSON_AddItemToArray(a, cJSON_CreateNull());
            cJSON_AddItemToArray(a, cJSON_CreateNull());
        }
        cJSON_AddItemToArray(x->ptx_line ? branches : lines, a);
    }
    if (c->more)
        cJSON_AddBoolToObject(o, "incomplete", true);
    return o;
}

void vfy_record_take(vfy_record *r, cJSON *packet)
{
    cJSON_AddItemToObject(packet, "compiles", r->compiles);
    cJSON_AddItemToObject(packet, "checks", r->checks);
    r->compiles = r->checks = NULL;
    cJSON *coverage = cJSON_AddArrayToObject(packet, "coverage");
    for (int i = 0; i < r->n_covered; i++)
        cJSON_AddItemToArray(coverage, covered_json(&r->covered[i]));
}

/* ---- what is noted ---- */

void vfy_record_run(vfy_record *r, const vfy_run *run, hx_reason reason, double ratio)
{
    if (!r || !run->c)
        return;
    const char *what = r->what[0] ? r->what : run->state ? "state kept from run to run" : "run";
    cJSON *o = new_check(r, VFY_EMULATED, what, run->c->shape);
    cJSON_AddStringToObject(o, "inputs", run->c->name);
    ws_json_add_seed(o, "seed", run->c->seed);
    cJSON_AddStringToObject(o, "schedule", schedule_name(run->schedule));
    if (run->schedule_seed)
        ws_json_add_seed(o, "schedule_seed", run->schedule_seed);
    if (r->note[0])
        cJSON_AddStringToObject(o, "if_wrong", r->note);
    vfy_record_of(r, NULL, NULL);
    cJSON_AddStringToObject(o, "result", hx_reason_name(reason));
    if (run->rep.reason != HX_PASS || run->state)
        return;
    add_ratio(o, "worst_error_over_tolerance", ratio);
    add_outputs(o, run);
    add_covered(r, run->c->shape, &run->rep.engine);
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
