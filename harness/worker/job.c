#include "harness/worker/job.h"

#include "base/clock.h"
#include "harness/confine.h"
#include "harness/launch.h"
#include "harness/ptx/ptx.h"
#include "harness/worker/state.h"
#include "harness/worker/tile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum { GUARD_BYTES = 4096, GUARD_BYTE = 0xC9 };
/* Of the child's wall time: a launch that takes more is ended by the engine, which says where. */
static const double engine_share = 0.8;

/* One device buffer. On a GPU it stands between guard zones; the engine has its own. */
typedef struct buffer {
    const char *name;
    uint64_t base, ptr;
    size_t bytes;
} buffer;

typedef struct job {
    run_request *r;
    wire_result *result;
    ptx_coverage *coverage; /* NULL: not wanted */
    ptx_lines *lines;       /* the same */
    cu_device *d;
    cu_module *m;
    bool engine;
    size_t guard;
    buffer *tensor, *scratch;
    uint64_t *tensor_at, *scratch_at;
    ptx_options options;
    ptx_counters *launch;
    ws_arena *arena;
    int failed_launch; /* index, -1: none */
    int times;         /* runs that examine_state has begun */
} job;

/* ---- buffers ---- */

static ws_status make_buffer(job *j, const char *name, size_t bytes, buffer *out, ws_err *err)
{
    *out = (buffer){.name = name ? name : "", .bytes = bytes};
    if (cu_alloc(j->d, bytes + 2 * j->guard, out->name, &out->base, err))
        return err->status;
    out->ptr = out->base + j->guard;
    if (!j->guard)
        return WS_OK;
    if (cu_fill(j->d, out->base, GUARD_BYTE, j->guard, err))
        return err->status;
    return cu_fill(j->d, out->ptr + bytes, GUARD_BYTE, j->guard, err);
}

static ws_status upload(job *j, int i, ws_err *err)
{
    const run_tensor *t = &j->r->tensor[i];
    if (!t->in)
        return WS_OK;
    return t->tile.rank ? run_tile_upload(j->d, j->tensor[i].ptr, t, err)
                        : cu_upload(j->d, j->tensor[i].ptr, t->in, t->bytes, err);
}

static ws_status make_buffers(job *j, ws_err *err)
{
    const run_request *r = j->r;
    int n_scratch = r->plan->n_scratch;
    j->tensor = WS_ARENA_NEW(j->arena, buffer, r->n_tensors + 1);
    j->scratch = WS_ARENA_NEW(j->arena, buffer, n_scratch + 1);
    j->tensor_at = WS_ARENA_NEW(j->arena, uint64_t, r->n_tensors + 1);
    j->scratch_at = WS_ARENA_NEW(j->arena, uint64_t, n_scratch + 1);
    for (int i = 0; i < r->n_tensors; i++) {
        if (make_buffer(j, r->tensor[i].name, r->tensor[i].bytes, &j->tensor[i], err))
            return err->status;
        j->tensor_at[i] = j->tensor[i].ptr;
        if (upload(j, i, err))
            return err->status;
        if (j->engine && r->tensor[i].role == RUN_INPUT)
            cu_engine_protect(j->d, j->tensor[i].ptr);
    }
    for (int i = 0; i < n_scratch; i++) {
        if (make_buffer(j, r->scratch_name[i], (size_t)r->plan->scratch_bytes[i], &j->scratch[i],
                        err))
            return err->status;
        j->scratch_at[i] = j->scratch[i].ptr;
    }
    return WS_OK;
}

/* Over a field: whether tensors are elements of it. WS_OK. */
static void hold_kinds(job *j)
{
    const ptx_options *o = &j->options;
    for (int i = 0; j->engine && o->field_prime && i < j->r->n_tensors && i < 64; i++)
        if ((o->field_floats | o->field_ints) >> i & 1)
            cu_engine_hold(j->d, j->tensor[i].ptr, j->tensor[i].bytes, o->field_floats >> i & 1);
}

static ws_status poison(job *j, const buffer *b, unsigned char byte, ws_err *err)
{
    if (cu_fill(j->d, b->ptr, byte, b->bytes, err))
        return err->status;
    if (j->engine)
        cu_engine_mark_uninitialized(j->d, b->ptr, b->bytes);
    return WS_OK;
}

/* Outputs and scratch as no run left them, in-out tensors as they began. */
static ws_status prepare(job *j, unsigned char byte, ws_err *err)
{
    const run_request *r = j->r;
    for (int i = 0; i < r->n_tensors && !r->counting; i++) {
        const run_tensor *t = &r->tensor[i];
        if (t->role == RUN_OUTPUT && poison(j, &j->tensor[i], byte, err))
            return err->status;
        if (t->role == RUN_INOUT && cu_upload(j->d, j->tensor[i].ptr, t->in, t->bytes, err))
            return err->status;
    }
    for (int i = 0; i < r->plan->n_scratch && !r->counting; i++)
        if (poison(j, &j->scratch[i], byte, err))
            return err->status;
    return WS_OK;
}

/* The first guard zone that a kernel wrote to; NULL: none. */
static const buffer *broken_guard(job *j, bool *after, ws_err *err)
{
    unsigned char zone[GUARD_BYTES];
    int n = j->r->n_tensors, all = n + j->r->plan->n_scratch;
    for (int i = 0; j->guard && i < 2 * all; i++) {
        const buffer *b = i / 2 < n ? &j->tensor[i / 2] : &j->scratch[i / 2 - n];
        *after = i & 1;
        if (cu_download(j->d, zone, *after ? b->ptr + b->bytes : b->base, j->guard, err))
            return NULL;
        for (size_t k = 0; k < j->guard; k++)
            if (zone[k] != GUARD_BYTE)
                return b;
    }
    return NULL;
}

/* ---- launches ---- */

static ws_status launch(job *j, const plan_bound_launch *l, ws_err *err)
{
    return launch_bound(j->d, j->m, l, launch_kernel(j->r->kernel, j->r->n_kernels, l->kernel),
                        j->tensor_at, j->scratch_at, err);
}

static void take_lines(ptx_lines *to, const ptx_lines *from, int launch)
{
    to->full |= from->full || to->n + from->n > PTX_MAX_LINES;
    for (int n = 0; n < from->n && to->n < PTX_MAX_LINES; n++) {
        to->line[to->n] = from->line[n];
        to->line[to->n++].launch = launch;
    }
}

/* The counters of launch i; the next one begins at zero. */
static void count_launch(job *j, int i)
{
    ptx_report *now = WS_ARENA_NEW(j->arena, ptx_report, 1);
    cu_engine_report(j->d, now);
    j->launch[i] = now->counters;
    if (j->lines && now->lines)
        take_lines(j->lines, now->lines, i);
    cu_engine_configure(j->d, &j->options);
}

static ws_status launch_all(void *ud, ws_err *err)
{
    job *j = ud;
    for (int i = 0; i < j->r->plan->n_launches; i++) {
        j->failed_launch = i;
        if (j->engine && j->r->watch.bytes && i == j->r->watch.launch)
            cu_engine_carve(j->d, j->tensor[j->r->watch.tensor].ptr + j->r->watch.at,
                            j->r->watch.bytes);
        if (launch(j, &j->r->plan->launch[i], err))
            return err->status;
        /* The engine has run it by now; its fault belongs to this launch. */
        if (j->engine && cu_synchronize(j->d, err))
            return err->status;
        if (j->engine && j->r->counting)
            count_launch(j, i);
    }
    j->failed_launch = -1; /* any of them, from here on */
    return j->engine ? WS_OK : cu_synchronize(j->d, err);
}

static void take_report(job *j)
{
    ptx_report *r = &j->result->engine;
    cu_engine_report(j->d, r);
    if (j->coverage && r->coverage)
        memcpy(j->coverage, r->coverage, ptx_coverage_bytes(r->coverage));
}

/* A failed launch as a finding. false: the failure is not the candidate's, err says what it is. */
static bool explain(job *j, const ws_err *err)
{
    wire_result *res = j->result;
    if (j->engine) {
        take_report(j);
        if (res->engine.n_faults) {
            res->reason = res->engine.fault[0].reason;
            snprintf(res->text, sizeof res->text, "%s", res->engine.fault[0].text);
            return true;
        }
    }
    res->reason = cu_last_reason(j->d);
    if (res->reason == HX_PASS)
        return false;
    /* The PTX around the place follows on further lines. */
    int line = (int)strcspn(err->msg, "\n");
    if (j->failed_launch >= 0 && j->r->plan->n_launches > 1)
        snprintf(res->text, sizeof res->text, "launch %d of %d: %.*s", j->failed_launch + 1,
                 j->r->plan->n_launches, line < 900 ? line : 900, err->msg);
    else
        snprintf(res->text, sizeof res->text, "%.*s", line, err->msg);
    return true;
}

/* ---- results ---- */

enum { PIECE_BYTES = 64 << 10 };
typedef ws_status fetch(cu_device *d, void *to, uint64_t from, size_t n, ws_err *err);

static ws_status fetch_written(cu_device *d, void *to, uint64_t from, size_t n, ws_err *err)
{
    (void)err;
    cu_engine_written(d, from, n, to);
    return WS_OK;
}

/* Whether what `get` says of the tensor is `same`, or all ones where that is NULL: piece by piece, as the
 * answer is nearly always yes and pages that are not touched cost nothing. */
static ws_status is_as(job *j, int i, fetch *get, const unsigned char *same, bool *out, ws_err *err)
{
    const run_tensor *t = &j->r->tensor[i];
    unsigned char *piece = ws_malloc(PIECE_BYTES);
    *out = true;
    for (size_t at = 0; *out && at < t->bytes && !err->status; at += PIECE_BYTES) {
        const size_t n = t->bytes - at < PIECE_BYTES ? t->bytes - at : PIECE_BYTES;
        if (!get(j->d, piece, j->tensor[i].ptr + at, n, err))
            *out = same ? memcmp(piece, same + at, n) == 0 : memchr(piece, 0, n) == NULL;
    }
    free(piece);
    return err->status;
}

static ws_status download_after(job *j, int i, ws_err *err)
{
    run_tensor *t = &j->r->tensor[i];
    t->unchanged = false;
    if (t->in && !t->tile.rank && is_as(j, i, cu_download, t->in, &t->unchanged, err))
        return err->status;
    return t->unchanged ? WS_OK : cu_download(j->d, t->after, j->tensor[i].ptr, t->bytes, err);
}

static ws_status download_written(job *j, int i, ws_err *err)
{
    run_tensor *t = &j->r->tensor[i];
    if (is_as(j, i, fetch_written, NULL, &t->whole, err))
        return err->status;
    if (!t->whole)
        cu_engine_written(j->d, j->tensor[i].ptr, t->bytes, t->written);
    return WS_OK;
}

static ws_status download_outputs(job *j, ws_err *err)
{
    for (int i = 0; i < j->r->n_tensors; i++) {
        const run_tensor *t = &j->r->tensor[i];
        if (t->out && cu_download(j->d, t->out, j->tensor[i].ptr, t->bytes, err))
            return err->status;
        if (t->after && download_after(j, i, err))
            return err->status;
    }
    return WS_OK;
}

/* A GPU does not say what was written. A byte that shows both poisons after two runs was not. */
static void note_written(job *j, unsigned char byte, bool first)
{
    for (int i = 0; i < j->r->n_tensors; i++) {
        const run_tensor *t = &j->r->tensor[i];
        const unsigned char *out = t->out;
        for (size_t b = 0; t->written && t->out && b < t->bytes; b++)
            t->written[b] = (uint8_t)((!first && t->written[b]) || out[b] != byte);
    }
}

static bool wants_written(const run_request *r)
{
    for (int i = 0; i < r->n_tensors; i++)
        if (r->tensor[i].written)
            return true;
    return false;
}

/* ---- the run ---- */

/* Runs the plan as often as asked. WS_OK with result->reason set, or a failure of the world. */
static ws_status run_plan(job *j, double *ms, ws_err *err)
{
    const run_request *r = j->r;
    int runs = r->repeats > 1 ? r->repeats : 1;
    bool timed = runs > 1, twice = !j->engine && wants_written(r);
    for (int i = 0; i < (twice && !timed ? 2 : runs); i++) {
        unsigned char byte = j->engine || i == 0 ? r->poison : (unsigned char)~r->poison;
        if (prepare(j, byte, err))
            return err->status;
        if (timed ? cu_time_ms(j->d, launch_all, j, &ms[i], err) : launch_all(j, err))
            return explain(j, err) ? WS_OK : err->status;
        if (twice && i < 2) {
            if (download_outputs(j, err))
                return err->status;
            note_written(j, byte, i == 0);
        }
    }
    j->result->n_ms = timed ? runs : 0;
    return WS_OK;
}

/* ---- what runs leave for later ones ---- */

static ws_status run_once(void *ud, bool *good, ws_err *err)
{
    job *j = ud;
    *good = false;
    if (prepare(j, (unsigned char)(j->r->poison + 29 * j->times++), err))
        return err->status;
    *good = !launch_all(j, err);
    if (!*good) {
        if (!explain(j, err))
            return err->status;
        *err = (ws_err){0}; /* it is in the result */
    }
    return WS_OK;
}

static ws_status keep_outputs(void *ud, ws_err *err)
{
    return download_outputs(ud, err);
}

static ws_status same_outputs(void *ud, bool *same, ws_err *err)
{
    job *j = ud;
    *same = true;
    for (int i = 0; i < j->r->n_tensors && *same; i++) {
        const run_tensor *t = &j->r->tensor[i];
        if (!t->out)
            continue;
        unsigned char *now = ws_alloc_tensor(t->bytes);
        if (!now)
            return ws_fail(err, WS_ELIMIT, "no memory for tensor '%s'", t->name);
        if (!cu_download(j->d, now, j->tensor[i].ptr, t->bytes, err))
            *same = memcmp(now, t->out, t->bytes) == 0;
        free(now);
    }
    return err->status;
}

/* A fault of the first run is reported as it is; of a later one it is evidence. */
static ws_status examine_state(job *j, ws_err *err)
{
    wire_result *res = j->result;
    state_runner r = {.d = j->d, .m = j->m, .run = run_once, .keep = keep_outputs,
                      .same = same_outputs, .ud = j, .seed = j->options.seed};
    char text[256];
    bool good = false, found = false;
    if (state_examine(&r, &good, &found, text, sizeof text, err))
        return err->status;
    if (!found)
        return WS_OK;
    const hx_reason why = res->reason;
    char what[sizeof res->text];
    snprintf(what, sizeof what, "%s", why == HX_PASS ? "" : res->text);
    snprintf(res->text, sizeof res->text, "%s%s%.700s", text, *what ? ": " : "", what);
    res->reason = HX_STATE_KEPT;
    take_report(j);
    return WS_OK;
}

static ws_status finish(job *j, ws_err *err)
{
    bool after = false;
    const buffer *b = broken_guard(j, &after, err);
    if (err->status)
        return err->status;
    if (b) {
        j->result->reason = HX_OUT_OF_BOUNDS;
        snprintf(j->result->text, sizeof j->result->text, "a kernel wrote %s '%s' of %zu bytes",
                 after ? "past the end of" : "before the start of", b->name, b->bytes);
        return WS_OK;
    }
    if (download_outputs(j, err))
        return err->status;
    for (int i = 0; j->engine && i < j->r->n_tensors; i++)
        if (j->r->tensor[i].written && download_written(j, i, err))
            return err->status;
    for (int i = 0; j->engine && i < j->r->n_tensors; i++) {
        run_tensor *t = &j->r->tensor[i];
        if (t->probe && run_probe_download(j->d, j->tensor[i].ptr, t, err))
            return err->status;
        if (t->probe)
            wire_put_probes(t);
    }
    if (j->engine)
        take_report(j);
    j->result->n_launches = j->engine && j->r->counting ? j->r->plan->n_launches : 0;
    return WS_OK;
}

/* Runs of the same image use one module, as launches in a program do: what a kernel keeps in its
 * variables is there in the next run. */
static ws_status load_module(job *j, job_session *s, ws_err *err)
{
    const run_request *r = j->r;
    if (s->m && s->image_bytes == r->image_bytes && !memcmp(s->image, r->image, r->image_bytes)) {
        j->m = s->m;
        return WS_OK;
    }
    if (s->m)
        cu_module_unload(s->d, s->m);
    s->m = NULL;
    if (cu_module_load(s->d, r->image, r->image_bytes, &s->m, err))
        return err->status;
    free(s->image);
    s->image = ws_malloc(r->image_bytes);
    memcpy(s->image, r->image, r->image_bytes);
    s->image_bytes = r->image_bytes;
    j->m = s->m;
    return WS_OK;
}

static ws_status open_device(job_session *s, const char *device, ws_err *err)
{
    if (s->d)
        return WS_OK;
    if (cu_open(device, &s->d, err))
        return err->status;
    if (cu_is_engine(s->d))
        ws_confine();
    return WS_OK;
}

static ws_status execute(job *j, job_session *s, double *ms, ws_err *err)
{
    if (open_device(s, j->r->device, err))
        return err->status;
    j->d = s->d;
    j->engine = j->result->on_engine = cu_is_engine(j->d);
    j->guard = j->engine ? 0 : GUARD_BYTES;
    snprintf(j->result->device, sizeof j->result->device, "%s", cu_name(j->d));
    if (j->engine) {
        j->options = j->r->engine;
        if (!j->options.deadline_ms)
            j->options.deadline_ms = (uint64_t)(j->r->wall_seconds * engine_share * 1e3);
        cu_engine_configure(j->d, &j->options);
    }
    if (load_module(j, s, err))
        return explain(j, err) ? WS_OK : err->status;
    if (j->r->examine_state && j->engine)
        return make_buffers(j, err) ? err->status : examine_state(j, err);
    if (make_buffers(j, err))
        return err->status;
    hold_kinds(j);
    if (run_plan(j, ms, err))
        return err->status;
    if (j->result->reason == HX_PASS)
        return j->r->watch.bytes ? WS_OK : finish(j, err);
    /* Over a field, what came before a launch that leaves it. */
    if (!j->engine || !j->options.field_prime || j->result->reason != HX_UNSUPPORTED)
        return WS_OK;
    cu_engine_configure(j->d, &j->options);
    return download_outputs(j, err);
}

static void free_buffers(job *j)
{
    for (int i = 0; j->tensor && i < j->r->n_tensors; i++)
        cu_free(j->d, j->tensor[i].base);
    for (int i = 0; j->scratch && i < j->r->plan->n_scratch; i++)
        cu_free(j->d, j->scratch[i].base);
}

static bool run(wire *w, job_session *s, bool last)
{
    ws_err err = {0};
    int64_t start = ws_now_ns();
    job j = {.r = &w->request, .result = w->result, .launch = w->launch, .coverage = w->coverage,
             .lines = w->lines,
             .arena = &w->arena, .failed_launch = -1};
    w->result->reason = HX_PASS;
    w->result->status = execute(&j, s, w->ms, &err);
    w->result->err = err;
    if (j.d && j.engine)
        cu_engine_printf(j.d, w->result->printed, sizeof w->result->printed);
    const bool passed = !err.status && w->result->reason == HX_PASS;
    if (passed && (j.engine || !last)) /* the end of a process on a GPU frees them faster */
        free_buffers(&j);
    wire_put_notes(w);
    w->result->seconds = ws_seconds_since(start);
    __atomic_store_n(&w->result->state, WIRE_DONE, __ATOMIC_RELEASE);
    return passed;
}

/* A process that has grown beyond this is not used again. */
enum { MAX_KEPT_KIB = 512 << 10 };

static bool may_stay(job_session *s, const wire *w, int n)
{
    struct rusage u = {0};
    for (int i = 0; i < n; i++)
        if (w[i].request.watch.bytes)
            return false; /* an allocation is carved up for good */
    getrusage(RUSAGE_SELF, &u);
    return cu_is_engine(s->d) && u.ru_maxrss < MAX_KEPT_KIB && cu_engine_restart(s->d, s->m);
}

bool job_run_all(job_session *s, wire *w, int n)
{
    for (int i = 0; i < n; i++)
        if (!run(&w[i], s, i == n - 1))
            return false;
    return may_stay(s, w, n);
}
