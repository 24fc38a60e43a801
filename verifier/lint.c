#include "verifier/lint.h"

#include "base/clock.h"
#include "reference/ops.h"
#include "verifier/lint_bench.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

/* ---- findings ---- */

lint_finding *lint_add(linter *l, lint_kind kind, const char *name, bool always)
{
    if (l->rep->n == LINT_MAX_FINDINGS)
        return NULL;
    lint_finding *f = &l->rep->finding[l->rep->n++];
    *f = (lint_finding){.kind = kind, .always = always};
    snprintf(f->name, sizeof f->name, "%s", name);
    snprintf(f->text, sizeof f->text, kinds[kind].text, f->name);
    return f;
}

static void append(lint_finding *f, const char *what, const char *text, const char *end)
{
    size_t n = strlen(f->text);
    snprintf(f->text + n, sizeof f->text - n, "%s%s%s", what, text, end);
}

/* Whether every kind of inputs that suits the operation lets the trial pass. */
static bool passes_always(linter *l, const lint_trial *t)
{
    for (vfy_inputs k = VFY_INPUTS_RANDOM + 1; k < VFY_INPUTS_QUICK; k++) {
        double excess = 0;
        if (lint_lab_open(l, k))
            return true;
        if (!l->lab[k].c.meaningless && !lint_attempt(&l->lab[k], t, &excess))
            return false;
    }
    return true;
}

static const char *name_of(const linter *l, const lint_trial *t)
{
    if (t->kind == LINT_OP)
        return l->s->node[t->node].out;
    bool of_tensor = t->kind >= LINT_COPY && t->kind < LINT_OP;
    if (t->kind == LINT_LOOSE_SAMPLE)
        return l->s->dim[t->dim].name;
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
            (found == loose || found == LINT_OTHER_INPUTS || found == LINT_LOOSE_OTHER ||
             found == LINT_LOOSE_ZEROS || found == LINT_CONSTANT || found == LINT_LOOSE_CONSTANT));
}

/* What an earlier finding says already. */
static bool is_implied(const linter *l, const lint_trial *t)
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
    for (int v = 0; v < g->n_values; v++)
        if (g->value[v].tensor >= 0 && !live[v])
            lint_add(l, LINT_IGNORED, g->value[v].name, true);
    free(live);
}

/* What the verifier makes of a sample, at the check shape at hand. */
static void append_excess(linter *l, const lint_trial *t, lint_finding *f)
{
    lint_trial tight = *t;
    double excess = 0;
    char text[64];
    tight.tight = true;
    bool right = lint_attempt(&l->lab[VFY_INPUTS_RANDOM], &tight, &excess);
    snprintf(text, sizeof text, "%s (%.3g of the tolerance)", right ? "passes" : "is refused",
             excess);
    if (excess > 0 && isfinite(excess))
        append(f, "; here it ", text, "");
}

static void run(linter *l, const lint_trial *t)
{
    const lint_lab *b = &l->lab[VFY_INPUTS_RANDOM];
    double excess = 0;
    char where[LINT_TEXT] = "";
    lint_kind kind = t->kind;
    l->rep->tried++;
    if (is_implied(l, t))
        return;
    bool right = lint_attempt(b, t, &excess), loose = vfy_lint_is_loose(t->kind);
    if (t->kind == LINT_LOWER)
        l->rep->lower_excess = excess;
    if (!right && loose)
        right = lint_attempt_wider(l, t, &kind, where, sizeof where);
    if (!right)
        return;
    bool always = !loose && passes_always(l, t);
    lint_finding *f = lint_add(l, kind, name_of(l, t), always);
    if (!f)
        return;
    append(f, where, "", "");
    if (t->kind == LINT_LOOSE_SAMPLE)
        append_excess(l, t, f);
    if (t->kind == LINT_OP)
        append(f, " (", l->s->node[t->node].op, ")");
}

/* ---- the report ---- */

static double median_tolerance(const lint_lab *b)
{
    int64_t n = 0, k = 0;
    for (int o = 0; o < b->g->n_outputs; o++)
        n += b->c.want[o].shape.count;
    double *r = ws_malloc((size_t)n * sizeof *r + 1);
    for (int o = 0; o < b->g->n_outputs; o++)
        for (int64_t i = 0; i < b->c.want[o].shape.count; i++)
            if (b->c.want[o].v[i] != 0)
                r[k++] = lint_tolerance(b, &b->c.want[o], i) / fabs(b->c.want[o].v[i]);
    qsort(r, (size_t)k, sizeof *r, lint_ascending);
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
    if (choose_shape(l) || lint_lab_open(l, VFY_INPUTS_RANDOM))
        return l->err->status;
    const lint_lab *b = &l->lab[VFY_INPUTS_RANDOM];
    lint_find_summed(l);
    snprintf(l->rep->shape, sizeof l->rep->shape, "%s", b->c.shape);
    l->rep->tolerance = median_tolerance(b);
    for (int o = 0; o < l->g->n_outputs; o++)
        l->rep->by_trial |= b->c.want[o].by_trial;
    if (lint_examine_orders(l))
        return l->err->status;
    find_unread(l);
    lint_find_shortcuts(l);
    lint_examine_tf32(l);
    lint_trial *t = lint_list_trials(l, a, &n);
    l->rep->possible += n;
    for (int k = 0; k < n; k++)
        if (k < 7 || lint_seconds(l) < l->seconds)
            run(l, &t[k]);
        else
            l->rep->cut[t[k].kind]++;
    return WS_OK;
}

ws_status vfy_lint(const spec *s, uint64_t seed, double seconds, ws_arena *a, lint_report *out,
                   ws_err *err)
{
    linter l = {.s = s,
                .seed = seed,
                .rep = out,
                .err = err,
                .start = ws_cpu_seconds(),
                .seconds = seconds};
    *out = (lint_report){.lower_excess = (double)NAN,
                         .finding = WS_ARENA_NEW(a, lint_finding, LINT_MAX_FINDINGS)};
    ws_status st = ref_graph_new(s, &l.g, err);
    if (!st)
        st = examine(&l, a);
    for (int k = 0; k < VFY_INPUTS_QUICK; k++)
        lint_lab_close(&l.lab[k]);
    for (int k = 0; k < LINT_MAX_WIDE; k++)
        lint_lab_close(&l.wide[k]);
    for (int k = 0; k < 2 * LINT_SERIES; k++)
        lint_lab_close(&l.series[k / LINT_SERIES].lab[k % LINT_SERIES]);
    free(l.summed);
    ref_graph_free(l.g);
    return st ? ws_wrap(err, "lint '%s'", s->name) : WS_OK;
}
