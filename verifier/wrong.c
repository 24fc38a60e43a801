#include "verifier/wrong.h"

#include "verifier/compare.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void vfy_list_wrong(const vfy_case *c, int o, const void *got, vfy_verdict *v)
{
    const ref_graph *g = c->bound->graph;
    const ref_tensor *want = &c->want[o];
    size_t n = (size_t)want->shape.count;
    double *value = ws_malloc((n + 1) * sizeof *value);
    bool *wrong = ws_calloc(n + 1, sizeof *wrong);
    ws_dtype_load(g->value[g->output[o]].dtype, value, got, n);
    vfy_compare_marks(c, o, value, wrong);
    v->n_bad = 0;
    for (size_t i = 0; i < n && v->n_bad < VFY_MAX_BAD; i++) {
        if (!wrong[i])
            continue;
        vfy_bad *b = &v->bad[v->n_bad++];
        vfy_element_name(&want->shape, (int64_t)i, b->element, sizeof b->element);
        b->got = value[i];
        b->want = want->v[i];
        b->tolerance = vfy_tolerance(c, o, (int64_t)i);
    }
    free(value);
    free(wrong);
}

void vfy_name_writer(const vfy_exec *e, const vfy_run *r, int o, int64_t flat, vfy_verdict *v)
{
    const ref_graph *g = e->s->graph;
    ws_dtype t = g->value[g->output[o]].dtype;
    size_t bytes = ws_dtype_bytes(t), at = (size_t)flat / (size_t)ws_dtype_per_byte(t) * bytes;
    ptx_fault f;
    v->has_writer = vfy_find_writer(e, r, o, at, bytes, &f);
    if (!v->has_writer)
        return;
    snprintf(v->writer.kernel, sizeof v->writer.kernel, "%s", f.kernel);
    v->writer.line = f.line;
    memcpy(v->writer.thread, f.thread, sizeof f.thread);
    memcpy(v->writer.block, f.block, sizeof f.block);
}

void vfy_append_pattern(vfy_verdict *first, const vfy_verdict *larger)
{
    size_t at = strlen(first->pattern), size = sizeof first->pattern;
    const char *p = larger->pattern;
    at += (size_t)snprintf(first->pattern + at, size - at,
                           "%sat %s %" PRId64 " of %" PRId64 " elements are wrong", at ? "\n" : "",
                           larger->shape, larger->wrong, larger->checked);
    while (*p && at < size) {
        int n = (int)strcspn(p, "\n");
        if (at + (size_t)n + 16 > size)
            break;
        at += (size_t)snprintf(first->pattern + at, size - at, "\nthere: %.*s", n, p);
        p += n + (p[n] != 0);
    }
}
