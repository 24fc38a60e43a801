#include "verifier/cases.h"

#include "reference/ops.h"
#include "verifier/compare.h"
#include "verifier/reach.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct kind_row {
    const char *name;
    vfy_class inputs, weights;
    vfy_needs needs;
} kind_row;

static const kind_row kinds[] = {
#define X(id, name, inputs, weights, needs)                                                        \
    {name, VFY_CLASS_##inputs, VFY_CLASS_##weights, VFY_NEEDS_##needs},
    VFY_INPUTS_LIST(X)
#undef X
};

enum { OTHER_SEED = 7919 };

const char *vfy_inputs_name(vfy_inputs k)
{
    return kinds[k].name;
}

static bool all_finite(const ref_tensor *t)
{
    for (int64_t i = 0; i < t->shape.count; i++)
        if (!isfinite(t->v[i]))
            return false;
    return true;
}

/* ---- values of the inputs ---- */

/* An input that is no random draw is like a weight: numbers that a kernel may take for granted. */
static vfy_class class_of(const kind_row *k, const spec_tensor *t)
{
    const spec_dist d = t->init.dist;
    bool given = t->is_weight || d == SPEC_DIST_CONST || d == SPEC_DIST_EXPR ||
                 d == SPEC_DIST_ARANGE;
    return k->weights == VFY_CLASS_AS_INIT ? (t->is_weight ? VFY_CLASS_AS_INIT : k->inputs)
           : given                         ? k->weights
                                           : k->inputs;
}

static void release_tensors(ref_tensor *t, int n)
{
    for (int i = 0; i < n; i++)
        ref_tensor_release(&t[i]);
    free(t);
}

void vfy_draw_release(vfy_draw *d)
{
    release_tensors(d->input, d->n);
    *d = (vfy_draw){0};
}

static bool same_shape(const ref_shape *a, const ref_shape *b)
{
    return a->rank == b->rank && memcmp(a->dim, b->dim, (size_t)a->rank * sizeof *a->dim) == 0;
}

/* Makes the draw at this shape, unless it is the one that is there. */
static ws_status prepare_draw(vfy_draw *d, const ref_bound *b, uint64_t seed, ws_err *err)
{
    const spec *s = b->graph->spec;
    const int n = s->n_inputs + s->n_weights;
    bool same = d->input && d->seed == seed && d->n == n;
    for (int i = 0; same && i < n; i++)
        same = same_shape(&d->input[i].shape, &b->shape[i]);
    if (same)
        return WS_OK;
    vfy_draw_release(d);
    *d = (vfy_draw){.input = ws_calloc((size_t)n + 1, sizeof *d->input), .n = n, .seed = seed};
    for (int i = 0; i < n; i++)
        if (ref_make_input(b, i, seed, &d->input[i], err)) {
            vfy_draw_release(d);
            return err->status;
        }
    return WS_OK;
}

static ws_status copy_tensor(const ref_tensor *from, const char *name, ref_tensor *out, ws_err *err)
{
    *out = (ref_tensor){.shape = from->shape};
    if (ref_tensor_alloc_unset(out, name, err))
        return err->status;
    memcpy(out->v, from->v, (size_t)from->shape.count * sizeof *from->v);
    return WS_OK;
}

/* drawn[i] is what ref_make_input() gives with `draw`; NULL: it is made here. */
static ws_status make_inputs(const ref_bound *b, const kind_row *k, uint64_t draw,
                             const ref_tensor *drawn, ref_tensor *input, ws_err *err)
{
    const spec *s = b->graph->spec;
    for (int i = 0; i < s->n_inputs + s->n_weights; i++) {
        const spec_tensor *t = &s->tensor[i];
        if (drawn ? copy_tensor(&drawn[i], t->name, &input[i], err)
                  : ref_make_input(b, i, draw, &input[i], err))
            return err->status;
        bool changes = vfy_class_apply(class_of(k, t), t, &input[i].shape, &b->env, draw,
                                       (uint64_t)i, input[i].v);
        if (changes && k == &kinds[VFY_INPUTS_SPECIAL])
            k = &kinds[VFY_INPUTS_RANDOM]; /* one input has them: what it does not reach is more */
    }
    return WS_OK;
}

/* The quick kinds change one and the same draw; each other kind has its own. */
static uint64_t draw_of(vfy_inputs kind, uint64_t seed)
{
    return kind < VFY_INPUTS_QUICK ? seed : seed + OTHER_SEED * (uint64_t)kind;
}

ws_status vfy_case_inputs(const ref_bound *b, vfy_inputs kind, uint64_t seed, ref_tensor *input,
                          ws_err *err)
{
    return make_inputs(b, &kinds[kind], draw_of(kind, seed), NULL, input, err);
}

/* softmax and logsumexp look for it to be able to take exponentials. */
static bool looks_for_maximum(const ref_node *n)
{
    static const char *const ops[] = {"softmax", "log_softmax", "cross_entropy", "max_pool", "topk"};
    const ref_attrs *at = n->attrs;
    for (size_t i = 0; i < WS_COUNT(ops); i++)
        if (strcmp(n->op->name, ops[i]) == 0)
            return true;
    return strcmp(n->op->name, "reduce") == 0 &&
           (at->fn == REF_MAX || at->fn == REF_ARGMAX || at->fn == REF_LOGSUMEXP);
}

static bool has_maximum(const ref_graph *g)
{
    for (int k = 0; k < g->n_nodes; k++) {
        const ref_node *n = &g->node[k];
        const ref_value *in = n->n_in ? &g->value[n->in[0]] : NULL;
        if (in && in->tensor >= 0 && ws_dtype_is_float(in->dtype) && looks_for_maximum(n))
            return true;
    }
    return false;
}

/* Directly of an input: what is computed first is rounded before it is compared. */
static bool decides_by_order(const ref_graph *g)
{
    static const char *const ops[] = {"topk", "sort", "argsort", "eq", "ne",
                                      "lt",   "le",   "gt",      "ge"};
    for (int k = 0; k < g->n_nodes; k++) {
        const ref_node *n = &g->node[k];
        const ref_attrs *at = n->attrs;
        bool compares = strcmp(n->op->name, "reduce") == 0 &&
                        (at->fn == REF_ARGMAX || at->fn == REF_ARGMIN);
        for (size_t i = 0; i < WS_COUNT(ops); i++)
            compares |= strcmp(n->op->name, ops[i]) == 0;
        for (int i = 0; compares && i < n->n_in; i++)
            if (g->value[n->in[i]].tensor >= 0 && ws_dtype_is_float(g->value[n->in[i]].dtype))
                return true;
    }
    return false;
}

static bool has_inputs(const spec *s, vfy_needs needs)
{
    for (int i = 0; i < s->n_inputs; i++) {
        spec_dist d = s->tensor[i].init.dist;
        if (needs == VFY_NEEDS_NOTHING || (needs == VFY_NEEDS_FLAGS && d == SPEC_DIST_BERNOULLI) ||
            (needs == VFY_NEEDS_WHOLE && d == SPEC_DIST_RANDINT))
            return true;
    }
    return needs == VFY_NEEDS_NOTHING;
}

/* Rows that are written twice have no order. */
static bool overwrites(const ref_graph *g)
{
    for (int k = 0; k < g->n_nodes; k++) {
        const ref_attrs *at = g->node[k].attrs;
        if (strcmp(g->node[k].op->name, "scatter") == 0 && at->mode == REF_REPLACE)
            return true;
    }
    return false;
}

/* Honest scans subtract what they added: a NaN reaches elements before it. */
static bool scans(const ref_graph *g)
{
    static const char *const ops[] = {"cumsum", "cumprod", "scan", "lstm", "gru"};
    for (int k = 0; k < g->n_nodes; k++)
        for (size_t i = 0; i < WS_COUNT(ops); i++)
            if (strcmp(g->node[k].op->name, ops[i]) == 0)
                return true;
    return false;
}

/* Products of many elements overflow or not by the order in which they are made. */
static bool multiplies_up(const ref_graph *g)
{
    for (int k = 0; k < g->n_nodes; k++) {
        const ref_attrs *at = g->node[k].attrs;
        const char *op = g->node[k].op->name;
        if (strcmp(op, "cumprod") == 0 || (strcmp(op, "reduce") == 0 && at->fn == REF_PROD))
            return true;
    }
    return false;
}

static bool suits(const ref_graph *g, vfy_inputs kind)
{
    if (kinds[kind].needs == VFY_NEEDS_WHOLE && overwrites(g))
        return false;
    if (kind == VFY_INPUTS_SPECIAL && (ref_has_index_output(g) || scans(g)))
        return false;
    if (kind >= VFY_INPUTS_QUICK && !vfy_class_is_even(kinds[kind].inputs) && multiplies_up(g))
        return false;
    return kinds[kind].needs == VFY_NEEDS_MAXIMUM ? has_maximum(g)
           : kinds[kind].needs == VFY_NEEDS_ORDER ? decides_by_order(g)
                                                  : has_inputs(g->spec, kinds[kind].needs);
}

/* ---- the reference ---- */

static ws_status start_at(vfy_case *c, const ref_graph *g, int check, const ws_env *at,
                          const char *name, uint64_t seed, ws_err *err)
{
    const spec *s = g->spec;
    int n = s->n_inputs + s->n_weights;
    *c = (vfy_case){.check = check, .inputs = VFY_INPUTS_COUNT, .seed = seed};
    snprintf(c->name, sizeof c->name, "%s", name);
    ws_env *env = WS_ARENA_NEW(&c->arena, ws_env, 1);
    ws_binding *dim = WS_ARENA_NEW(&c->arena, ws_binding, at->n + 1);
    memcpy(dim, at->item, at->n * sizeof *dim);
    *env = (ws_env){dim, at->n, NULL};
    ws_buf shape = {0};
    spec_env_print(env, &shape);
    snprintf(c->shape, sizeof c->shape, "%s", ws_buf_z(&shape));
    ws_buf_release(&shape);
    c->in = WS_ARENA_NEW(&c->arena, void *, n + 1);
    c->in_bytes = WS_ARENA_NEW(&c->arena, size_t, n + 1);
    c->want = WS_ARENA_NEW(&c->arena, ref_tensor, g->n_outputs);
    c->of = WS_ARENA_NEW(&c->arena, ref_tensor, g->n_outputs);
    c->open = WS_ARENA_NEW(&c->arena, bool *, g->n_outputs);
    return ref_bind(g, env, &c->arena, &c->bound, err);
}

static ws_status start(vfy_case *c, const ref_graph *g, int check, const char *name, uint64_t seed,
                       ws_err *err)
{
    const ws_env at = spec_env(g->spec, check);
    return start_at(c, g, check, &at, name, seed, err);
}

/* An operation that refuses its operands: the case has no meaning. */
static ws_status forgive(vfy_case *c, ws_status st, ws_err *err)
{
    if (st != WS_EINPUT)
        return st;
    *err = (ws_err){0};
    c->meaningless = true;
    return WS_OK;
}

static ws_status store_inputs(vfy_case *c, const ref_tensor *input, ws_err *err)
{
    const spec *s = c->bound->graph->spec;
    for (int i = 0; i < s->n_inputs + s->n_weights; i++) {
        const spec_tensor *t = &s->tensor[i];
        size_t n = (size_t)input[i].shape.count;
        c->in_bytes[i] = ws_dtype_size(t->dtype, n);
        if (!(c->in[i] = ws_alloc_tensor_unset(c->in_bytes[i])))
            return ws_fail(err, WS_ELIMIT, "no memory for input '%s' of %zu bytes", t->name,
                           c->in_bytes[i]);
        ws_dtype_store(t->dtype, c->in[i], input[i].v, n);
    }
    return WS_OK;
}

static ws_status evaluate(vfy_case *c, const ref_tensor *input, ws_err *err)
{
    const ref_graph *g = c->bound->graph;
    if (store_inputs(c, input, err) || ref_eval_full(c->bound, input, true, c->want, c->of, err))
        return err->status;
    for (int o = 0; o < g->n_outputs; o++)
        c->meaningless |= !all_finite(&c->want[o]);
    return WS_OK;
}

/* Leaves elements open whose bound says nothing. Of subnormal inputs all that may be wanted is that
 * nothing large comes of them. */
static void open_elements(vfy_case *c)
{
    const double most = c->inputs == VFY_INPUTS_TINY ? (double)INFINITY : 1; /* of the largest */
    const ref_graph *g = c->bound->graph;
    int64_t closed = 0;
    bool derived = g->spec->rtol < 0 && g->spec->atol < 0;
    for (int o = 0; o < g->n_outputs; o++) {
        const ref_tensor *want = &c->want[o];
        double largest = 0;
        bool *open = c->open[o];
        if (!open)
            open = c->open[o] = WS_ARENA_NEW(&c->arena, bool, (size_t)want->shape.count + 1);
        for (int64_t i = 0; i < want->shape.count; i++)
            largest = fmax(largest, open[i] ? 0 : fabs(want->v[i]));
        for (int64_t i = 0; i < want->shape.count; i++) {
            if (derived && want->e && !open[i])
                open[i] = !(VFY_SAFETY * want->e[i] <= most * largest);
            closed += !open[i];
        }
    }
    c->meaningless |= !closed;
}

/* The outputs for other inputs, each plain[o] to be released. */
static ws_status evaluate_with(const vfy_case *c, ref_tensor *input, ref_tensor *plain, ws_err *err)
{
    const spec *s = c->bound->graph->spec;
    ws_status st = ref_eval(c->bound, input, false, plain, err);
    release_tensors(input, s->n_inputs + s->n_weights);
    return st;
}

/* What a NaN or an infinity among the inputs reaches is left open, and with it the whole of its
 * index along the first axis, as honest kernels compute neighbours together. The rest must be as if
 * it were not there. */
static ws_status open_reached(vfy_case *c, ws_err *err)
{
    const ref_graph *g = c->bound->graph;
    int n = g->spec->n_inputs + g->spec->n_weights;
    uint64_t draw = draw_of(VFY_INPUTS_SPECIAL, c->seed);
    ref_tensor *input = ws_calloc((size_t)n + 1, sizeof *input);
    ref_tensor *marked = ws_calloc((size_t)n + 1, sizeof *marked);
    ref_tensor *plain = ws_calloc((size_t)g->n_outputs + 1, sizeof *plain);
    ref_tensor *reached = ws_calloc((size_t)g->n_outputs + 1, sizeof *reached);
    ws_status st = make_inputs(c->bound, &kinds[VFY_INPUTS_RANDOM], draw, NULL, input, err);
    if (!st)
        st = make_inputs(c->bound, &kinds[VFY_INPUTS_SPECIAL], draw, NULL, marked, err);
    /* An infinity may vanish in a clamp; a NaN shows wherever it went. */
    for (int i = 0; i < n && !st; i++)
        for (int64_t k = 0; k < marked[i].shape.count; k++)
            if (!isfinite(marked[i].v[k]))
                marked[i].v[k] = (double)NAN;
    if (!st)
        st = evaluate_with(c, input, plain, err);
    if (!st)
        st = evaluate_with(c, marked, reached, err);
    for (int o = 0; o < g->n_outputs && !st; o++) {
        const ref_tensor *want = &c->want[o];
        c->open[o] = WS_ARENA_NEW(&c->arena, bool, (size_t)want->shape.count + 1);
        int64_t slab = want->shape.rank && want->shape.dim[0]
                           ? want->shape.count / want->shape.dim[0] : 1;
        for (int64_t i = 0; i < want->shape.count; i++) {
            double v = plain[o].v[i], most = 1e-12 * fabs(v);
            if (!(fabs(want->v[i] - v) <= most) || !(fabs(reached[o].v[i] - v) <= most))
                memset(c->open[o] + i / slab * slab, 1, (size_t)slab);
        }
    }
    release_tensors(plain, g->n_outputs);
    release_tensors(reached, g->n_outputs);
    c->meaningless = false; /* as far as something is closed */
    return st;
}

/* Honest arithmetic may take subnormal operands for zeros: so far the result may move. */
static ws_status allow_flushing(vfy_case *c, const ref_tensor *from, ws_err *err)
{
    const ref_graph *g = c->bound->graph;
    int n = g->spec->n_inputs + g->spec->n_weights;
    ref_tensor *input = ws_calloc((size_t)n + 1, sizeof *input);
    ref_tensor *plain = ws_calloc((size_t)g->n_outputs + 1, sizeof *plain);
    ws_status st = WS_OK;
    for (int i = 0; i < n && !st; i++) {
        input[i].shape = from[i].shape;
        if ((st = ref_tensor_alloc(&input[i], false, g->spec->tensor[i].name, err)))
            break;
        for (int64_t k = 0; k < from[i].shape.count; k++)
            input[i].v[k] = fabs(from[i].v[k]) < 0x1p-120 ? 0 : from[i].v[k];
    }
    if (!st)
        st = evaluate_with(c, input, plain, err);
    for (int o = 0; o < g->n_outputs && !st; o++)
        for (int64_t i = 0; c->want[o].e && i < c->want[o].shape.count; i++)
            c->want[o].e[i] += fabs(c->want[o].v[i] - plain[o].v[i]);
    release_tensors(plain, g->n_outputs);
    return st;
}

/* An operation that refuses others in place of given whole numbers gets those of the init. */
static ws_status evaluate_given(vfy_case *c, vfy_inputs kind, ref_tensor *input, ws_err *err)
{
    const spec *s = c->bound->graph->spec;
    ws_status st = evaluate(c, input, err);
    if (st != WS_EINPUT || kinds[kind].weights != VFY_CLASS_PERTURBED)
        return st;
    *err = (ws_err){0};
    for (int i = 0; i < s->n_inputs + s->n_weights; i++) {
        ws_free_tensor(c->in[i]);
        c->in[i] = NULL;
        if (ws_dtype_is_float(s->tensor[i].dtype))
            continue;
        ref_tensor_release(&input[i]);
        if (ref_make_input(c->bound, i, draw_of(kind, c->seed), &input[i], err))
            return err->status;
    }
    return evaluate(c, input, err);
}

static bool by_trial(const vfy_case *c)
{
    for (int o = 0; o < c->bound->graph->n_outputs; o++)
        if (c->want[o].by_trial)
            return true;
    return false;
}

ws_status vfy_case_init(vfy_case *c, const ref_graph *g, int check, vfy_inputs kind, uint64_t seed,
                        ws_err *err)
{
    int n = g->spec->n_inputs + g->spec->n_weights;
    ref_tensor *input = ws_calloc((size_t)n + 1, sizeof *input);
    bool quick = kind < VFY_INPUTS_QUICK;
    ws_status st = start(c, g, check, kinds[kind].name, seed, err);
    c->inputs = kind;
    if (!st && !suits(g, kind)) {
        c->meaningless = true;
    } else {
        if (!st)
            st = vfy_case_inputs(c->bound, kind, seed, input, err);
        if (!st)
            st = evaluate_given(c, kind, input, err);
        if (!quick)
            st = forgive(c, st, err);
        if (!st && kind == VFY_INPUTS_SPECIAL && c->want[0].v)
            st = open_reached(c, err);
        vfy_class class = kinds[kind].inputs;
        bool tiny = class == VFY_CLASS_TINY || class == VFY_CLASS_MIXED;
        if (!st && tiny && c->want[0].v)
            st = allow_flushing(c, input, err);
        if (!st && !quick && c->want[0].v)
            open_elements(c);
        /* Measured bounds are those of a channel, whose elements are taken to be alike. */
        if (!st && !quick && !vfy_class_is_even(kinds[kind].inputs))
            c->meaningless |= by_trial(c);
    }
    release_tensors(input, n);
    if (st)
        vfy_case_release(c);
    return st ? ws_wrap(err, "check shape %d, %s inputs", check, kinds[kind].name) : WS_OK;
}

ws_status vfy_case_of(vfy_case *c, const ref_graph *g, int check, const char *name, uint64_t seed,
                      const ref_tensor *input, ws_err *err)
{
    ws_status st = start(c, g, check, name, seed, err);
    if (!st)
        st = forgive(c, evaluate(c, input, err), err);
    if (st) {
        vfy_case_release(c);
        return ws_wrap(err, "check shape %d, %s", check, name);
    }
    if (!c->meaningless)
        open_elements(c);
    return WS_OK;
}

ws_status vfy_reach_case(vfy_case *c, const ref_graph *g, const ws_env *env, vfy_inputs kind,
                         uint64_t seed, vfy_draw *draw, ws_err *err)
{
    const int n = g->spec->n_inputs + g->spec->n_weights;
    const uint64_t by = draw_of(kind, seed);
    ref_tensor *input = ws_calloc((size_t)n + 1, sizeof *input);
    ws_status st = start_at(c, g, -1, env, kinds[kind].name, seed, err);
    if (!st && draw)
        st = prepare_draw(draw, c->bound, by, err);
    if (!st)
        st = make_inputs(c->bound, &kinds[kind], by, draw ? draw->input : NULL, input, err);
    if (!st)
        st = evaluate(c, input, err);
    release_tensors(input, n);
    if (st)
        vfy_case_release(c);
    return st;
}

void vfy_case_release(vfy_case *c)
{
    if (c->bound) {
        const ref_graph *g = c->bound->graph;
        for (int i = 0; i < g->spec->n_inputs + g->spec->n_weights; i++)
            ws_free_tensor(c->in[i]);
        for (int o = 0; o < g->n_outputs; o++) {
            ref_tensor_release(&c->want[o]);
            ref_tensor_release(&c->of[o]);
        }
    }
    ws_arena_release(&c->arena);
    *c = (vfy_case){0};
}
