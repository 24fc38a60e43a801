/* profile: a bound plan, counted by the GPU's performance counters. */
#include "harness/device/program.h"
#include "harness/profile/cupti.h"

enum { POISON = 0xA5 };

typedef struct counted {
    dev_worker *w;
    dev_program *p;
} counted;

static ws_status prepare(void *ud, ws_err *err)
{
    counted *c = ud;
    return dev_program_prepare(c->w, c->p, POISON, err);
}

static ws_status run(void *ud, ws_err *err)
{
    counted *c = ud;
    if (dev_program_launch(c->w, c->p, err))
        return err->status;
    if (c->w->reason != HX_PASS) /* the candidate's fault: it ends the measurement */
        return ws_fail(err, WS_EINPUT, "%.900s", c->w->text);
    return WS_OK;
}

static void put_measurement(const prof_measurement *m, jl_writer *a)
{
    jl_put_text(a, "chip", m->chip);
    jl_put_int(a, "passes", m->passes);
    jl_open(a, "values", '{');
    for (int i = 0; i < m->n; i++)
        jl_put_number(a, m->metric[i]->key, m->value[i]);
    jl_close(a, '}');
}

/* Once without counting, so that a wrong kernel is told as such, and code is loaded. */
static ws_status measure(dev_worker *w, dev_program *p, int tier, prof_measurement *out,
                         ws_err *err)
{
    counted c = {w, p};
    const prof_work work = {prepare, run, &c};
    if (dev_program_load(w, p, err) || w->reason != HX_PASS || prepare(&c, err) || run(&c, err))
        return err->status;
    return prof_cupti_measure(cu_context(w->d), 0, tier, &work, out, err);
}

static ws_status op_profile(dev_worker *w, const jl_value *request, jl_writer *a, ws_err *err)
{
    dev_program p;
    prof_measurement m = {0};
    int64_t tier;
    if (cu_is_engine(w->d))
        return ws_fail(err, WS_EENV, "the CPU engine has no performance counters");
    if (jl_int(request, "tier", 1, PROF_TIERS, &tier, err) || dev_program_read(w, request, &p, err))
        return err->status;
    ws_status st = measure(w, &p, (int)tier, &m, err);
    if (w->reason != HX_PASS) {
        *err = (ws_err){0};
        st = WS_OK;
    } else if (!st) {
        put_measurement(&m, a);
    }
    if (!w->spent)
        dev_program_unload(w, &p);
    return st;
}

const dev_op dev_ops_profile[] = {
    {"profile", op_profile},
    {NULL, NULL},
};
