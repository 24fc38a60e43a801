/* Fused kernels. A group is computed by one kernel and stores one result, its root's:
 *
 *     producer    a contraction, window, norm, softmax or reduction; or none
 *     epilogue    elementwise nodes of the result's shape, on the producer's result before it is
 *                 stored; without a producer, a kernel of one thread an element
 *     prologue    elementwise nodes of the operand's shape in front of a producer that walks rows,
 *                 computed again wherever the kernel reads the operand
 *
 * No other kernel reads a value inside a group: every node that reads it belongs to the group. */
#include "reference/emit_ops.h"

#include <string.h>

/* ---- forming groups ---- */

typedef struct planner {
    em_job *job;
    const ref_graph *g;
    int *group_of; /* per node, -1: none yet */
    int *readers;  /* per value: nodes that read it */
} planner;

static bool is_wide(const planner *p, int node)
{
    const spec *s = p->g->spec;
    bool wide = s->precision == WS_F64 || s->accumulate == WS_F64;
    for (int i = 0; i < p->g->node[node].n_in; i++) {
        const ref_value *v = &p->g->value[p->g->node[node].in[i]];
        wide |= !v->is_literal && em_needs_double(v->dtype);
    }
    return wide;
}

static bool is_elementwise(const planner *p, int node)
{
    return em_is_elementwise(p->g->node[node].op->name);
}

/* A result that may stay in a register: computing on in a wider format than its own is honest,
 * unless the node is there to round. */
static bool may_stay(const planner *p, int node)
{
    const ref_value *v = &p->g->value[p->g->node[node].out];
    bool wide_enough = ws_dtype_is_float(v->dtype) && ws_dtype_bytes(v->dtype) > 1;
    return (wide_enough || v->dtype == WS_BOOL) && strcmp(p->g->node[node].op->name, "cast") &&
           !em_is_output(p->g, v);
}

static bool contains(const int *list, int n, int node)
{
    for (int i = 0; i < n; i++)
        if (list[i] == node)
            return true;
    return false;
}

/* Every node that reads the result of `node` is in the list. */
static bool read_only_by(const planner *p, int node, const int *list, int n)
{
    int v = p->g->node[node].out, inside = 0;
    for (int i = 0; i < n; i++) {
        const ref_node *r = &p->g->node[list[i]];
        bool reads = false;
        for (int k = 0; k < r->n_in; k++)
            reads |= r->in[k] == v;
        inside += reads;
    }
    return inside > 0 && inside == p->readers[v];
}

/* Operands of a node that are results of top-level nodes; -1: none. */
static int maker_of(const planner *p, int node, int operand)
{
    const ref_value *v = &p->g->value[p->g->node[node].in[operand]];
    return v->scope ? -1 : v->node;
}

static bool joins(const planner *p, int node, const ref_value *shape, bool wide, const int *list,
                  int n)
{
    return node >= 0 && p->group_of[node] < 0 && may_stay(p, node) && is_wide(p, node) == wide &&
           em_same_shape(&p->g->value[p->g->node[node].out], shape) &&
           read_only_by(p, node, list, n);
}

/* Adds elementwise nodes in front of the list's, until nothing joins. The first producer that
 * joins, where one may, ends up in *producer. */
static int grow(planner *p, int *list, int n, const ref_value *shape, int *producer)
{
    bool wide = is_wide(p, list[0]), grown = true;
    while (grown) {
        grown = false;
        for (int i = 0; i < n && !grown; i++)
            for (int k = 0; k < p->g->node[list[i]].n_in && !grown; k++) {
                int m = maker_of(p, list[i], k);
                if (m < 0 || contains(list, n, m) || !joins(p, m, shape, wide, list, n))
                    continue;
                if (is_elementwise(p, m))
                    list[n++] = m, grown = true;
                else if (producer && *producer < 0 && em_is_producer(&p->g->node[m]))
                    *producer = m, grown = true;
            }
    }
    return n;
}

/* Ascending: operands come before the nodes that read them. */
static int *sorted(em_job *j, const int *list, int n)
{
    int *out = WS_ARENA_NEW(&j->arena, int, n + 1);
    for (int i = 0; i < n; i++) {
        int at = i;
        for (; at > 0 && out[at - 1] > list[i]; at--)
            out[at] = out[at - 1];
        out[at] = list[i];
    }
    return out;
}

/* The values that the nodes read and do not make. */
static void find_outside(em_job *j, const int *node, int n, int producer, em_outside *out)
{
    const ref_graph *g = j->graph;
    out->value = WS_ARENA_NEW(&j->arena, int, n *SPEC_MAX_OPERANDS + 1);
    for (int i = 0; i < n; i++)
        for (int k = 0; k < g->node[node[i]].n_in; k++) {
            int v = g->node[node[i]].in[k], maker = g->value[v].node;
            bool inside =
                !g->value[v].scope && maker >= 0 && (maker == producer || contains(node, n, maker));
            if (!inside && !g->value[v].is_literal && !contains(out->value, out->n, v))
                out->value[out->n++] = v;
        }
}

static void grow_prologue(planner *p, em_group *group)
{
    const ref_graph *g = p->g;
    int *list = WS_ARENA_NEW(&p->job->arena, int, g->n_nodes + 1), first;
    int producer = group->producer, maker = -1;
    if (producer < 0 || !em_walks_rows(g->node[producer].op->name) ||
        (first = maker_of(p, producer, 0)) < 0)
        return;
    const ref_value *x = &g->value[g->node[producer].in[0]];
    if (!is_elementwise(p, first) || !joins(p, first, x, is_wide(p, producer), &producer, 1))
        return;
    list[0] = first;
    int n = grow(p, list, 1, x, &maker);
    if (maker >= 0)
        return; /* its epilogue: it stores a result anyway, and computes each element once */
    group->prologue = sorted(p->job, list, n);
    group->n_prologue = n;
    find_outside(p->job, group->prologue, n, -1, &group->before);
    for (int i = 0; i < n; i++)
        p->group_of[list[i]] = p->job->n_groups;
}

static void form_group(planner *p, int root)
{
    em_job *j = p->job;
    em_group group = {.root = root, .producer = -1};
    const ref_value *shape = &p->g->value[p->g->node[root].out];
    int *list = WS_ARENA_NEW(&j->arena, int, p->g->n_nodes + 1), n = 1;
    list[0] = root;
    if (is_elementwise(p, root)) {
        n = grow(p, list, 1, shape, &group.producer);
        group.node = sorted(j, list, n);
        group.n = n;
        find_outside(j, group.node, n, group.producer, &group.after);
    } else if (em_is_producer(&p->g->node[root])) {
        group.producer = root;
    } else {
        return;
    }
    for (int i = 0; i < n; i++)
        p->group_of[list[i]] = j->n_groups;
    if (group.producer >= 0)
        p->group_of[group.producer] = j->n_groups;
    grow_prologue(p, &group);
    group.wide = is_wide(p, group.producer >= 0 ? group.producer : root);
    bool alone = group.n_prologue == 0 && (group.producer == root || group.n == 1) &&
                 (group.producer < 0 || group.producer == root);
    if (alone) {
        p->group_of[root] = -1;
        return;
    }
    j->group[j->n_groups++] = group;
}

bool em_is_view(const em_job *j, int node)
{
    return j->view_of && j->view_of[j->graph->node[node].out] >= 0;
}

static void plan_views(em_job *j)
{
    const ref_graph *g = j->graph;
    j->view_of = WS_ARENA_NEW(&j->arena, int, g->n_values + 1);
    for (int v = 0; v < g->n_values; v++)
        j->view_of[v] = -1;
    for (int k = 0; k < g->n_nodes; k++) {
        const ref_node *n = &g->node[k];
        const ref_value *out = &g->value[n->out], *in = &g->value[n->in[0]];
        bool reshapes = strcmp(n->op->name, "reshape") == 0 || strcmp(n->op->name, "flatten") == 0;
        if (reshapes && !in->is_literal && in->dtype == out->dtype && !em_is_output(g, out))
            j->view_of[n->out] = j->view_of[n->in[0]] >= 0 ? j->view_of[n->in[0]] : n->in[0];
    }
}

/* From the last node to the first: a root is a node that no group of a later one took in. */
void em_plan_groups(em_job *j)
{
    const ref_graph *g = j->graph;
    planner p = {.job = j, .g = g};
    p.group_of = WS_ARENA_NEW(&j->arena, int, g->n_nodes + 1);
    p.readers = WS_ARENA_NEW(&j->arena, int, g->n_values + 1);
    j->group = WS_ARENA_NEW(&j->arena, em_group, g->n_nodes + 1);
    int *step_of = WS_ARENA_NEW(&j->arena, int, g->n_nodes + 1);
    for (int k = 0; k < g->n_nodes; k++) {
        p.group_of[k] = -1;
        for (int i = 0; i < g->node[k].n_in; i++) {
            bool again = false;
            for (int e = 0; e < i; e++)
                again |= g->node[k].in[e] == g->node[k].in[i];
            p.readers[g->node[k].in[i]] += !again;
        }
    }
    for (int k = g->n_nodes - 1; k >= 0; k--)
        if (p.group_of[k] < 0)
            form_group(&p, k);
    for (int k = 0; k < g->n_nodes; k++)
        step_of[k] = p.group_of[k] < 0 ? k : j->group[p.group_of[k]].root;
    j->step_of = step_of;
    plan_views(j);
}

/* ---- text ---- */

/* What a node's value is called: y0 the producer's, y1 ... those of the epilogue, u0 ... those of
 * the prologue; places in the group, so that like groups have the same text. */
static const char *value_text(em_node *n, int node)
{
    const em_group *group = n->group;
    for (int i = 0; i < group->n; i++)
        if (group->node[i] == node)
            return em_text(n, "y%d", i + 1);
    for (int i = 0; i < group->n_prologue; i++)
        if (group->prologue[i] == node)
            return em_text(n, "u%d", i);
    return "y0";
}

/* Offsets of the values from outside for element o of a tensor of this shape; puts the coordinates
 * that they need. */
static void put_offsets(em_node *n, const em_outside *out, const ref_value *shape,
                        const char **offset)
{
    unsigned needed = 0;
    for (int i = 0; i < out->n; i++) {
        const ref_value *v = &n->job->graph->value[out->value[i]];
        const char *at[SPEC_MAX_RANK];
        offset[i] = "o";
        if (em_same_shape(v, shape))
            continue;
        em_broadcast(n, v, shape->dim, shape->rank, "o", at, &needed);
        offset[i] = em_offset(n, at, v->dim, v->rank);
    }
    em_coords(n, "o", "o", shape->dim, shape->rank, needed);
}

/* The value of every node, in order, for element o. */
static void put_nodes(em_node *n, const int *node, int count, const em_outside *out,
                      const char *prefix, const ref_value *shape)
{
    const ref_graph *g = n->job->graph;
    const char **offset = WS_ARENA_NEW(&n->job->arena, const char *, out->n + 1);
    put_offsets(n, out, shape, offset);
    for (int i = 0; i < count; i++) {
        const ref_node *r = &g->node[node[i]];
        const char *operand[SPEC_MAX_OPERANDS];
        for (int k = 0; k < r->n_in; k++) {
            const ref_value *v = &g->value[r->in[k]];
            operand[k] = v->is_literal ? em_number(n, v->literal) : value_text(n, v->node);
            for (int e = 0; e < out->n; e++)
                if (out->value[e] == r->in[k])
                    operand[k] = em_load(n, v, em_text(n, "%s%d", prefix, e), offset[e]);
        }
        em_put(n, "%s %s;", n->type, value_text(n, node[i]));
        em_put_formula(n, r, value_text(n, node[i]), operand);
    }
}

void em_put_result(em_node *n, const char *indent, const char *index, const char *value)
{
    const em_group *group = n->group;
    if (!group || !group->n) {
        em_put(n, "%sout[%s] = %s;", indent, index, em_store(n, n->out->dtype, value));
        return;
    }
    const ref_value *root = &n->job->graph->value[n->job->graph->node[group->root].out];
    em_put(n, "%s{", indent);
    n->indent = 4 + (int)strlen(indent);
    em_put(n, "const %s y0 = %s;", n->type, value);
    em_put(n, "const long long o = %s;", index);
    put_nodes(n, group->node, group->n, &group->after, "g", root);
    em_put(n, "out[o] = %s;",
           em_store(n, root->dtype, em_whole(n, root, value_text(n, group->root))));
    n->indent = 0;
    em_put(n, "%s}", indent);
}

/* `operand`, over a flat index: the operand of a producer that its prologue computes. */
void em_put_prologue(em_node *n)
{
    const em_group *group = n->group;
    if (!group || !group->n_prologue)
        return;
    int last = group->prologue[group->n_prologue - 1];
    em_put(n, "const auto operand = [=](const long long o) {");
    n->indent += 4;
    put_nodes(n, group->prologue, group->n_prologue, &group->before, "h",
              &n->job->graph->value[n->job->graph->node[last].out]);
    em_put(n, "return %s;", value_text(n, last));
    n->indent -= 4;
    em_put(n, "};");
}

const char *em_prologue_call(em_node *n, const ref_value *v, const char *index)
{
    const em_group *group = n->group;
    if (!group || !group->n_prologue ||
        v != &n->job->graph->value[n->job->graph->node[group->producer].in[0]])
        return NULL;
    return em_text(n, "operand(%s)", index);
}

/* The producer's own parameters without the operand that the prologue computes, with the root's
 * result in place of the producer's; then the values from outside. */
int em_group_params(em_node *n, const em_param *p, int n_p, em_param *out)
{
    const em_group *group = n->group;
    const ref_graph *g = n->job->graph;
    int count = 0;
    for (int i = 0; i < n_p; i++) {
        out[count] = p[i];
        if (p[i].value && em_prologue_call(n, p[i].value, "0") && !p[i].written)
            continue;
        if (p[i].value == n->out && p[i].written)
            out[count].value = &g->value[g->node[group->root].out];
        count++;
    }
    for (int i = 0; i < group->before.n; i++)
        out[count++] =
            (em_param){.role = em_text(n, "h%d", i), .value = &g->value[group->before.value[i]]};
    for (int i = 0; i < group->after.n; i++)
        out[count++] =
            (em_param){.role = em_text(n, "g%d", i), .value = &g->value[group->after.value[i]]};
    return count;
}

/* A group without a producer. */
ws_status em_elementwise_group(em_node *n)
{
    const em_group *group = n->group;
    const ws_expr *count = em_count(n, n->out);
    em_thread_index(n, count);
    em_put(n, "const long long o = i;");
    put_nodes(n, group->node, group->n, &group->after, "g", n->out);
    em_put(n, "out[o] = %s;",
           em_store(n, n->out->dtype, em_whole(n, n->out, value_text(n, group->root))));
    const em_param p[] = {{.role = "out", .value = n->out, .written = true}};
    return em_kernel(n, "", "one thread an element", p, 1, em_blocks(n, count), false);
}
