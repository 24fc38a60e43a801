#include "verifier/job.h"

#include "verifier/policy.h"
#include "verifier/record.h"

#include <string.h>

/* Of one check shape. */
typedef struct shape_runs {
    vfy_run *run; /* [VFY_STEPS] */
    int n;
    bool executed;
    ws_err late; /* why there are no more */
} shape_runs;

static void release_runs(shape_runs *r)
{
    for (int i = 0; i < r->n; i++)
        vfy_run_release(&r->run[i]);
    r->n = 0;
}

void vfy_job_release_runs(vfy_job *j)
{
    for (int c = 0; j->ahead && c < j->s->spec->n_checks; c++)
        release_runs(&j->ahead[c]);
}

/* The runs of a check shape, which have room; a case that cannot be made ends them. */
static ws_status list_runs(vfy_job *j, int check, const comp_result *comp, shape_runs *to,
                           ws_err *err)
{
    to->n = 0;
    for (int step = 0; step < j->steps; step++) {
        const vfy_inputs kind = (vfy_inputs)(step ? step - 1 : 0);
        vfy_case *c = NULL;
        if (vfy_session_case(j->s, check, kind, j->seed, &c, err))
            return err->status;
        if (!c->meaningless || kind == VFY_INPUTS_RANDOM)
            to->run[to->n++] =
                (vfy_run){.c = c,
                          .bound = j->shape[check].plan,
                          .compiled = comp,
                          .uncounted = step > 0,
                          .schedule = step == 1 ? PTX_SCHED_RANDOM : PTX_SCHED_ROUND_ROBIN};
    }
    return WS_OK;
}

bool vfy_job_is_small(const vfy_job *j, int check)
{
    const double most = 1e8;
    ws_env env = spec_env(j->s->spec, check);
    ws_err ignored = {0};
    ref_cost cost;
    return !ref_cost_at(j->s->graph, &env, &cost, &ignored) && cost.flops + cost.min_bytes < most;
}

/* Executes the runs of this check shape and of those after it in one process: a candidate that is
 * right at the first shape is mostly right at all. */
static void execute_ahead(vfy_job *j, int check, const comp_result *of_shape)
{
    comp_result *comp = WS_ARENA_NEW(&j->arena, comp_result, 1); /* as long as the runs */
    const int n_checks = j->s->spec->n_checks, left = (n_checks - check) * VFY_STEPS;
    const vfy_exec e = vfy_job_exec(j);
    vfy_run *all =
        WS_ARENA_NEW(&j->arena, vfy_run, left < RUN_MAX_TOGETHER ? left : RUN_MAX_TOGETHER);
    int n = 0;
    *comp = *of_shape;
    j->ahead = WS_ARENA_NEW(&j->arena, shape_runs, n_checks);
    for (int c = check; c < n_checks && n + VFY_STEPS <= RUN_MAX_TOGETHER; c++) {
        shape_runs *r = &j->ahead[c];
        if (!j->shape[c].plan ||
            !vfy_job_compiles_alike(j, j->shape[c].plan, j->shape[check].plan) ||
            !vfy_job_is_small(j, c))
            continue;
        r->run = all + n;
        (void)!list_runs(j, c, comp, r, &r->late);
        r->executed = true;
        n += r->n;
    }
    vfy_execute(&e, all, n, 1);
}

static ws_status judge_runs(vfy_job *j, int check, const comp_result *comp, ws_err *err)
{
    const vfy_exec e = vfy_job_exec(j);
    const int threads = vfy_job_threads(j);
    vfy_run some[VFY_STEPS];
    shape_runs own = {.run = some}, *r = &own;
    int done = 0;
    ws_status st = WS_OK;
    if (check && j->v->runs && threads == 1 && j->steps == VFY_STEPS && !j->ahead)
        execute_ahead(j, check, comp);
    if (j->ahead && j->ahead[check].executed && j->steps == VFY_STEPS)
        r = &j->ahead[check];
    else
        (void)!list_runs(j, check, comp, r, &r->late);
    while (done < r->n && !st && j->v->reason == HX_PASS) {
        /* A candidate that fails fails mostly in its very first run: others beside it are lost. */
        const int more = threads > 1 && !j->v->runs ? 1 : r->n - done;
        if (!r->executed)
            vfy_execute(&e, &r->run[done], more, threads);
        for (int i = done; i < done + more && !st && j->v->reason == HX_PASS; i++) {
            if (!r->run[i].done) /* a run before it, of another shape, ended its process */
                vfy_execute(&e, &r->run[i], 1, 1);
            const bool again = r->run[i].schedule == PTX_SCHED_RANDOM;
            if (!(st = vfy_job_judge_run(j, &r->run[i], again ? &r->run[0] : NULL, err)))
                st = vfy_job_find_kept_state(j, &e, &r->run[i], err);
        }
        done += more;
    }
    if (!st && r->late.status && j->v->reason == HX_PASS) {
        *err = r->late;
        st = err->status;
    }
    release_runs(r);
    return st;
}

/* What one run leaves in module variables and the next one finds there. */
static ws_status judge_state(vfy_job *j, int check, const comp_result *comp, ws_err *err)
{
    const vfy_exec e = vfy_job_exec(j);
    vfy_run run = {.bound = j->shape[check].plan, .compiled = comp, .state = true,
                   .schedule = PTX_SCHED_ROUND_ROBIN};
    vfy_case *c = NULL;
    if (!vfy_has_variables(comp->ptx))
        return WS_OK;
    if (vfy_session_case(j->s, check, VFY_INPUTS_RANDOM, j->seed, &c, err))
        return err->status;
    run.c = c;
    vfy_execute(&e, &run, 1, 1);
    if (run.err.status) {
        *err = run.err;
    } else {
        j->v->runs++;
        j->v->run_seconds += run.rep.seconds;
        if (run.rep.reason != HX_PASS) {
            vfy_job_reject_fault(j, &run.rep);
            vfy_job_describe_case(j, c);
        }
        vfy_record_run(j->o->record, &run, j->v->reason, 0);
    }
    vfy_run_release(&run);
    return err->status;
}

ws_status vfy_job_shape(vfy_job *j, int check, ws_err *err)
{
    const plan_bound *b = j->shape[check].plan;
    if (!b) {
        const ws_env env = spec_env(j->s->spec, check);
        if (j->shape[check].why.reason == HX_SHAPE_REFUSED && !j->s->spec->generic) {
            j->v->shapes_refused++;
        } else {
            vfy_job_reject(j, &j->shape[check].why);
            vfy_job_name_shape(j, &env);
        }
        return WS_OK;
    }
    comp_result comp = {0};
    if (vfy_job_compile(j, b, false, &comp, err))
        return err->status;
    if (j->v->reason != HX_PASS)
        return WS_OK;
    if (judge_runs(j, check, &comp, err) ||
        (j->v->reason == HX_PASS && j->steps == VFY_STEPS && judge_state(j, check, &comp, err)))
        return err->status;
    j->v->shapes_passed += j->v->reason == HX_PASS;
    return WS_OK;
}
