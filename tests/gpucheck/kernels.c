/* Right kernels at check shapes, and hostile ones. */
#include "base/buf.h"
#include "harness/reason.h"
#include "tests/gpucheck/subject.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void gc_say(gc_subject *s, const char *shape, gc_end end, const gc_ran *r, const char *text)
{
    cJSON *row = cJSON_CreateObject();
    char name[256];
    snprintf(name, sizeof name, "%s %s", s->name, shape);
    cJSON_AddStringToObject(row, "spec", s->spec ? s->spec->name : "");
    cJSON_AddStringToObject(row, "shape", shape);
    if (r) {
        cJSON_AddStringToObject(row, "reason", hx_reason_name(r->reason));
        cJSON_AddNumberToObject(row, "worst_of_tolerance", r->worst);
        cJSON_AddNumberToObject(row, "seconds", r->seconds);
    }
    gc_add(s->c, row, end, name, text);
}

/* At one check shape. false: nothing more is to be found out. */
static bool check_shape(gc_subject *s, int shape, gc_ran *ran, bool *refused, ws_err *err)
{
    const ws_env env = spec_env(s->spec, shape);
    gc_built b;
    vfy_case k;
    *refused = false;
    *ran = (gc_ran){.reason = HX_PASS};
    if (gc_build(s, &env, &b, err))
        return false;
    if (b.why.reason != HX_PASS) {
        *refused = b.why.reason == HX_SHAPE_REFUSED;
        ran->reason = b.why.reason;
        snprintf(ran->text, sizeof ran->text, "%.590s", b.why.text);
        return true;
    }
    if (vfy_case_init(&k, s->graph, shape, VFY_INPUTS_RANDOM, 1 + (uint64_t)shape, err))
        return false;
    const bool went = !gc_run(s, &b, &k, ran, err);
    vfy_case_release(&k);
    return went;
}

static void check_right(gc_check *c, const char *file, const char *spec_name, const char *expect)
{
    gc_subject s;
    hx_diag d;
    ws_err err = {0};
    (void)expect;
    if (gc_open(&s, c, spec_name, file, &d, &err) || d.reason != HX_PASS)
        gc_say(&s, "", GC_FAILED, NULL, err.status ? err.msg : d.text);
    for (int shape = 0; s.plan && !err.status && shape < s.spec->n_checks; shape++) {
        gc_ran ran;
        bool refused;
        char name[32];
        snprintf(name, sizeof name, "check %d", shape);
        if (!check_shape(&s, shape, &ran, &refused, &err))
            gc_say(&s, name, GC_FAILED, NULL, err.msg);
        else if (!refused)
            gc_say(&s, name, ran.reason == HX_PASS ? GC_PASSED : GC_FAILED, &ran, ran.text);
    }
    gc_close(&s);
}

/* Whether an emitted spec is one of this run's. */
static bool is_meant(const gc_check *c, const char *name)
{
    return !gc_leaves_out(c, name) &&
           (c->all || strstr(name, "basics/") || strstr(name, "llm/"));
}

typedef struct walk {
    gc_check *c;
    gc_file_fn call;
} walk;

static void visit(void *ud, const char *name)
{
    const walk *w = ud;
    if (is_meant(w->c, name) && !gc_over(w->c, gc_spec_name(name)))
        w->call(w->c, NULL, name, "");
}

ws_status gc_each_emitted(gc_check *c, gc_file_fn call, ws_err *err)
{
    walk w = {c, call};
    return spec_catalogue(visit, &w, err);
}

ws_status gc_kernels(gc_check *c, ws_err *err)
{
    gc_each_file(c, "tests/kernels/honest", check_right);
    return gc_each_emitted(c, check_right, err);
}

/* ---- hostile kernels ---- */

/* What a GPU need not show: the engine does, and it comes first. Texts and PTX that are forbidden are
 * refused before a run; what is left of FORBIDDEN_CONSTRUCT the engine sees in use. A read out of
 * bounds may meet another buffer. */
static bool needs_engine(hx_reason r)
{
    static const hx_reason beyond[] = {
        HX_UNINITIALIZED_READ, HX_SHARED_RACE, HX_GLOBAL_RACE, HX_DIVERGENT_BARRIER, HX_DEADLOCK,
        HX_STATE_KEPT, HX_UNVERIFIED_PATH, HX_IDLE_LAUNCH, HX_CONSTANT_OUTPUT, HX_LOW_PRECISION,
        HX_WRONG_ALGEBRA, HX_NONDETERMINISTIC, HX_UNSUPPORTED, HX_ASSERT_FAILED, HX_ILLEGAL,
        HX_FORBIDDEN_CONSTRUCT, HX_OUT_OF_BOUNDS};
    for (size_t i = 0; i < WS_COUNT(beyond); i++)
        if (r == beyond[i])
            return true;
    return false;
}

static hx_reason reason_called(const char *id)
{
    static const char *const ids[] = {
#define X(id, name, text) #id,
        HX_REASON_LIST(X)
#undef X
    };
    for (int i = 0; i < (int)WS_COUNT(ids); i++)
        if (strcmp(ids[i], id) == 0)
            return (hx_reason)i;
    return HX_PASS;
}

static void check_hostile(gc_check *c, const char *file, const char *spec_name, const char *expect)
{
    gc_subject s;
    hx_diag d;
    ws_err err = {0};
    gc_ran ran = {.reason = HX_PASS};
    const hx_reason want = reason_called(expect);
    char text[256];
    if (gc_open(&s, c, spec_name, file, &d, &err)) {
        gc_say(&s, "", GC_FAILED, NULL, err.msg);
        gc_close(&s);
        return;
    }
    ran.reason = d.reason;
    bool refused = false;
    for (int shape = 0; ran.reason == HX_PASS && s.plan && shape < s.spec->n_checks; shape++)
        if (!check_shape(&s, shape, &ran, &refused, &err) || refused)
            break;
    if (err.status)
        gc_say(&s, "", GC_FAILED, NULL, err.msg);
    else if (ran.reason != HX_PASS)
        gc_say(&s, "", GC_PASSED, &ran, hx_reason_name(ran.reason));
    else if (needs_engine(want) || want == HX_WRONG_RESULT) {
        snprintf(text, sizeof text, "passes random inputs on a device; the engine says %s",
                 hx_reason_name(want));
        gc_say(&s, "", GC_SKIPPED, &ran, text);
    } else {
        snprintf(text, sizeof text, "accepted, expected %s", hx_reason_name(want));
        gc_say(&s, "", GC_FAILED, &ran, text);
    }
    gc_close(&s);
}

ws_status gc_hostile(gc_check *c, ws_err *err)
{
    (void)err;
    gc_each_file(c, "tests/kernels/hostile", check_hostile);
    return WS_OK;
}
