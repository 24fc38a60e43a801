#include "harness/timing/lane_unit.h"

#include "base/sha256.h"
#include "harness/launch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MAX_KEPT = 4096,
    MAX_HELD = 512,        /* launches behind a gate: a stream does not take endlessly many */
    ENGINE_CACHE = 1 << 16 /* bytes that sweeps take for a cache on the CPU driver */
};

/* ---- memory ---- */

static ws_status make_set(lane *l, int s, ws_err *err)
{
    const run_request *from = &l->r->set[s], *p = &l->r->program[0];
    l->tensor[s] = WS_ARENA_NEW(&l->arena, uint64_t, p->n_tensors + 1);
    for (int i = 0; i < p->n_tensors; i++) {
        const run_tensor *t = &p->tensor[i];
        if (cu_alloc(l->d, t->bytes, t->name, &l->tensor[s][i], err))
            return err->status;
        if (t->role == RUN_INPUT &&
            cu_upload(l->d, l->tensor[s][i], from->tensor[i].in, t->bytes, err))
            return err->status;
    }
    return WS_OK;
}

static ws_status make_unit(lane *l, lane_unit *u, ws_err *err)
{
    const plan_bound *b = u->p->plan;
    u->scratch = WS_ARENA_NEW(&l->arena, uint64_t, b->n_scratch + 1);
    for (int i = 0; i < b->n_scratch; i++)
        if (cu_alloc(l->d, (size_t)b->scratch_bytes[i], u->p->scratch_name[i], &u->scratch[i], err))
            return err->status;
    return cu_module_load(l->d, u->p->image, u->p->image_bytes, &u->module, err);
}

/* All programs and sets have the same tensors, whose inputs are there. */
static ws_status check_request(const lane_request *r, ws_err *err)
{
    const run_request *a = &r->program[0];
    if (r->n_programs < 2 || r->n_programs > LANE_MAX_PROGRAMS || r->n_sets < 2 ||
        r->n_sets > LANE_MAX_SETS)
        return ws_fail(err, WS_EINPUT, "a sitting has 2 to %d programs and 2 to %d sets",
                       LANE_MAX_PROGRAMS, LANE_MAX_SETS);
    for (int i = 0; i < r->n_programs + r->n_sets; i++) {
        const run_request *b = i < r->n_programs ? &r->program[i] : &r->set[i - r->n_programs];
        if (b->n_tensors != a->n_tensors)
            return ws_fail(err, WS_EINPUT, "the programs of a sitting have the same tensors");
        for (int t = 0; t < a->n_tensors; t++)
            if (b->tensor[t].bytes != a->tensor[t].bytes ||
                b->tensor[t].role != a->tensor[t].role || a->tensor[t].role == RUN_INOUT ||
                (i >= r->n_programs && a->tensor[t].role == RUN_INPUT && !b->tensor[t].in))
                return ws_fail(err, WS_EINPUT, "tensor '%s' of a sitting", a->tensor[t].name);
    }
    return WS_OK;
}

/* What a GPU needs around what is timed. One that nobody watches is timed all the same: the result
 * says so. */
static ws_status open_aids(lane *l, ws_err *err)
{
    cu_identity id;
    ws_err why = {0};
    if (l->engine)
        return l->r->rules.aids ? tim_aids_open(l->d, ENGINE_CACHE, &l->aids, err) : WS_OK;
    if (cu_identify(l->d, 0, &id, err) || tim_aids_open(l->d, id.l2_bytes, &l->aids, err))
        return err->status;
    if (tim_watch_open(id.uuid, NULL, &l->watch, &why))
        snprintf(l->out->unwatched, sizeof l->out->unwatched, "%.250s", why.msg);
    else
        tim_watch_look(l->watch, &l->out->first);
    l->out->last = l->out->first;
    return WS_OK;
}

ws_status lane_open(lane *l, ws_err *err)
{
    const lane_request *r = l->r;
    if (check_request(r, err))
        return err->status;
    l->n_units = r->n_programs + 1;
    l->unit = WS_ARENA_NEW(&l->arena, lane_unit, l->n_units);
    l->tensor = WS_ARENA_NEW(&l->arena, uint64_t *, r->n_sets);
    if (open_aids(l, err))
        return err->status;
    for (int i = 0; i < 4; i++)
        if (cu_event_new(l->d, &l->at[i], err))
            return err->status;
    for (int s = 0; s < r->n_sets; s++)
        if (make_set(l, s, err))
            return err->status;
    for (int i = 0; i < r->program[0].n_tensors; i++)
        if (r->program[0].tensor[i].role == RUN_OUTPUT)
            l->output_bytes += r->program[0].tensor[i].bytes;
    if (!(l->host = ws_alloc_tensor_unset(l->output_bytes)))
        return ws_fail(err, WS_ELIMIT, "no memory for %zu bytes of outputs", l->output_bytes);
    for (int i = 0; i < l->n_units; i++) {
        lane_unit *u = &l->unit[i];
        u->program = i < 2 ? 0 : i - 1;
        u->p = &r->program[u->program];
        if (make_unit(l, u, err))
            return ws_wrap(err, "program %d of the sitting", u->program);
    }
    return WS_OK;
}

void lane_close(lane *l)
{
    for (int i = 0; i < 4; i++)
        cu_event_free(l->d, l->at[i]);
    for (int i = 0; l->unit && i < l->n_units; i++) {
        lane_unit *u = &l->unit[i];
        for (int k = 0; u->scratch && k < u->p->plan->n_scratch; k++)
            cu_free(l->d, u->scratch[k]);
        cu_module_unload(l->d, u->module);
    }
    for (int s = 0; l->tensor && s < l->r->n_sets; s++)
        for (int i = 0; l->tensor[s] && i < l->r->program[0].n_tensors; i++)
            cu_free(l->d, l->tensor[s][i]);
    tim_aids_close(l->aids);
    tim_watch_close(l->watch);
    free(l->host);
    free(l->known);
    ws_arena_release(&l->arena);
}

/* ---- launches ---- */

static ws_status launch(lane *l, const lane_unit *u, const plan_bound_launch *at, int set,
                        ws_err *err)
{
    return launch_bound(l->d, u->module, at, launch_kernel(u->p->kernel, u->p->n_kernels, at->kernel),
                        l->tensor[set], u->scratch, err);
}

static ws_status launch_plan(lane *l, const lane_unit *u, int set, ws_err *err)
{
    for (int i = 0; i < u->p->plan->n_launches; i++)
        if (launch(l, u, &u->p->plan->launch[i], set, err))
            return err->status;
    return WS_OK;
}

/* Outputs of these sets and the unit's scratch, as no launch left them. */
static ws_status poison(lane *l, const lane_stretch *s, ws_err *err)
{
    const run_request *p = s->u->p;
    l->poison = (unsigned char)(l->poison * 5 + 0x9d);
    for (int k = 0; k < s->n_sets; k++)
        for (int i = 0; i < p->n_tensors; i++)
            if (p->tensor[i].role == RUN_OUTPUT &&
                cu_fill(l->d, l->tensor[s->set[k]][i], l->poison, p->tensor[i].bytes, err))
                return err->status;
    for (int i = 0; i < p->plan->n_scratch; i++)
        if (cu_fill(l->d, s->u->scratch[i], l->poison, (size_t)p->plan->scratch_bytes[i], err))
            return err->status;
    return WS_OK;
}

static ws_status enqueue(lane *l, lane_stretch *s, cu_event *from, cu_event *to, ws_err *err)
{
    if (l->r->rules.warm && launch_plan(l, s->u, s->set[0], err))
        return err->status;
    if (cu_event_record(l->d, from, err))
        return err->status;
    for (int i = 0; i < s->launches; i++)
        if (launch_plan(l, s->u, s->set[i % s->n_sets], err))
            return err->status;
    if (cu_event_record(l->d, to, err))
        return err->status;
    s->hz = l->engine ? cu_engine_clock_hz(l->d) : 0;
    return WS_OK;
}

/* ---- outputs ---- */

/* Nobody had this output of the set before: it is kept, to be compared by who asked. */
static ws_status keep(lane *l, int set, const char sha[65], int *at, ws_err *err)
{
    lane_result *o = l->out;
    if (o->n_outputs == MAX_KEPT)
        return ws_fail(err, WS_ELIMIT, "more than %d different outputs in one sitting", MAX_KEPT);
    if (o->n_outputs == l->cap_outputs) {
        l->cap_outputs = l->cap_outputs ? 2 * l->cap_outputs : 16;
        o->output = ws_realloc(o->output, (size_t)l->cap_outputs * sizeof *o->output);
        l->known = ws_realloc(l->known, (size_t)l->cap_outputs * sizeof *l->known);
    }
    *at = o->n_outputs++;
    o->output[*at] =
        (lane_output){.set = set, .by = ws_calloc((size_t)l->r->n_programs, sizeof(bool))};
    memcpy(l->known[*at].sha, sha, sizeof l->known[*at].sha);
    return l->r->keep ? l->r->keep(l->r->ud, *at, set, l->host, l->output_bytes, err) : WS_OK;
}

static ws_status look_at_output(lane *l, const lane_unit *u, int set, ws_err *err)
{
    const run_request *p = u->p;
    char sha[65];
    size_t n = 0;
    int at = -1;
    for (int i = 0; i < p->n_tensors; i++) {
        if (p->tensor[i].role != RUN_OUTPUT)
            continue;
        if (cu_download(l->d, l->host + n, l->tensor[set][i], p->tensor[i].bytes, err))
            return err->status;
        n += p->tensor[i].bytes;
    }
    ws_sha256_of(l->host, n, sha);
    for (int i = 0; i < l->out->n_outputs && at < 0; i++)
        if (l->out->output[i].set == set && memcmp(l->known[i].sha, sha, sizeof sha) == 0)
            at = i;
    if (at < 0 && keep(l, set, sha, &at, err))
        return err->status;
    l->out->output[at].by[u->program] = true;
    l->out->compared++;
    return WS_OK;
}

/* A failed call while `u` ran: the candidate's fault is a result. */
static ws_status explain(lane *l, const lane_unit *u, ws_err *err)
{
    lane_result *o = l->out;
    const int line = (int)strcspn(err->msg, "\n");
    o->reason = cu_last_reason(l->d);
    if (o->reason == HX_PASS)
        return err->status;
    o->failed = u->program;
    snprintf(o->text, sizeof o->text, "%.*s", line < 900 ? line : 900, err->msg);
    if (l->engine) {
        ptx_report *now = WS_ARENA_NEW(&l->arena, ptx_report, 1);
        cu_engine_report(l->d, now);
        if (now->n_faults) {
            o->reason = now->fault[0].reason;
            snprintf(o->text, sizeof o->text, "%s", now->fault[0].text);
        }
    }
    *err = (ws_err){0};
    return WS_OK;
}

/* ---- a pair ---- */

/* One member: the cache emptied, the clock read, the launches between their events, the clock. */
static ws_status enqueue_member(lane *l, lane_stretch *s, int i, ws_err *err)
{
    if (l->aids && ((!l->r->rules.warm && tim_aids_sweep(l->aids, err)) ||
                    tim_aids_probe(l->aids, 2 * i, err)))
        return err->status;
    if (enqueue(l, s, l->at[2 * i], l->at[2 * i + 1], err))
        return err->status;
    return l->aids ? tim_aids_probe(l->aids, 2 * i + 1, err) : WS_OK;
}

/* Behind a gate, so that the GPU never waits for the host between two events. */
static ws_status enqueue_all(lane *l, lane_stretch *s, int n, int *at, ws_err *err)
{
    int64_t launches = 0;
    for (int i = 0; i < n; i++)
        launches += (int64_t)s[i].launches * s[i].u->p->plan->n_launches;
    const bool held = l->aids && !l->engine && launches <= MAX_HELD;
    if (held && tim_aids_hold(l->aids, err))
        return err->status;
    for (*at = 0; *at < n && !err->status; ++*at)
        if (enqueue_member(l, &s[*at], *at, err))
            break;
    if (held)
        tim_aids_release(l->aids);
    return err->status;
}

/* The clocks of the members, and what says that they do not count. */
static ws_status read_aids(lane *l, lane_stretch *s, int n, ws_err *err)
{
    double hz[AIDS_PROBES];
    uint32_t late;
    tim_discard why = TIM_DISCARD_NONE;
    if (!l->aids)
        return WS_OK;
    if (tim_aids_hz(l->aids, hz, err) || tim_aids_late(l->aids, &late, err))
        return err->status;
    if (late != l->late)
        why = TIM_DISCARD_TIMER;
    l->late = late;
    if (l->watch) {
        tim_moment now;
        tim_watch_look(l->watch, &now);
        if (why == TIM_DISCARD_NONE)
            why = tim_moment_discard(&l->out->last, &now);
        l->out->last = now;
    }
    for (int i = 0; i < n; i++) {
        s[i].discard = why;
        if (!l->engine)
            s[i].hz = (hz[2 * i] + hz[2 * i + 1]) / 2;
    }
    return WS_OK;
}

ws_status lane_stretches(lane *l, lane_stretch *s, int n, bool timed, ws_err *err)
{
    int at = 0;
    for (int i = 0; i < n; i++)
        if (poison(l, &s[i], err))
            return err->status;
    if (enqueue_all(l, s, n, &at, err))
        return explain(l, s[at < n ? at : n - 1].u, err);
    if (cu_synchronize(l->d, err))
        return explain(l, s[n - 1].u, err);
    if (read_aids(l, s, n, err))
        return err->status;
    for (int i = 0; i < n; i++) {
        double t;
        if (cu_event_seconds(l->d, l->at[2 * i], l->at[2 * i + 1], &t, err))
            return err->status;
        s[i].seconds = (t - l->out->empty_s) / s[i].launches;
        l->out->launched += timed ? s[i].launches : 0;
        const int ran = s[i].launches < s[i].n_sets ? s[i].launches : s[i].n_sets;
        for (int k = 0; k < ran; k++)
            if (look_at_output(l, s[i].u, s[i].set[k], err))
                return err->status;
    }
    return WS_OK;
}
