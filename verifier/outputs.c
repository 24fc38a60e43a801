#include "verifier/outputs.h"

#include "verifier/compare.h"
#include "verifier/pattern.h"
#include "verifier/precision.h"
#include "verifier/wrong.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void set_element(vfy_judge *j, const vfy_case *c, int o, int64_t flat)
{
    snprintf(j->v->tensor, sizeof j->v->tensor, "%s", j->s->spec->output[o]);
    vfy_element_name(&c->want[o].shape, flat, j->v->element, sizeof j->v->element);
}

/* false when some byte of output o was never written. */
static bool check_written(vfy_judge *j, const vfy_case *c, int o, const run_tensor *t)
{
    const uint8_t *written = t->written;
    const ref_graph *g = j->s->graph;
    ws_dtype dtype = g->value[g->output[o]].dtype;
    size_t size = ws_dtype_bytes(dtype), per_byte = (size_t)ws_dtype_per_byte(dtype);
    int64_t n = c->want[o].shape.count, missing = 0, first = -1;
    if (t->whole || !memchr(written, 0, ws_dtype_size(dtype, (size_t)n)))
        return true;
    bool *lacks = ws_calloc((size_t)n + 1, sizeof *lacks);
    for (int64_t i = 0; i < n; i++) {
        for (size_t b = 0; b < size; b++)
            lacks[i] |= written[(size_t)i / per_byte * size + b] == 0;
        missing += lacks[i];
        if (lacks[i] && first < 0)
            first = i;
    }
    vfy_pattern p = {
        .shape = &c->want[o].shape, .wrong = lacks, .axis = g->value[g->output[o]].dim};
    vfy_pattern_describe(&p, j->v->pattern, sizeof j->v->pattern);
    free(lacks);
    if (!missing)
        return true;
    set_element(j, c, o, first);
    j->v->reason = HX_NOT_WRITTEN;
    j->v->wrong = missing;
    j->v->checked = n;
    snprintf(j->v->text, sizeof j->v->text,
             "%" PRId64 " of %" PRId64 " elements of '%s' were never written, first %s%s", missing,
             n, j->v->tensor, j->v->tensor, j->v->element);
    return false;
}

static bool check_inputs(vfy_judge *j, const vfy_case *c, const run_tensor *t)
{
    const spec *s = j->s->spec;
    for (int i = 0; i < s->n_inputs + s->n_weights; i++) {
        const unsigned char *before = c->in[i], *after = t[i].after;
        size_t size = ws_dtype_bytes(s->tensor[i].dtype), b = 0;
        if (t[i].unchanged || memcmp(before, after, c->in_bytes[i]) == 0)
            continue;
        while (before[b] == after[b])
            b++;
        ref_shape shape = {.rank = s->tensor[i].rank};
        int per_byte = ws_dtype_per_byte(s->tensor[i].dtype), k = 0;
        int64_t at = (int64_t)(b / size) * per_byte;
        double was[2], is[2];
        ws_err ignored = {0};
        if (spec_tensor_dims(&s->tensor[i], &c->bound->env, shape.dim, &shape.count, &ignored))
            ws_bug("dims of '%s' were evaluated before: %s", s->tensor[i].name, ignored.msg);
        vfy_verdict *v = j->v;
        v->reason = HX_INPUT_MODIFIED;
        snprintf(v->tensor, sizeof v->tensor, "%s", s->tensor[i].name);
        ws_dtype_load(s->tensor[i].dtype, was, before + b / size * size, (size_t)per_byte);
        ws_dtype_load(s->tensor[i].dtype, is, after + b / size * size, (size_t)per_byte);
        k = per_byte == 2 && (before[b] & 0xf) == (after[b] & 0xf);
        vfy_element_name(&shape, at + k, v->element, sizeof v->element);
        v->want = was[k];
        v->got = is[k];
        for (size_t e = 0; e < c->in_bytes[i]; e += size)
            v->wrong += memcmp(before + e, after + e, size) != 0;
        v->checked = shape.count;
        snprintf(v->text, sizeof v->text, "input '%s' was overwritten, first at %s%s", v->tensor,
                 v->tensor, v->element);
        return false;
    }
    return true;
}

/* Of a right output. */
static bool within_share(vfy_judge *j, int o, double ratio)
{
    const double share = j->o->tolerance_share;
    if (!(share > 0) || ratio <= share)
        return true;
    j->v->reason = HX_WRONG_RESULT;
    snprintf(j->v->text, sizeof j->v->text,
             "'%s' is off by %.3g of the tolerance, of which only %.3g is allowed here",
             j->s->spec->output[o], ratio, share);
    return false;
}

static bool check_values(vfy_judge *j, const vfy_case *c, int o, const void *got, const char *ptx)
{
    vfy_comparison cmp;
    vfy_verdict *v = j->v;
    vfy_compare(c, o, got, &cmp);
    v->worst_ratio = fmax(v->worst_ratio, cmp.worst_ratio);
    if (!cmp.wrong)
        return within_share(j, o, cmp.worst_ratio);
    set_element(j, c, o, cmp.first);
    v->got = cmp.got;
    v->want = cmp.want;
    v->tolerance = cmp.tolerance;
    v->wrong = cmp.wrong;
    v->checked = cmp.checked;
    j->wrong_output = o;
    j->wrong_at = cmp.first;
    vfy_list_wrong(c, o, got, v);
    vfy_compare_pattern(c, o, got, v->pattern, sizeof v->pattern);
    if (cmp.constant && c->inputs == VFY_INPUTS_RANDOM) {
        v->reason = HX_CONSTANT_OUTPUT;
        snprintf(v->text, sizeof v->text, "every element of '%s' is %.9g", v->tensor, cmp.got);
        return false;
    }
    bool half = isfinite(cmp.excess) && vfy_uses_half(j->s->spec, ptx);
    v->reason = half ? HX_LOW_PRECISION : HX_WRONG_RESULT;
    snprintf(v->text, sizeof v->text,
             "%s%s is %.9g, expected %.9g within %.3g; %" PRId64 " of %" PRId64 " elements are %s",
             v->tensor, v->element, cmp.got, cmp.want, cmp.tolerance, cmp.wrong, cmp.checked,
             half ? "as far off as half-precision arithmetic makes them; the spec asks for f32"
                  : "out of tolerance");
    return false;
}

void vfy_judge_outputs(vfy_judge *j, const vfy_run *r)
{
    const vfy_case *c = r->c;
    int n_in = j->s->spec->n_inputs + j->s->spec->n_weights;
    for (int o = 0; o < j->s->graph->n_outputs; o++)
        if (!check_written(j, c, o, &r->tensor[n_in + o]))
            return;
    if (!check_inputs(j, c, r->tensor))
        return;
    for (int o = 0; o < j->s->graph->n_outputs; o++)
        if (!check_values(j, c, o, r->tensor[n_in + o].out, r->compiled->ptx))
            return;
}
