#include "verifier/lint.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/philox.h"
#include "reference/ops.h"
#include "verifier/compare.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_FINDINGS = 256, OTHER_SEED = 7919, MAX_WIDE = 10 };

static const struct {
    const char *name, *text;
} kinds[] = {
#define X(id, name, text) [LINT_##id] = {name, text},
    LINT_LIST(X)
#undef X
};

const char *vfy_lint_name(lint_kind k)
{
    return kinds[k].name;
}

/* The spec at one check shape with one kind of inputs. */
typedef struct lab {
    const ref_graph *g;
    vfy_case c;
    ref_tensor *in; /* per tensor */
    bool ready;
    ws_env env;
} lab;

typedef struct trial {
    lint_kind kind;
    int tensor;        /* COPY, IGNORED, WITHOUT, ONES */
    int node, operand; /* OP: the node gives way to its operand */
} trial;

typedef struct linter {
    const spec *s;
    ref_graph *g;
    uint64_t seed;
    int check;
    lab lab[VFY_INPUTS_COUNT];
    lab wide[MAX_WIDE]; /* larger shapes than the check shape: their references carry no bounds */
    bool wide_tried[MAX_WIDE];
    lint_report *rep;
    ws_err *err;
    int64_t start;
    double seconds;
} linter;

static int count_tensors(const spec *s)
{
    return s->n_inputs + s->n_weights;
}

/* ---- the bench ---- */

static ws_status lab_init(const linter *l, int check, vfy_inputs kind, lab *b)
{
    int n = count_tensors(l->s);
    b->g = l->g;
    if (vfy_case_init(&b->c, l->g, check, kind, l->seed, l->err))
        return l->err->status;
    b->ready = true;
    b->env = spec_env(l->s, check);
    b->in = ws_calloc((size_t)n + 1, sizeof *b->in);
    for (int i = 0; i < n; i++) {
        b->in[i].shape = b->c.bound->shape[i];
        if (ref_tensor_alloc(&b->in[i], false, l->s->tensor[i].name, l->err))
            return l->err->status;
        ws_dtype_load(l->s->tensor[i].dtype, b->in[i].v, b->c.in[i], (size_t)b->in[i].shape.count);
    }
    return WS_OK;
}

static ws_status lab_open(linter *l, vfy_inputs kind)
{
    return l->lab[kind].ready ? WS_OK : lab_init(l, l->check, kind, &l->lab[kind]);
}

static void lab_close(lab *b)
{
    for (int i = 0; b->ready && i < count_tensors(b->g->spec); i++)
        ref_tensor_release(&b->in[i]);
    free(b->in);
    vfy_case_release(&b->c);
}

/* Which dims the wide shape k widens: all; those that no output has, which are summed over; one
 * alone. */
static bool widens(const linter *l, int k, int d)
{
    ws_arena a = {0};
    ws_err err = {0};
    ref_bound *b;
    if (k != 1)
        return !k || k == d + 2;
    ws_binding *dim = WS_ARENA_NEW(&a, ws_binding, l->s->n_dims);
    for (int i = 0; i < l->s->n_dims; i++)
        dim[i] = (ws_binding){l->s->dim[i].name,
                              i == d ? l->s->dim[i].value : l->s->check[l->check][i].value};
    ws_env env = {dim, (size_t)l->s->n_dims, NULL};
    const ref_shape *shape = l->lab[VFY_INPUTS_RANDOM].c.bound->shape;
    bool same = !ref_bind(l->g, &env, &a, &b, &err);
    for (int o = 0; o < l->g->n_outputs && same; o++)
        same = b->shape[l->g->output[o]].count == shape[l->g->output[o]].count;
    ws_arena_release(&a);
    return same;
}

/* Dims of the benchmark halved so many times, but no smaller than those of the check shape; false
 * when that is the check shape. */
static bool halve(const linter *l, int k, int times, ws_binding *dim)
{
    bool wider = false;
    for (int d = 0; d < l->s->n_dims; d++) {
        int64_t least = l->s->check[l->check][d].value, most = l->s->dim[d].value;
        int64_t n = times < 62 && widens(l, k, d) ? most >> times : 0;
        dim[d] = (ws_binding){l->s->dim[d].name, n > least ? n : least};
        wider |= dim[d].value > least;
    }
    return wider;
}

static bool is_affordable(const ref_bound *b, int k)
{
    double most = k < 2 ? 1 : 0.25;
    double elements = 0;
    ref_cost cost;
    for (int v = 0; v < b->graph->n_values; v++)
        elements += (double)b->shape[v].count;
    ref_cost_of(b, &cost);
    return elements < most * 0x1p22 && cost.flops < most * 4e8;
}

static bool fill_wide(linter *l, lab *w, ref_bound *bound)
{
    int n = count_tensors(l->s);
    ws_err err = {0};
    w->c.bound = bound;
    w->c.in = WS_ARENA_NEW(&w->c.arena, void *, n + 1);
    w->c.want = WS_ARENA_NEW(&w->c.arena, ref_tensor, l->g->n_outputs);
    w->c.of = WS_ARENA_NEW(&w->c.arena, ref_tensor, l->g->n_outputs);
    w->in = ws_calloc((size_t)n + 1, sizeof *w->in);
    w->ready = true;
    for (int i = 0; i < n; i++)
        if (ref_make_input(bound, i, l->seed, &w->in[i], &err))
            return false;
    return !ref_eval(bound, w->in, false, w->c.want, &err);
}

/* The largest shape between the check shapes and the benchmark's that takes little time: some flaws
 * come with size. */
static bool open_wide(linter *l, int k)
{
    lab *w = &l->wide[k];
    bool good = false;
    if (l->wide_tried[k])
        return w->ready && w->c.seed;
    l->wide_tried[k] = true;
    w->g = l->g;
    ws_binding *dim = WS_ARENA_NEW(&w->c.arena, ws_binding, l->s->n_dims + 1);
    for (int times = 0; !good && halve(l, k, times, dim); times++) {
        ref_bound *bound;
        ws_err err = {0};
        w->env = (ws_env){dim, (size_t)l->s->n_dims, NULL};
        if (ref_bind(l->g, &w->env, &w->c.arena, &bound, &err) || !is_affordable(bound, k))
            continue;
        good = fill_wide(l, w, bound);
        break;
    }
    w->c.seed = good ? l->seed : 0; /* 0: nothing here */
    return good;
}

/* The comparison of `got`, in double, as output o. */
static vfy_comparison compare(const lab *b, int o, const ref_tensor *got)
{
    ws_dtype dtype = b->g->value[b->g->output[o]].dtype;
    size_t n = (size_t)got->shape.count;
    void *raw = ws_malloc(ws_dtype_size(dtype, n) + 1);
    vfy_comparison c;
    ws_dtype_store(dtype, raw, got->v, n);
    vfy_compare(&b->c, o, raw, &c);
    free(raw);
    return c;
}

/* As allclose(got, want, rtol = atol = 1e-2) counts, for all but one element in a hundred. */
static bool is_near(const ref_tensor *want, const ref_tensor *got)
{
    int64_t far = 0;
    for (int64_t i = 0; i < want->shape.count; i++)
        far += !(fabs(got->v[i] - want->v[i]) <= 1e-2 + 1e-2 * fabs(want->v[i]));
    return far * 100 <= want->shape.count;
}

/* Every output is right. *excess: the worst error over its tolerance. */
static bool all_right(const lab *b, const trial *t, const ref_tensor *got, double *excess)
{
    int64_t wrong = 0;
    for (int o = 0; o < b->g->n_outputs; o++) {
        if (vfy_lint_is_loose(t->kind)) {
            wrong += !is_near(&b->c.want[o], &got[o]);
            continue;
        }
        vfy_comparison c = compare(b, o, &got[o]);
        wrong += c.wrong;
        *excess = fmax(*excess, c.wrong ? c.excess / VFY_SAFETY : c.worst_ratio);
    }
    return !wrong;
}

/* ---- answers that cost nothing ---- */

static double tolerance(const lab *b, const ref_tensor *want, int64_t i)
{
    const spec *s = b->g->spec;
    if (s->rtol >= 0 || s->atol >= 0)
        return fmax(s->atol, 0) + fmax(s->rtol, 0) * fabs(want->v[i]);
    return want->e ? VFY_SAFETY * want->e[i] : 0;
}

/* The number that is nearest to all elements, as their tolerances count. */
static double best_constant(const lab *b, const ref_tensor *want)
{
    double low = -(double)INFINITY, high = (double)INFINITY;
    for (int64_t i = 0; i < want->shape.count; i++) {
        low = fmax(low, want->v[i] - tolerance(b, want, i));
        high = fmin(high, want->v[i] + tolerance(b, want, i));
    }
    if (!isfinite(low) || !isfinite(high))
        return isfinite(low) ? low : isfinite(high) ? high : 0;
    return low + (high - low) / 2;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static double median(const ref_tensor *t)
{
    double *v = ws_malloc((size_t)t->shape.count * sizeof *v + 1);
    memcpy(v, t->v, (size_t)t->shape.count * sizeof *v);
    qsort(v, (size_t)t->shape.count, sizeof *v, ascending);
    double m = t->shape.count ? v[t->shape.count / 2] : 0;
    free(v);
    return m;
}

static bool try_answer(const lab *b, const trial *t)
{
    bool right = true;
    for (int o = 0; o < b->g->n_outputs && right; o++) {
        const ref_tensor *want = &b->c.want[o];
        ref_tensor got = {.shape = want->shape};
        ws_err err = {0};
        bool copies = t->kind == LINT_COPY || t->kind == LINT_LOOSE_COPY;
        if (copies && b->in[t->tensor].shape.count != want->shape.count)
            return false;
        if (ref_tensor_alloc(&got, false, "an answer", &err))
            return false;
        double v = t->kind == LINT_CONSTANT         ? best_constant(b, want)
                   : t->kind == LINT_LOOSE_CONSTANT ? median(want)
                                                    : 0;
        for (int64_t i = 0; i < got.shape.count; i++)
            got.v[i] = copies ? b->in[t->tensor].v[i] : v;
        right = vfy_lint_is_loose(t->kind) ? is_near(want, &got) : !compare(b, o, &got).wrong;
        ref_tensor_release(&got);
    }
    return right;
}

/* ---- other inputs, other graphs ---- */

/* Evaluates `g`, the spec's graph or one like it, on `in`; true: the outputs pass. */
static bool passes(const lab *b, const trial *t, const ref_graph *g, const ref_tensor *in,
                   double *excess)
{
    ws_arena a = {0};
    ws_err err = {0};
    ref_bound *bound = NULL;
    ref_tensor *out = WS_ARENA_NEW(&a, ref_tensor, g->n_outputs + 1);
    /* an index that is off or a matrix of the wrong shape ends the trial: it does not pass */
    bool right = !ref_bind(g, &b->env, &a, &bound, &err) &&
                 !ref_eval(bound, in, false, out, &err) && all_right(b, t, out, excess);
    for (int o = 0; o < g->n_outputs; o++)
        ref_tensor_release(&out[o]);
    ws_arena_release(&a);
    return right;
}

/* What f32 and f16 are cut down to when nobody looks; other formats stay. */
static ws_dtype lower_of(ws_dtype t)
{
    switch (t) {
    case WS_F64:
        return WS_F32;
    case WS_F32:
    case WS_TF32:
        return WS_BF16;
    case WS_F16:
    case WS_BF16:
        return WS_E4M3;
    default:
        return t;
    }
}

/* Rounding to the next lower precision changes some element of some tensor. */
static bool rounds_something(const lab *b)
{
    for (int i = 0; i < count_tensors(b->g->spec); i++) {
        ws_dtype lower = lower_of(b->g->spec->tensor[i].dtype);
        for (int64_t k = 0; k < b->in[i].shape.count; k++)
            if (ws_dtype_round(lower, b->in[i].v[k]) != b->in[i].v[k])
                return true;
    }
    return false;
}

/* Other contents for tensor i: its init under another seed; where that gives the same, noise. */
static bool replace(const lab *b, int i, const trial *t, ref_tensor *out)
{
    const spec_tensor *s = &b->g->spec->tensor[i];
    ws_err err = {0};
    bool differs = false;
    if (ref_make_input(b->c.bound, i, b->c.seed + OTHER_SEED, out, &err))
        return false;
    /* the first eighth of the rows again and again */
    int64_t rows = out->shape.rank ? out->shape.dim[0] : 1, kept = (rows + 7) / 8;
    int64_t some = rows ? out->shape.count / rows * kept : 0;
    for (int64_t k = 0; t->kind == LINT_LOOSE_SAMPLE && k < out->shape.count; k++)
        out->v[k] = b->in[i].v[k % some];
    for (int64_t k = 0; k < out->shape.count; k++) {
        if (t->kind == LINT_WITHOUT || t->kind == LINT_ONES)
            out->v[k] = t->kind == LINT_ONES;
        else if (t->kind == LINT_LOWER)
            out->v[k] = ws_dtype_round(lower_of(s->dtype), b->in[i].v[k]);
        differs |= out->v[k] != b->in[i].v[k];
    }
    for (int64_t k = 0;
         t->kind == LINT_IGNORED && !differs && ws_dtype_is_float(s->dtype) && k < out->shape.count;
         k++)
        out->v[k] = ws_dtype_round(s->dtype, ws_philox_normal(b->c.seed, 99, (uint64_t)k));
    return true;
}

/* Which tensors a trial changes. */
static bool concerns(const lab *b, const trial *t, int i)
{
    bool others = t->kind == LINT_OTHER_INPUTS || t->kind == LINT_LOOSE_OTHER;
    if (t->kind == LINT_LOOSE_SAMPLE)
        return !b->g->spec->tensor[i].is_weight && b->in[i].shape.rank;
    return t->kind == LINT_LOWER || (others && !b->g->spec->tensor[i].is_weight) ||
           (!others && i == t->tensor);
}

static bool try_inputs(const lab *b, const trial *t, double *excess)
{
    int n = count_tensors(b->g->spec);
    ref_tensor *in = ws_calloc((size_t)n + 1, sizeof *in);
    bool made = true, right;
    for (int i = 0; i < n; i++) {
        in[i] = b->in[i];
        if (concerns(b, t, i))
            made &= replace(b, i, t, &in[i]);
    }
    right = made && passes(b, t, b->g, in, excess);
    for (int i = 0; i < n; i++)
        if (in[i].v != b->in[i].v)
            ref_tensor_release(&in[i]);
    free(in);
    return right;
}

/* Every mention of `from` in the nodes' operands becomes `to`. */
static void rename_operands(cJSON *graph, const char *from, const char *to)
{
    cJSON *node, *v;
    cJSON_ArrayForEach(node, graph)
    {
        cJSON *in = cJSON_GetObjectItemCaseSensitive(node, "in");
        for (int i = 0; i < cJSON_GetArraySize(in); i++) {
            v = cJSON_GetArrayItem(in, i);
            if (cJSON_IsString(v) && strcmp(v->valuestring, from) == 0)
                cJSON_ReplaceItemInArray(in, i, cJSON_CreateString(to));
        }
    }
}

/* The spec without node k, whose readers read its operand. */
static spec *spec_without(const spec *s, int k, const char *operand)
{
    cJSON *root = cJSON_Duplicate(s->root, true), *graph = cJSON_GetObjectItem(root, "graph");
    cJSON *outputs = cJSON_GetObjectItem(root, "outputs");
    ws_buf text = {0};
    ws_err err = {0};
    spec *out = NULL;
    cJSON_DeleteItemFromArray(graph, k);
    rename_operands(graph, s->node[k].out, operand);
    for (int o = 0; o < s->n_outputs; o++)
        if (strcmp(s->output[o], s->node[k].out) == 0)
            cJSON_ReplaceItemInArray(outputs, o, cJSON_CreateString(operand));
    ws_json_print(root, false, &text);
    if (spec_from_text(text.p, text.n, s->path, &out, &err))
        out = NULL;
    ws_buf_release(&text);
    cJSON_Delete(root);
    return out;
}

static bool try_without_op(const lab *b, const trial *t, double *excess)
{
    const ref_node *n = &b->g->node[t->node];
    spec *s = spec_without(b->g->spec, t->node, b->g->value[n->in[t->operand]].name);
    ref_graph *g = NULL;
    ws_err err = {0};
    bool right = s && !ref_graph_new(s, &g, &err) && passes(b, t, g, b->in, excess);
    ref_graph_free(g);
    spec_free(s);
    return right;
}

/* ---- trials ---- */

static bool attempt(const lab *b, const trial *t, double *excess)
{
    switch (t->kind) {
    case LINT_ZEROS:
    case LINT_CONSTANT:
    case LINT_COPY:
    case LINT_LOOSE_ZEROS:
    case LINT_LOOSE_CONSTANT:
    case LINT_LOOSE_COPY:
        return try_answer(b, t);
    case LINT_OP:
        return try_without_op(b, t, excess);
    default:
        return try_inputs(b, t, excess);
    }
}

/* Whether every kind of inputs that suits the operation lets the trial pass. */
static bool passes_always(linter *l, const trial *t)
{
    for (vfy_inputs k = VFY_INPUTS_RANDOM + 1; k < VFY_INPUTS_COUNT; k++) {
        double excess = 0;
        if (lab_open(l, k))
            return true;
        if (!l->lab[k].c.meaningless && !attempt(&l->lab[k], t, &excess))
            return false;
    }
    return true;
}

static const char *name_of(const linter *l, const trial *t)
{
    if (t->kind == LINT_OP)
        return l->s->node[t->node].out;
    bool of_tensor = t->kind >= LINT_COPY && t->kind < LINT_OP;
    return of_tensor || t->kind == LINT_LOOSE_COPY ? l->s->tensor[t->tensor].name : "";
}

/* `loose` is `found`, or less, at a wide tolerance. */
static bool is_loose_form(lint_kind found, lint_kind loose)
{
    return (loose == LINT_LOOSE_ZEROS && found == LINT_ZEROS) ||
           (loose == LINT_LOOSE_CONSTANT &&
            (found == LINT_CONSTANT || found == LINT_ZEROS || found == LINT_LOOSE_ZEROS)) ||
           (loose == LINT_LOOSE_OTHER && found == LINT_OTHER_INPUTS) ||
           (loose == LINT_LOOSE_COPY && found == LINT_COPY) ||
           (loose == LINT_LOOSE_SAMPLE &&
            (found == LINT_OTHER_INPUTS || found == LINT_LOOSE_OTHER || found == LINT_LOOSE_ZEROS));
}

/* What an earlier finding says already. */
static bool is_implied(const linter *l, const trial *t)
{
    bool of_tensor = t->kind == LINT_WITHOUT || t->kind == LINT_ONES || t->kind == LINT_IGNORED;
    for (int i = 0; i < l->rep->n; i++) {
        const lint_finding *f = &l->rep->finding[i];
        if (t->kind == LINT_CONSTANT && f->kind == LINT_ZEROS && f->always)
            return true;
        if (is_loose_form(f->kind, t->kind))
            return true;
        if (of_tensor && f->kind == LINT_IGNORED && f->always &&
            strcmp(f->name, name_of(l, t)) == 0)
            return true;
    }
    return false;
}

/* Tensors that no output needs, as the graph alone says. */
static void find_unread(linter *l)
{
    const ref_graph *g = l->g;
    bool *live = ws_calloc((size_t)g->n_values + 1, sizeof *live);
    for (int o = 0; o < g->n_outputs; o++)
        live[g->output[o]] = true;
    for (int k = g->n_nodes - 1; k >= 0; k--)
        for (int i = 0; live[g->node[k].out] && i < g->node[k].n_in; i++)
            live[g->node[k].in[i]] = true;
    for (int v = 0; v < g->n_values; v++) {
        if (g->value[v].tensor < 0 || live[v] || l->rep->n == MAX_FINDINGS)
            continue;
        lint_finding *f = &l->rep->finding[l->rep->n++];
        *f = (lint_finding){.kind = LINT_IGNORED, .always = true};
        snprintf(f->name, sizeof f->name, "%s", g->value[v].name);
        snprintf(f->text, sizeof f->text, kinds[LINT_IGNORED].text, f->name);
    }
    free(live);
}

static void run(linter *l, const trial *t)
{
    const lab *b = &l->lab[VFY_INPUTS_RANDOM];
    double excess = 0;
    l->rep->tried++;
    if (is_implied(l, t))
        return;
    bool right = attempt(b, t, &excess);
    for (int k = 0; !right && vfy_lint_is_loose(t->kind) && k < MAX_WIDE; k++)
        if ((k < 2 || ws_seconds_since(l->start) < l->seconds / 2) && open_wide(l, k)) {
            b = &l->wide[k];
            right = attempt(b, t, &excess);
        }
    if (t->kind == LINT_LOWER)
        l->rep->lower_excess = excess;
    if (!right || l->rep->n == MAX_FINDINGS)
        return;
    lint_finding *f = &l->rep->finding[l->rep->n++];
    *f = (lint_finding){.kind = t->kind,
                        .always = !vfy_lint_is_loose(t->kind) && passes_always(l, t)};
    snprintf(f->name, sizeof f->name, "%s", name_of(l, t));
    snprintf(f->text, sizeof f->text, kinds[t->kind].text, f->name);
    if (b != &l->lab[VFY_INPUTS_RANDOM]) {
        ws_buf dims = {0};
        size_t n = strlen(f->text);
        spec_env_print(&b->env, &dims);
        snprintf(f->text + n, sizeof f->text - n, " at %s", ws_buf_z(&dims));
        ws_buf_release(&dims);
    }
    if (t->kind == LINT_OP) {
        size_t n = strlen(f->text);
        snprintf(f->text + n, sizeof f->text - n, " (%s)", l->s->node[t->node].op);
    }
}

/* ---- which trials ---- */

static bool same_form(const ref_value *a, const ref_value *b)
{
    bool same = a->dtype == b->dtype && a->rank == b->rank;
    for (int d = 0; same && d < a->rank; d++)
        same = ws_expr_same(a->dim[d], b->dim[d]);
    return same;
}

static bool is_output(const ref_graph *g, int v)
{
    for (int o = 0; o < g->n_outputs; o++)
        if (g->output[o] == v)
            return true;
    return false;
}

/* An op can give way to an operand of its result's shape and dtype; an output must stay a node. */
static bool can_give_way(const ref_graph *g, int node, int operand)
{
    const ref_node *n = &g->node[node];
    const ref_value *in = &g->value[n->in[operand]], *out = &g->value[n->out];
    return !in->is_literal && same_form(in, out) && !(in->tensor >= 0 && is_output(g, n->out));
}

static bool has_elements(const linter *l)
{
    bool several = false;
    for (int o = 0; o < l->g->n_outputs; o++)
        several |= l->lab[VFY_INPUTS_RANDOM].c.want[o].shape.count > 1;
    return several;
}

static bool has_index(const ref_graph *g)
{
    int axis;
    for (int o = 0; o < g->n_outputs; o++)
        if (ref_output_compare(g, o, &axis) == REF_COMPARE_INDEX)
            return true;
    return false;
}

static trial *list_trials(const linter *l, ws_arena *a, int *n)
{
    static const lint_kind of_tensor[] = {LINT_COPY, LINT_IGNORED, LINT_WITHOUT, LINT_ONES};
    int tensors = count_tensors(l->s), k = 0;
    trial *t = WS_ARENA_NEW(a, trial, 9 + tensors * 5 + l->g->n_nodes * SPEC_MAX_OPERANDS);
    t[k++] = (trial){.kind = LINT_ZEROS};
    if (has_elements(l)) /* of one number alone, some constant is always right */
        t[k++] = (trial){.kind = LINT_CONSTANT};
    t[k++] = (trial){.kind = LINT_OTHER_INPUTS};
    if (rounds_something(&l->lab[VFY_INPUTS_RANDOM]))
        t[k++] = (trial){.kind = LINT_LOWER};
    for (int i = 0; i < tensors; i++) /* before the loose ones, which take long */
        if (!l->s->tensor[i].is_weight)
            t[k++] = (trial){.kind = LINT_COPY, .tensor = i};
    for (int q = LINT_LOOSE_ZEROS; q <= LINT_LOOSE_OTHER && !has_index(l->g); q++)
        if (q != LINT_LOOSE_CONSTANT || has_elements(l))
            t[k++] = (trial){.kind = (lint_kind)q};
    if (!has_elements(l))
        t[k++] = (trial){.kind = LINT_LOOSE_SAMPLE};
    for (int weights = 0; weights < 2; weights++) {
        for (int i = 0; i < tensors; i++)
            for (size_t q = 0; q < WS_COUNT(of_tensor); q++) {
                bool numbers = q < 2 || ws_dtype_is_float(l->s->tensor[i].dtype);
                bool listed = !weights && of_tensor[q] == LINT_COPY;
                if (l->s->tensor[i].is_weight == weights && numbers && !listed)
                    t[k++] = (trial){.kind = of_tensor[q], .tensor = i};
            }
        for (int i = 0; i < tensors && !weights && has_elements(l) && !has_index(l->g); i++)
            if (!l->s->tensor[i].is_weight)
                t[k++] = (trial){.kind = LINT_LOOSE_COPY, .tensor = i};
        for (int i = 0; !weights && i < l->g->n_nodes; i++)
            for (int o = 0; o < l->g->node[i].n_in && o < 2; o++)
                if (can_give_way(l->g, i, o))
                    t[k++] = (trial){.kind = LINT_OP, .node = i, .operand = o};
    }
    *n = k;
    return t;
}

/* ---- honest arithmetic ---- */

/* The worst error over its tolerance on the lab's inputs. */
static ws_status try_honest(const linter *l, const lab *b, ref_order order, double *excess)
{
    ref_tensor *out = ws_calloc((size_t)l->g->n_outputs + 1, sizeof *out);
    trial t = {.kind = LINT_HONEST};
    ws_status st = ref_eval_in_order(b->c.bound, b->in, order, out, l->err);
    if (!st)
        all_right(b, &t, out, excess);
    for (int o = 0; o < l->g->n_outputs; o++)
        ref_tensor_release(&out[o]);
    free(out);
    return st;
}

/* Every order at one check shape. */
static ws_status try_orders(linter *l, int check)
{
    lab own = {0}, *b = &l->lab[VFY_INPUTS_RANDOM];
    ws_status st = WS_OK;
    if (check != l->check) {
        b = &own;
        st = lab_init(l, check, VFY_INPUTS_RANDOM, b);
    }
    for (ref_order o = REF_ORDER_EXACT + 1; o < REF_ORDER_COUNT && !st; o++)
        st = try_honest(l, b, o, &l->rep->honest[o]);
    if (own.ready)
        lab_close(&own);
    return st;
}

static ws_status examine_orders(linter *l)
{
    for (int c = 0; c < l->s->n_checks; c++)
        if (try_orders(l, c))
            return l->err->status;
    bool derived = l->s->rtol < 0 && l->s->atol < 0;
    l->rep->honest_limit = derived ? (1 + 1e-9) / VFY_SAFETY : 1;
    for (ref_order o = REF_ORDER_EXACT + 1; o < REF_ORDER_COUNT; o++) {
        if (l->rep->honest[o] <= l->rep->honest_limit || l->rep->n == MAX_FINDINGS)
            continue;
        lint_finding *f = &l->rep->finding[l->rep->n++];
        *f = (lint_finding){.kind = LINT_HONEST, .always = true};
        snprintf(f->name, sizeof f->name, "%s", ref_order_name(o));
        snprintf(f->text, sizeof f->text, kinds[LINT_HONEST].text, f->name);
    }
    return WS_OK;
}

/* ---- the report ---- */

static double median_tolerance(const lab *b)
{
    int64_t n = 0, k = 0;
    for (int o = 0; o < b->g->n_outputs; o++)
        n += b->c.want[o].shape.count;
    double *r = ws_malloc((size_t)n * sizeof *r + 1);
    for (int o = 0; o < b->g->n_outputs; o++)
        for (int64_t i = 0; i < b->c.want[o].shape.count; i++)
            if (b->c.want[o].v[i] != 0)
                r[k++] = tolerance(b, &b->c.want[o], i) / fabs(b->c.want[o].v[i]);
    qsort(r, (size_t)k, sizeof *r, ascending);
    double median = k ? r[k / 2] : 0;
    free(r);
    return median;
}

/* The check shape with the most elements in all values. */
static ws_status choose_shape(linter *l)
{
    int64_t most = -1;
    for (int c = 0; c < l->s->n_checks; c++) {
        ws_arena a = {0};
        ws_env env = spec_env(l->s, c);
        ref_bound *b;
        int64_t n = 0;
        if (ref_bind(l->g, &env, &a, &b, l->err)) {
            ws_arena_release(&a);
            return ws_wrap(l->err, "check[%d]", c);
        }
        for (int v = 0; v < l->g->n_values; v++)
            n += b->shape[v].count;
        if (n > most) {
            most = n;
            l->check = c;
        }
        ws_arena_release(&a);
    }
    return WS_OK;
}

static ws_status examine(linter *l, ws_arena *a)
{
    int n = 0;
    if (choose_shape(l) || lab_open(l, VFY_INPUTS_RANDOM))
        return l->err->status;
    const lab *b = &l->lab[VFY_INPUTS_RANDOM];
    snprintf(l->rep->shape, sizeof l->rep->shape, "%s", b->c.shape);
    l->rep->tolerance = median_tolerance(b);
    for (int o = 0; o < l->g->n_outputs; o++)
        l->rep->by_trial |= b->c.want[o].by_trial;
    if (examine_orders(l))
        return l->err->status;
    find_unread(l);
    trial *t = list_trials(l, a, &n);
    l->rep->possible = n;
    for (int k = 0; k < n && (k < 7 || ws_seconds_since(l->start) < l->seconds); k++)
        run(l, &t[k]);
    return WS_OK;
}

ws_status vfy_lint(const spec *s, uint64_t seed, double seconds, ws_arena *a, lint_report *out,
                   ws_err *err)
{
    linter l = {
        .s = s, .seed = seed, .rep = out, .err = err, .start = ws_now_ns(), .seconds = seconds};
    *out = (lint_report){.lower_excess = (double)NAN,
                         .finding = WS_ARENA_NEW(a, lint_finding, MAX_FINDINGS)};
    ws_status st = ref_graph_new(s, &l.g, err);
    if (!st)
        st = examine(&l, a);
    for (int k = 0; k < VFY_INPUTS_COUNT; k++)
        lab_close(&l.lab[k]);
    for (int k = 0; k < MAX_WIDE; k++)
        lab_close(&l.wide[k]);
    ref_graph_free(l.g);
    return st ? ws_wrap(err, "lint '%s'", s->name) : WS_OK;
}
