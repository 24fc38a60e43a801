#include "verifier/scale.h"

#include "base/mem.h"
#include "reference/ops.h"

#include <math.h>
#include <string.h>

/* What may be missing of the inputs and of the products before that is no accident of the sample,
 * and what a check shape has to show for the rule to apply: kernels that skip padding or known
 * zeros do a little less than the operation says. */
static const double LEAST = 0.6, USUAL = 0.9;
enum { SECTOR = 32 };

static double reads_of(const ref_bound *b, const ref_cost *cost)
{
    const ref_graph *g = b->graph;
    double written = 0;
    for (int o = 0; o < g->n_outputs; o++) {
        const int v = g->output[o];
        written += (double)ws_dtype_size(g->value[v].dtype, (size_t)b->shape[v].count);
    }
    return cost->min_bytes - written;
}

static double multiplied(const ptx_counters *c)
{
    return (double)(c->f32_fma_lanes + c->f64_fma_lanes + c->f16_fma_lanes) +
           (double)c->tensor_flops / 2;
}

static double read_bytes(const ptx_counters *c)
{
    return fmin((double)c->global_ld_bytes, SECTOR * (double)c->unique_ld_sectors);
}

void vfy_scale_note(vfy_scale *s, const ref_bound *b, const ptx_counters *c)
{
    ref_cost cost;
    ref_cost_of(b, &cost);
    s->tensor |= c->tensor > 0;
    if (cost.flops + cost.min_bytes <= s->flops + s->reads)
        return;
    s->counters = *c;
    s->flops = cost.flops;
    s->reads = reads_of(b, &cost);
}

void vfy_scale_add(ptx_counters *sum, const ptx_counters *launch)
{
    sum->f32_fma_lanes += launch->f32_fma_lanes;
    sum->f64_fma_lanes += launch->f64_fma_lanes;
    sum->f16_fma_lanes += launch->f16_fma_lanes;
    sum->tensor_flops += launch->tensor_flops;
    sum->tensor += launch->tensor;
    sum->global_ld_bytes += launch->global_ld_bytes;
    sum->unique_ld_sectors += launch->unique_ld_sectors;
}

/* What is read may follow from indices, lengths and masks, which are zeros in the sample. */
static bool reads_all(const spec *s)
{
    for (int i = 0; i < s->n_inputs + s->n_weights; i++)
        if (!ws_dtype_is_float(s->tensor[i].dtype))
            return false;
    return true;
}

/* Products, and operations on single elements around them: nothing that a mask may leave out. */
static bool is_all_products(const ref_graph *g)
{
    static const char *const ops[] = {
        "matmul",  "linear", "conv",    "add",     "sub",  "mul", "relu", "gelu",
        "sigmoid", "tanh",   "reshape", "permute", "silu", "div", "full", "transpose"};
    bool product = false;
    for (int k = 0; k < g->n_nodes; k++) {
        const char *name = g->node[k].op->name;
        size_t i = 0;
        while (i < WS_COUNT(ops) && strcmp(ops[i], name) != 0)
            i++;
        if (i == WS_COUNT(ops))
            return false;
        product |= i < 3;
    }
    return product;
}

bool vfy_scale_holds(const vfy_scale *s, const ref_bound *bench, const ptx_counters *counted,
                     bool half, hx_diag *d)
{
    ref_cost cost;
    ref_cost_of(bench, &cost);
    const double reads = reads_of(bench, &cost), share = read_bytes(counted) / reads;
    if (reads_all(bench->graph->spec) && reads > 0 && s->reads > 0 &&
        read_bytes(&s->counters) >= s->reads && share < LEAST)
        return hx_reject(d, HX_UNVERIFIED_PATH, 0, 0,
                         "at the benchmark shape the kernel reads %.3g %% of its inputs, at the "
                         "check shapes all of them: what it does there was never checked",
                         100 * share);
    const double terms = 2 * multiplied(counted) / cost.flops;
    if (is_all_products(bench->graph) && s->flops > 0 &&
        2 * multiplied(&s->counters) >= USUAL * s->flops && terms < LEAST)
        return hx_reject(d, HX_UNVERIFIED_PATH, 0, 0,
                         "at the benchmark shape the kernel does %.3g %% of the products, at the "
                         "check shapes all of them: what it does there was never checked",
                         100 * terms);
    if (half && counted->tensor && !s->tensor)
        return hx_reject(d, HX_UNVERIFIED_PATH, 0, 0,
                         "the kernel uses tensor cores in less than the spec's precision at the "
                         "benchmark shape alone: what it does there was never checked");
    return true;
}
