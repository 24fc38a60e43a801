/* Executable graphs: a sorted copy of a graph, whose nodes are found by those it was made of. */
#include "harness/ptx/cuda/graph.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The nodes of child graphs are sorted as their parents' are. */
static bool sort_all(CUgraph g)
{
    if (!fac_graph_sort(g))
        return false;
    for (int i = 0; i < g->n; i++)
        if (g->node[i]->op.kind == FAC_OP_CHILD && !sort_all(g->node[i]->op.child))
            return false;
    return true;
}

static CUresult instantiate(CUgraphExec *out, CUgraph g, unsigned long long flags)
{
    const unsigned long long known =
        CUDA_GRAPH_INSTANTIATE_FLAG_AUTO_FREE_ON_LAUNCH | CUDA_GRAPH_INSTANTIATE_FLAG_UPLOAD |
        CUDA_GRAPH_INSTANTIATE_FLAG_DEVICE_LAUNCH | CUDA_GRAPH_INSTANTIATE_FLAG_USE_NODE_PRIORITY;
    CUresult r = fac_enter();
    if (!r)
        r = fac_handle_check(FAC_GRAPH, g);
    if (!r && (!out || flags & ~known))
        r = CUDA_ERROR_INVALID_VALUE;
    if (!r && flags & CUDA_GRAPH_INSTANTIATE_FLAG_DEVICE_LAUNCH)
        r = fac_fail(CUDA_ERROR_NOT_SUPPORTED, "graphs that kernels launch");
    if (!r) {
        CUgraph copy = fac_graph_clone(g);
        copy->is_part = true;
        if (!sort_all(copy)) {
            fac_graph_free(copy);
            return fac_leave(fac_fail(CUDA_ERROR_INVALID_VALUE, "the graph has a cycle"));
        }
        CUgraphExec e = ws_calloc(1, sizeof *e);
        e->graph = copy;
        e->flags = flags;
        fac_handle_add(FAC_EXEC, e);
        *out = e;
    }
    return fac_leave(r);
}

CUresult cuGraphInstantiateWithFlags(CUgraphExec *out, CUgraph g, unsigned long long flags)
{
    return instantiate(out, g, flags);
}

CUresult cuGraphInstantiate_v2(CUgraphExec *out, CUgraph g, CUgraphNode *error, char *log,
                               size_t size)
{
    CUresult r = instantiate(out, g, 0);
    if (error)
        *error = NULL;
    if (log && size)
        snprintf(log, size, "%s", r ? fac_detail() : "");
    return r;
}

CUresult cuGraphInstantiateWithParams(CUgraphExec *out, CUgraph g,
                                      CUDA_GRAPH_INSTANTIATE_PARAMS *p)
{
    if (!p)
        return CUDA_ERROR_INVALID_VALUE;
    CUresult r = instantiate(out, g, p->flags);
    p->hErrNode_out = NULL;
    p->result_out = r ? CUDA_GRAPH_INSTANTIATE_ERROR : CUDA_GRAPH_INSTANTIATE_SUCCESS;
    return r;
}

static CUresult enter_exec(CUgraphExec e)
{
    CUresult r = fac_enter_device();
    return r ? r : fac_handle_check(FAC_EXEC, e);
}

CUresult cuGraphExecDestroy(CUgraphExec e)
{
    CUresult r = enter_exec(e);
    if (!r) {
        fac_handle_drop(FAC_EXEC, e);
        fac_graph_free(e->graph);
        free(e);
    }
    return fac_leave(r);
}

CUresult cuGraphExecGetFlags(CUgraphExec e, cuuint64_t *out)
{
    CUresult r = enter_exec(e);
    if (!r && !out)
        r = CUDA_ERROR_INVALID_VALUE;
    if (!r)
        *out = e->flags;
    return fac_leave(r);
}

/* ---- launching ---- */

static CUresult run_graph(CUgraph g)
{
    CUresult r = CUDA_SUCCESS;
    for (int i = 0; !r && !fac.sticky && i < g->n; i++) {
        fac_op *op = &g->node[i]->op;
        if (!g->node[i]->enabled)
            continue;
        if (op->kind == FAC_OP_CHILD) {
            r = run_graph(op->child);
            continue;
        }
        if ((r = fac_op_check(op)))
            break;
        if (op->kind == FAC_OP_MEM)
            op->mem.done = 0;
        while (!fac_op_ready(op)) {
            fac_pause();
            fac_progress();
        }
        r = fac_op_run(op);
    }
    return r;
}

CUresult fac_exec_run(CUgraphExec e)
{
    return run_graph(e->graph);
}

CUresult cuGraphLaunch(CUgraphExec e, CUstream s)
{
    fac_op op = {.kind = FAC_OP_EXEC, .exec = e};
    return fac_submit_alone(s, &op);
}

CUresult cuGraphUpload(CUgraphExec e, CUstream handle)
{
    CUstream s;
    CUresult r = fac_enter();
    if (!r && !(r = fac_handle_check(FAC_EXEC, e)))
        r = fac_stream_of(handle, &s);
    return fac_leave(r);
}

/* ---- one node ---- */

static CUgraphNode counterpart(CUgraph g, CUgraphNode node)
{
    for (int i = 0; i < g->n; i++)
        if (g->node[i]->origin == node)
            return g->node[i];
    return NULL;
}

/* The node of the executable graph that `node` became. */
static CUresult enter_counterpart(CUgraphExec e, CUgraphNode node, CUgraphNode *out)
{
    CUresult r = enter_exec(e);
    if (!r && !(*out = counterpart(e->graph, node)))
        r = fac_fail(CUDA_ERROR_INVALID_VALUE, "the executable graph has no such node");
    return r;
}

/* Takes `op`, which was made unlocked or while making failed with `made`. */
static CUresult set_params(CUgraphExec e, CUgraphNode node, fac_op *op)
{
    CUgraphNode own = NULL;
    CUresult r = enter_counterpart(e, node, &own);
    if (!r)
        r = fac_op_check(op);
    if (!r)
        r = fac_node_replace(own, op);
    fac_op_release(op);
    return fac_leave(r);
}

CUresult cuGraphExecKernelNodeSetParams_v2(CUgraphExec e, CUgraphNode node,
                                           const CUDA_KERNEL_NODE_PARAMS *p)
{
    fac_op op = {.kind = FAC_OP_EMPTY};
    CUgraphNode own = NULL;
    CUresult r = enter_counterpart(e, node, &own);
    if (!r)
        r = p ? fac_kernel_node_op(p, &op) : CUDA_ERROR_INVALID_VALUE;
    if (!r && own->op.kind == FAC_OP_KERNEL)
        op.kernel->attributes = own->op.kernel->attributes;
    if (!r)
        r = fac_op_check(&op);
    if (!r)
        r = fac_node_replace(own, &op);
    fac_op_release(&op);
    return fac_leave(r);
}

CUresult cuGraphExecMemcpyNodeSetParams(CUgraphExec e, CUgraphNode node, const CUDA_MEMCPY3D *p,
                                        CUcontext context)
{
    fac_op op = {.kind = FAC_OP_COPY, .context = context};
    if (!p)
        return CUDA_ERROR_INVALID_VALUE;
    op.copy = *p;
    return set_params(e, node, &op);
}

CUresult cuGraphExecMemsetNodeSetParams(CUgraphExec e, CUgraphNode node,
                                        const CUDA_MEMSET_NODE_PARAMS *p, CUcontext context)
{
    fac_op op = {.kind = FAC_OP_FILL, .context = context};
    if (!p)
        return CUDA_ERROR_INVALID_VALUE;
    op.fill = *p;
    return set_params(e, node, &op);
}

CUresult cuGraphExecHostNodeSetParams(CUgraphExec e, CUgraphNode node,
                                      const CUDA_HOST_NODE_PARAMS *p)
{
    fac_op op = {.kind = FAC_OP_HOST};
    if (!p)
        return CUDA_ERROR_INVALID_VALUE;
    op.host = *p;
    return set_params(e, node, &op);
}

CUresult cuGraphExecEventRecordNodeSetEvent(CUgraphExec e, CUgraphNode node, CUevent event)
{
    fac_op op = {.kind = FAC_OP_RECORD, .event = event};
    return set_params(e, node, &op);
}

CUresult cuGraphExecEventWaitNodeSetEvent(CUgraphExec e, CUgraphNode node, CUevent event)
{
    fac_op op = {.kind = FAC_OP_WAIT, .event = event};
    return set_params(e, node, &op);
}

CUresult cuGraphExecBatchMemOpNodeSetParams(CUgraphExec e, CUgraphNode node,
                                            const CUDA_BATCH_MEM_OP_NODE_PARAMS *p)
{
    fac_op given = {.kind = FAC_OP_MEM}, op;
    if (!p || (p->count && !p->paramArray))
        return CUDA_ERROR_INVALID_VALUE;
    given.mem.op = p->paramArray;
    given.mem.n = p->count;
    fac_op_clone(&given, &op);
    return set_params(e, node, &op);
}

CUresult cuGraphExecNodeSetParams(CUgraphExec e, CUgraphNode node, CUgraphNodeParams *p)
{
    fac_op op = {.kind = FAC_OP_EMPTY};
    CUgraphNode own = NULL;
    CUresult r = enter_counterpart(e, node, &own);
    if (!r)
        r = p ? fac_node_op(p, &op) : CUDA_ERROR_INVALID_VALUE;
    if (!r)
        r = fac_op_check(&op);
    if (!r)
        r = fac_node_replace(own, &op);
    if (!r && own->op.kind == FAC_OP_CHILD)
        sort_all(own->op.child);
    fac_op_release(&op);
    return fac_leave(r);
}

CUresult cuGraphNodeSetEnabled(CUgraphExec e, CUgraphNode node, unsigned enabled)
{
    CUgraphNode own = NULL;
    CUresult r = enter_counterpart(e, node, &own);
    if (!r && own->type != CU_GRAPH_NODE_TYPE_KERNEL && own->type != CU_GRAPH_NODE_TYPE_MEMCPY &&
        own->type != CU_GRAPH_NODE_TYPE_MEMSET)
        r = fac_fail(CUDA_ERROR_INVALID_VALUE, "only kernels, copies and fills can be disabled");
    if (!r)
        own->enabled = enabled != 0;
    return fac_leave(r);
}

CUresult cuGraphNodeGetEnabled(CUgraphExec e, CUgraphNode node, unsigned *out)
{
    CUgraphNode own = NULL;
    CUresult r = enter_counterpart(e, node, &own);
    if (!r && !out)
        r = CUDA_ERROR_INVALID_VALUE;
    if (!r)
        *out = own->enabled;
    return fac_leave(r);
}

/* ---- update from another graph ---- */

static int index_in(const struct CUgraph_st *g, const struct CUgraphNode_st *node)
{
    int i = 0;
    while (i < g->n && g->node[i] != node)
        i++;
    return i;
}

/* Whether the nodes at i of two sorted graphs stand for the same work at the same place. */
static CUgraphExecUpdateResult same_place(const struct CUgraph_st *a, const struct CUgraph_st *b,
                                          int i)
{
    const struct CUgraphNode_st *x = a->node[i], *y = b->node[i];
    if (x->type != y->type)
        return CU_GRAPH_EXEC_UPDATE_ERROR_NODE_TYPE_CHANGED;
    if (x->deps.n != y->deps.n)
        return CU_GRAPH_EXEC_UPDATE_ERROR_TOPOLOGY_CHANGED;
    for (int k = 0; k < x->deps.n; k++) {
        bool found = false;
        for (int m = 0; m < y->deps.n; m++)
            found |= index_in(b, y->deps.node[m]) == index_in(a, x->deps.node[k]);
        if (!found)
            return CU_GRAPH_EXEC_UPDATE_ERROR_TOPOLOGY_CHANGED;
    }
    return CU_GRAPH_EXEC_UPDATE_SUCCESS;
}

/* `from` is sorted and gives its operations. */
static CUgraphExecUpdateResult update(CUgraph to, CUgraph from, CUgraphNode *error)
{
    if (to->n != from->n)
        return CU_GRAPH_EXEC_UPDATE_ERROR_TOPOLOGY_CHANGED;
    for (int i = 0; i < to->n; i++) {
        const CUgraphExecUpdateResult r = same_place(to, from, i);
        if (r) {
            *error = from->node[i]->origin;
            return r;
        }
    }
    for (int i = 0; i < to->n; i++) {
        CUgraphNode x = to->node[i], y = from->node[i];
        if (x->op.kind == FAC_OP_CHILD) {
            const CUgraphExecUpdateResult r = update(x->op.child, y->op.child, error);
            if (r)
                return r;
        } else if (x->op.kind != FAC_OP_ALLOC && x->op.kind != FAC_OP_FREE &&
                   fac_node_replace(x, &y->op)) {
            *error = y->origin;
            return CU_GRAPH_EXEC_UPDATE_ERROR_PARAMETERS_CHANGED;
        }
    }
    return CU_GRAPH_EXEC_UPDATE_SUCCESS;
}

CUresult cuGraphExecUpdate_v2(CUgraphExec e, CUgraph g, CUgraphExecUpdateResultInfo *info)
{
    CUgraphExecUpdateResultInfo told = {.result = CU_GRAPH_EXEC_UPDATE_SUCCESS};
    CUresult r = enter_exec(e);
    if (!r)
        r = fac_handle_check(FAC_GRAPH, g);
    if (!r) {
        CUgraph copy = fac_graph_clone(g);
        told.result = sort_all(copy) ? update(e->graph, copy, &told.errorNode)
                                     : CU_GRAPH_EXEC_UPDATE_ERROR;
        fac_graph_free(copy);
        if (told.result)
            r = fac_fail(CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE,
                         "the graph differs from the executable one in more than parameters");
        if (info)
            *info = told;
    }
    return fac_leave(r);
}

CUresult cuGraphExecChildGraphNodeSetParams(CUgraphExec e, CUgraphNode node, CUgraph child)
{
    CUgraphNode own = NULL, error = NULL;
    CUresult r = enter_counterpart(e, node, &own);
    if (!r)
        r = fac_handle_check(FAC_GRAPH, child);
    if (!r && own->op.kind != FAC_OP_CHILD)
        r = fac_fail(CUDA_ERROR_INVALID_VALUE, "the node is not one of a child graph");
    if (!r) {
        CUgraph copy = fac_graph_clone(child);
        if (!sort_all(copy) || update(own->op.child, copy, &error))
            r = fac_fail(CUDA_ERROR_INVALID_VALUE, "the child graph has another topology");
        fac_graph_free(copy);
    }
    return fac_leave(r);
}
