/* Specs of the archive: their families, their structures, their flaws, and who is held out. */
#include "results/dataset_parts.h"

#include "base/sha256.h"
#include "reference/graph.h"
#include "reference/ops.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A node's own name for a value: what it is made of, not what somebody called it. */
static void add_value(const ref_graph *g, int v, ws_sha256 *h)
{
    const ref_value *x = &g->value[v];
    char word[64];
    snprintf(word, sizeof word, "%c%d", x->is_literal ? 'l' : x->tensor >= 0 ? 't' : 'n',
             x->is_literal ? 0 : x->tensor >= 0 ? x->tensor : x->node);
    ws_sha256_add_field(h, word, strlen(word));
}

/* Ops and wires alone: dims, names, dtypes, attributes and literals may differ. */
static void structure_of(const ref_graph *g, char out[65])
{
    ws_sha256 h;
    ws_sha256_init(&h);
    for (int i = 0; i < g->n_nodes; i++) {
        const ref_node *n = &g->node[i];
        ws_sha256_add_field(&h, n->op->name, strlen(n->op->name));
        for (int k = 0; k < n->n_in; k++)
            add_value(g, n->in[k], &h);
        for (int k = 0; k < n->n_body; k++)
            ws_sha256_add_field(&h, n->body[k].op->name, strlen(n->body[k].op->name));
    }
    for (int i = 0; i < g->n_outputs; i++)
        add_value(g, g->output[i], &h);
    ws_sha256_hex(&h, out);
}

static ws_status find_flaw(const spec *s, const data_options *o, ws_arena *keep, data_spec *d,
                           ws_err *err)
{
    ws_arena a = {0};
    lint_report report;
    ws_status st = vfy_lint(s, 1, o->lint_seconds, &a, &report, err);
    if (!st) {
        const lint_finding *f = vfy_reward_flaw(s, &report);
        d->flaw = f ? ws_arena_strdup(keep, f->text) : NULL;
        d->lint_complete = report.tried == report.possible;
    }
    ws_arena_release(&a);
    return st;
}

data_spec *data_spec_find(const data_result *r, const char *sha256)
{
    for (int i = 0; i < r->n_specs; i++)
        if (strcmp(r->spec[i].sha256, sha256) == 0)
            return &r->spec[i];
    return NULL;
}

data_spec *data_spec_add(data_result *r, const db_run *run, const data_options *o, ws_err *err)
{
    spec *s = NULL;
    ref_graph *g = NULL;
    data_spec *d = data_spec_find(r, run->spec_sha256);
    if (d)
        return d;
    data_spec made = {.name = ws_arena_strdup(&r->arena, run->spec_name),
                      .sha256 = ws_arena_strdup(&r->arena, run->spec_sha256)};
    ws_status st = spec_from_text(run->spec_json, strlen(run->spec_json), run->spec_name, &s, err);
    if (!st)
        st = ref_graph_new(s, &g, err);
    if (!st) {
        structure_of(g, made.structure);
        made.family = o->family_of(s, &r->arena);
        st = find_flaw(s, o, &r->arena, &made, err);
    }
    ref_graph_free(g);
    spec_free(s);
    if (st) {
        ws_wrap(err, "spec '%s' of run '%s'", run->spec_name, run->name);
        return NULL;
    }
    r->spec = ws_realloc(r->spec, ((size_t)r->n_specs + 1) * sizeof *r->spec);
    r->spec[r->n_specs] = made;
    return &r->spec[r->n_specs++];
}

/* ---- the split ---- */

static bool first_op_is(const char *family, const char *op)
{
    size_t n = strcspn(family, "+");
    return strlen(op) == n && strncmp(family, op, n) == 0;
}

static bool is_named(const data_spec *d, const char *name)
{
    return strcmp(d->family, name) == 0 || first_op_is(d->family, name);
}

/* The same for everybody who splits: a number in [0, 1) of the family's first op alone. */
static double place_of(const char *family)
{
    char hex[WS_SHA256_HEX], first[9];
    ws_sha256 h;
    ws_sha256_init(&h);
    ws_sha256_add_field(&h, "held out", 8);
    ws_sha256_add_field(&h, family, strcspn(family, "+"));
    ws_sha256_hex(&h, hex);
    snprintf(first, sizeof first, "%.8s", hex);
    return (double)strtoul(first, NULL, 16) / 4294967296.0;
}

static ws_status unknown_family(const data_result *r, const char *name, ws_err *err)
{
    ws_buf list = {.max = 900};
    for (int i = 0; i < r->n_specs; i++) {
        bool told = false;
        for (int k = 0; k < i; k++)
            told |= strcmp(r->spec[k].family, r->spec[i].family) == 0;
        if (!told)
            ws_buf_printf(&list, "%s%s", list.n ? ", " : "", r->spec[i].family);
    }
    ws_fail(err, WS_EUSAGE, "--held-out: no spec of the archive is of family '%s'", name);
    ws_hint(err, "its families: %s", ws_buf_z(&list));
    ws_buf_release(&list);
    return err->status;
}

/* What has the structure of something held out is held out, too, and all of its kind with it. */
static void close_over(data_result *r, const data_options *o)
{
    bool again = true;
    while (again) {
        again = false;
        for (int i = 0; i < r->n_specs; i++)
            for (int k = 0; k < r->n_specs && !r->spec[i].held_out; k++) {
                const data_spec *held = &r->spec[k];
                bool alike = strcmp(held->structure, r->spec[i].structure) == 0 ||
                             (o->n_held_out ? strcmp(held->family, r->spec[i].family) == 0
                                            : place_of(held->family) ==
                                                  place_of(r->spec[i].family));
                if (held->held_out && alike)
                    again = r->spec[i].held_out = true;
            }
    }
}

ws_status data_split(data_result *r, const data_options *o, ws_err *err)
{
    for (int h = 0; h < o->n_held_out; h++) {
        bool found = false;
        for (int i = 0; i < r->n_specs; i++)
            if (is_named(&r->spec[i], o->held_out[h]))
                found = r->spec[i].held_out = true;
        if (!found)
            return unknown_family(r, o->held_out[h], err);
    }
    for (int i = 0; i < r->n_specs && !o->n_held_out; i++)
        r->spec[i].held_out = place_of(r->spec[i].family) < o->held_out_share;
    close_over(r, o);
    return WS_OK;
}
