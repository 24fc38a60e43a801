#include "agent/cmd/profile_print.h"

#include "agent/cmd/profile_explain.h"
#include "agent/cmd/profile_lines.h"
#include "agent/evidence/measured.h"
#include "base/json.h"
#include "verifier/verdict.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- findings ---- */

/* The verdict as the archive keeps it, with where instructions stand. `verdict` is the caller's. */
static findings_subject subject_of(const profile_report *r, db_candidate *c, ws_buf *verdict)
{
    cJSON *json = vfy_verdict_json(r->v);
    ws_json_print(json, false, verdict);
    cJSON_Delete(json);
    *c = (db_candidate){.source = r->source,
                        .reason = hx_reason_name(r->v->reason),
                        .level = r->v->level,
                        .modelled_s = r->v->has_model ? r->v->model.seconds : (double)NAN,
                        .measured_s = (double)NAN,
                        .gpu = r->gpu->name};
    return (findings_subject){.spec = r->spec,
                              .gpu = r->gpu->name,
                              .candidate = c,
                              .verdict_json = ws_buf_z(verdict),
                              .lines = &r->p->lines,
                              .launch_line = r->p->launch_line,
                              .n_launch_lines = r->p->n_launches};
}

/* ---- text ---- */

static void write_dims(const int64_t d[3], ws_buf *out)
{
    const int n = d[2] > 1 ? 3 : d[1] > 1 ? 2 : 1;
    for (int i = 0; i < n; i++)
        ws_buf_printf(out, "%s%" PRId64, i ? "x" : "", d[i]);
}

static void write_limit(const char *name, int blocks, const char *by, ws_buf *out)
{
    if (blocks == TIM_UNLIMITED)
        return;
    ws_buf_printf(out, "%s%s %d%s", out->p[out->n - 1] == '(' ? "" : ", ", name, blocks,
                  strcmp(name, by) == 0 ? " <- least" : "");
}

static void write_occupancy(const vfy_profile_launch *l, const tim_gpu *g, ws_buf *out)
{
    const tim_occupancy *o = &l->occupancy;
    ws_buf_printf(out, "  occupancy  %.0f %%: %d block%s of %d warp%s on an SM of %d warps\n",
                  100 * o->fraction, o->blocks, o->blocks == 1 ? "" : "s", o->warps,
                  o->warps == 1 ? "" : "s", g->max_warps_per_sm);
    ws_buf_adds(out, "             blocks that fit by each (");
    write_limit("warps", o->limit.warps, o->by, out);
    write_limit("registers", o->limit.registers, o->by, out);
    write_limit("shared memory", o->limit.shared, o->by, out);
    write_limit("blocks", o->limit.blocks, o->by, out);
    write_limit("barriers", o->limit.barriers, o->by, out);
    ws_buf_adds(out, ")\n");
    if (!o->blocks)
        ws_buf_printf(out, "             a block does not fit on %s: it cannot be launched there\n",
                      g->title);
    else
        ws_buf_printf(out, "  waves      %.2f of %d blocks on %d SMs\n", l->waves,
                      o->blocks * g->sms, g->sms);
    if (l->cluster > 1)
        ws_buf_printf(out, "  clusters   of %d blocks, %d at once when every GPC has as many SMs\n",
                      l->cluster, l->clusters);
}

static void write_resources(const vfy_profile_launch *l, ws_buf *out)
{
    const cubin_kernel *k = l->kernel;
    ws_buf_printf(out, "  registers  %d a thread", k->registers);
    if (l->spill_store_bytes > 0 || l->spill_load_bytes > 0)
        ws_buf_printf(out, "; spills: %d bytes stored, %d loaded", l->spill_store_bytes,
                      l->spill_load_bytes);
    else if (l->spill_store_bytes == 0)
        ws_buf_adds(out, ", no spills");
    ws_buf_printf(out, "; stack %" PRId64 " bytes", k->stack_bytes);
    if (k->local_loads + k->local_stores)
        ws_buf_printf(out, ", in the code %" PRId64 " loads and %" PRId64 " stores of local memory",
                      k->local_loads, k->local_stores);
    ws_buf_printf(out, "\n  shared     %" PRId64 " bytes static, %" PRId64 " dynamic; %" PRId64
                  " allocated with the system's\n", k->shared_bytes, l->plan->shared,
                  l->occupancy.shared_bytes);
    ws_buf_printf(out, "  code       %" PRId64 " bytes, %" PRId64 " instructions; %d barrier%s; %d "
                  "parameters in %" PRId64 " bytes", k->code_bytes, k->instructions, k->barriers,
                  k->barriers == 1 ? "" : "s", k->n_params, k->param_bytes);
    if (k->max_threads)
        ws_buf_printf(out, "; bound to %d threads a block", k->max_threads);
    for (int i = 0; i < k->n_external; i++)
        ws_buf_printf(out, "%s%s", i ? ", " : "; calls ", k->external[i]);
    ws_buf_addc(out, '\n');
}

static void write_module(const cubin *c, ws_buf *out)
{
    if (!c->n_variables && !c->constant_bytes)
        return;
    ws_buf_adds(out, "Module:");
    if (c->constant_bytes)
        ws_buf_printf(out, " %" PRId64 " bytes of constants%s", c->constant_bytes,
                      c->n_variables ? ";" : "");
    for (int i = 0; i < c->n_variables; i++)
        ws_buf_printf(out, "%s%s (%" PRId64 " bytes)",
                      i ? ", " : " variables that outlive a launch: ", c->variable[i].name,
                      c->variable[i].bytes);
    ws_buf_addc(out, '\n');
}

static void write_roof(const profile_report *r, ws_buf *out)
{
    const vfy_floor f = vfy_floor_of(r->gpu, &r->cost, vfy_is_half(r->spec));
    if (!(r->cost.min_bytes > 0) || f.unit == REF_UNIT_COUNT)
        return;
    const double peak = vfy_peak(r->gpu, f.unit, vfy_is_half(r->spec));
    const double intensity = r->cost.flops / r->cost.min_bytes,
                 ridge = peak / r->gpu->dram_bytes_per_s;
    ws_buf_printf(out, "Roofline of %s: %.4g TB/s, %.4g T/s of %s; ridge at %.3g operations a "
                  "byte, the operation has %.3g: %s decides\n", r->gpu->name,
                  r->gpu->dram_bytes_per_s * 1e-12, peak * 1e-12, ref_unit_name(f.unit), ridge,
                  intensity, strcmp(f.bound, "dram") == 0 ? "DRAM" : "arithmetic");
}

/* ---- performance counters ---- */

static ev_values values_of(const profile_report *r)
{
    static const ref_unit narrow[] = {REF_PRODUCT_F16, REF_PRODUCT_F8, REF_PRODUCT_F4};
    const vfy_counted *c = r->counted;
    ev_values v = {.n = c->n, .min_bytes = r->cost.min_bytes};
    for (int i = 0; i < c->n; i++) {
        v.key[i] = c->metric[i]->key;
        v.value[i] = c->value[i];
    }
    for (size_t i = 0; i < WS_COUNT(narrow); i++)
        v.products |= r->cost.unit[narrow[i]] > 0;
    return v;
}

static void write_counted(const profile_report *r, ws_buf *out)
{
    const vfy_counted *c = r->counted;
    ev_measured x[EV_MAX_MEASURED];
    if (r->v->reason != HX_PASS)
        return;
    if (!c->measured) {
        ws_buf_printf(out, "Performance counters: not measured: %s%s%s\n", c->why,
                      c->hint[0] ? "; " : "", c->hint);
        return;
    }
    ws_buf_printf(out, "Performance counters, measured on %s (%s), tier %d in %d passes:\n",
                  c->device, c->chip, c->tier, c->passes);
    for (int i = 0; i < c->n; i++)
        ws_buf_printf(out, "  %-20s %12.5g %-5s %s\n", c->metric[i]->key, c->value[i],
                      c->metric[i]->unit, c->metric[i]->says);
    const ev_values v = values_of(r);
    const int n = ev_measured_findings(&v, x);
    for (int i = 0; i < n; i++)
        ws_buf_printf(out, "  %s: %s\n     do: %s\n", x[i].rule, x[i].evidence, x[i].action);
}

static cJSON *json_counted(const profile_report *r)
{
    const vfy_counted *c = r->counted;
    cJSON *o = cJSON_CreateObject(), *values, *findings;
    ev_measured x[EV_MAX_MEASURED];
    cJSON_AddBoolToObject(o, "measured", c->measured);
    if (!c->measured) {
        cJSON_AddStringToObject(o, "why",
                                r->v->reason == HX_PASS ? c->why : "the kernel was rejected");
        if (c->hint[0])
            cJSON_AddStringToObject(o, "hint", c->hint);
        return o;
    }
    cJSON_AddStringToObject(o, "device", c->device);
    cJSON_AddStringToObject(o, "chip", c->chip);
    cJSON_AddNumberToObject(o, "tier", c->tier);
    cJSON_AddNumberToObject(o, "passes", c->passes);
    values = cJSON_AddObjectToObject(o, "values");
    for (int i = 0; i < c->n; i++)
        ws_json_add_double(values, c->metric[i]->key, c->value[i]);
    findings = cJSON_AddArrayToObject(o, "findings");
    const ev_values v = values_of(r);
    const int n = ev_measured_findings(&v, x);
    for (int i = 0; i < n; i++) {
        cJSON *f = cJSON_CreateObject();
        cJSON_AddStringToObject(f, "rule", x[i].rule);
        cJSON_AddStringToObject(f, "evidence", x[i].evidence);
        cJSON_AddStringToObject(f, "action", x[i].action);
        ws_json_add_double(f, "weight", x[i].weight);
        cJSON_AddItemToArray(findings, f);
    }
    return o;
}

static void write_head(const profile_report *r, ws_buf *out)
{
    ws_buf dims = {0};
    const ws_env env = spec_env(r->spec, -1);
    spec_env_print(&env, &dims);
    char calibration[64];
    tim_calibration_text(r->gpu, calibration, sizeof calibration);
    ws_buf_printf(out, "%s  %s\n%s on %s, %s, %s\n", r->spec->name, ws_buf_z(&dims), r->file,
                  r->gpu->title, r->arch,
                  !*r->p->compiled.key     ? "not compiled"
                  : r->counted->measured ? "modelled, and counted on a GPU"
                                         : "modelled: no GPU was used");
    ws_buf_printf(out, "the cost model is %s%s\n", calibration,
                  tim_constants_of(r->gpu).calibrated ? "" : ": see 'warpsmith calibrate'");
    ws_buf_release(&dims);
}

void profile_print_text(const profile_report *r, ws_buf *out)
{
    const vfy_profile *p = r->p;
    db_candidate c;
    ws_buf verdict = {0};
    write_head(r, out);
    for (int i = 0; i < p->n_launches; i++) {
        const vfy_profile_launch *l = &p->launch[i];
        ws_buf_printf(out, "\nLaunch %d of %d: %s, ", i + 1, p->n_launches, l->plan->kernel);
        write_dims(l->plan->grid, out);
        ws_buf_adds(out, " blocks of ");
        write_dims(l->plan->block, out);
        ws_buf_printf(out, " threads (line %d)\n", l->plan->line);
        write_resources(l, out);
        write_occupancy(l, r->gpu, out);
    }
    if (p->n_launches) {
        write_module(&p->module, out);
        ws_buf_addc(out, '\n');
        write_roof(r, out);
    } else {
        ws_buf_addc(out, '\n');
    }
    const findings_subject s = subject_of(r, &c, &verdict);
    findings_write(&s, 0, out);
    profile_lines_text(r, out);
    write_counted(r, out);
    if (r->explain)
        profile_explain_text(r, out);
    ws_buf_release(&verdict);
}

/* ---- JSON ---- */

static void add_dims(cJSON *o, const char *key, const int64_t d[3])
{
    const double n[] = {(double)d[0], (double)d[1], (double)d[2]};
    cJSON_AddItemToObject(o, key, cJSON_CreateDoubleArray(n, 3));
}

static void add_limit(cJSON *o, const char *key, int blocks)
{
    if (blocks == TIM_UNLIMITED)
        cJSON_AddNullToObject(o, key);
    else
        cJSON_AddNumberToObject(o, key, blocks);
}

static cJSON *json_resources(const vfy_profile_launch *l)
{
    const cubin_kernel *k = l->kernel;
    cJSON *o = cJSON_CreateObject(), *calls;
    cJSON_AddNumberToObject(o, "registers", k->registers);
    cJSON_AddNumberToObject(o, "spill_store_bytes", l->spill_store_bytes);
    cJSON_AddNumberToObject(o, "spill_load_bytes", l->spill_load_bytes);
    ws_json_add_int(o, "stack_bytes", k->stack_bytes);
    ws_json_add_int(o, "shared_static_bytes", k->shared_bytes);
    ws_json_add_int(o, "shared_dynamic_bytes", l->plan->shared);
    ws_json_add_int(o, "shared_allocated_bytes", l->occupancy.shared_bytes);
    ws_json_add_int(o, "registers_allocated", l->occupancy.registers);
    cJSON_AddNumberToObject(o, "barriers", k->barriers);
    ws_json_add_int(o, "code_bytes", k->code_bytes);
    ws_json_add_int(o, "instructions", k->instructions);
    ws_json_add_int(o, "local_load_instructions", k->local_loads);
    ws_json_add_int(o, "local_store_instructions", k->local_stores);
    cJSON_AddNumberToObject(o, "parameters", k->n_params);
    ws_json_add_int(o, "parameter_bytes", k->param_bytes);
    cJSON_AddNumberToObject(o, "max_threads", k->max_threads);
    calls = cJSON_AddArrayToObject(o, "calls");
    for (int i = 0; i < k->n_external; i++)
        cJSON_AddItemToArray(calls, cJSON_CreateString(k->external[i]));
    return o;
}

static cJSON *json_occupancy(const vfy_profile_launch *l)
{
    const tim_occupancy *w = &l->occupancy;
    cJSON *o = cJSON_CreateObject(), *limits;
    ws_json_add_double(o, "fraction", w->fraction);
    cJSON_AddNumberToObject(o, "blocks_per_sm", w->blocks);
    cJSON_AddNumberToObject(o, "warps_per_block", w->warps);
    cJSON_AddStringToObject(o, "limited_by", w->by);
    limits = cJSON_AddObjectToObject(o, "blocks_by");
    add_limit(limits, "warps", w->limit.warps);
    add_limit(limits, "registers", w->limit.registers);
    add_limit(limits, "shared_memory", w->limit.shared);
    add_limit(limits, "blocks", w->limit.blocks);
    add_limit(limits, "barriers", w->limit.barriers);
    ws_json_add_double(o, "waves", l->waves);
    if (l->cluster > 1) {
        cJSON_AddNumberToObject(o, "cluster", l->cluster);
        cJSON_AddNumberToObject(o, "clusters_at_once", l->clusters);
    }
    return o;
}

static cJSON *json_roof(const profile_report *r)
{
    const bool half = vfy_is_half(r->spec);
    const vfy_floor f = vfy_floor_of(r->gpu, &r->cost, half);
    cJSON *o = cJSON_CreateObject();
    ws_json_add_double(o, "operations", r->cost.flops);
    ws_json_add_double(o, "min_bytes", r->cost.min_bytes);
    ws_json_add_double(o, "dram_bytes_per_second", r->gpu->dram_bytes_per_s);
    if (f.unit != REF_UNIT_COUNT) {
        const double peak = vfy_peak(r->gpu, f.unit, half);
        cJSON_AddStringToObject(o, "unit", ref_unit_name(f.unit));
        ws_json_add_double(o, "unit_operations_per_second", peak);
        ws_json_add_double(o, "ridge_operations_per_byte", peak / r->gpu->dram_bytes_per_s);
    }
    if (r->cost.min_bytes > 0)
        ws_json_add_double(o, "operations_per_byte", r->cost.flops / r->cost.min_bytes);
    ws_json_add_double(o, "floor_seconds", f.seconds);
    cJSON_AddStringToObject(o, "bound", f.bound);
    if (r->v->has_model) {
        ws_json_add_double(o, "seconds", r->v->model.seconds);
        ws_json_add_double(o, "share_of_roof", f.seconds / r->v->model.seconds);
    }
    return o;
}

/* What the engine counted in the launch, and what the model makes of it; the verdict's own words.
 */
static void add_counted(const profile_report *r, int launch, const cJSON *verdict, cJSON *o)
{
    const cJSON *l, *all = cJSON_GetObjectItemCaseSensitive(verdict, "launches");
    cJSON_ArrayForEach(l, all)
    {
        const cJSON *index = cJSON_GetObjectItemCaseSensitive(l, "index");
        static const char *const copied[] = {"counters", "block_instructions"};
        if (!cJSON_IsNumber(index) || index->valueint != launch + 1)
            continue;
        for (size_t i = 0; i < WS_COUNT(copied); i++)
            cJSON_AddItemToObject(
                o, copied[i],
                cJSON_Duplicate(cJSON_GetObjectItemCaseSensitive(l, copied[i]), true));
    }
    for (int i = 0; i < r->v->n_launches; i++) {
        const tim_launch_estimate *e = &r->v->launch[i].time;
        if (r->v->launch[i].index != launch + 1)
            continue;
        cJSON *m = cJSON_AddObjectToObject(o, "modelled");
        ws_json_add_double(m, "seconds", e->seconds);
        ws_json_add_double(m, "compute_seconds", e->compute_s);
        ws_json_add_double(m, "memory_seconds", e->memory_s);
        ws_json_add_double(m, "l2_seconds", e->l2_s);
        ws_json_add_double(m, "shared_seconds", e->shared_s);
        ws_json_add_double(m, "latency_seconds", e->latency_s);
        ws_json_add_double(m, "atomic_seconds", e->atomic_s);
        cJSON_AddStringToObject(m, "unit", e->unit);
    }
}

static cJSON *json_launch(const profile_report *r, int i, const cJSON *verdict)
{
    const vfy_profile_launch *l = &r->p->launch[i];
    cJSON *o = cJSON_CreateObject();
    cJSON_AddNumberToObject(o, "index", i + 1);
    cJSON_AddStringToObject(o, "kernel", l->plan->kernel);
    cJSON_AddNumberToObject(o, "line", l->plan->line);
    add_dims(o, "grid", l->plan->grid);
    add_dims(o, "block", l->plan->block);
    cJSON_AddItemToObject(o, "resources", json_resources(l));
    cJSON_AddItemToObject(o, "occupancy", json_occupancy(l));
    add_counted(r, i, verdict, o);
    return o;
}

static cJSON *json_module(const cubin *c)
{
    cJSON *o = cJSON_CreateObject(), *variables;
    ws_json_add_int(o, "constant_bytes", c->constant_bytes);
    variables = cJSON_AddArrayToObject(o, "variables");
    for (int i = 0; i < c->n_variables; i++) {
        cJSON *v = cJSON_CreateObject();
        cJSON_AddStringToObject(v, "name", c->variable[i].name);
        ws_json_add_int(v, "bytes", c->variable[i].bytes);
        cJSON_AddBoolToObject(v, "initialised", c->variable[i].initialised);
        cJSON_AddItemToArray(variables, v);
    }
    return o;
}

cJSON *profile_print_json(const profile_report *r)
{
    db_candidate c;
    ws_buf text = {0}, dims = {0};
    const ws_env env = spec_env(r->spec, -1);
    const findings_subject s = subject_of(r, &c, &text);
    cJSON *o = findings_json(&s), *verdict = cJSON_Parse(ws_buf_z(&text)), *launches;
    spec_env_print(&env, &dims);
    cJSON_AddStringToObject(o, "spec", r->spec->name);
    cJSON_AddStringToObject(o, "shape", ws_buf_z(&dims));
    cJSON_AddStringToObject(o, "file", r->file);
    cJSON_AddStringToObject(o, "gpu", r->gpu->name);
    cJSON_AddStringToObject(o, "arch", r->arch);
    cJSON_AddStringToObject(o, "compiler", r->v->compiler);
    cJSON_AddBoolToObject(o, "calibrated", tim_constants_of(r->gpu).calibrated);
    launches = cJSON_AddArrayToObject(o, "launches");
    for (int i = 0; i < r->p->n_launches; i++)
        cJSON_AddItemToArray(launches, json_launch(r, i, verdict));
    if (r->p->n_launches)
        cJSON_AddItemToObject(o, "module", json_module(&r->p->module));
    cJSON_AddItemToObject(o, "roofline", json_roof(r));
    cJSON_AddItemToObject(o, "lines", profile_lines_json(r));
    cJSON_AddItemToObject(o, "counters", json_counted(r));
    if (r->explain)
        cJSON_AddItemToObject(o, "model", profile_explain_json(r));
    cJSON_Delete(verdict);
    ws_buf_release(&text);
    ws_buf_release(&dims);
    return o;
}
