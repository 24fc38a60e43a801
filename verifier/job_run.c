#include "verifier/job.h"

#include "base/pool.h"
#include "verifier/outputs.h"
#include "verifier/policy.h"
#include "verifier/record.h"
#include "verifier/schedule.h"
#include "verifier/wrong.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

void vfy_job_reject_fault(vfy_job *j, const run_report *r)
{
    vfy_verdict *v = j->v;
    v->reason = r->reason;
    snprintf(v->text, sizeof v->text, "%s", r->text);
    snprintf(v->printed, sizeof v->printed, "%.*s", (int)sizeof v->printed - 1, r->printed);
    if (!r->engine.n_faults) {
        int launch = 1;
        if (j->plan->n_launches > 1 && sscanf(r->text, "launch %d of", &launch) != 1)
            return;
        v->line = j->plan->launch[launch - 1].line;
        snprintf(v->file, sizeof v->file, "%s", j->file);
        snprintf(v->kernel, sizeof v->kernel, "%s", j->plan->launch[launch - 1].kernel);
        return;
    }
    const ptx_fault *f = &r->engine.fault[0];
    v->fault = *f;
    v->has_fault = true;
    v->line = f->line;
    v->other_line = f->other_line;
    snprintf(v->file, sizeof v->file, "%s", j->file);
    snprintf(v->kernel, sizeof v->kernel, "%s", f->kernel);
    v->has_thread = true;
    memcpy(v->thread, f->thread, sizeof v->thread);
    memcpy(v->block, f->block, sizeof v->block);
}

void vfy_job_name_shape(vfy_job *j, const ws_env *at)
{
    ws_buf shape = {0};
    spec_env_print(at, &shape);
    snprintf(j->v->shape, sizeof j->v->shape, "%s", ws_buf_z(&shape));
    ws_buf_release(&shape);
}

void vfy_job_describe_case(vfy_job *j, const vfy_case *c)
{
    snprintf(j->v->shape, sizeof j->v->shape, "%s", c->shape);
    snprintf(j->v->inputs, sizeof j->v->inputs, "%s", c->name);
    j->v->seed = c->seed;
}

void vfy_job_judge_outputs(vfy_job *j, const vfy_run *r)
{
    vfy_judge o = {.s = j->s, .o = j->o, .v = j->v};
    vfy_judge_outputs(&o, r);
    j->wrong_output = o.wrong_output;
    j->wrong_at = o.wrong_at;
}

static void add_text(vfy_verdict *v, const char *text)
{
    const size_t at = strlen(v->text);
    snprintf(v->text + at, sizeof v->text - at, "; %s", text);
}

/* What the engine saw on the way to a wrong value. */
static void explain_values(vfy_job *j, const ptx_report *r)
{
    vfy_verdict *v = j->v;
    bool wrong = v->reason == HX_WRONG_RESULT || v->reason == HX_CONSTANT_OUTPUT;
    if (!wrong || !r->note[0])
        return;
    add_text(v, r->note);
    v->line = r->note_line;
    snprintf(v->file, sizeof v->file, "%s", j->file);
}

/* The first run's that has one. */
static void keep_warning(vfy_verdict *v, const ptx_report *r)
{
    if (v->warning[0] || !r->warning[0])
        return;
    snprintf(v->warning, sizeof v->warning, "%s", r->warning);
    v->warning_line = r->warning_line;
    v->warning_other_line = r->warning_other_line;
}

static void record_counters(vfy_job *j, const vfy_run *o)
{
    ref_cost cost;
    ref_cost_of(o->c->bound, &cost);
    vfy_scale_note(&j->scale, o->c->bound, &o->rep.engine.counters);
    if (cost.flops + cost.min_bytes > j->counted_work) {
        j->counted_work = cost.flops + cost.min_bytes;
        j->v->counters = o->rep.engine.counters;
    }
    snprintf(j->v->printed, sizeof j->v->printed, "%.*s", (int)sizeof j->v->printed - 1,
             o->rep.printed);
}

vfy_exec vfy_job_exec(const vfy_job *j)
{
    return (vfy_exec){.s = j->s, .o = j->o, .plan = j->plan, .seed = j->seed};
}

static bool is_about_elements(hx_reason r)
{
    return r == HX_WRONG_RESULT || r == HX_LOW_PRECISION || r == HX_CONSTANT_OUTPUT;
}

ws_status vfy_job_judge_run(vfy_job *j, const vfy_run *o, const vfy_run *first, ws_err *err)
{
    if (o->err.status) {
        *err = o->err;
        return err->status;
    }
    const double worst_before = j->v->worst_ratio;
    j->v->worst_ratio = 0;
    j->v->runs++;
    j->v->run_seconds += o->rep.seconds;
    if (o->rep.reason != HX_PASS)
        vfy_job_reject_fault(j, &o->rep);
    else
        vfy_job_judge_outputs(j, o);
    vfy_record_run(j->o->record, o, j->v->reason, j->v->worst_ratio);
    j->v->worst_ratio = fmax(j->v->worst_ratio, worst_before);
    if (first && is_about_elements(j->v->reason))
        add_text(j->v, VFY_OTHER_ORDER);
    explain_values(j, &o->rep.engine);
    keep_warning(j->v, &o->rep.engine);
    if (o->rep.reason == HX_PASS && is_about_elements(j->v->reason) && j->steps == VFY_STEPS) {
        const vfy_exec e = vfy_job_exec(j);
        vfy_name_writer(&e, o, j->wrong_output, j->wrong_at, j->v);
    }
    for (int i = 0; first && o->rep.reason == HX_PASS && i < o->n_tensors; i++)
        if (o->tensor[i].role == RUN_OUTPUT)
            j->v->schedule_dependent |=
                memcmp(o->tensor[i].out, first->tensor[i].out, o->tensor[i].bytes) != 0;
    if (j->v->reason != HX_PASS) {
        vfy_job_describe_case(j, o->c);
        snprintf(j->v->printed, sizeof j->v->printed, "%.*s", (int)sizeof j->v->printed - 1,
                 o->rep.printed);
    } else if (!first && o->c->inputs == VFY_INPUTS_RANDOM) {
        record_counters(j, o);
    }
    return WS_OK;
}

int vfy_job_threads(const vfy_job *j)
{
    if (j->o->record) /* which runs follow each other in a process does not depend on the machine */
        return 1;
    return j->o->threads > 0 ? j->o->threads : ws_cpu_count();
}

ws_status vfy_job_find_kept_state(vfy_job *j, const vfy_exec *e, const vfy_run *r, ws_err *err)
{
    vfy_verdict *v = j->v, *found;
    vfy_run alone = {.c = r->c, .bound = r->bound, .compiled = r->compiled, .schedule = r->schedule,
                     .schedule_seed = r->schedule_seed};
    if (v->reason == HX_PASS || !r->place || !vfy_has_variables(r->compiled->ptx))
        return WS_OK;
    found = WS_ARENA_NEW(&j->arena, vfy_verdict, 1);
    *found = *v;
    v->reason = HX_PASS;
    vfy_execute(e, &alone, 1, 1);
    ws_status st = vfy_job_judge_run(j, &alone, NULL, err);
    const bool right = v->reason == HX_PASS;
    *v = *found;
    vfy_run_release(&alone);
    if (st || !right)
        return st;
    v->reason = HX_STATE_KEPT;
    snprintf(v->text, sizeof v->text,
             "right in a process of its own, wrong after earlier launches, which left something in "
             "a __device__ variable: %.700s",
             found->text);
    return WS_OK;
}
