#include "verifier/choice.h"

#include "base/pool.h"
#include "base/sha256.h"
#include "verifier/model.h"
#include "verifier/session.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct vfy_chooser {
    vfy_session *s;
    const char *source;
    size_t n;
    const vfy_options *o;
    ws_arena arena;
    plan *plan;
    ws_env dims;
    const tim_gpu *gpu;
    vfy_choice *known; /* of each identity, in the order in which they came */
    int n_known, cap_known;
};

/* One choice on its way. */
typedef struct one {
    ws_arena arena;
    plan_bound *bound;
    comp_result compiled;
    vfy_choice *out;
    bool wanted; /* can run, and no program like it is known: to be modelled */
    ws_err err;
} one;

typedef struct crowd {
    const vfy_chooser *c;
    one *item;
} crowd;

ws_status vfy_chooser_open(vfy_session *s, const char *source, size_t n, const vfy_options *o,
                           vfy_chooser **out, hx_diag *d, ws_err *err)
{
    const char *gpu = o->gpu ? o->gpu : "h100";
    *out = NULL;
    *d = (hx_diag){0};
    vfy_chooser *c = ws_calloc(1, sizeof *c);
    *c = (vfy_chooser){.s = s,
                       .source = source,
                       .n = n,
                       .o = o,
                       .dims = spec_env(s->spec, -1),
                       .gpu = tim_gpu_find(gpu)};
    if (!c->gpu) {
        free(c);
        return ws_fail(err, WS_EUSAGE, "unknown GPU '%s' for the cost model", gpu);
    }
    if (!comp_check_source(source, n, d) ||
        !plan_parse(&c->arena, source, n, &s->names, &c->plan, d)) {
        vfy_chooser_close(c);
        return WS_OK;
    }
    *out = c;
    return WS_OK;
}

void vfy_chooser_close(vfy_chooser *c)
{
    if (!c)
        return;
    ws_arena_release(&c->arena);
    free(c->known);
    free(c);
}

const plan *vfy_chooser_plan(const vfy_chooser *c)
{
    return c->plan;
}

const ws_env *vfy_chooser_dims(const vfy_chooser *c)
{
    return &c->dims;
}

static void refuse(vfy_choice *out, hx_reason reason, const char *text)
{
    out->reason = reason;
    out->seconds = (double)NAN;
    snprintf(out->text, sizeof out->text, "%.*s", (int)sizeof out->text - 1, text);
}

/* As vfy_verify asks for the benchmark shape, so that the two share the compiler's cache. */
static comp_request request_of(const vfy_chooser *c, one *i)
{
    comp_request r = vfy_request(&i->arena, i->bound, vfy_names_dims(c->source, c->n), true);
    r.source = c->source;
    r.source_bytes = c->n;
    r.file = c->o->file ? c->o->file : "kernel.cu";
    r.arch = c->o->arch ? c->o->arch : "sm_90";
    return r;
}

/* ---- facts ---- */

static void add_launch(ws_sha256 *h, const plan_bound_launch *l)
{
    ws_sha256_add(h, l->kernel, strlen(l->kernel) + 1);
    ws_sha256_add(h, l->grid, sizeof l->grid);
    ws_sha256_add(h, l->block, sizeof l->block);
    ws_sha256_add(h, l->cluster, sizeof l->cluster);
    ws_sha256_add(h, &l->shared, sizeof l->shared);
    ws_sha256_add(h, &l->max_dynamic_shared, sizeof l->max_dynamic_shared);
    ws_sha256_add(h, &l->cooperative, sizeof l->cooperative);
    for (int i = 0; i < l->n_args; i++) {
        const plan_bound_arg *a = &l->arg[i];
        ws_sha256_add(h, &a->kind, sizeof a->kind);
        ws_sha256_add(h, &a->index, sizeof a->index);
        ws_sha256_add(h, &a->integer, sizeof a->integer);
        ws_sha256_add(h, &a->number, sizeof a->number);
    }
    for (int i = 0; i < l->n_maps; i++) {
        const plan_bound_map *m = &l->map[i];
        ws_sha256_add(h, &m->is_scratch, sizeof m->is_scratch);
        ws_sha256_add(h, &m->index, sizeof m->index);
        ws_sha256_add(h, &m->map, sizeof m->map);
    }
}

static void identify(const plan_bound *b, const comp_result *compiled, char out[65])
{
    ws_sha256 h;
    ws_sha256_init(&h);
    ws_sha256_add(&h, compiled->ptx_sha256, strlen(compiled->ptx_sha256));
    ws_sha256_add(&h, b->scratch_bytes, (size_t)b->n_scratch * sizeof *b->scratch_bytes);
    for (int i = 0; i < b->n_launches; i++)
        add_launch(&h, &b->launch[i]);
    ws_sha256_hex(&h, out);
}

static int larger(int a, int64_t b)
{
    return b > a ? (int)b : a;
}

/* Maxima over the launches; of a kernel that is not among the compiled ones plan_check_kernels
 * tells. */
static void take_facts(vfy_choice *out, const plan_bound *b, const comp_result *r)
{
    for (int i = 0; i < b->n_launches; i++)
        for (int j = 0; j < r->n_kernels; j++) {
            const comp_kernel *k = &r->kernel[j];
            if (strcmp(k->name, b->launch[i].kernel))
                continue;
            out->registers = larger(out->registers, k->registers);
            out->shared_bytes = larger(out->shared_bytes, k->shared_bytes + b->launch[i].shared);
            out->spill_bytes = larger(out->spill_bytes, k->spill_store_bytes + k->spill_load_bytes);
        }
}

static const vfy_choice *find_known(const vfy_chooser *c, const char *identity)
{
    for (int i = 0; i < c->n_known; i++)
        if (strcmp(c->known[i].identity, identity) == 0)
            return &c->known[i];
    return NULL;
}

/* The compiled choice's facts, and whether its time is to be modelled. */
static ws_status look_at(vfy_chooser *c, one *i, ws_err *err)
{
    hx_diag d = {0};
    comp_request r = request_of(c, i);
    if (comp_compile(c->s->comp, &r, &i->arena, &i->compiled, err))
        return err->status;
    if (!i->compiled.ok) {
        refuse(i->out, i->compiled.diag.reason, i->compiled.diag.text);
        return WS_OK;
    }
    take_facts(i->out, i->bound, &i->compiled);
    identify(i->bound, &i->compiled, i->out->identity);
    if (!plan_check_kernels(c->plan, i->compiled.kernel, i->compiled.n_kernels, &c->s->names, &d) ||
        !vfy_registers_fit(i->bound, &i->compiled, &d)) {
        refuse(i->out, d.reason, d.text);
        return WS_OK;
    }
    i->wanted = !find_known(c, i->out->identity);
    return WS_OK;
}

/* ---- times ---- */

static void model_one(void *ud, size_t at, int worker)
{
    const crowd *all = ud;
    const vfy_chooser *c = all->c;
    one *i = &all->item[at];
    vfy_modelled t;
    (void)worker;
    if (!i->wanted)
        return;
    vfy_model_input m = {.graph = c->s->graph,
                         .plan = c->plan,
                         .bench = i->bound,
                         .compiled = &i->compiled,
                         .tensor_name = c->s->tensor_name,
                         .gpu = c->gpu,
                         .checked = &(ptx_counters){0},
                         .checked_work = 1};
    if (vfy_model(&m, &i->arena, &t, &i->err))
        return;
    i->out->sampled = t.sampled;
    if (vfy_fails_at_benchmark(c->plan, &t.sample)) {
        refuse(i->out, t.sample.reason, t.sample.text);
    } else {
        i->out->seconds = t.time.seconds;
        i->out->occupancy = t.time.occupancy;
    }
    run_report_release(&t.sample);
}

/* A plan too long to sample is scaled from a check shape, which only the whole verification runs.
 */
static ws_status model_by_check(const vfy_chooser *c, const int64_t *row, vfy_choice *out,
                                ws_err *err)
{
    vfy_options o = *c->o;
    vfy_verdict *v = ws_calloc(1, sizeof *v);
    o.tune = row;
    ws_status st = vfy_verify(c->s, c->source, c->n, &o, v, err);
    if (!st && v->reason != HX_PASS) {
        refuse(out, v->reason, v->text);
    } else if (!st) {
        out->seconds = v->model.seconds;
        out->occupancy = v->model.occupancy;
        out->sampled = v->model_sampled;
    }
    free(v);
    return st;
}

static ws_status finish(vfy_chooser *c, const int64_t *row, one *i, ws_err *err)
{
    vfy_choice *out = i->out;
    const vfy_choice *known;
    if (i->err.status) {
        *err = i->err;
        return err->status;
    }
    if (!i->wanted) {
        if (out->reason == HX_PASS && (known = find_known(c, out->identity))) {
            *out = *known;
            out->same = true;
        }
        return WS_OK;
    }
    if (out->reason == HX_PASS && !out->sampled && model_by_check(c, row, out, err))
        return err->status;
    WS_GROW(c->known, c->n_known, c->cap_known);
    c->known[c->n_known++] = *out;
    return WS_OK;
}

static void begin(vfy_chooser *c, const int64_t *row, one *i)
{
    hx_diag d = {0};
    *i->out = (vfy_choice){.seconds = (double)NAN,
                           .occupancy = (double)NAN,
                           .registers = -1,
                           .shared_bytes = -1,
                           .spill_bytes = -1};
    if (!plan_bind(&i->arena, c->plan, &c->dims, row, &i->bound, &d) ||
        !plan_check_arch(c->plan, c->o->arch ? c->o->arch : "sm_90", &d)) {
        i->bound = NULL;
        refuse(i->out, d.reason, d.text);
        return;
    }
    comp_request r = request_of(c, i);
    comp_prefetch(c->s->comp, &r);
}

/* Of a batch, the first of those that are the same program is modelled. */
static void drop_doubles(one *item, int n)
{
    for (int i = 0; i < n; i++)
        for (int j = 0; item[i].wanted && j < i; j++)
            if (item[j].wanted && strcmp(item[i].out->identity, item[j].out->identity) == 0)
                item[i].wanted = false;
}

ws_status vfy_choose(vfy_chooser *c, const int64_t *row, int n, int threads, vfy_choice *out,
                     ws_err *err)
{
    one *item = ws_calloc((size_t)n + 1, sizeof *item);
    const size_t width = (size_t)c->plan->n_tune;
    ws_status st = WS_OK;
    for (int i = 0; i < n; i++) {
        item[i].out = &out[i];
        begin(c, row + (size_t)i * width, &item[i]);
    }
    for (int i = 0; i < n && !st; i++)
        if (item[i].bound)
            st = look_at(c, &item[i], err);
    drop_doubles(item, n);
    crowd all = {c, item};
    if (!st)
        ws_parallel_for((size_t)n, threads, model_one, &all);
    for (int i = 0; i < n && !st; i++)
        if (item[i].bound)
            st = finish(c, row + (size_t)i * width, &item[i], err);
    if (st)
        comp_cancel(c->s->comp);
    for (int i = 0; i < n; i++)
        ws_arena_release(&item[i].arena);
    free(item);
    return st;
}
