#include "verifier/job.h"

#include "verifier/model.h"
#include "verifier/precision.h"
#include "verifier/session.h"
#include "verifier/record.h"

#include <stdio.h>
#include <string.h>

bool vfy_fails_at_benchmark(const plan *p, const run_report *r)
{
    bool alone = p->n_launches == 1 && !p->n_scratch;
    return r->reason == HX_INVALID_LAUNCH ||
           (alone && (r->reason == HX_OUT_OF_BOUNDS || r->reason == HX_MISALIGNED));
}

static void reject_benchmark(vfy_job *j, const run_report *r)
{
    vfy_verdict *v = j->v;
    ws_env env = spec_env(j->s->spec, -1);
    v->level = VFY_COMPILES;
    v->has_model = false;
    vfy_job_reject_fault(j, r);
    vfy_job_name_shape(j, &env);
    snprintf(v->inputs, sizeof v->inputs, "%s", vfy_inputs_name(VFY_INPUTS_RANDOM));
}

/* What the sample of the benchmark shape's blocks says about work that is not checked there. */
static ws_status judge_scale(vfy_job *j, const vfy_modelled *t, const char *ptx, ws_err *err)
{
    hx_diag d = {0};
    ws_env env = spec_env(j->s->spec, -1);
    ref_bound *b;
    ptx_counters all = {0};
    if (ref_bind(j->s->graph, &env, &j->arena, &b, err))
        return err->status;
    for (int i = 0; i < t->n_launches; i++)
        vfy_scale_add(&all, &t->launch[i].counters);
    if (vfy_scale_holds(&j->scale, b, &all, vfy_uses_half(j->s->spec, ptx), &d))
        return WS_OK;
    vfy_job_reject(j, &d);
    j->v->level = VFY_COMPILES;
    vfy_job_name_shape(j, &env);
    return WS_OK;
}

bool vfy_job_keeps_resources(vfy_job *j, const comp_result *cubin)
{
    hx_diag d = {0};
    vfy_record_resources(cubin, j->v);
    if (vfy_registers_fit(j->bench, cubin, &d))
        return true;
    vfy_job_reject(j, &d);
    return false;
}

/* Of a kernel that is right and may be fast enough: what ptxas says of it. */
static ws_status assemble(vfy_job *j, vfy_model_input *m, vfy_modelled *t, comp_result *cubin,
                          ws_err *err)
{
    vfy_verdict *v = j->v;
    v->filled_s = t->time.seconds;
    if (!(v->filled_s < j->o->assemble_below))
        return WS_OK;
    v->assembled = true;
    if (vfy_job_compile(j, j->bench, true, cubin, err) ||
        (j->beside && vfy_job_compile_again(j, err)))
        return err->status;
    if (v->reason != HX_PASS || !vfy_job_keeps_resources(j, cubin)) {
        v->level = VFY_POLICY;
        return WS_OK;
    }
    m->compiled = cubin;
    return vfy_model_again(m, &j->arena, t, err);
}

ws_status vfy_job_model_time(vfy_job *j, const comp_result *compiled, ws_err *err)
{
    vfy_verdict *v = j->v;
    comp_result cubin = {0};
    const tim_gpu *gpu = tim_gpu_find(v->gpu);
    if (!gpu)
        return ws_fail(err, WS_EUSAGE, "unknown GPU '%s' for the cost model", v->gpu);
    vfy_model_input m = {.graph = j->s->graph,
                         .plan = j->plan,
                         .bench = j->bench,
                         .compiled = compiled,
                         .tensor_name = j->s->tensor_name,
                         .gpu = gpu,
                         .checked = &v->counters,
                         .checked_work = j->counted_work,
                         .lines = j->o->lines != NULL};
    vfy_modelled t;
    ws_status st = vfy_model(&m, &j->arena, &t, err);
    if (!st && !v->assembled)
        st = assemble(j, &m, &t, &cubin, err);
    if (!st && v->reason == HX_PASS) {
        v->has_model = true;
        v->model = t.time;
        v->model_sampled = t.sampled;
        vfy_keep_launches(&m, &t, v);
    }
    if (!st && v->reason != HX_PASS)
        ;
    else if (!st && vfy_fails_at_benchmark(j->plan, &t.sample))
        reject_benchmark(j, &t.sample);
    else if (!st && t.sampled)
        st = judge_scale(j, &t, compiled->ptx, err);
    if (!st && v->reason == HX_PASS && v->assembled)
        st = vfy_job_resident(j, m.compiled, err);
    vfy_record_check(j->o->record, VFY_EMULATED, "work at the benchmark shape", "", v->reason,
                     NULL);
    if (j->o->lines && t.sample.engine.lines)
        memcpy(j->o->lines, t.sample.engine.lines, ptx_lines_bytes(t.sample.engine.lines));
    run_report_release(&t.sample);
    return st;
}
