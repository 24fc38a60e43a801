#include "verifier/field.h"

#include "base/clock.h"
#include "base/field.h"
#include "base/json.h"
#include "base/philox.h"
#include "base/pool.h"
#include "reference/field.h"
#include "verifier/compare.h"
#include "verifier/field_stage.h"
#include "verifier/pattern.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LEAST_TRIALS = 4, MAX_TENSORS = 64, FIELD_STREAM = 0x4649454c, ENGINE_MS = 60000 };
/* A wrong kernel is granted an expression of this degree, or of the graph's if that is higher. */
static const double granted_degree = 64;
static const double wanted_log2 = -30;

/* ---- what the graph is ---- */

/* Each trial has a prime of its own, so that numbers that are alike modulo one differ modulo
 * others. */
static uint32_t prime_of(uint64_t seed, int trial)
{
    return ws_field_prime(ws_philox_u64(seed, FIELD_STREAM, (uint64_t)trial));
}

static void add_name(char *list, size_t size, const char *name)
{
    size_t at = strlen(list);
    snprintf(list + at, size - at, "%s%s", at ? ", " : "", name);
}

void vfy_field_begin(const vfy_session *s, vfy_field *f)
{
    const ref_graph *g = s->graph;
    ws_arena a = {0};
    const ref_field_value *value = ref_field_values(g, &a, &f->simple);
    f->degree = 0;
    f->tried = true;
    f->n_outputs = g->n_outputs;
    for (int o = 0; o < g->n_outputs; o++) {
        const ref_field_value *v = &value[g->output[o]];
        bool covers = v->kind == REF_FIELD_ELEMENT && o < VFY_FIELD_OUTPUTS;
        if (o < VFY_FIELD_OUTPUTS)
            f->covers[o] = covers;
        f->n_covered += covers;
        f->degree = covers ? fmax(f->degree, v->degree) : f->degree;
        if (!covers && !f->why[0] && v->kind == REF_FIELD_WHOLE)
            snprintf(f->why, sizeof f->why,
                     "'%s' is of integers, which are computed exactly anyway",
                     g->value[g->output[o]].name);
        else if (!covers && !f->why[0])
            snprintf(f->why, sizeof f->why, "'%s' depends on %s, which is not of the field",
                     g->value[g->output[o]].name, v->by ? v->by : "more");
    }
    f->applies = f->n_covered > 0;
    if (f->n_covered < f->n_outputs)
        vfy_stages_begin(g, value, f);
    if (g->spec->n_inputs + g->spec->n_weights + g->n_outputs > MAX_TENSORS) {
        f->applies = false;
        f->n_stages = 0;
        snprintf(f->why, sizeof f->why, "the spec has more than %d tensors", (int)MAX_TENSORS);
    }
    ws_arena_release(&a);
}

/* log2 of the chance that a wrong output passes the first n trials. */
static double log2_chance(const vfy_field *f, uint64_t seed, int n)
{
    double sum = 0;
    for (int t = 0; t < n; t++)
        sum += log2(fmax(f->degree, granted_degree) / prime_of(seed, t));
    return sum;
}

static void plan_trials(vfy_field *f, uint64_t seed)
{
    int n = LEAST_TRIALS;
    while (n < VFY_FIELD_TRIALS && log2_chance(f, seed, n) > wanted_log2)
        n++;
    f->log2_chance = log2_chance(f, seed, n);
    f->trials = n;
    for (int t = 0; t < n; t++)
        f->prime[t] = prime_of(seed, t);
    if (f->log2_chance > wanted_log2) {
        f->applies = false;
        f->n_stages = 0;
        snprintf(f->why, sizeof f->why, "the graph's expressions are of degree %.0f, too high",
                 f->degree);
    }
}

/* ---- codes in memory ---- */

static void store_elements(ws_dtype t, void *dst, const double *v, size_t n)
{
    uint16_t *to16 = dst;
    uint32_t *to32 = dst;
    uint64_t *to64 = dst;
    for (size_t i = 0; i < n; i++) {
        uint32_t e = (uint32_t)v[i];
        switch (ws_dtype_bytes(t)) {
        case 2: to16[i] = (uint16_t)e; break;
        case 4: to32[i] = e << 16; break;
        default: to64[i] = (uint64_t)e << 48;
        }
    }
}

/* WS_FIELD_OUTSIDE: it is none. */
static uint32_t load_element(ws_dtype t, const void *src, int64_t i, uint32_t prime)
{
    uint32_t e;
    uint64_t below = 0;
    if (ws_dtype_bytes(t) == 2) {
        e = ((const uint16_t *)src)[i];
    } else if (ws_dtype_bytes(t) == 4) {
        e = ((const uint32_t *)src)[i] >> 16;
        below = ((const uint32_t *)src)[i] & 0xffff;
    } else {
        e = (uint32_t)(((const uint64_t *)src)[i] >> 48);
        below = ((const uint64_t *)src)[i] << 16;
    }
    return below || e >= prime ? WS_FIELD_OUTSIDE : e;
}

/* ---- a trial ---- */

typedef struct trial {
    uint32_t prime;
    run_tensor *t;
    void **in;
    ref_tensor *want; /* outputs, then stages */
    run_report report;
    ws_err err;
    bool off_field; /* the reference cannot be had: err says why */
} trial;

typedef struct trials {
    const vfy_field_shape *x;
    const ref_bound *bound;
    const char *const *scratch_name;
    const plan_bound *plan; /* with scratch as outputs when there are stages to be found */
    int n_in, n_out, n_scratch; /* tensors of the run; n_scratch: of those that are scratch */
    int wanted[VFY_FIELD_STAGES + MAX_TENSORS], n_wanted; /* values of the graph */
    trial *trial;
    uint64_t floats, ints;
} trials;

static ws_status make_reference(const trials *b, trial *t, uint64_t seed)
{
    const spec *s = b->x->s->spec;
    const int n = b->n_in;
    ref_tensor *input = ws_calloc((size_t)n + 1, sizeof *input);
    t->want = ws_calloc((size_t)b->n_wanted + 1, sizeof *t->want);
    t->in = ws_calloc((size_t)n + 1, sizeof *t->in);
    ws_status st = WS_OK;
    for (int i = 0; i < n && !st; i++) {
        ws_dtype type = s->tensor[i].dtype;
        st = ref_field_input(b->bound, t->prime, i, seed, &input[i], &t->err);
        size_t count = st ? 0 : (size_t)input[i].shape.count;
        if (!st && !(t->in[i] = ws_alloc_tensor(ws_dtype_size(type, count))))
            st = ws_fail(&t->err, WS_ELIMIT, "no memory for input '%s'", s->tensor[i].name);
        if (!st && ws_dtype_is_float(type))
            store_elements(type, t->in[i], input[i].v, count);
        else if (!st)
            ws_dtype_store(type, t->in[i], input[i].v, count);
    }
    if (!st)
        st = ref_field_eval_values(b->bound, t->prime, input, b->wanted, b->n_wanted, t->want,
                                   &t->err);
    for (int i = 0; i < n; i++)
        ref_tensor_release(&input[i]);
    free(input);
    t->off_field = st != WS_OK;
    return st;
}

static void make_tensors(const trials *b, trial *t)
{
    const ref_graph *g = b->x->s->graph;
    t->t = ws_calloc((size_t)(b->n_in + b->n_out + b->n_scratch), sizeof *t->t);
    for (int i = 0; i < b->n_in + b->n_out + b->n_scratch; i++) {
        run_tensor *r = &t->t[i];
        const int output = i - b->n_in, scratch = output - b->n_out;
        r->role = output < 0 ? RUN_INPUT : RUN_OUTPUT;
        if (scratch >= 0) {
            r->name = b->scratch_name[scratch];
            r->bytes = (size_t)b->x->bound->scratch_bytes[scratch];
        } else {
            int v = output < 0 ? i : g->output[output];
            r->name = b->x->s->tensor_name[i];
            r->bytes = ws_dtype_size(g->value[v].dtype, (size_t)b->bound->shape[v].count);
        }
        r->in = output < 0 ? t->in[i] : NULL;
        r->out = output < 0 ? NULL : ws_alloc_tensor(r->bytes);
    }
}

/* Level 2 has shown that accesses are in order; here only values count. */
static void run_trial(void *ud, size_t k, int worker)
{
    const trials *b = ud;
    const vfy_field_shape *x = b->x;
    trial *t = &b->trial[k];
    (void)worker;
    if (t->off_field)
        return;
    make_tensors(b, t);
    run_request r = {
        .device = "cpu",
        .image = x->compiled->ptx,
        .image_bytes = x->compiled->ptx_bytes + 1,
        .kernel = x->compiled->kernel,
        .n_kernels = x->compiled->n_kernels,
        .plan = b->plan,
        .scratch_name = b->scratch_name,
        .tensor = t->t,
        .n_tensors = b->n_in + b->n_out + b->n_scratch,
        .engine = {.max_warp_insns = PTX_OPTIONS_CHECKED.max_warp_insns,
                   .deadline_ms = ENGINE_MS,
                   .seed = x->seed,
                   .field_prime = t->prime,
                   .field_floats = b->floats,
                   .field_ints = b->ints},
        .poison = 0xff, /* outside */
        .wall_seconds = x->wall_seconds,
    };
    (void)!run_execute(&r, &t->report, &t->err);
}

static void trial_release(const trials *b, trial *t)
{
    for (int i = 0; t->t && i < b->n_out + b->n_scratch; i++)
        free(t->t[b->n_in + i].out);
    for (int i = 0; t->in && i < b->n_in; i++)
        free(t->in[i]);
    for (int o = 0; t->want && o < b->n_wanted; o++)
        ref_tensor_release(&t->want[o]);
    run_report_release(&t->report);
    free(t->t);
    free(t->in);
    free(t->want);
}

/* ---- what came of it ---- */

static void stop(vfy_field *f, const char *why, int line)
{
    if (!f->applies)
        return;
    f->applies = false;
    snprintf(f->why, sizeof f->why, "%.*s", (int)sizeof f->why - 1, why);
    f->line = line;
}

static void stop_at_fault(vfy_field *f, const run_report *r)
{
    const ptx_fault *fault = r->engine.n_faults ? &r->engine.fault[0] : NULL;
    stop(f, fault ? fault->text : r->text, fault ? fault->line : 0);
    char *who = strstr(f->why, " by thread (");
    if (who)
        *who = 0;
}

typedef struct difference {
    int64_t wrong, outside, checked, first;
    uint32_t got, want;
} difference;

static difference compare(const trial *t, int tensor, int output, ws_dtype type)
{
    const ref_tensor *want = &t->want[output];
    difference d = {.first = -1};
    for (int64_t i = 0; i < want->shape.count; i++) {
        uint32_t w = (uint32_t)want->v[i];
        uint32_t g = load_element(type, t->t[tensor].out, i, t->prime);
        if (w == WS_FIELD_OUTSIDE)
            continue;
        d.checked++;
        d.outside += g == WS_FIELD_OUTSIDE;
        if (g == WS_FIELD_OUTSIDE || g == w)
            continue;
        if (!d.wrong++) {
            d.first = i;
            d.got = g;
            d.want = w;
        }
    }
    return d;
}

/* What the elements that differ have in common. */
static void describe_pattern(const trials *b, const trial *t, int o, vfy_verdict *v)
{
    const ref_value *value = &b->x->s->graph->value[b->x->s->graph->output[o]];
    const ref_tensor *want = &t->want[o];
    bool *wrong = ws_calloc((size_t)want->shape.count + 1, sizeof *wrong);
    for (int64_t i = 0; i < want->shape.count; i++) {
        uint32_t got = load_element(value->dtype, t->t[b->n_in + o].out, i, t->prime);
        wrong[i] = got != WS_FIELD_OUTSIDE && want->v[i] != WS_FIELD_OUTSIDE &&
                   got != (uint32_t)want->v[i];
    }
    vfy_pattern p = {.shape = &want->shape, .wrong = wrong, .axis = value->dim};
    vfy_pattern_describe(&p, v->pattern, sizeof v->pattern);
    free(wrong);
}

static void reject(const trials *b, const trial *t, int o, const difference *d, vfy_verdict *v)
{
    const ref_graph *g = b->x->s->graph;
    describe_pattern(b, t, o, v);
    ws_buf shape = {0};
    v->reason = HX_WRONG_ALGEBRA;
    spec_env_print(&b->bound->env, &shape);
    snprintf(v->shape, sizeof v->shape, "%s", ws_buf_z(&shape));
    ws_buf_release(&shape);
    snprintf(v->inputs, sizeof v->inputs, "elements modulo %u", t->prime);
    snprintf(v->tensor, sizeof v->tensor, "%s", g->value[g->output[o]].name);
    vfy_element_name(&t->want[o].shape, d->first, v->element, sizeof v->element);
    v->got = d->got;
    v->want = d->want;
    v->tolerance = 0;
    v->wrong = d->wrong;
    v->checked = d->checked;
    snprintf(v->text, sizeof v->text,
             "%s%s is %u modulo %u, expected %u; %" PRId64 " of %" PRId64
             " elements differ: within the tolerance, but computed by other coefficients, indices "
             "or signs than the graph's",
             v->tensor, v->element, d->got, t->prime, d->want, d->wrong, d->checked);
}

/* An output with elements outside is covered no more. */
static void uncover(vfy_field *f, int o, const char *name, const ptx_report *r)
{
    f->covers[o] = false;
    f->n_covered--;
    if (!f->why[0]) {
        snprintf(f->why, sizeof f->why, "'%s' has elements outside the field%s%s", name,
                 r->note[0] ? ": " : "", r->note);
        f->line = r->note_line;
    }
    f->applies = f->n_covered > 0;
}

/* cos(pi k / 8), which fast Fourier transforms multiply by: the identities that they rest on
 * hold for numbers, not for fractions. */
static bool has_roots_of_unity(const char *ptx)
{
    static const char *const roots[] = {
        "0f3F3504F3", "0fBF3504F3", "0f3F6C835E",         "0fBF6C835E",
        "0f3EC3EF15", "0fBEC3EF15", "0d3FE6A09E667F3BCD", "0dBFE6A09E667F3BCD",
    };
    for (size_t k = 0; k < WS_COUNT(roots); k++)
        if (strstr(ptx, roots[k]))
            return true;
    return false;
}

static void judge_trial(const trials *b, const trial *t, vfy_field *f, vfy_verdict *v)
{
    const ref_graph *g = b->x->s->graph;
    for (int o = 0; o < f->n_outputs && o < VFY_FIELD_OUTPUTS; o++) {
        const ref_value *value = &g->value[g->output[o]];
        if (!f->covers[o])
            continue;
        difference d = compare(t, b->n_in + o, o, value->dtype);
        f->elements += d.checked;
        if (d.wrong && !f->simple) {
            stop(f,
                 "results differ, but the graph has constants of which a kernel may hold rounded "
                 "products",
                 0);
            return;
        }
        if (d.wrong && has_roots_of_unity(b->x->compiled->ptx)) {
            stop(f,
                 "results differ, but the kernel multiplies by roots of unity, which are no "
                 "fractions",
                 0);
            return;
        }
        if (d.wrong) {
            f->differs = true;
            reject(b, t, o, &d, v);
            return;
        }
        if (d.outside)
            uncover(f, o, value->name, &t->report.engine);
    }
}

/* Which scratch buffers hold which stages. */
static void judge_stages(const trials *b, const trial *t, vfy_field *f)
{
    for (int k = 0; k < f->n_stages; k++) {
        const ref_tensor *want = t->want ? &t->want[b->n_out + k] : NULL;
        for (int i = 0; i < b->n_scratch; i++) {
            const run_tensor *r = t->t ? &t->t[b->n_in + b->n_out + i] : NULL;
            ws_dtype type = b->x->plan->scratch[i].dtype;
            bool holds = r && want && want->v && ws_dtype_is_float(type) &&
                         ws_dtype_bytes(type) > 1 &&
                         r->bytes >= ws_dtype_size(type, (size_t)want->shape.count);
            for (int64_t e = 0; holds && e < want->shape.count; e++)
                holds = want->v[e] != WS_FIELD_OUTSIDE &&
                        load_element(type, r->out, e, t->prime) == (uint32_t)want->v[e];
            if (!holds)
                f->held_in[k] &= ~(1ull << i);
        }
    }
}

static ws_status judge(const trials *b, vfy_field *f, vfy_verdict *v, ws_err *err)
{
    for (int k = 0; k < f->trials; k++) {
        const trial *t = &b->trial[k];
        if (v->reason != HX_PASS)
            return WS_OK;
        judge_stages(b, t, f);
        if (t->off_field) {
            stop(f, t->err.msg, 0);
        } else if (t->err.status) {
            *err = t->err;
            return err->status;
        } else if (t->report.reason != HX_PASS) {
            stop_at_fault(f, &t->report);
        } else if (f->applies) {
            judge_trial(b, t, f, v);
        }
    }
    return WS_OK;
}

static void set_up(trials *b, const vfy_field *f, ws_arena *a)
{
    const vfy_field_shape *x = b->x;
    const ref_graph *g = x->s->graph;
    b->n_in = g->spec->n_inputs + g->spec->n_weights;
    b->n_out = g->n_outputs;
    for (int i = 0; i < b->n_in + b->n_out; i++) {
        int v = i < b->n_in ? i : g->output[i - b->n_in];
        *(ws_dtype_is_float(g->value[v].dtype) ? &b->floats : &b->ints) |= 1ull << i;
    }
    for (int o = 0; o < b->n_out; o++)
        b->wanted[b->n_wanted++] = g->output[o];
    for (int k = 0; k < f->n_stages; k++)
        b->wanted[b->n_wanted++] = f->stage[k];
    b->scratch_name = plan_scratch_names(x->plan, a);
    b->plan = x->bound;
    if (!f->n_stages || b->n_in + b->n_out + x->plan->n_scratch > MAX_TENSORS)
        return;
    b->n_scratch = x->plan->n_scratch;
    b->plan = vfy_stages_plan(x->bound, b->n_in + b->n_out, a);
}

ws_status vfy_field_check(const vfy_field_shape *x, vfy_field *f, vfy_verdict *v, ws_err *err)
{
    const int64_t start = ws_now_ns();
    ws_arena a = {0};
    ws_env env = spec_env(x->s->spec, x->check);
    ref_bound *bound = NULL;
    if (!x->plan->n_scratch)
        f->n_stages = 0;
    if (!f->trials)
        plan_trials(f, x->seed);
    if (!f->applies && !f->n_stages)
        return WS_OK;
    if (ref_bind(x->s->graph, &env, &a, &bound, err)) {
        ws_arena_release(&a);
        return err->status;
    }
    trials *b = WS_ARENA_NEW(&a, trials, 1);
    *b = (trials){.x = x, .bound = bound, .trial = WS_ARENA_NEW(&a, trial, f->trials)};
    set_up(b, f, &a);
    for (int k = 0; k < f->trials; k++) {
        b->trial[k].prime = f->prime[k];
        uint64_t seed = ws_philox_u64(x->seed, FIELD_STREAM + 1, (uint64_t)(x->check * 64 + k));
        (void)!make_reference(b, &b->trial[k], seed);
    }
    ws_parallel_for((size_t)f->trials, 0, run_trial, b);
    ws_status st = judge(b, f, v, err);
    f->shapes += !st && f->applies && v->reason == HX_PASS;
    f->stage_shapes += !st;
    f->seconds += ws_seconds_since(start);
    for (int k = 0; k < f->trials; k++)
        trial_release(b, &b->trial[k]);
    ws_arena_release(&a);
    return st;
}

/* ---- words ---- */

void vfy_field_describe(const vfy_field *f, const vfy_session *s, char *out, size_t size)
{
    char names[256] = "";
    int at;
    if (!f->tried)
        return;
    if (f->differs) {
        snprintf(out, size, "another polynomial than the graph's");
        return;
    }
    for (int o = 0; f->applies && o < f->n_outputs && o < VFY_FIELD_OUTPUTS; o++)
        if (f->covers[o])
            add_name(names, sizeof names, s->graph->value[s->graph->output[o]].name);
    if (!f->applies || !f->shapes) {
        at = f->stages[0]
                 ? snprintf(out, size,
                            "field-verified up to %s, no output; %d shapes, %d trials each, wrong "
                            "with probability < 2^%.0f; not further: %s",
                            f->stages, f->stage_shapes, f->trials, ceil(f->log2_chance), f->why)
                 : snprintf(out, size, "field verification does not apply: %s", f->why);
    } else {
        at = snprintf(out, size,
                      "field-verified: %s; %d shapes, %d trials each, wrong with probability < "
                      "2^%.0f",
                      names, f->shapes, f->trials, ceil(f->log2_chance));
        if (f->n_covered < f->n_outputs && at < (int)size)
            at += snprintf(out + at, size - (size_t)at, "; not the others%s%s: %s",
                           f->stages[0] ? ", but up to " : "", f->stages, f->why);
    }
    if (f->line && f->n_covered < f->n_outputs + !f->applies && at < (int)size)
        snprintf(out + at, size - (size_t)at, " (line %d)", f->line);
}

cJSON *vfy_field_json(const vfy_field *f)
{
    cJSON *o = cJSON_CreateObject();
    double primes[VFY_FIELD_TRIALS];
    const bool verified = f->applies && f->shapes > 0 && !f->differs;
    cJSON_AddBoolToObject(o, "applies", verified);
    cJSON_AddStringToObject(o, "text", f->text);
    cJSON_AddNumberToObject(o, "outputs", f->n_outputs);
    cJSON_AddNumberToObject(o, "outputs_covered", verified ? f->n_covered : 0);
    cJSON_AddNumberToObject(o, "trials", f->trials);
    cJSON_AddNumberToObject(o, "shapes", f->shapes);
    ws_json_add_int(o, "elements", f->elements);
    for (int t = 0; t < f->trials; t++)
        primes[t] = f->prime[t];
    cJSON_AddItemToObject(o, "primes", cJSON_CreateDoubleArray(primes, f->trials));
    cJSON_AddNumberToObject(o, "degree", f->degree);
    ws_json_add_double(o, "log2_probability", f->log2_chance);
    if (f->stages[0])
        cJSON_AddStringToObject(o, "stages", f->stages);
    if (f->why[0])
        cJSON_AddStringToObject(o, "stopped", f->why);
    if (f->line)
        cJSON_AddNumberToObject(o, "line", f->line);
    ws_json_add_double(o, "seconds", f->seconds);
    return o;
}
