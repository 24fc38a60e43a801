/* Legal shortcuts: cheaper forms of the graph (reference/algebra.h). Each is proven on the spec
 * itself, by evaluating both in double, before it is named. They are no flaw: a kernel that takes
 * them is right. But its speed is to be compared with that of others that do. */
#include "verifier/lint_bench.h"

#include "base/philox.h"
#include "reference/algebra.h"
#include "reference/ops.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Scales of ones and shifts of zeros would prove anything: all numbers are moved. */
static void move_numbers(const spec *s, const lint_lab *b, int i, ref_tensor *t)
{
    enum { STREAM = 5 };
    for (int64_t k = 0; k < t->shape.count; k++) {
        double noise = ws_philox_normal(b->c.seed + 1, (uint64_t)(STREAM + i), (uint64_t)k);
        t->v[k] = b->in[i].v[k] + (ws_dtype_is_float(s->tensor[i].dtype) ? noise / 4 : 0);
    }
}

/* The spec's tensors at the lab's shape, then the tables of the new form. */
static bool make_inputs(const lint_lab *b, const spec *with, const ref_bound *bound, ref_tensor *in)
{
    int n = lint_count_tensors(b->g->spec);
    ws_err err = {0};
    for (int i = 0; i < lint_count_tensors(with); i++) {
        if (i >= n && ref_make_input(bound, i, b->c.seed, &in[i], &err))
            return false;
        if (i >= n)
            continue;
        in[i].shape = b->in[i].shape;
        if (ref_tensor_alloc(&in[i], false, "an input", &err))
            return false;
        move_numbers(b->g->spec, b, i, &in[i]);
    }
    return true;
}

/* The largest difference in units of the bound of honest arithmetic, which is some 1e8 times the
 * roundoff of double; of elements without one, of what they are. */
static double difference(const lint_lab *b, const ref_tensor *want, const ref_tensor *got)
{
    double worst = 0;
    for (int o = 0; o < b->g->n_outputs; o++)
        for (int64_t i = 0; i < want[o].shape.count; i++) {
            double e = b->c.want[o].e ? b->c.want[o].e[i] : 0, x = want[o].v[i];
            double d = fabs(x - got[o].v[i]) / (e + 1e-7 * fabs(x) + 1e-300);
            if (!(d <= worst) && (x != got[o].v[i]))
                worst = d;
        }
    return worst;
}

/* Both forms at the lab's shape on the same numbers. */
static double compare_forms(const lint_lab *b, const spec *with)
{
    int n = lint_count_tensors(with);
    ws_arena a = {0};
    ws_err err = {0};
    ref_graph *g = NULL;
    ref_bound *bound;
    ref_tensor *in = WS_ARENA_NEW(&a, ref_tensor, n + 1);
    ref_tensor *want = WS_ARENA_NEW(&a, ref_tensor, b->g->n_outputs);
    ref_tensor *got = WS_ARENA_NEW(&a, ref_tensor, b->g->n_outputs);
    double worst = (double)INFINITY;
    if (!ref_graph_new(with, &g, &err) && !ref_bind(g, &b->env, &a, &bound, &err) &&
        make_inputs(b, with, bound, in) && !ref_eval(b->c.bound, in, false, want, &err) &&
        !ref_eval(bound, in, false, got, &err))
        worst = difference(b, want, got);
    for (int i = 0; i < n; i++)
        ref_tensor_release(&in[i]);
    for (int o = 0; o < b->g->n_outputs; o++) {
        ref_tensor_release(&want[o]);
        ref_tensor_release(&got[o]);
    }
    ref_graph_free(g);
    ws_arena_release(&a);
    return worst;
}

/* Steps of one rule in a row, from `first` to `last`. */
static void name_steps(linter *l, const ref_rewriting *w, int first, int last, double off)
{
    enum { NAMED = 6 };
    const ref_step *s = &w->step[first];
    lint_finding *f = lint_add(l, LINT_SHORTCUT, s->node, true);
    if (!f)
        return;
    double after = w->step[last].after;
    ws_buf t = {0};
    ws_buf_printf(&t, "legal shortcut (%s), %s: ", s->rule, s->text);
    for (int k = first; k <= last && k < first + NAMED; k++)
        ws_buf_printf(&t, "%s'%s'", k > first ? ", " : "", w->step[k].node);
    if (last - first >= NAMED)
        ws_buf_printf(&t, " and %d more", last - first + 1 - NAMED);
    if (after == 0 && s->before > 0)
        ws_buf_printf(&t, "; none of %.4g operations is left", s->before);
    else if (after < s->before * 0.999)
        ws_buf_printf(&t, "; %.4g operations become %.4g at the benchmark shape (%.4g times fewer)",
                      s->before, after, s->before / after);
    else
        ws_buf_printf(&t, "; of %.4g operations %.3g are saved at the benchmark shape", s->before,
                      s->before - after);
    ws_buf_printf(&t, "; here equal to %.1e of the bound", off);
    snprintf(f->text, sizeof f->text, "%s", ws_buf_z(&t));
    ws_buf_release(&t);
}

void lint_find_shortcuts(linter *l)
{
    const double equal = 1e-5;
    const lint_lab *b = &l->lab[VFY_INPUTS_RANDOM];
    ref_rewriting w;
    ws_err err = {0};
    l->rep->tried++;
    l->rep->possible++;
    if (ref_rewrite(l->s, &w, &err))
        return;
    double off = w.s ? compare_forms(b, w.s) : 0;
    if (w.n)
        l->rep->least_flops = l->rep->flops = w.step[0].before;
    for (int k = 0, first = 0; k < w.n && off <= equal; k++) {
        if (k + 1 < w.n && strcmp(w.step[k + 1].rule, w.step[k].rule) == 0)
            continue;
        name_steps(l, &w, first, k, off);
        l->rep->least_flops = w.step[k].after;
        first = k + 1;
    }
    ref_rewriting_release(&w);
}
