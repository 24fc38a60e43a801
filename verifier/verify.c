#include "verifier/verify.h"

#include "base/clock.h"
#include "base/pool.h"
#include "base/sha256.h"
#include "harness/plan/plan.h"
#include "verifier/exec.h"
#include "verifier/field.h"
#include "verifier/field_stage.h"
#include "verifier/full.h"
#include "verifier/model.h"
#include "verifier/outputs.h"
#include "verifier/policy.h"
#include "verifier/precision.h"
#include "verifier/record.h"
#include "verifier/reach.h"
#include "verifier/scale.h"
#include "verifier/session.h"
#include "verifier/survey.h"
#include "verifier/wrong.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The plan at one check shape, or why there is none. */
typedef struct bound_shape {
    plan_bound *plan; /* NULL: refused or wrong, see `why` */
    hx_diag why;
} bound_shape;

/* Everything of one vfy_verify call. */
typedef struct job {
    vfy_session *s;
    const vfy_options *o;
    const char *source;
    size_t n;
    const char *file;
    ws_arena arena;
    plan *plan;
    plan_bound *bench;  /* at the benchmark shape */
    bound_shape *shape; /* per check shape */
    int next_case;      /* up to here the cases were made ahead */
    vfy_verdict *v;
    uint64_t seed;
    bool names_dims; /* the source, as macros */
    int wrong_output;   /* the worst element of the last comparison that was wrong */
    int64_t wrong_at;
    int steps;          /* runs of a check shape, at most */
    const plan_bound *compiled_for; /* the last of a check shape that is in order; NULL: none */
    comp_result compiled;
    struct shape_runs *ahead; /* per check shape */
    int counted_check; /* check shape whose counters stand in the verdict, -1 none */
    double counted_work;
    vfy_scale scale; /* what the check shapes showed of the work */
} job;

static void reject(job *j, const hx_diag *d)
{
    vfy_verdict *v = j->v;
    v->reason = d->reason;
    v->line = d->line;
    v->column = d->column;
    snprintf(v->file, sizeof v->file, "%s", j->file);
    snprintf(v->text, sizeof v->text, "%s", d->text);
}

/* ---- compiling ---- */

bool vfy_names_dims(const char *source, size_t n)
{
    return memmem(source, n, "DIM_", 4) || memmem(source, n, "##", 2);
}

comp_request vfy_request(ws_arena *a, const plan_bound *b, bool dims, bool cubin)
{
    comp_macro *macro = WS_ARENA_NEW(a, comp_macro, b->n_macros + 1);
    size_t n = 0;
    for (size_t i = 0; i < b->n_macros; i++)
        if (dims || strncmp(b->macro[i].name, "DIM_", 4) != 0)
            macro[n++] = (comp_macro){b->macro[i].name, b->macro[i].value};
    return (comp_request){.macro = macro, .n_macros = n, .want_cubin = cubin,
                          .line_info = !cubin, .fmad = true};
}

static comp_request request_of(job *j, const plan_bound *b, bool cubin)
{
    comp_request r = vfy_request(&j->arena, b, j->names_dims, cubin);
    r.source = j->source;
    r.source_bytes = j->n;
    r.file = j->file;
    r.arch = j->v->arch;
    return r;
}

/* Makes the next case that the candidate will meet; false: there is none left. What fails here
 * fails again, and is reported, when the case is needed. */
static bool make_case_ahead(job *j)
{
    const int n = j->s->spec->n_checks * VFY_INPUTS_QUICK;
    while (j->next_case < n) {
        const int at = j->next_case++;
        ws_err ignored = {0};
        vfy_case *c;
        if (!j->shape[at / VFY_INPUTS_QUICK].plan || vfy_session_has(j->s, at, j->seed))
            continue;
        (void)!vfy_session_case(j->s, at / VFY_INPUTS_QUICK, (vfy_inputs)(at % VFY_INPUTS_QUICK), j->seed,
                        &c, &ignored);
        return true;
    }
    return false;
}

/* Warnings about headers may be longer than what is kept of a log. */
static const char *from_first_error(const char *log)
{
    const char *error = strstr(log, ": error");
    if (!error || strlen(log) < sizeof((vfy_verdict *)0)->log)
        return log;
    while (error > log && error[-1] != '\n')
        error--;
    return error;
}

/* Whether the two are the same program, whatever their shapes. */
static bool compile_alike(const job *j, const plan_bound *a, const plan_bound *b)
{
    size_t i = 0, k = 0;
    for (;; i++, k++) {
        while (!j->names_dims && i < a->n_macros && strncmp(a->macro[i].name, "DIM_", 4) == 0)
            i++;
        while (!j->names_dims && k < b->n_macros && strncmp(b->macro[k].name, "DIM_", 4) == 0)
            k++;
        if (i == a->n_macros || k == b->n_macros)
            return i == a->n_macros && k == b->n_macros;
        if (strcmp(a->macro[i].name, b->macro[k].name) || a->macro[i].value != b->macro[k].value)
            return false;
    }
}

static ws_status compile(job *j, const plan_bound *b, bool cubin, comp_result *out, ws_err *err)
{
    comp_request r = request_of(j, b, cubin);
    if (!cubin && j->compiled_for && compile_alike(j, j->compiled_for, b)) {
        *out = j->compiled;
        vfy_record_compile(j->o->record, b, cubin, out);
        return WS_OK;
    }
    while (!comp_ready(j->s->comp, &r) && make_case_ahead(j))
        ;
    if (comp_compile(j->s->comp, &r, &j->arena, out, err))
        return err->status;
    j->v->compile_seconds += out->seconds;
    vfy_record_compile(j->o->record, b, cubin, out);
    if (!out->ok) {
        reject(j, &out->diag);
        if (out->log)
            snprintf(j->v->log, sizeof j->v->log, "%s", from_first_error(out->log));
        return WS_OK;
    }
    hx_diag d = {0};
    if (!vfy_check_ptx(out->ptx, j->source, j->n, &d)) {
        reject(j, &d);
    } else if (!cubin) {
        j->compiled_for = b;
        j->compiled = *out;
    }
    return WS_OK;
}

/* Starts the benchmark shape's compile, and binds the plan at every check shape. */
static void start_compiles(job *j)
{
    const int n = j->s->spec->n_checks;
    comp_request r = request_of(j, j->bench, true);
    j->shape = WS_ARENA_NEW(&j->arena, bound_shape, n + 1);
    comp_prefetch(j->s->comp, &r);
    for (int c = 0; c < n; c++) {
        bound_shape *b = &j->shape[c];
        ws_env env = spec_env(j->s->spec, c);
        if (!plan_bind(&j->arena, j->plan, &env, j->o->tune, &b->plan, &b->why))
            b->plan = NULL;
    }
}

/* The check shapes' compiles; not before it is known that they are needed. */
static void start_check_compiles(job *j)
{
    for (int c = 0; c < j->s->spec->n_checks; c++) {
        if (!j->shape[c].plan)
            continue;
        comp_request r = request_of(j, j->shape[c].plan, false);
        comp_prefetch(j->s->comp, &r);
    }
    run_prepare(ws_cpu_count());
}

/* ---- one run and what it shows ---- */

static void reject_fault(job *j, const run_report *r)
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

/* ---- judging what ran ---- */

static void describe_case(job *j, const vfy_case *c)
{
    snprintf(j->v->shape, sizeof j->v->shape, "%s", c->shape);
    snprintf(j->v->inputs, sizeof j->v->inputs, "%s", c->name);
    j->v->seed = c->seed;
}

static void judge_outputs(job *j, const vfy_run *r)
{
    vfy_judge o = {.s = j->s, .o = j->o, .v = j->v};
    vfy_judge_outputs(&o, r);
    j->wrong_output = o.wrong_output;
    j->wrong_at = o.wrong_at;
}

/* What the engine saw on the way to a wrong value. */
static void explain_values(job *j, const ptx_report *r)
{
    vfy_verdict *v = j->v;
    bool wrong = v->reason == HX_WRONG_RESULT || v->reason == HX_CONSTANT_OUTPUT;
    if (!wrong || !r->note[0])
        return;
    size_t at = strlen(v->text);
    snprintf(v->text + at, sizeof v->text - at, "; %s", r->note);
    v->line = r->note_line;
    snprintf(v->file, sizeof v->file, "%s", j->file);
}

static void record_counters(job *j, const vfy_run *o)
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

/* The runs of one check shape: every kind of inputs, the random ones first and on a second schedule
 * too, where the result must be right again. They are judged in this order, whichever ends
 * first. */
enum { STEPS = VFY_INPUTS_QUICK + 1 };

static vfy_exec exec_of(const job *j)
{
    return (vfy_exec){.s = j->s, .o = j->o, .plan = j->plan, .seed = j->seed};
}

static bool is_about_elements(hx_reason r)
{
    return r == HX_WRONG_RESULT || r == HX_LOW_PRECISION || r == HX_CONSTANT_OUTPUT;
}

/* `first` is the run of the same case on the first schedule, NULL: this is the first. */
static ws_status judge_run(job *j, const vfy_run *o, const vfy_run *first, ws_err *err)
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
        reject_fault(j, &o->rep);
    else
        judge_outputs(j, o);
    vfy_record_run(j->o->record, o, j->v->reason, j->v->worst_ratio);
    j->v->worst_ratio = fmax(j->v->worst_ratio, worst_before);
    explain_values(j, &o->rep.engine);
    if (o->rep.reason == HX_PASS && is_about_elements(j->v->reason) && j->steps == STEPS) {
        const vfy_exec e = exec_of(j);
        vfy_name_writer(&e, o, j->wrong_output, j->wrong_at, j->v);
    }
    for (int i = 0; first && i < o->n_tensors; i++)
        if (o->tensor[i].role == RUN_OUTPUT)
            j->v->schedule_dependent |=
                memcmp(o->tensor[i].out, first->tensor[i].out, o->tensor[i].bytes) != 0;
    if (j->v->reason != HX_PASS) {
        describe_case(j, o->c);
        snprintf(j->v->printed, sizeof j->v->printed, "%.*s", (int)sizeof j->v->printed - 1,
                 o->rep.printed);
    } else if (!first && o->c->inputs == VFY_INPUTS_RANDOM) {
        record_counters(j, o);
    }
    return WS_OK;
}

/* The runs of a check shape; a case that cannot be made ends them. */
static ws_status list_runs(job *j, int check, const comp_result *comp, vfy_run *run, int *n,
                           ws_err *err)
{
    *n = 0;
    for (int step = 0; step < j->steps; step++) {
        const vfy_inputs kind = (vfy_inputs)(step ? step - 1 : 0);
        vfy_case *c = NULL;
        if (vfy_session_case(j->s, check, kind, j->seed, &c, err))
            return err->status;
        if (!c->meaningless || kind == VFY_INPUTS_RANDOM)
            run[(*n)++] = (vfy_run){
                .c = c, .bound = j->shape[check].plan, .compiled = comp,
                .schedule = step == 1 ? PTX_SCHED_RANDOM : PTX_SCHED_ROUND_ROBIN};
    }
    return WS_OK;
}

static int threads_of(const job *j)
{
    if (j->o->record) /* which runs follow each other in a process does not depend on the machine */
        return 1;
    return j->o->threads > 0 ? j->o->threads : ws_cpu_count();
}

/* A run that is wrong after others in its process, and right alone: something stayed in the module's
 * variables. On a GPU they last as long as the program. */
static ws_status look_for_kept_state(job *j, const vfy_exec *e, const vfy_run *r, ws_err *err)
{
    vfy_verdict *v = j->v, *found = WS_ARENA_NEW(&j->arena, vfy_verdict, 1);
    vfy_run alone = {.c = r->c, .bound = r->bound, .compiled = r->compiled, .schedule = r->schedule,
                     .schedule_seed = r->schedule_seed};
    if (v->reason == HX_PASS || !r->place || !vfy_has_variables(r->compiled->ptx))
        return WS_OK;
    *found = *v;
    v->reason = HX_PASS;
    vfy_execute(e, &alone, 1, 1);
    ws_status st = judge_run(j, &alone, NULL, err);
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

/* Of one check shape. */
typedef struct shape_runs {
    vfy_run run[STEPS];
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

/* By work, not by time: the same kernel is judged in the same way. */
static bool is_small(job *j, int check)
{
    const double most = 1e8;
    ws_env env = spec_env(j->s->spec, check);
    ws_err ignored = {0};
    ref_bound *b = NULL;
    ref_cost cost;
    if (ref_bind(j->s->graph, &env, &j->arena, &b, &ignored))
        return false;
    ref_cost_of(b, &cost);
    return cost.flops + cost.min_bytes < most;
}

/* Executes the runs of this check shape and of those after it in one process: a candidate that is
 * right at the first shape is mostly right at all. */
static void execute_ahead(job *j, int check, const comp_result *comp)
{
    const int n_checks = j->s->spec->n_checks;
    const vfy_exec e = exec_of(j);
    vfy_run *all = WS_ARENA_NEW(&j->arena, vfy_run, RUN_MAX_TOGETHER);
    int n = 0, at = 0;
    j->ahead = WS_ARENA_NEW(&j->arena, shape_runs, n_checks);
    for (int c = check; c < n_checks && n + STEPS <= RUN_MAX_TOGETHER; c++) {
        shape_runs *r = &j->ahead[c];
        if (!j->shape[c].plan || !compile_alike(j, j->shape[c].plan, j->shape[check].plan) ||
            !is_small(j, c))
            continue;
        (void)!list_runs(j, c, comp, r->run, &r->n, &r->late);
        r->executed = true;
        memcpy(all + n, r->run, (size_t)r->n * sizeof *all);
        n += r->n;
    }
    vfy_execute(&e, all, n, 1);
    for (int c = check; c < n_checks; c++) {
        memcpy(j->ahead[c].run, all + at, (size_t)j->ahead[c].n * sizeof *all);
        at += j->ahead[c].n;
    }
}

static ws_status judge_runs(job *j, int check, const comp_result *comp, ws_err *err)
{
    const vfy_exec e = exec_of(j);
    const int threads = threads_of(j);
    shape_runs own = {0}, *r = &own;
    int done = 0;
    ws_status st = WS_OK;
    if (check && j->v->runs && threads == 1 && j->steps == STEPS && !j->ahead)
        execute_ahead(j, check, comp);
    if (j->ahead && j->ahead[check].executed && j->steps == STEPS)
        r = &j->ahead[check];
    else
        (void)!list_runs(j, check, comp, r->run, &r->n, &r->late);
    while (done < r->n && !st && j->v->reason == HX_PASS) {
        /* A candidate that fails fails mostly in its very first run: others beside it are lost. */
        const int more = threads > 1 && !j->v->runs ? 1 : r->n - done;
        if (!r->executed)
            vfy_execute(&e, &r->run[done], more, threads);
        for (int i = done; i < done + more && !st && j->v->reason == HX_PASS; i++) {
            if (!r->run[i].done) /* a run before it, of another shape, ended its process */
                vfy_execute(&e, &r->run[i], 1, 1);
            if (!(st = judge_run(j, &r->run[i],
                                 r->run[i].schedule == PTX_SCHED_RANDOM ? &r->run[0] : NULL, err)))
                st = look_for_kept_state(j, &e, &r->run[i], err);
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
static ws_status judge_state(job *j, int check, const comp_result *comp, ws_err *err)
{
    const vfy_exec e = exec_of(j);
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
            reject_fault(j, &run.rep);
            describe_case(j, c);
        }
        vfy_record_run(j->o->record, &run, j->v->reason, 0);
    }
    vfy_run_release(&run);
    return err->status;
}

static ws_status judge_shape(job *j, int check, ws_err *err)
{
    const plan_bound *b = j->shape[check].plan;
    if (!b) {
        if (j->shape[check].why.reason == HX_SHAPE_REFUSED && !j->s->spec->generic)
            j->v->shapes_refused++;
        else
            reject(j, &j->shape[check].why);
        return WS_OK;
    }
    comp_result comp = {0};
    if (compile(j, b, false, &comp, err))
        return err->status;
    if (j->v->reason != HX_PASS)
        return WS_OK;
    if (judge_runs(j, check, &comp, err) ||
        (j->v->reason == HX_PASS && j->steps == STEPS && judge_state(j, check, &comp, err)))
        return err->status;
    j->v->shapes_passed += j->v->reason == HX_PASS;
    return WS_OK;
}

/* ---- full verification ---- */

/* One check shape, for full.h. */
typedef struct full_job {
    job *j;
    vfy_exec exec;
    const plan_bound *bound;
    const comp_result *compiled;
} full_job;

/* What a run that may be wrong is like, without a trace in the verdict. */
static hx_reason look_at_outputs(job *j, const vfy_run *o)
{
    vfy_verdict *mine = ws_malloc(sizeof *mine), *v = j->v;
    *mine = *v;
    j->v = mine;
    judge_outputs(j, o);
    hx_reason r = mine->reason;
    j->v = v;
    free(mine);
    return r;
}

static void take_outputs(const job *j, vfy_run *o, vfy_try *t)
{
    int n_in = j->s->spec->n_inputs + j->s->spec->n_weights, n = j->s->graph->n_outputs;
    if (o->rep.reason != HX_PASS)
        return;
    t->out = ws_calloc((size_t)n + 1, sizeof *t->out);
    for (int k = 0; k < n; k++) {
        t->out[k] = o->tensor[n_in + k].out;
        o->tensor[n_in + k].out = NULL;
    }
}

/* A run that is allowed to be wrong. */
static void record_try(job *j, const vfy_run *o, const vfy_try *t)
{
    char what[64] = "for comparison";
    if (t->without)
        snprintf(what, sizeof what, "without launch %d", t->without);
    vfy_record_of(j->o->record, what, NULL);
    vfy_record_run(j->o->record, o, t->reason, 0);
}

static ws_status judge_try(full_job *f, vfy_run *o, vfy_try *t, ws_err *err)
{
    job *j = f->j;
    t->insns = o->rep.engine.counters.warp_insns;
    t->reason = o->rep.reason;
    if (!t->judged && o->err.status) {
        *err = o->err;
        return err->status;
    }
    vfy_record_of(j->o->record, NULL, t->relation);
    if (t->judged &&
        (judge_run(j, o, NULL, err) || look_for_kept_state(j, &f->exec, o, err)))
        return err->status;
    if (!t->judged && t->reason == HX_PASS)
        t->reason = look_at_outputs(j, o);
    if (!t->judged)
        record_try(j, o, t);
    if (t->judged && j->v->reason != HX_PASS && t->relation) {
        size_t at = strlen(j->v->text);
        snprintf(j->v->text + at, sizeof j->v->text - at, "; %s", t->relation);
    }
    take_outputs(j, o, t);
    return WS_OK;
}

/* Those that may fail have a process each. */
static ws_status run_tries(void *ud, vfy_try *t, int n, ws_err *err)
{
    full_job *f = ud;
    ws_status st = WS_OK;
    vfy_run *run = ws_calloc((size_t)n + 1, sizeof *run);
    for (int i = 0; i < n; i++)
        run[i] = (vfy_run){.c = t[i].c,
                           .bound = t[i].without ? vfy_plan_without(&f->j->arena, f->bound, t[i].without)
                                                 : f->bound,
                           .compiled = f->compiled,
                           .schedule = t[i].schedule,
                           .schedule_seed = t[i].seed,
                           .alone = !t[i].judged};
    vfy_execute(&f->exec, run, n, threads_of(f->j));
    for (int i = 0; i < n && !st && f->j->v->reason == HX_PASS; i++)
        st = judge_try(f, &run[i], &t[i], err);
    for (int i = 0; i < n; i++)
        vfy_run_release(&run[i]);
    free(run);
    return st;
}

static ws_status full_shape(job *j, int check, ws_err *err)
{
    comp_result comp = {0};
    if (compile(j, j->shape[check].plan, false, &comp, err))
        return err->status;
    if (j->v->reason != HX_PASS)
        return WS_OK;
    full_job f = {j, exec_of(j), j->shape[check].plan, &comp};
    vfy_full full = {.s = j->s, .v = j->v, .plan = j->plan, .bound = f.bound, .ptx = comp.ptx,
                     .check = check, .seed = j->seed, .run = run_tries, .ud = &f};
    return vfy_full_shape(&full, err);
}

/* What cannot be evaluated at a shape that the spec does not list, or takes long there, says nothing
 * about the kernel. */
static ws_status judge_reached(job *j, const ws_env *at, const plan_bound *b,
                               const comp_result *comp, bool *slow, ws_err *err)
{
    vfy_exec e = exec_of(j);
    vfy_options soon = *j->o;
    ws_status st = WS_OK;
    soon.wall_seconds = j->o->record ? j->o->wall_seconds : 5;
    soon.max_insns = j->o->record ? 100000000 : 0; /* by work: it is the same on a slow machine */
    e.o = &soon;
    for (int k = 0; k < VFY_INPUTS_QUICK && !st && !*slow && j->v->reason == HX_PASS; k++) {
        vfy_run run = {.bound = b, .compiled = comp, .schedule = PTX_SCHED_ROUND_ROBIN};
        vfy_case c;
        ws_err ignored = {0};
        if (vfy_reach_case(&c, j->s->graph, at, (vfy_inputs)k, j->seed, &ignored))
            continue;
        run.c = &c;
        if (!c.meaningless) {
            vfy_execute(&e, &run, 1, 1);
            *slow = !run.err.status && run.rep.reason == HX_ENDLESS;
            if (!*slow)
                st = judge_run(j, &run, NULL, err);
        }
        vfy_run_release(&run);
        vfy_case_release(&c);
    }
    return st;
}

/* The shapes on the way to the benchmark's. */
static ws_status judge_reach(job *j, ws_err *err)
{
    enum { MOST = 8 };
    ws_env at[MOST];
    const int n = vfy_reach_shapes(j->s->graph, &j->arena, at, MOST);
    bool slow = false;
    for (int i = 0; i < n && !slow && j->v->reason == HX_PASS; i++) {
        plan_bound *b = NULL;
        comp_result comp = {0};
        hx_diag why = {0};
        if (!plan_bind(&j->arena, j->plan, &at[i], j->o->tune, &b, &why))
            continue;
        comp_request r = request_of(j, b, false);
        if (comp_compile(j->s->comp, &r, &j->arena, &comp, err))
            return err->status;
        vfy_record_compile(j->o->record, b, false, &comp);
        if (comp.ok && judge_reached(j, &at[i], b, &comp, &slow, err))
            return err->status;
    }
    return WS_OK;
}

static ws_status full(job *j, ws_err *err)
{
    if (judge_reach(j, err))
        return err->status;
    for (int c = 0; c < j->s->spec->n_checks && j->v->reason == HX_PASS; c++)
        if (j->shape[c].plan && full_shape(j, c, err))
            return err->status;
    j->v->depth = VFY_FULL;
    if (j->v->reason != HX_PASS) { /* nothing of it stands */
        j->v->level = VFY_COMPILES;
        j->v->has_model = false;
    }
    return WS_OK;
}

/* ---- modelled time at the benchmark shape ---- */

/* One wrong element does not tell a constant from a slip: the next shape that has more may. */
static ws_status look_further(job *j, int check, ws_err *err)
{
    vfy_verdict *v = j->v, *first = WS_ARENA_NEW(&j->arena, vfy_verdict, 1);
    *first = *v;
    for (int c = check + 1; c < j->s->spec->n_checks; c++) {
        v->reason = HX_PASS;
        if (judge_shape(j, c, err))
            return err->status;
        if (v->reason == HX_CONSTANT_OUTPUT)
            return WS_OK;
        if (v->reason != HX_PASS && v->checked > 1)
            break;
    }
    if (v->reason == HX_WRONG_RESULT && v->checked > 1)
        vfy_append_pattern(first, v);
    *v = *first;
    return WS_OK;
}

/* Whether another shape could tell more: it ends by itself, and soon. */
static bool worth_a_survey(const vfy_verdict *v)
{
    static const hx_reason by_shape[] = {HX_WRONG_RESULT, HX_NOT_WRITTEN,    HX_OUT_OF_BOUNDS,
                                         HX_MISALIGNED,   HX_SHARED_RACE,    HX_GLOBAL_RACE,
                                         HX_INPUT_MODIFIED, HX_UNINITIALIZED_READ};
    for (size_t i = 0; i < WS_COUNT(by_shape); i++)
        if (v->reason == by_shape[i])
            return strcmp(v->inputs, vfy_inputs_name(VFY_INPUTS_RANDOM)) == 0;
    return false;
}

/* The check shapes after the one that failed, one run each. */
static ws_status survey(job *j, int failed, ws_err *err)
{
    int n = j->s->spec->n_checks;
    vfy_shape_state *state = WS_ARENA_NEW(&j->arena, vfy_shape_state, n + 1);
    vfy_verdict *v = j->v, *first = WS_ARENA_NEW(&j->arena, vfy_verdict, 1);
    *first = *v;
    j->steps = 1;
    for (int c = 0; c < n; c++) {
        if (!j->shape[c].plan || (c > failed && !is_small(j, c)))
            continue;
        state[c] = c < failed ? VFY_SHAPE_RIGHT : VFY_SHAPE_WRONG;
        if (c <= failed)
            continue;
        v->reason = HX_PASS;
        if (judge_shape(j, c, err))
            return err->status;
        state[c] = v->reason == HX_PASS            ? VFY_SHAPE_RIGHT
                   : v->reason == HX_COMPILE_ERROR ? VFY_SHAPE_UNKNOWN
                                                   : VFY_SHAPE_WRONG;
    }
    *v = *first;
    vfy_survey_describe(j->s->spec, state, v->survey, sizeof v->survey);
    return WS_OK;
}

bool vfy_fails_at_benchmark(const plan *p, const run_report *r)
{
    bool alone = p->n_launches == 1 && !p->n_scratch;
    return r->reason == HX_INVALID_LAUNCH ||
           (alone && (r->reason == HX_OUT_OF_BOUNDS || r->reason == HX_MISALIGNED));
}

static void reject_benchmark(job *j, const run_report *r)
{
    vfy_verdict *v = j->v;
    ws_buf shape = {0};
    ws_env env = spec_env(j->s->spec, -1);
    v->level = VFY_COMPILES;
    v->has_model = false;
    reject_fault(j, r);
    spec_env_print(&env, &shape);
    snprintf(v->shape, sizeof v->shape, "%s", ws_buf_z(&shape));
    snprintf(v->inputs, sizeof v->inputs, "zero");
    ws_buf_release(&shape);
}

/* What the sample of the benchmark shape's blocks says about work that is not checked there. */
static ws_status judge_scale(job *j, const vfy_modelled *t, const char *ptx, ws_err *err)
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
    ws_buf shape = {0};
    reject(j, &d);
    j->v->level = VFY_COMPILES;
    spec_env_print(&env, &shape);
    snprintf(j->v->shape, sizeof j->v->shape, "%s", ws_buf_z(&shape));
    ws_buf_release(&shape);
    return WS_OK;
}

static ws_status model_time(job *j, const plan_bound *bench, const comp_result *compiled,
                            ws_err *err)
{
    vfy_verdict *v = j->v;
    const tim_gpu *gpu = tim_gpu_find(v->gpu);
    if (!gpu)
        return ws_fail(err, WS_EUSAGE, "unknown GPU '%s' for the cost model", v->gpu);
    vfy_model_input m = {.graph = j->s->graph,
                         .plan = j->plan,
                         .bench = bench,
                         .compiled = compiled,
                         .tensor_name = j->s->tensor_name,
                         .gpu = gpu,
                         .checked = &v->counters,
                         .checked_work = j->counted_work};
    vfy_modelled t;
    ws_status st = vfy_model(&m, &j->arena, &t, err);
    if (!st) {
        v->has_model = true;
        v->model = t.time;
        v->model_sampled = t.sampled;
        vfy_keep_launches(&m, &t, v);
    }
    if (!st && vfy_fails_at_benchmark(j->plan, &t.sample))
        reject_benchmark(j, &t.sample);
    else if (!st && t.sampled)
        st = judge_scale(j, &t, compiled->ptx, err);
    vfy_record_check(j->o->record, VFY_EMULATED, "work at the benchmark shape", "", v->reason, NULL);
    run_report_release(&t.sample);
    return st;
}

static bool keeps_policy(job *j)
{
    hx_diag d = {0};
    ws_env env = spec_env(j->s->spec, -1);
    if (!comp_check_source(j->source, j->n, &d) ||
        !plan_parse(&j->arena, j->source, j->n, &j->s->names, &j->plan, &d) ||
        !plan_bind(&j->arena, j->plan, &env, j->o->tune, &j->bench, &d)) {
        reject(j, &d);
        return false;
    }
    j->v->level = VFY_POLICY;
    vfy_record_check(j->o->record, VFY_POLICY, "source and plan", "", HX_PASS, NULL);
    return true;
}

/* A check shape's PTX has lines; it was compiled before. */
static ws_status check_sums(job *j, ws_err *err)
{
    int c = 0;
    comp_result comp = {0};
    while (!j->shape[c].plan)
        c++;
    if (compile(j, j->shape[c].plan, false, &comp, err))
        return err->status;
    int line = vfy_half_sums(j->s->spec, comp.ptx);
    hx_diag d = {0};
    if (line < 0)
        return WS_OK;
    hx_reject(&d, HX_LOW_PRECISION, line, 0,
              "the tensor cores sum in half precision; the spec asks for sums in %s",
              ws_dtype_name(j->s->spec->accumulate));
    reject(j, &d);
    return WS_OK;
}

/* A require that lets only shapes through at which there is next to nothing to do, 1 of everything,
 * leaves the operation unchecked. */
static bool shapes_count(job *j, hx_diag *d)
{
    const double least = 0.005;
    double most = 0;
    for (int c = 0; c < j->s->spec->n_checks && j->v->shapes_refused; c++) {
        ws_env env = spec_env(j->s->spec, c);
        ws_err ignored = {0};
        ref_bound *b = NULL;
        ref_cost cost;
        if (ref_bind(j->s->graph, &env, &j->arena, &b, &ignored))
            continue;
        ref_cost_of(b, &cost);
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
        snprintf(v->text + at, sizeof v->text - (size_t)at, "; require refuses %d",
                 v->shapes_refused);
}

/* The algebraic level, at every check shape. */
static ws_status check_field(job *j, ws_err *err)
{
    vfy_field *f = &j->v->field;
    vfy_verdict *lone = NULL; /* of a shape where one element says little */
    vfy_field_begin(j->s, f);
    for (int c = 0; c < j->s->spec->n_checks && (f->applies || f->n_stages) &&
                    j->v->reason == HX_PASS; c++) {
        comp_result comp = {0};
        if (!j->shape[c].plan)
            continue;
        if (compile(j, j->shape[c].plan, false, &comp, err))
            return err->status;
        vfy_field_shape x = {j->s, j->plan, j->shape[c].plan, &comp, c, j->seed, j->o->wall_seconds};
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

static ws_status verify(job *j, ws_err *err)
{
    vfy_verdict *v = j->v;
    hx_diag d = {0};
    comp_result cubin = {0};
    if (compile(j, j->bench, true, &cubin, err) ||
        comp_version(v->compiler, sizeof v->compiler, err))
        return err->status;
    if (v->reason == HX_PASS && vfy_needs_lines(cubin.ptx) &&
        compile(j, j->bench, false, &(comp_result){0}, err))
        return err->status;
    if (v->reason != HX_PASS)
        return WS_OK;
    vfy_record_resources(&cubin, v);
    if (!plan_check_kernels(j->plan, cubin.kernel, cubin.n_kernels, &j->s->names, &d)) {
        reject(j, &d);
        return WS_OK;
    }
    if (!vfy_registers_fit(j->bench, &cubin, &d)) {
        reject(j, &d);
        return WS_OK;
    }
    v->level = VFY_COMPILES;
    vfy_record_check(j->o->record, VFY_COMPILES, "kernels, parameters and registers", "", HX_PASS, NULL);
    if (j->o->go_on) {
        if (!j->o->go_on(j->o->ud, v))
            return WS_OK;
        start_check_compiles(j);
    }
    for (int c = 0; c < j->s->spec->n_checks && v->reason == HX_PASS; c++)
        if (judge_shape(j, c, err) ||
            (v->reason == HX_WRONG_RESULT && v->checked == 1 && look_further(j, c, err)) ||
            (j->o->survey && worth_a_survey(v) && survey(j, c, err)))
            return err->status;
    if (v->reason != HX_PASS)
        return WS_OK;
    if (!shapes_count(j, &d)) {
        reject(j, &d);
        return WS_OK;
    }
    ws_status st = check_sums(j, err);
    if (st || v->reason != HX_PASS)
        return st;
    v->level = VFY_EMULATED;
    st = model_time(j, j->bench, &cubin, err);
    bool deep = j->o->depth == VFY_FULL || (v->has_model && v->model.seconds < j->o->full_below);
    if (!st && v->reason == HX_PASS && deep)
        st = full(j, err);
    if (!st && v->reason == HX_PASS && j->o->max_level >= VFY_ALGEBRAIC)
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
    job j = {.s = s, .o = o, .source = source, .n = n, .v = out,
             .file = o->file ? o->file : "kernel.cu", .steps = STEPS, .seed = o->seed ? o->seed : s->seed};
    snprintf(out->arch, sizeof out->arch, "%s", o->arch ? o->arch : "sm_90");
    snprintf(out->gpu, sizeof out->gpu, "%s", o->gpu ? o->gpu : "h100");
    out->seed = j.seed;
    ws_sha256_of(source, n, out->source_sha256);
    ws_status st;
    j.names_dims = vfy_names_dims(source, n);
    if (keeps_policy(&j)) {
        start_compiles(&j);
        if (!o->go_on)
            start_check_compiles(&j);
        st = verify(&j, err);
        comp_cancel(s->comp);
    } else {
        st = comp_version(out->compiler, sizeof out->compiler, err);
    }
    out->total_seconds = ws_seconds_since(start);
    for (int c = 0; j.ahead && c < s->spec->n_checks; c++)
        release_runs(&j.ahead[c]);
    ws_arena_release(&j.arena);
    return st ? ws_wrap(err, "verify %s", s->spec->name) : WS_OK;
}
