/* Useful work and least traffic of a bound graph. */
#include "reference/ops.h"

static double bytes_of(const ref_bound *b, int v)
{
    return (double)ws_dtype_size(b->graph->value[v].dtype, (size_t)b->shape[v].count);
}

static bool is_read(const ref_graph *g, int v)
{
    for (int k = 0; k < g->n_nodes; k++)
        for (int i = 0; i < g->node[k].n_in; i++)
            if (g->node[k].in[i] == v)
                return true;
    return false;
}

static double flops_of(const ref_bound *b, const ref_node *n)
{
    const ref_shape *in[SPEC_MAX_OPERANDS];
    double flops = 0;
    for (int i = 0; i < n->n_in; i++)
        in[i] = &b->shape[n->in[i]];
    for (int k = 0; k < n->n_body; k++) /* of a scan, once a step */
        flops += flops_of(b, &n->body[k]) *
                 (double)in[0]->dim[((const ref_attrs *)n->attrs)->dim];
    return n->op->flops ? n->op->flops(n->attrs, in, n->n_in, &b->shape[n->out]) : flops;
}

void ref_cost_of(const ref_bound *b, ref_cost *out)
{
    const ref_graph *g = b->graph;
    *out = (ref_cost){0};
    for (int k = 0; k < g->n_nodes; k++)
        out->flops += flops_of(b, &g->node[k]);
    for (int v = 0; v < g->n_values; v++)
        if (g->value[v].tensor >= 0 && is_read(g, v))
            out->min_bytes += bytes_of(b, v);
    for (int o = 0; o < g->n_outputs; o++)
        out->min_bytes += bytes_of(b, g->output[o]);
}
