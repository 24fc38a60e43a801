/* Blocks of a launch start in order, each when there is room for it. One that waits for a later one
 * waits for ever on a GPU that is full, and runs well on an engine that has room for all. */
#include "verifier/job.h"

#include "verifier/model.h"
#include "verifier/record.h"
#include "verifier/schedule.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Instructions that a run with less room may take, times those of one with enough. */
enum { PATIENCE = 64, MOST_BLOCKS = 4096 };

static int64_t blocks_of(const plan_bound_launch *l)
{
    return l->grid[0] * l->grid[1] * l->grid[2];
}

/* How many blocks the GPU holds at once, and what keeps more from it. */
static int64_t room_for(const tim_gpu *gpu, const comp_result *compiled, const plan_bound_launch *l,
                        tim_launch_estimate *e)
{
    const tim_launch of = vfy_launch_of(compiled, l);
    tim_model_launch(gpu, &of, e);
    return (int64_t)e->resident_blocks * gpu->sms;
}

/* false: *d says that the launch's blocks, which `why`, do not fit. */
static bool fits(const vfy_job *j, const comp_result *compiled, int index, hx_reason reason,
                 const char *why, hx_diag *d)
{
    const plan_bound_launch *l = &j->bench->launch[index];
    const tim_gpu *gpu = tim_gpu_find(j->v->gpu);
    tim_launch_estimate e;
    const int64_t most = gpu ? room_for(gpu, compiled, l, &e) : INT64_MAX;
    if (blocks_of(l) <= most)
        return true;
    return hx_reject(d, reason, l->line, 0,
                     "%s: '%s' has %" PRId64 " blocks at the benchmark shape, and %s holds "
                     "%d x %d = %" PRId64 " of them at once (limited by %s); launch no more than "
                     "fit and loop over the work, let blocks wait for earlier ones only, or "
                     "use another launch",
                     why, l->kernel, blocks_of(l), gpu->name, gpu->sms, e.resident_blocks, most,
                     e.resident_by);
}

/* The cheapest check shape at which some launch has several blocks; -1: none. */
static int shape_with_blocks(const vfy_job *j)
{
    int64_t least = INT64_MAX;
    int best = -1;
    for (int c = 0; c < j->s->spec->n_checks; c++) {
        int64_t most = 0;
        for (int l = 0; j->shape[c].plan && l < j->shape[c].plan->n_launches; l++) {
            const int64_t n = blocks_of(&j->shape[c].plan->launch[l]);
            most = n > most && !j->shape[c].plan->launch[l].cooperative ? n : most;
        }
        if (most > 2 && most < least) {
            least = most;
            best = c;
        }
    }
    return least <= MOST_BLOCKS ? best : -1;
}

/* The kernel whose blocks wait for later ones at the shape; "": none. */
static ws_status find_waiting(vfy_job *j, int check, const comp_result *comp,
                              char kernel[PTX_NAME_MAX], ws_err *err)
{
    vfy_exec e = vfy_job_exec(j);
    vfy_options o = *j->o;
    vfy_case *c = NULL;
    kernel[0] = '\0';
    if (vfy_session_case(j->s, check, VFY_INPUTS_RANDOM, j->seed, &c, err))
        return err->status;
    vfy_run whole = {.c = c, .bound = j->shape[check].plan, .compiled = comp, .alone = true,
                     .schedule = PTX_SCHED_ROUND_ROBIN}, one = whole;
    one.resident = 1;
    e.o = &o;
    vfy_execute(&e, &whole, 1, 1);
    if (!whole.err.status && whole.rep.reason == HX_PASS) {
        o.max_insns = 1000000 + PATIENCE * whole.rep.engine.counters.warp_insns;
        vfy_execute(&e, &one, 1, 1);
        const hx_reason r = one.err.status ? HX_PASS : one.rep.reason;
        if ((r == HX_DEADLOCK || r == HX_ENDLESS) && one.rep.engine.n_faults)
            snprintf(kernel, PTX_NAME_MAX, "%s", one.rep.engine.fault[0].kernel);
    }
    vfy_run_release(&whole);
    vfy_run_release(&one);
    return WS_OK;
}

static ws_status judge_waiting(vfy_job *j, const comp_result *compiled, hx_diag *d, ws_err *err)
{
    char insn[96], kernel[PTX_NAME_MAX];
    int line = 0;
    comp_result comp = {0};
    const int check = shape_with_blocks(j);
    if (check < 0 || vfy_order_of(compiled->ptx, insn, sizeof insn, &line) < VFY_ORDER_WAIT)
        return WS_OK;
    if (vfy_job_compile(j, j->shape[check].plan, false, &comp, err))
        return err->status;
    if (j->v->reason != HX_PASS || find_waiting(j, check, &comp, kernel, err))
        return err->status;
    for (int l = 0; l < j->bench->n_launches && kernel[0]; l++)
        if (strcmp(j->bench->launch[l].kernel, kernel) == 0 && !j->bench->launch[l].cooperative &&
            !fits(j, compiled, l, HX_DEADLOCK, "blocks wait for blocks that start after them", d))
            return WS_OK;
    return WS_OK;
}

ws_status vfy_job_resident(vfy_job *j, const comp_result *compiled, ws_err *err)
{
    hx_diag d = {0};
    const ws_env env = spec_env(j->s->spec, -1);
    for (int l = 0; l < j->bench->n_launches && d.reason == HX_PASS; l++)
        if (j->bench->launch[l].cooperative)
            fits(j, compiled, l, HX_INVALID_LAUNCH,
                 "all blocks of a cooperative launch have to be on the GPU at once", &d);
    if (d.reason == HX_PASS && judge_waiting(j, compiled, &d, err))
        return err->status;
    vfy_record_check(j->o->record, VFY_EMULATED, "room for blocks that wait", "", d.reason, NULL);
    if (d.reason == HX_PASS)
        return WS_OK;
    vfy_job_reject(j, &d);
    j->v->level = VFY_COMPILES;
    vfy_job_name_shape(j, &env);
    return WS_OK;
}
