#include "verifier/job.h"

#include "base/pool.h"
#include "verifier/policy.h"
#include "verifier/record.h"

#include <stdio.h>
#include <string.h>

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

comp_request vfy_job_request(vfy_job *j, const plan_bound *b, bool cubin)
{
    comp_request r = vfy_request(&j->arena, b, j->names_dims, cubin);
    r.source = j->source;
    r.source_bytes = j->n;
    r.file = j->file;
    r.arch = j->v->arch;
    r.beside_others = j->beside && !cubin;
    r.line_info |= j->o->lines != NULL;
    return r;
}

/* Makes the next case that the candidate will meet; false: there is none left. What fails here
 * fails again, and is reported, when the case is needed. */
static bool make_case_ahead(vfy_job *j)
{
    const int n = j->s->spec->n_checks * VFY_INPUTS_QUICK;
    while (j->next_case < n) {
        const int at = j->next_case++;
        ws_err ignored = {0};
        vfy_case *c;
        if (!j->shape[at / VFY_INPUTS_QUICK].plan || vfy_session_has(j->s, at, j->seed))
            continue;
        (void)!vfy_session_case(j->s, at / VFY_INPUTS_QUICK, (vfy_inputs)(at % VFY_INPUTS_QUICK),
                                j->seed, &c, &ignored);
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

bool vfy_job_compiles_alike(vfy_job *j, const plan_bound *a, const plan_bound *b)
{
    const comp_request x = vfy_job_request(j, a, false), y = vfy_job_request(j, b, false);
    if (x.n_macros != y.n_macros)
        return false;
    for (size_t i = 0; i < x.n_macros; i++)
        if (strcmp(x.macro[i].name, y.macro[i].name) || x.macro[i].value != y.macro[i].value)
            return false;
    return true;
}

static void note_beside(vfy_job *j, const plan_bound *b, const comp_result *made)
{
    WS_GROW(j->made_beside, j->n_made_beside, j->cap_made_beside);
    struct beside_made *m = &j->made_beside[j->n_made_beside++];
    m->of = b;
    memcpy(m->ptx_sha256, made->ptx_sha256, sizeof m->ptx_sha256);
}

ws_status vfy_job_compile(vfy_job *j, const plan_bound *b, bool cubin, comp_result *out,
                          ws_err *err)
{
    comp_request r = vfy_job_request(j, b, cubin);
    if (!cubin && j->compiled_for && vfy_job_compiles_alike(j, j->compiled_for, b)) {
        *out = j->compiled;
        vfy_record_compile(j->o->record, b, cubin, out);
        return WS_OK;
    }
    while (!comp_ready(j->s->comp, &r) && make_case_ahead(j))
        ;
    if (comp_compile(j->s->comp, &r, &j->arena, out, err))
        return err->status;
    if (out->ok && r.beside_others)
        note_beside(j, b, out);
    j->v->compile_seconds += out->seconds;
    vfy_record_compile(j->o->record, b, cubin, out);
    if (!out->ok) {
        vfy_job_reject(j, &out->diag);
        if (out->log)
            snprintf(j->v->log, sizeof j->v->log, "%s", from_first_error(out->log));
        return WS_OK;
    }
    hx_diag d = {0};
    if (!vfy_check_ptx(out->ptx, j->source, j->n, &d)) {
        vfy_job_reject(j, &d);
    } else if (!cubin) {
        j->compiled_for = b;
        j->compiled = *out;
    }
    return WS_OK;
}

ws_status vfy_job_compile_again(vfy_job *j, ws_err *err)
{
    j->beside = false;
    j->compiled_for = NULL;
    for (int i = 0; i < j->n_made_beside && !j->differs; i++) {
        comp_result alone;
        if (vfy_job_compile(j, j->made_beside[i].of, false, &alone, err))
            return err->status;
        j->differs = !alone.ok || strcmp(alone.ptx_sha256, j->made_beside[i].ptx_sha256) != 0;
    }
    return WS_OK;
}

void vfy_job_start_compiles(vfy_job *j)
{
    const int n = j->s->spec->n_checks;
    comp_request r = vfy_job_request(j, j->bench, !(j->o->assemble_below > 0));
    j->shape = WS_ARENA_NEW(&j->arena, vfy_bound_shape, n + 1);
    comp_prefetch(j->s->comp, &r);
    for (int c = 0; c < n; c++) {
        vfy_bound_shape *b = &j->shape[c];
        ws_env env = spec_env(j->s->spec, c);
        if (!plan_bind(&j->arena, j->plan, &env, j->o->tune, &b->plan, &b->why))
            b->plan = NULL;
    }
}

void vfy_job_start_check_compiles(vfy_job *j)
{
    for (int c = 0; c < j->s->spec->n_checks; c++) {
        if (!j->shape[c].plan)
            continue;
        comp_request r = vfy_job_request(j, j->shape[c].plan, false);
        comp_prefetch(j->s->comp, &r);
    }
    run_prepare(ws_cpu_count());
}
