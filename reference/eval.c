/* Evaluating a bound graph node by node, and the helpers that ops share. A result is released after
 * its last use. Values stay in double; what storing a result in its dtype costs goes into the
 * bound. */
#include "reference/ops.h"
#include "reference/order.h"
#include "reference/trial.h"

#include "base/pool.h"

#include <float.h>
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- tensors ---- */

void ref_tensor_release(ref_tensor *t)
{
    if (!t)
        return;
    ws_free_tensor(t->v);
    ws_free_tensor(t->e);
    *t = (ref_tensor){0};
}

/* Bytes that a system file names after `key`, or -1. */
static double read_bytes(const char *path, const char *key, double unit)
{
    FILE *f = fopen(path, "r");
    char line[256];
    double v = -1;
    while (f && v < 0 && fgets(line, sizeof line, f)) {
        char *end;
        size_t n = strlen(key);
        if (strncmp(line, key, n))
            continue;
        v = strtod(line + n, &end) * unit;
        if (end == line + n)
            v = -1; /* "max": no limit */
    }
    if (f)
        fclose(f);
    return v;
}

/* What may still be allocated: of the machine, and of the control group when it has a limit. */
static double memory_left(void)
{
    double left = read_bytes("/proc/meminfo", "MemAvailable:", 1024);
    double limit = read_bytes("/sys/fs/cgroup/memory.max", "", 1);
    double used = read_bytes("/sys/fs/cgroup/memory.current", "", 1);
    if (left < 0)
        left = (double)INFINITY;
    return limit >= 0 && used >= 0 ? fmin(left, limit - used) : left;
}

static ws_status allocate(ref_tensor *t, bool with_bounds, void *(*alloc)(size_t bytes),
                          const char *name, ws_err *err)
{
    const double large = 64 << 20; /* smaller requests are not worth asking the system about */
    double bytes = (double)t->shape.count * sizeof *t->v * (with_bounds ? 2 : 1);
    bool fits = bytes < large || bytes < memory_left();
    if (!fits) {
        ws_drop_tensors();
        fits = bytes < memory_left();
    }
    t->v = t->e = NULL;
    if (fits)
        t->v = alloc((size_t)t->shape.count * sizeof *t->v);
    if (t->v && with_bounds)
        t->e = alloc((size_t)t->shape.count * sizeof *t->e);
    if (t->v && (t->e || !with_bounds))
        return WS_OK;
    free(t->v);
    t->v = NULL;
    return ws_fail(err, WS_ELIMIT,
                   "no memory for '%s': %" PRId64 " elements take %.1f GiB in double", name,
                   t->shape.count, bytes / 0x1p30);
}

ws_status ref_tensor_alloc(ref_tensor *t, bool with_bounds, const char *name, ws_err *err)
{
    return allocate(t, with_bounds, ws_alloc_tensor, name, err);
}

ws_status ref_tensor_alloc_unset(ref_tensor *t, const char *name, ws_err *err)
{
    return allocate(t, false, ws_alloc_tensor_unset, name, err);
}

static ws_status copy_tensor(const ref_tensor *from, ref_tensor *to, const char *name, ws_err *err)
{
    size_t bytes = (size_t)from->shape.count * sizeof *from->v;
    *to = (ref_tensor){.shape = from->shape};
    if (ref_tensor_alloc(to, from->e != NULL, name, err))
        return err->status;
    memcpy(to->v, from->v, bytes);
    if (from->e)
        memcpy(to->e, from->e, bytes);
    return WS_OK;
}

/* ---- helpers of the ops ---- */

int64_t ref_broadcast_index(const ref_shape *out, const ref_shape *in, int64_t i)
{
    if (in->count == out->count)
        return i;
    if (in->count == 1)
        return 0;
    int64_t at = 0, step = 1;
    for (int d = in->rank - 1, o = out->rank - 1; d >= 0; d--, o--) {
        if (in->dim[d] != 1)
            at += i % out->dim[o] * step;
        i /= out->dim[o];
        step *= in->dim[d];
    }
    return at;
}

void ref_split(const ref_shape *s, int axis, int64_t *outer, int64_t *n, int64_t *inner)
{
    *outer = *inner = 1;
    *n = s->dim[axis];
    for (int d = 0; d < s->rank; d++)
        if (d != axis)
            *(d < axis ? outer : inner) *= s->dim[d];
}

typedef struct for_job {
    void (*body)(void *ud, int64_t first, int64_t end);
    void *ud;
    int64_t n, chunk;
} for_job;

static void run_chunk(void *ud, size_t chunk, int worker)
{
    const for_job *j = ud;
    int64_t first = (int64_t)chunk * j->chunk;
    (void)worker;
    j->body(j->ud, first, first + j->chunk < j->n ? first + j->chunk : j->n);
}

void ref_for_ranges(int64_t n, double work, void (*body)(void *ud, int64_t first, int64_t end),
                    void *ud)
{
    const double worth_a_thread = 1e6, chunk_work = 1e5;
    for_job j = {body, ud, n, n};
    if (n <= 0)
        return;
    if ((double)n * work < worth_a_thread) {
        body(ud, 0, n);
        return;
    }
    j.chunk = work >= chunk_work ? 1 : (int64_t)(chunk_work / fmax(work, 1));
    ws_parallel_for((size_t)((n + j.chunk - 1) / j.chunk), 0, run_chunk, &j);
}

typedef struct each_job {
    void (*body)(void *ud, int64_t i);
    void *ud;
} each_job;

static void run_each(void *ud, int64_t first, int64_t end)
{
    const each_job *j = ud;
    for (int64_t i = first; i < end; i++)
        j->body(j->ud, i);
}

void ref_for(int64_t n, double work, void (*body)(void *ud, int64_t i), void *ud)
{
    each_job j = {body, ud};
    ref_for_ranges(n, work, run_each, &j);
}

/* ---- storing a result ---- */

/* `underflow`: what may be lost near zero. Honest f32 may flush subnormals (.ftz, as under
 * -use_fast_math); half precision keeps them. */
typedef struct format {
    double u, largest, underflow; /* roundoff, largest finite value */
} format;

static format format_of(ws_dtype t)
{
    double u = ws_dtype_roundoff(t);
    switch (t) {
    case WS_F16: return (format){u, 65504, 0x1p-25};
    case WS_BF16: return (format){u, 0x1.fep127, 0x1p-126};
    case WS_TF32: return (format){u, 0x1.ffcp127, 0x1p-126};
    case WS_E4M3: return (format){u, 448, 0x1p-10};
    case WS_E5M2: return (format){u, 57344, 0x1p-17};
    case WS_E2M1: return (format){u, 6, 0x1p-2};
    default: return (format){u, FLT_MAX, 0x1p-126};
    }
}

/* The bound after rounding to t. A value that t holds exactly and that carries no error keeps none;
 * one whose honest result may overflow t has no bound. */
static double stored_error(ws_dtype t, const format *f, double v, double e)
{
    if (!isfinite(v) || (e == 0 && ws_dtype_round(t, v) == v))
        return 0;
    if (fabs(v) + e > f->largest)
        return (double)INFINITY;
    return e + f->u * fabs(v) + f->underflow;
}

typedef struct store_job {
    ref_tensor *t;
    ws_dtype dtype;
    format format;
} store_job;

/* Formats of 8 bits and less: their roundoff is so large that it cannot be granted as a bound. The
 * result is the rounded value; the bound is 0, or the step to the neighbour that an honest value
 * may round to. They saturate, as CUDA's conversions do. */
static bool is_narrow(ws_dtype t)
{
    return t == WS_E4M3 || t == WS_E5M2 || t == WS_E2M1;
}

static void store_narrow(const store_job *j, int64_t i)
{
    ref_tensor *t = j->t;
    double slack = REF_SAFETY * t->e[i], v = ws_dtype_round(j->dtype, t->v[i]);
    double low = ws_dtype_round(j->dtype, t->v[i] - slack);
    double high = ws_dtype_round(j->dtype, t->v[i] + slack);
    t->v[i] = v;
    t->e[i] = low == high ? 0 : fmax(high - v, v - low);
}

static void store_one(void *ud, int64_t i)
{
    const store_job *j = ud;
    ref_tensor *t = j->t;
    if (is_narrow(j->dtype) && t->e && isfinite(t->v[i]) && isfinite(t->e[i])) {
        store_narrow(j, i);
        return;
    }
    if (t->e)
        t->e[i] = stored_error(j->dtype, &j->format, t->v[i], t->e[i]);
    else
        t->v[i] = ws_dtype_round(j->dtype, j->dtype == WS_BOOL ? t->v[i] : trunc(t->v[i]));
}

static void round_one(void *ud, int64_t i)
{
    const store_job *j = ud;
    j->t->v[i] = ws_dtype_round(j->dtype, j->t->v[i]);
}

/* Integers and bools are exact: casts to them truncate, as C and PyTorch do. A cast of an exact
 * value has one right result; other results keep their double and what storing costs goes into the
 * bound. */
static void store(const ref_graph *g, const ref_node *n, ref_tensor *t, bool exact)
{
    ws_dtype to = g->value[n->out].dtype;
    store_job j = {t, to, format_of(to)};
    if (!ws_dtype_is_float(to) && n->op->rounds) {
        return;
    } else if (ws_dtype_is_float(to) && exact) {
        free(t->e);
        t->e = NULL;
        if (!n->op->moves)
            ref_for(t->shape.count, 10, round_one, &j);
        return;
    } else if (!ws_dtype_is_float(to)) {
        free(t->e);
        t->e = NULL;
    } else if (!t->e && (is_narrow(to) || ref_rounds_results)) {
        ref_for(t->shape.count, 10, round_one, &j);
        return;
    } else if (!t->e || to == WS_F64) {
        return;
    } else if (n->op->moves && ws_dtype_is_float(g->value[n->in[0]].dtype) &&
               ws_dtype_roundoff(g->value[n->in[0]].dtype) >= j.format.u) {
        return; /* copies of stored elements are not rounded again */
    }
    ref_for(t->shape.count, 10, store_one, &j);
}

/* ---- the graph ---- */

typedef struct run {
    const ref_bound *b;
    bool with_bounds;
    ref_tensor *value; /* per value; inputs are the caller's */
    int *last_use;     /* per value: the last node that reads it; INT_MAX: kept to the end */
    ws_err *err;
} run;

static bool is_index_node(const ref_node *n)
{
    const ref_attrs *at = n->attrs;
    return (strcmp(n->op->name, "reduce") == 0 && ref_is_index_fn(at->fn)) ||
           strcmp(n->op->name, "argsort") == 0 ||
           (strcmp(n->op->name, "topk") == 0 && at->output == REF_INDICES);
}

/* The node that makes output o when its result is an index; NULL otherwise. */
static const ref_node *index_node(const ref_graph *g, int o)
{
    int node = g->value[g->output[o]].node;
    return node >= 0 && is_index_node(&g->node[node]) ? &g->node[node] : NULL;
}

ref_compare ref_output_compare(const ref_graph *g, int output, int *axis)
{
    const ref_node *n = index_node(g, output);
    if (!n)
        return REF_COMPARE_VALUE;
    *axis = ((const ref_attrs *)n->attrs)->dim;
    return REF_COMPARE_INDEX;
}

bool ref_has_index_output(const ref_graph *g)
{
    for (int o = 0; o < g->n_outputs; o++)
        if (index_node(g, o))
            return true;
    return false;
}

static void find_last_uses(const ref_graph *g, int *last)
{
    for (int v = 0; v < g->n_values; v++)
        last[v] = g->value[v].node; /* a result that nobody reads dies at once */
    for (int k = 0; k < g->n_nodes; k++)
        for (int i = 0; i < g->node[k].n_in; i++)
            last[g->node[k].in[i]] = k;
    for (int o = 0; o < g->n_outputs; o++) {
        const ref_node *n = index_node(g, o);
        last[g->output[o]] = INT_MAX;
        if (n)
            last[n->in[0]] = INT_MAX;
    }
}

ws_status ref_make_literal(const ref_bound *b, int v, ref_tensor *t, ws_err *err)
{
    const ref_value *value = &b->graph->value[v];
    double e = fabs(value->literal - ws_dtype_round(value->dtype, value->literal));
    t->shape = b->shape[v];
    if (ref_tensor_alloc(t, e > 0 && isfinite(value->literal), "a literal", err))
        return err->status;
    t->v[0] = ref_rounds_results ? ws_dtype_round(value->dtype, value->literal) : value->literal;
    if (t->e)
        t->e[0] = e;
    return WS_OK;
}

/* Of honest arithmetic: the precision, or f32 where the node asks for a result in f32 or tf32:
 * scores of an attention in bf16 are computed as they are stored. */
static double unit_roundoff(const ref_graph *g, const ref_node *n)
{
    double u = ws_dtype_roundoff(g->spec->precision);
    ws_dtype to = g->value[n->out].dtype;
    return to == WS_F32 || to == WS_TF32 ? fmin(u, ws_dtype_roundoff(to)) : u;
}

ws_status ref_eval_node(const ref_bound *b, const ref_node *n, ref_tensor *value, bool with_bounds,
                        ws_err *err)
{
    const ref_graph *g = b->graph;
    ref_tensor *out = &value[n->out];
    ref_call c = {.op = n->op, .at = n->attrs, .env = &b->env, .n_in = n->n_in, .out = out,
                  .err = err,
                  .u = unit_roundoff(g, n),
                  .ua = ws_dtype_roundoff(g->spec->accumulate), .bound = b, .node = n};
    for (int i = 0; i < n->n_in; i++)
        c.in[i] = &value[n->in[i]];
    out->shape = b->shape[n->out];
    if (ref_rounds_results)
        ref_order_enter(g, g->value[n->out].dtype);
    if (allocate(out, with_bounds, n->op->fills ? ws_alloc_tensor_unset : ws_alloc_tensor,
                 g->value[n->out].name, err) ||
        (out->shape.count && n->op->eval(&c)))
        return err->status;
    bool exact = g->value[n->out].exact; /* unless the caller's inputs carry errors */
    for (int i = 0; i < n->n_in; i++)
        exact &= !c.in[i]->e;
    store(g, n, out, exact);
    return WS_OK;
}

static ws_status eval_node(run *r, int k)
{
    const ref_node *n = &r->b->graph->node[k];
    ref_tensor *out = &r->value[n->out];
    const ref_graph *g = r->b->graph;
    if (ref_eval_node(r->b, n, r->value, r->with_bounds, r->err))
        return ws_wrap(r->err, "graph[%d] (%s)", k, n->op->name);
    for (int i = 0; i < n->n_in; i++)
        if (r->last_use[n->in[i]] == k && g->value[n->in[i]].tensor < 0)
            ref_tensor_release(&r->value[n->in[i]]);
    if (r->last_use[n->out] == k)
        ref_tensor_release(out);
    return WS_OK;
}

static ws_status eval_all(run *r, const ref_tensor *input)
{
    const ref_graph *g = r->b->graph;
    for (int v = 0; v < g->n_values; v++) {
        if (g->value[v].tensor >= 0)
            r->value[v] = input[g->value[v].tensor];
        else if (g->value[v].is_literal && ref_make_literal(r->b, v, &r->value[v], r->err))
            return r->err->status;
    }
    for (int k = 0; k < g->n_nodes; k++)
        if (eval_node(r, k))
            return r->err->status;
    return WS_OK;
}

/* Output o's value is handed out again, as a later output or as what an index points into. */
static bool wanted_again(const ref_graph *g, int o, bool with_of)
{
    for (int k = o; k < g->n_outputs; k++) {
        const ref_node *n = index_node(g, k);
        if ((k > o && g->output[k] == g->output[o]) || (with_of && n && n->in[0] == g->output[o]))
            return true;
    }
    return false;
}

static ws_status take_outputs(run *r, ref_tensor *output, ref_tensor *of)
{
    const ref_graph *g = r->b->graph;
    for (int o = 0; o < g->n_outputs; o++) {
        const ref_value *v = &g->value[g->output[o]];
        const ref_node *n = index_node(g, o);
        if (v->tensor >= 0)
            return ws_fail(r->err, WS_EINPUT,
                           "output '%s' is an input: in-place outputs cannot be evaluated",
                           v->name);
        ref_tensor *value = &r->value[g->output[o]];
        if (!wanted_again(g, o, of != NULL)) {
            output[o] = *value;
            *value = (ref_tensor){0};
        } else if (copy_tensor(value, &output[o], v->name, r->err)) {
            return r->err->status;
        }
        if (of && n && copy_tensor(&r->value[n->in[0]], &of[o], v->name, r->err))
            return r->err->status;
    }
    return WS_OK;
}

ws_status ref_eval_full(const ref_bound *b, const ref_tensor *input, bool with_bounds,
                        ref_tensor *output, ref_tensor *of, ws_err *err)
{
    const ref_graph *g = b->graph;
    ws_arena a = {0};
    run r = {b, with_bounds, WS_ARENA_NEW(&a, ref_tensor, g->n_values + 1),
             WS_ARENA_NEW(&a, int, g->n_values + 1), err};
    for (int o = 0; o < g->n_outputs; o++) {
        output[o] = (ref_tensor){0};
        if (of)
            of[o] = (ref_tensor){0};
    }
    find_last_uses(g, r.last_use);
    ws_status st = eval_all(&r, input);
    if (!st)
        st = take_outputs(&r, output, of);
    bool exact_inputs = true;
    for (int i = 0; i < g->spec->n_inputs + g->spec->n_weights; i++)
        exact_inputs &= !input[i].e;
    if (!st && with_bounds && exact_inputs && ref_is_deep(g))
        st = ref_bound_by_trial(b, input, r.last_use, output, err);
    for (int o = 0; st && o < g->n_outputs; o++) {
        ref_tensor_release(&output[o]);
        if (of)
            ref_tensor_release(&of[o]);
    }
    for (int v = 0; v < g->n_values; v++)
        if (g->value[v].tensor < 0)
            ref_tensor_release(&r.value[v]);
    ws_arena_release(&a);
    return st;
}

ws_status ref_eval(const ref_bound *b, const ref_tensor *input, bool with_bounds,
                   ref_tensor *output, ws_err *err)
{
    return ref_eval_full(b, input, with_bounds, output, NULL, err);
}
