#include "verifier/verify.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/sha256.h"
#include "verifier/field.h"
#include "verifier/field_stage.h"
#include "verifier/job.h"
#include "verifier/policy.h"
#include "verifier/precision.h"
#include "verifier/record.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

void vfy_job_reject(vfy_job *j, const hx_diag *d)
{
    vfy_verdict *v = j->v;
    v->reason = d->reason;
    v->line = d->line;
    v->column = d->column;
    snprintf(v->file, sizeof v->file, "%s", j->file);
    snprintf(v->text, sizeof v->text, "%s", d->text);
}

static bool keeps_policy(vfy_job *j)
{
    hx_diag d = {0};
    ws_env env = spec_env(j->s->spec, -1);
    if (!comp_check_source(j->source, j->n, &d) ||
        !plan_parse(&j->arena, j->source, j->n, &j->s->names, &j->plan, &d) ||
        !plan_bind(&j->arena, j->plan, &env, j->o->tune, &j->bench, &d) ||
        !plan_check_arch(j->plan, j->v->arch, &d)) {
        vfy_job_reject(j, &d);
        return false;
    }
    j->v->level = VFY_POLICY;
    vfy_record_check(j->o->record, VFY_POLICY, "source and plan", "", HX_PASS, NULL);
    return true;
}

/* A check shape's PTX has lines; it was compiled before. */
static ws_status check_sums(vfy_job *j, ws_err *err)
{
    int c = 0;
    comp_result comp = {0};
    while (!j->shape[c].plan)
        c++;
    if (vfy_job_compile(j, j->shape[c].plan, false, &comp, err))
        return err->status;
    int line = vfy_half_sums(j->s->spec, comp.ptx);
    hx_diag d = {0};
    if (line < 0)
        return WS_OK;
    hx_reject(&d, HX_LOW_PRECISION, line, 0,
              "the tensor cores sum in half precision; the spec asks for sums in %s",
              ws_dtype_name(j->s->spec->accumulate));
    vfy_job_reject(j, &d);
    return WS_OK;
}

/* A require that lets only shapes through at which there is next to nothing to do, 1 of everything,
 * leaves the operation unchecked. */
static bool shapes_count(vfy_job *j, hx_diag *d)
{
    const double least = 0.005;
    double most = 0;
    for (int c = 0; c < j->s->spec->n_checks && j->v->shapes_refused; c++) {
        ws_env env = spec_env(j->s->spec, c);
        ws_err ignored = {0};
        ref_cost cost;
        if (!ref_cost_at(j->s->graph, &env, &cost, &ignored))
            most = fmax(most, cost.flops + cost.min_bytes);
    }
    if (!j->v->shapes_passed)
        return hx_reject(d, HX_SHAPE_REFUSED, 0, 0,
                         "the plan's require refuses every check shape: nothing was verified");
    if (j->counted_work < least * most)
        return hx_reject(d, HX_SHAPE_REFUSED, j->plan->line, 0,
                         "the plan's require refuses %d check shapes and leaves those with less "
                         "than %g %% of the work of the largest: too little was verified",
                         j->v->shapes_refused, 100 * least);
    return true;
}

static void say_passed(vfy_verdict *v)
{
    int at = snprintf(v->text, sizeof v->text, "right on %d check shapes in %d runs",
                      v->shapes_passed, v->runs);
    if (v->shapes_refused)
        at += snprintf(v->text + at, sizeof v->text - (size_t)at, "; require refuses %d",
                       v->shapes_refused);
    if (!v->assembled)
        snprintf(v->text + at, sizeof v->text - (size_t)at,
                 "; not assembled: it would be no faster than the best if it filled the SMs");
}

/* The algebraic level, at every check shape. */
static ws_status check_field(vfy_job *j, ws_err *err)
{
    vfy_field *f = &j->v->field;
    vfy_verdict *lone = NULL; /* of a shape where one element says little */
    vfy_field_begin(j->s, f);
    for (int c = 0; c < j->s->spec->n_checks && j->v->reason == HX_PASS; c++) {
        comp_result comp = {0};
        if (!j->shape[c].plan || (!f->applies && !f->n_stages))
            continue;
        if (vfy_job_compile(j, j->shape[c].plan, false, &comp, err))
            return err->status;
        vfy_field_shape x = {j->s, j->plan, j->shape[c].plan, &comp, c, j->seed,
                             j->o->wall_seconds};
        if (j->v->reason == HX_PASS && vfy_field_check(&x, f, j->v, err))
            return err->status;
        if (j->v->reason == HX_WRONG_ALGEBRA && j->v->checked == 1 && !lone) {
            lone = WS_ARENA_NEW(&j->arena, vfy_verdict, 1);
            *lone = *j->v;
            j->v->reason = HX_PASS;
        }
    }
    if (lone && j->v->reason == HX_PASS) {
        lone->field = *f;
        *j->v = *lone;
    }
    vfy_stages_name(j->s->graph, j->plan, f);
    vfy_field_describe(f, j->s, f->text, sizeof f->text);
    vfy_record_check(j->o->record, VFY_ALGEBRAIC, "prime fields", "", j->v->reason, f->text);
    if (j->v->reason == HX_PASS && f->applies && f->n_covered == f->n_outputs)
        j->v->level = VFY_ALGEBRAIC;
    return WS_OK;
}

static ws_status verify(vfy_job *j, ws_err *err)
{
    vfy_verdict *v = j->v;
    hx_diag d = {0};
    comp_result comp = {0};
    const bool late = j->o->assemble_below > 0;
    if (vfy_job_compile(j, j->bench, !late, &comp, err) ||
        comp_version(v->compiler, sizeof v->compiler, err))
        return err->status;
    if (v->reason == HX_PASS && vfy_needs_lines(comp.ptx) &&
        vfy_job_compile(j, j->bench, false, &(comp_result){0}, err))
        return err->status;
    if (v->reason != HX_PASS)
        return WS_OK;
    vfy_record_resources(&comp, v);
    if (!plan_check_kernels(j->plan, comp.kernel, comp.n_kernels, &j->s->names, &d)) {
        vfy_job_reject(j, &d);
        return WS_OK;
    }
    if (!late && !vfy_job_keeps_resources(j, &comp))
        return WS_OK;
    v->level = VFY_COMPILES;
    vfy_record_check(j->o->record, VFY_COMPILES, "kernels, parameters and registers", "", HX_PASS,
                     NULL);
    if (j->o->go_on) {
        if (!j->o->go_on(j->o->ud, v))
            return WS_OK;
        vfy_job_start_check_compiles(j);
    }
    for (int c = 0; c < j->s->spec->n_checks && v->reason == HX_PASS; c++)
        if (vfy_job_shape(j, c, err) ||
            (v->reason == HX_WRONG_RESULT && v->checked == 1 && vfy_job_look_further(j, c, err)) ||
            (j->o->survey && vfy_job_survey(j, c, err)))
            return err->status;
    if (v->reason != HX_PASS)
        return WS_OK;
    if (!shapes_count(j, &d)) {
        vfy_job_reject(j, &d);
        return WS_OK;
    }
    ws_status st = check_sums(j, err);
    if (st || v->reason != HX_PASS)
        return st;
    v->level = VFY_EMULATED;
    st = vfy_job_model_time(j, &comp, err);
    bool deep = j->o->depth == VFY_FULL || (v->has_model && v->assembled &&
                                             v->model.seconds < j->o->full_below);
    if (!st && v->reason == HX_PASS && deep)
        st = vfy_job_full(j, err);
    const bool algebraic = j->o->max_level >= VFY_ALGEBRAIC && (deep || !j->o->field_if_full);
    if (!st && v->reason == HX_PASS && algebraic)
        st = check_field(j, err);
    if (!st && v->reason == HX_PASS)
        say_passed(v);
    return st;
}

ws_status vfy_verify(vfy_session *s, const char *source, size_t n, const vfy_options *o,
                     vfy_verdict *out, ws_err *err)
{
    int64_t start = ws_now_ns();
    *out = (vfy_verdict){.level = VFY_NONE, .registers = -1, .shared_bytes = -1, .spill_bytes = -1};
    vfy_job j = {.s = s, .o = o, .source = source, .n = n, .v = out, .steps = VFY_STEPS,
                 .file = o->file ? o->file : "kernel.cu", .seed = o->seed ? o->seed : s->seed};
    snprintf(out->arch, sizeof out->arch, "%s", o->arch ? o->arch : "sm_90");
    snprintf(out->gpu, sizeof out->gpu, "%s", o->gpu ? o->gpu : "h100");
    out->seed = j.seed;
    ws_sha256_of(source, n, out->source_sha256);
    ws_status st;
    j.beside = o->beside_others && o->assemble_below > 0 && isfinite(o->assemble_below);
    j.names_dims = vfy_names_dims(source, n);
    if (keeps_policy(&j)) {
        vfy_job_start_compiles(&j);
        if (!o->go_on)
            vfy_job_start_check_compiles(&j);
        st = verify(&j, err);
        comp_cancel(s->comp);
    } else {
        st = comp_version(out->compiler, sizeof out->compiler, err);
    }
    out->total_seconds = ws_seconds_since(start);
    vfy_job_release_runs(&j);
    free(j.made_beside);
    ws_arena_release(&j.arena);
    if (j.differs) {
        ws_log(WS_LOG_WARN, "%s compiles to another PTX beside other sources than by itself: "
               "judged again by itself", j.file);
        vfy_options alone = *o;
        alone.beside_others = false;
        return vfy_verify(s, source, n, &alone, out, err);
    }
    return st ? ws_wrap(err, "verify %s", s->spec->name) : WS_OK;
}
