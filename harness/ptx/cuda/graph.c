/* Graphs: what they consist of. The operations of their nodes are in graph_node.c, executable ones
 * in graph_exec.c. */
#include "harness/ptx/cuda/graph.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- life ---- */

CUgraph fac_graph_new(void)
{
    CUgraph g = ws_calloc(1, sizeof *g);
    g->id = ++fac.ids;
    fac_handle_add(FAC_GRAPH, g);
    return g;
}

static void node_free(CUgraphNode node)
{
    fac_handle_drop(FAC_NODE, node);
    fac_op_release(&node->op);
    free(node->deps.node);
    free(node->shown);
    free(node);
}

void fac_graph_free(CUgraph g)
{
    fac_handle_drop(FAC_GRAPH, g);
    for (int i = 0; i < g->n; i++)
        node_free(g->node[i]);
    for (int i = 0; i < g->n_users; i++)
        fac_user_release(g->users[i].object, g->users[i].count);
    free(g->users);
    free(g->node);
    free(g);
}

CUgraphNodeType fac_node_type(fac_op_kind kind)
{
    static const CUgraphNodeType types[] = {
        [FAC_OP_EMPTY] = CU_GRAPH_NODE_TYPE_EMPTY,
        [FAC_OP_KERNEL] = CU_GRAPH_NODE_TYPE_KERNEL,
        [FAC_OP_COPY] = CU_GRAPH_NODE_TYPE_MEMCPY,
        [FAC_OP_FILL] = CU_GRAPH_NODE_TYPE_MEMSET,
        [FAC_OP_HOST] = CU_GRAPH_NODE_TYPE_HOST,
        [FAC_OP_CALLBACK] = CU_GRAPH_NODE_TYPE_HOST,
        [FAC_OP_RECORD] = CU_GRAPH_NODE_TYPE_EVENT_RECORD,
        [FAC_OP_WAIT] = CU_GRAPH_NODE_TYPE_WAIT_EVENT,
        [FAC_OP_MEM] = CU_GRAPH_NODE_TYPE_BATCH_MEM_OP,
        [FAC_OP_ALLOC] = CU_GRAPH_NODE_TYPE_MEM_ALLOC,
        [FAC_OP_FREE] = CU_GRAPH_NODE_TYPE_MEM_FREE,
        [FAC_OP_CHILD] = CU_GRAPH_NODE_TYPE_GRAPH,
        [FAC_OP_EXEC] = CU_GRAPH_NODE_TYPE_GRAPH,
    };
    return types[kind];
}

/* An executable graph that is launched into a capture becomes a child with a copy of its graph. */
static void node_take(CUgraphNode node, const fac_op *op)
{
    if (op->kind == FAC_OP_EXEC) {
        const fac_op child = {.kind = FAC_OP_CHILD, .child = op->exec->graph};
        fac_op_clone(&child, &node->op);
    } else {
        fac_op_clone(op, &node->op);
    }
    if (node->op.kind == FAC_OP_CHILD)
        node->op.child->is_part = true;
    else if (node->op.kind == FAC_OP_FREE)
        node->op.memory.owner = false;
}

CUresult fac_graph_add(CUgraph g, CUgraphNodeType type, const fac_op *op, const CUgraphNode *deps,
                       size_t n, CUgraphNode *out)
{
    for (size_t i = 0; i < n; i++)
        if (!fac_handle_is(FAC_NODE, deps[i]) || deps[i]->graph != g)
            return fac_fail(CUDA_ERROR_INVALID_VALUE, "%p is no node of the graph",
                            (void *)deps[i]);
    CUgraphNode node = ws_calloc(1, sizeof *node);
    node->graph = g;
    node->type = type;
    node->enabled = true;
    node_take(node, op);
    for (size_t i = 0; i < n; i++)
        fac_nodes_add(&node->deps, deps[i]);
    fac_handle_add(FAC_NODE, node);
    WS_GROW(g->node, g->n, g->cap);
    g->node[g->n++] = node;
    *out = node;
    return CUDA_SUCCESS;
}

CUresult fac_node_replace(CUgraphNode node, const fac_op *op)
{
    fac_op old = node->op;
    if (fac_node_type(op->kind) != node->type)
        return fac_fail(CUDA_ERROR_INVALID_VALUE, "the parameters are not for this kind of node");
    node_take(node, op);
    fac_op_release(&old);
    free(node->shown);
    node->shown = NULL;
    return CUDA_SUCCESS;
}

static int index_of(const struct CUgraph_st *g, const struct CUgraphNode_st *node)
{
    int i = 0;
    while (i < g->n && g->node[i] != node)
        i++;
    return i;
}

CUgraph fac_graph_clone(CUgraph g)
{
    CUgraph c = fac_graph_new();
    for (int i = 0; i < g->n; i++) {
        CUgraphNode made;
        if (fac_graph_add(c, g->node[i]->type, &g->node[i]->op, NULL, 0, &made))
            ws_bug("a node without dependencies cannot be added");
        made->origin = g->node[i];
        made->alloc = g->node[i]->alloc;
        made->enabled = g->node[i]->enabled;
    }
    for (int i = 0; i < g->n; i++)
        for (int k = 0; k < g->node[i]->deps.n; k++)
            fac_nodes_add(&c->node[i]->deps, c->node[index_of(g, g->node[i]->deps.node[k])]);
    return c;
}

/* ---- order ---- */

bool fac_graph_sort(CUgraph g)
{
    CUgraphNode *sorted = ws_calloc((size_t)g->n + 1, sizeof *sorted);
    int n = 0;
    for (int i = 0; i < g->n; i++)
        g->node[i]->marked = false;
    for (int before = -1; before != n && n < g->n;) {
        before = n;
        for (int i = 0; i < g->n; i++) {
            CUgraphNode node = g->node[i];
            bool free_of = !node->marked;
            for (int k = 0; k < node->deps.n && free_of; k++)
                free_of = node->deps.node[k]->marked;
            if (free_of) {
                node->marked = true;
                sorted[n++] = node;
            }
        }
    }
    const bool whole = n == g->n;
    if (whole && n)
        memcpy(g->node, sorted, (size_t)n * sizeof *sorted);
    free(sorted);
    return whole;
}

/* Goes back from `to`, marking; each node once. */
static bool reaches(CUgraphNode from, CUgraphNode to)
{
    if (from == to)
        return true;
    to->marked = true;
    for (int i = 0; i < to->deps.n; i++)
        if (!to->deps.node[i]->marked && reaches(from, to->deps.node[i]))
            return true;
    return false;
}

bool fac_graph_reaches(CUgraph g, CUgraphNode from, CUgraphNode to)
{
    for (int i = 0; i < g->n; i++)
        g->node[i]->marked = false;
    return index_of(g, to) < g->n && reaches(from, to);
}

/* ---- entry points ---- */

static CUresult enter_graph(CUgraph g)
{
    CUresult r = fac_enter_device();
    return r ? r : fac_handle_check(FAC_GRAPH, g);
}

static CUresult enter_node(CUgraphNode node)
{
    CUresult r = fac_enter_device();
    return r ? r : fac_handle_check(FAC_NODE, node);
}

CUresult cuGraphCreate(CUgraph *out, unsigned flags)
{
    CUresult r = fac_enter_device();
    if (!r && (!out || flags))
        r = CUDA_ERROR_INVALID_VALUE;
    if (!r)
        *out = fac_graph_new();
    return fac_leave(r);
}

CUresult cuGraphDestroy(CUgraph g)
{
    CUresult r = enter_graph(g);
    if (!r && (g->is_part || g->captures))
        r = fac_fail(CUDA_ERROR_INVALID_VALUE, "the graph is part of a node, or is captured into");
    if (!r)
        fac_graph_free(g);
    return fac_leave(r);
}

CUresult cuGraphClone(CUgraph *out, CUgraph g)
{
    CUresult r = enter_graph(g);
    if (!r && !out)
        r = CUDA_ERROR_INVALID_VALUE;
    if (!r)
        *out = fac_graph_clone(g);
    return fac_leave(r);
}

CUresult cuGraphNodeFindInClone(CUgraphNode *out, CUgraphNode original, CUgraph clone)
{
    int i = 0;
    CUresult r = enter_graph(clone);
    while (!r && i < clone->n && clone->node[i]->origin != original)
        i++;
    if (!r && (!out || i == clone->n))
        r = fac_fail(CUDA_ERROR_INVALID_VALUE, "the graph has no copy of this node");
    if (!r)
        *out = clone->node[i];
    return fac_leave(r);
}

CUresult cuGraphDestroyNode(CUgraphNode node)
{
    CUresult r = enter_node(node);
    if (!r) {
        CUgraph g = node->graph;
        const int at = index_of(g, node);
        g->n--;
        memmove(g->node + at, g->node + at + 1, (size_t)(g->n - at) * sizeof *g->node);
        for (int i = 0; i < g->n; i++) {
            fac_nodes *d = &g->node[i]->deps;
            for (int k = 0; k < d->n; k++)
                if (d->node[k] == node)
                    d->node[k--] = d->node[--d->n];
        }
        node_free(node);
    }
    return fac_leave(r);
}

CUresult cuGraphNodeGetType(CUgraphNode node, CUgraphNodeType *out)
{
    CUresult r = enter_node(node);
    if (!r && !out)
        r = CUDA_ERROR_INVALID_VALUE;
    if (!r)
        *out = node->type;
    return fac_leave(r);
}

/* ---- lists: how many there are when there is no room for them ---- */

static CUresult show_nodes(CUgraphNode *const *from, int have, CUgraphNode *out, size_t *n)
{
    if (!n)
        return CUDA_ERROR_INVALID_VALUE;
    for (size_t i = 0; out && i < *n; i++)
        out[i] = i < (size_t)have ? (*from)[i] : NULL;
    if (!out || *n > (size_t)have)
        *n = (size_t)have;
    return CUDA_SUCCESS;
}

CUresult cuGraphGetNodes(CUgraph g, CUgraphNode *out, size_t *n)
{
    CUresult r = enter_graph(g);
    return fac_leave(r ? r : show_nodes(&g->node, g->n, out, n));
}

CUresult cuGraphGetRootNodes(CUgraph g, CUgraphNode *out, size_t *n)
{
    fac_nodes roots = {0};
    CUresult r = enter_graph(g);
    for (int i = 0; !r && i < g->n; i++)
        if (!g->node[i]->deps.n)
            fac_nodes_add(&roots, g->node[i]);
    if (!r)
        r = show_nodes(&roots.node, roots.n, out, n);
    free(roots.node);
    return fac_leave(r);
}

CUresult cuGraphNodeGetDependencies_v2(CUgraphNode node, CUgraphNode *out, CUgraphEdgeData *edges,
                                       size_t *n)
{
    CUresult r = enter_node(node);
    if (!r)
        r = show_nodes(&node->deps.node, node->deps.n, out, n);
    if (!r && out && edges)
        memset(edges, 0, *n * sizeof *edges);
    return fac_leave(r);
}

CUresult cuGraphNodeGetDependentNodes_v2(CUgraphNode node, CUgraphNode *out,
                                         CUgraphEdgeData *edges, size_t *n)
{
    fac_nodes found = {0};
    CUresult r = enter_node(node);
    for (int i = 0; !r && i < node->graph->n; i++)
        for (int k = 0; k < node->graph->node[i]->deps.n; k++)
            if (node->graph->node[i]->deps.node[k] == node)
                fac_nodes_add(&found, node->graph->node[i]);
    if (!r)
        r = show_nodes(&found.node, found.n, out, n);
    if (!r && out && edges)
        memset(edges, 0, *n * sizeof *edges);
    free(found.node);
    return fac_leave(r);
}

CUresult cuGraphGetEdges_v2(CUgraph g, CUgraphNode *from, CUgraphNode *to, CUgraphEdgeData *edges,
                            size_t *n)
{
    CUresult r = enter_graph(g);
    size_t have = 0;
    if (!r && (!n || !from != !to))
        r = CUDA_ERROR_INVALID_VALUE;
    for (int i = 0; !r && i < g->n; i++)
        for (int k = 0; k < g->node[i]->deps.n; k++, have++) {
            if (!from || have >= *n)
                continue;
            from[have] = g->node[i]->deps.node[k];
            to[have] = g->node[i];
            if (edges)
                memset(&edges[have], 0, sizeof *edges);
        }
    for (size_t i = have; !r && from && i < *n; i++)
        from[i] = to[i] = NULL;
    if (!r && (!from || *n > have))
        *n = have;
    return fac_leave(r);
}

/* ---- edges ---- */

static CUresult enter_edges(CUgraph g, const CUgraphNode *from, const CUgraphNode *to, size_t n)
{
    CUresult r = enter_graph(g);
    if (!r && n && (!from || !to))
        r = CUDA_ERROR_INVALID_VALUE;
    for (size_t i = 0; !r && i < n; i++)
        if (!fac_handle_is(FAC_NODE, from[i]) || !fac_handle_is(FAC_NODE, to[i]) ||
            from[i]->graph != g || to[i]->graph != g)
            r = fac_fail(CUDA_ERROR_INVALID_VALUE, "edge %zu is not between nodes of the graph", i);
    return r;
}

static int dependency(const struct CUgraphNode_st *node, CUgraphNode on)
{
    int k = 0;
    while (k < node->deps.n && node->deps.node[k] != on)
        k++;
    return k;
}

CUresult cuGraphAddDependencies_v2(CUgraph g, const CUgraphNode *from, const CUgraphNode *to,
                                   const CUgraphEdgeData *edges, size_t n)
{
    (void)edges; /* whatever the edge, the node runs behind all of the other */
    CUresult r = enter_edges(g, from, to, n);
    for (size_t i = 0; !r && i < n; i++)
        if (dependency(to[i], from[i]) < to[i]->deps.n || fac_graph_reaches(g, to[i], from[i]))
            r = fac_fail(CUDA_ERROR_INVALID_VALUE, "edge %zu exists, or closes a cycle", i);
        else
            fac_nodes_add(&to[i]->deps, from[i]);
    return fac_leave(r);
}

CUresult cuGraphRemoveDependencies_v2(CUgraph g, const CUgraphNode *from, const CUgraphNode *to,
                                      const CUgraphEdgeData *edges, size_t n)
{
    (void)edges;
    CUresult r = enter_edges(g, from, to, n);
    for (size_t i = 0; !r && i < n; i++)
        if (dependency(to[i], from[i]) == to[i]->deps.n)
            r = fac_fail(CUDA_ERROR_INVALID_VALUE, "edge %zu does not exist", i);
    for (size_t i = 0; !r && i < n; i++) {
        const int k = dependency(to[i], from[i]);
        if (k < to[i]->deps.n)
            to[i]->deps.node[k] = to[i]->deps.node[--to[i]->deps.n];
    }
    return fac_leave(r);
}

/* ---- a picture ---- */

static void print_node(FILE *f, const struct CUgraph_st *g, int i)
{
    static const char *const names[] = {
        "kernel", "memcpy", "memset", "host",   "child graph", "empty",     "wait event",
        "record", "signal", "wait",   "malloc", "free",        "batch mem", "conditional"};
    const struct CUgraphNode_st *node = g->node[i];
    const char *what = (unsigned)node->type < WS_COUNT(names) ? names[node->type] : "node";
    fprintf(f, "  n%d [label=\"%d\\n%s%s%s\"];\n", i, i, what,
            node->op.kind == FAC_OP_KERNEL ? "\\n" : "",
            node->op.kind == FAC_OP_KERNEL ? node->op.kernel->f->info->name : "");
    for (int k = 0; k < node->deps.n; k++)
        fprintf(f, "  n%d -> n%d;\n", index_of(g, node->deps.node[k]), i);
}

CUresult cuGraphDebugDotPrint(CUgraph g, const char *path, unsigned flags)
{
    (void)flags;
    CUresult r = enter_graph(g);
    FILE *f = r || !path ? NULL : fopen(path, "w");
    if (!r && !f)
        r = fac_fail(CUDA_ERROR_OPERATING_SYSTEM, "cannot write '%s'", path ? path : "");
    if (!r) {
        fputs("digraph graph_of_cuda {\n  node [shape=box];\n", f);
        for (int i = 0; i < g->n; i++)
            print_node(f, g, i);
        fputs("}\n", f);
    }
    if (f && fclose(f))
        r = CUDA_ERROR_OPERATING_SYSTEM;
    return fac_leave(r);
}

/* ---- what lives as long as a graph ---- */

struct CUuserObject_st {
    void *ptr;
    CUhostFn destroy;
    unsigned refs;
};

void fac_user_release(CUuserObject o, unsigned count)
{
    if (!fac_handle_is(FAC_USER_OBJECT, o) || (o->refs -= count < o->refs ? count : o->refs))
        return;
    fac_handle_drop(FAC_USER_OBJECT, o);
    fac_unlock();
    o->destroy(o->ptr);
    fac_lock();
    free(o);
}

CUresult cuUserObjectCreate(CUuserObject *out, void *ptr, CUhostFn destroy, unsigned count,
                            unsigned flags)
{
    CUresult r = fac_enter_device();
    if (!r && (!out || !destroy || !count || flags != CU_USER_OBJECT_NO_DESTRUCTOR_SYNC))
        r = CUDA_ERROR_INVALID_VALUE;
    if (!r) {
        CUuserObject o = ws_calloc(1, sizeof *o);
        *o = (struct CUuserObject_st){ptr, destroy, count};
        fac_handle_add(FAC_USER_OBJECT, o);
        *out = o;
    }
    return fac_leave(r);
}

CUresult cuUserObjectRetain(CUuserObject o, unsigned count)
{
    CUresult r = fac_enter_device();
    if (!r && !(r = fac_handle_check(FAC_USER_OBJECT, o)))
        o->refs += count;
    return fac_leave(r);
}

CUresult cuUserObjectRelease(CUuserObject o, unsigned count)
{
    CUresult r = fac_enter_device();
    if (!r && !(r = fac_handle_check(FAC_USER_OBJECT, o)))
        fac_user_release(o, count);
    return fac_leave(r);
}

CUresult cuGraphRetainUserObject(CUgraph g, CUuserObject o, unsigned count, unsigned flags)
{
    CUresult r = enter_graph(g);
    if (!r && (!count || flags > CU_GRAPH_USER_OBJECT_MOVE))
        r = CUDA_ERROR_INVALID_VALUE;
    if (!r && !(r = fac_handle_check(FAC_USER_OBJECT, o))) {
        WS_GROW(g->users, g->n_users, g->cap_users);
        g->users[g->n_users++] = (struct fac_user_ref){o, count};
        o->refs += flags == CU_GRAPH_USER_OBJECT_MOVE ? 0 : count;
    }
    return fac_leave(r);
}

CUresult cuGraphReleaseUserObject(CUgraph g, CUuserObject o, unsigned count)
{
    int i = 0;
    CUresult r = enter_graph(g);
    while (!r && i < g->n_users && g->users[i].object != o)
        i++;
    if (!r && (i == g->n_users || count > g->users[i].count))
        r = fac_fail(CUDA_ERROR_INVALID_VALUE, "the graph does not hold the object that often");
    if (!r) {
        if (!(g->users[i].count -= count))
            g->users[i] = g->users[--g->n_users];
        fac_user_release(o, count);
    }
    return fac_leave(r);
}
