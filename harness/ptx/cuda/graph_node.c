/* Nodes of graphs by kind: made from parameters, and their parameters told and changed. */
#include "harness/ptx/cuda/graph.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

/* ---- operations from parameters ---- */

CUresult fac_kernel_node_op(const CUDA_KERNEL_NODE_PARAMS *p, fac_op *op)
{
    const CUlaunchConfig c = {.gridDimX = p->gridDimX, .gridDimY = p->gridDimY,
                              .gridDimZ = p->gridDimZ, .blockDimX = p->blockDimX,
                              .blockDimY = p->blockDimY, .blockDimZ = p->blockDimZ,
                              .sharedMemBytes = p->sharedMemBytes};
    CUfunction f = p->func ? p->func : (CUfunction)(void *)p->kern;
    if (p->kernelParams && p->extra)
        return fac_fail(CUDA_ERROR_INVALID_VALUE, "parameters are given in both ways");
    return fac_kernel_make(&c, f, p->kernelParams, p->extra, false, op);
}

static CUresult memory_op(CUDA_MEM_ALLOC_NODE_PARAMS *p, fac_op *op)
{
    op->kind = FAC_OP_ALLOC;
    op->memory.bytes = p->bytesize;
    if (p->poolProps.location.type != CU_MEM_LOCATION_TYPE_DEVICE ||
        !fac_is_device(p->poolProps.location.id) || p->poolProps.handleTypes)
        return fac_fail(CUDA_ERROR_INVALID_VALUE, "memory of graphs is a device's, and not shared");
    return fac_memory_alloc(&op->memory.ptr, p->bytesize, false);
}

CUresult fac_node_op(const CUgraphNodeParams *p, fac_op *op)
{
    CUDA_MEM_ALLOC_NODE_PARAMS alloc;
    fac_op given = {.kind = FAC_OP_MEM};
    *op = (fac_op){.kind = FAC_OP_EMPTY};
    switch (p->type) {
    case CU_GRAPH_NODE_TYPE_EMPTY:
        return CUDA_SUCCESS;
    case CU_GRAPH_NODE_TYPE_KERNEL:
        return fac_kernel_node_op((const CUDA_KERNEL_NODE_PARAMS *)&p->kernel, op);
    case CU_GRAPH_NODE_TYPE_MEMCPY:
        op->kind = FAC_OP_COPY;
        op->copy = p->memcpy.copyParams;
        return CUDA_SUCCESS;
    case CU_GRAPH_NODE_TYPE_MEMSET:
        op->kind = FAC_OP_FILL;
        memcpy(&op->fill, &p->memset, sizeof op->fill); /* as the version before, with a context */
        return CUDA_SUCCESS;
    case CU_GRAPH_NODE_TYPE_HOST:
        op->kind = FAC_OP_HOST;
        op->host = (CUDA_HOST_NODE_PARAMS){.fn = p->host.fn, .userData = p->host.userData};
        return CUDA_SUCCESS;
    case CU_GRAPH_NODE_TYPE_GRAPH:
        if (!fac_handle_is(FAC_GRAPH, p->graph.graph))
            return fac_handle_check(FAC_GRAPH, p->graph.graph);
        given = (fac_op){.kind = FAC_OP_CHILD, .child = p->graph.graph};
        fac_op_clone(&given, op);
        return CUDA_SUCCESS;
    case CU_GRAPH_NODE_TYPE_WAIT_EVENT:
    case CU_GRAPH_NODE_TYPE_EVENT_RECORD:
        op->kind = p->type == CU_GRAPH_NODE_TYPE_WAIT_EVENT ? FAC_OP_WAIT : FAC_OP_RECORD;
        op->event = p->eventWait.event; /* where eventRecord has it too */
        return CUDA_SUCCESS;
    case CU_GRAPH_NODE_TYPE_MEM_ALLOC:
        memset(&alloc, 0, sizeof alloc);
        alloc.poolProps = p->alloc.poolProps;
        alloc.bytesize = p->alloc.bytesize;
        return memory_op(&alloc, op);
    case CU_GRAPH_NODE_TYPE_MEM_FREE:
        op->kind = FAC_OP_FREE;
        op->memory.ptr = p->free.dptr;
        return CUDA_SUCCESS;
    case CU_GRAPH_NODE_TYPE_BATCH_MEM_OP:
        if (p->memOp.count && !p->memOp.paramArray)
            return CUDA_ERROR_INVALID_VALUE;
        given.mem.op = p->memOp.paramArray;
        given.mem.n = p->memOp.count;
        fac_op_clone(&given, op);
        return CUDA_SUCCESS;
    case CU_GRAPH_NODE_TYPE_CONDITIONAL:
        return fac_fail(CUDA_ERROR_NOT_SUPPORTED, "conditional nodes of graphs");
    case CU_GRAPH_NODE_TYPE_EXT_SEMAS_SIGNAL:
    case CU_GRAPH_NODE_TYPE_EXT_SEMAS_WAIT:
        return fac_fail(CUDA_ERROR_NOT_SUPPORTED, "external semaphores");
    default:
        return fac_fail(CUDA_ERROR_INVALID_VALUE, "graph nodes of type %d", (int)p->type);
    }
}

/* ---- adding ---- */

/* Adds the node and releases the operation; memory that it made becomes the node's. */
static CUresult add(CUgraph g, fac_op *op, const CUgraphNode *deps, size_t n, CUgraphNode *out)
{
    CUresult r = fac_handle_check(FAC_GRAPH, g);
    if (!r && (!out || (n && !deps)))
        r = CUDA_ERROR_INVALID_VALUE;
    if (!r)
        r = fac_op_check(op);
    if (!r)
        r = fac_graph_add(g, fac_node_type(op->kind), op, deps, n, out);
    if (op->kind == FAC_OP_ALLOC && op->memory.ptr) {
        if (r)
            (void)fac_memory_release(op->memory.ptr);
        else
            (*out)->op.memory.owner = true;
    }
    fac_op_release(op);
    return r;
}

static CUresult add_op(CUgraphNode *out, CUgraph g, const CUgraphNode *deps, size_t n, fac_op *op)
{
    CUresult r = fac_enter();
    return fac_leave(r ? r : add(g, op, deps, n, out));
}

CUresult cuGraphAddNode_v2(CUgraphNode *out, CUgraph g, const CUgraphNode *deps,
                           const CUgraphEdgeData *edges, size_t n, CUgraphNodeParams *p)
{
    fac_op op = {.kind = FAC_OP_EMPTY};
    (void)edges; /* whatever the edge, the node runs behind all of the other */
    CUresult r = fac_enter();
    if (!r)
        r = p ? fac_node_op(p, &op) : CUDA_ERROR_INVALID_VALUE;
    const CUdeviceptr made = r || op.kind != FAC_OP_ALLOC ? 0 : op.memory.ptr;
    if (!r)
        r = add(g, &op, deps, n, out);
    if (!r && made) {
        memset(&(*out)->alloc, 0, sizeof (*out)->alloc);
        (*out)->alloc.poolProps = p->alloc.poolProps;
        (*out)->alloc.bytesize = p->alloc.bytesize;
        (*out)->alloc.dptr = p->alloc.dptr = made;
    }
    if (!r && p->type == CU_GRAPH_NODE_TYPE_GRAPH)
        p->graph.graph = (*out)->op.child;
    return fac_leave(r);
}

CUresult cuGraphAddKernelNode_v2(CUgraphNode *out, CUgraph g, const CUgraphNode *deps, size_t n,
                                 const CUDA_KERNEL_NODE_PARAMS *p)
{
    fac_op op = {.kind = FAC_OP_EMPTY};
    CUresult r = fac_enter();
    if (!r)
        r = p ? fac_kernel_node_op(p, &op) : CUDA_ERROR_INVALID_VALUE;
    return fac_leave(r ? r : add(g, &op, deps, n, out));
}

CUresult cuGraphAddMemcpyNode(CUgraphNode *out, CUgraph g, const CUgraphNode *deps, size_t n,
                              const CUDA_MEMCPY3D *p, CUcontext context)
{
    fac_op op = {.kind = FAC_OP_COPY, .context = context};
    if (!p)
        return CUDA_ERROR_INVALID_VALUE;
    op.copy = *p;
    return add_op(out, g, deps, n, &op);
}

CUresult cuGraphAddMemsetNode(CUgraphNode *out, CUgraph g, const CUgraphNode *deps, size_t n,
                              const CUDA_MEMSET_NODE_PARAMS *p, CUcontext context)
{
    fac_op op = {.kind = FAC_OP_FILL, .context = context};
    if (!p)
        return CUDA_ERROR_INVALID_VALUE;
    op.fill = *p;
    return add_op(out, g, deps, n, &op);
}

CUresult cuGraphAddHostNode(CUgraphNode *out, CUgraph g, const CUgraphNode *deps, size_t n,
                            const CUDA_HOST_NODE_PARAMS *p)
{
    fac_op op = {.kind = FAC_OP_HOST};
    if (!p)
        return CUDA_ERROR_INVALID_VALUE;
    op.host = *p;
    return add_op(out, g, deps, n, &op);
}

CUresult cuGraphAddChildGraphNode(CUgraphNode *out, CUgraph g, const CUgraphNode *deps, size_t n,
                                  CUgraph child)
{
    const fac_op given = {.kind = FAC_OP_CHILD, .child = child};
    fac_op op = {.kind = FAC_OP_EMPTY};
    CUresult r = fac_enter();
    if (!r && !(r = fac_handle_check(FAC_GRAPH, child)))
        fac_op_clone(&given, &op);
    return fac_leave(r ? r : add(g, &op, deps, n, out));
}

CUresult cuGraphAddEmptyNode(CUgraphNode *out, CUgraph g, const CUgraphNode *deps, size_t n)
{
    fac_op op = {.kind = FAC_OP_EMPTY};
    return add_op(out, g, deps, n, &op);
}

CUresult cuGraphAddEventRecordNode(CUgraphNode *out, CUgraph g, const CUgraphNode *deps, size_t n,
                                   CUevent event)
{
    fac_op op = {.kind = FAC_OP_RECORD, .event = event};
    return add_op(out, g, deps, n, &op);
}

CUresult cuGraphAddEventWaitNode(CUgraphNode *out, CUgraph g, const CUgraphNode *deps, size_t n,
                                 CUevent event)
{
    fac_op op = {.kind = FAC_OP_WAIT, .event = event};
    return add_op(out, g, deps, n, &op);
}

CUresult cuGraphAddBatchMemOpNode(CUgraphNode *out, CUgraph g, const CUgraphNode *deps, size_t n,
                                  const CUDA_BATCH_MEM_OP_NODE_PARAMS *p)
{
    fac_op given = {.kind = FAC_OP_MEM}, op;
    if (!p || (p->count && !p->paramArray))
        return CUDA_ERROR_INVALID_VALUE;
    given.mem.op = p->paramArray;
    given.mem.n = p->count;
    fac_op_clone(&given, &op);
    return add_op(out, g, deps, n, &op);
}

CUresult cuGraphAddMemAllocNode(CUgraphNode *out, CUgraph g, const CUgraphNode *deps, size_t n,
                                CUDA_MEM_ALLOC_NODE_PARAMS *p)
{
    fac_op op = {.kind = FAC_OP_EMPTY};
    CUresult r = fac_enter();
    if (!r)
        r = p ? memory_op(p, &op) : CUDA_ERROR_INVALID_VALUE;
    if (!r) {
        const CUdeviceptr made = op.memory.ptr;
        if (!(r = add(g, &op, deps, n, out))) {
            p->dptr = made;
            (*out)->alloc = *p;
        }
    }
    return fac_leave(r);
}

CUresult cuGraphAddMemFreeNode(CUgraphNode *out, CUgraph g, const CUgraphNode *deps, size_t n,
                               CUdeviceptr p)
{
    fac_op op = {.kind = FAC_OP_FREE, .memory = {.ptr = p}};
    return add_op(out, g, deps, n, &op);
}

/* ---- what a node has ---- */

/* Locks; a node of this type is what is asked for. */
static CUresult enter_node(CUgraphNode node, CUgraphNodeType type, const void *out)
{
    CUresult r = fac_enter_device();
    if (!r)
        r = fac_handle_check(FAC_NODE, node);
    if (!r && (!out || node->type != type))
        r = fac_fail(CUDA_ERROR_INVALID_VALUE, "the node is of another kind");
    return r;
}

CUresult cuGraphKernelNodeGetParams_v2(CUgraphNode node, CUDA_KERNEL_NODE_PARAMS *out)
{
    CUresult r = enter_node(node, CU_GRAPH_NODE_TYPE_KERNEL, out);
    if (!r) {
        const fac_kernel *k = node->op.kernel;
        const ptx_kernel_info *info = k->f->info;
        if (!node->shown)
            node->shown = ws_calloc((size_t)info->n_params + 1, sizeof *node->shown);
        for (int i = 0; i < info->n_params; i++)
            node->shown[i] = k->params + info->param[i].offset;
        *out = (CUDA_KERNEL_NODE_PARAMS){
            .func = k->f, .gridDimX = k->grid[0], .gridDimY = k->grid[1], .gridDimZ = k->grid[2],
            .blockDimX = k->block[0], .blockDimY = k->block[1], .blockDimZ = k->block[2],
            .sharedMemBytes = k->shared, .kernelParams = node->shown};
    }
    return fac_leave(r);
}

CUresult cuGraphMemcpyNodeGetParams(CUgraphNode node, CUDA_MEMCPY3D *out)
{
    CUresult r = enter_node(node, CU_GRAPH_NODE_TYPE_MEMCPY, out);
    if (!r)
        *out = node->op.copy;
    return fac_leave(r);
}

CUresult cuGraphMemsetNodeGetParams(CUgraphNode node, CUDA_MEMSET_NODE_PARAMS *out)
{
    CUresult r = enter_node(node, CU_GRAPH_NODE_TYPE_MEMSET, out);
    if (!r)
        *out = node->op.fill;
    return fac_leave(r);
}

CUresult cuGraphHostNodeGetParams(CUgraphNode node, CUDA_HOST_NODE_PARAMS *out)
{
    CUresult r = enter_node(node, CU_GRAPH_NODE_TYPE_HOST, out);
    if (!r)
        *out = node->op.host;
    return fac_leave(r);
}

CUresult cuGraphChildGraphNodeGetGraph(CUgraphNode node, CUgraph *out)
{
    CUresult r = enter_node(node, CU_GRAPH_NODE_TYPE_GRAPH, out);
    if (!r)
        *out = node->op.child;
    return fac_leave(r);
}

CUresult cuGraphEventRecordNodeGetEvent(CUgraphNode node, CUevent *out)
{
    CUresult r = enter_node(node, CU_GRAPH_NODE_TYPE_EVENT_RECORD, out);
    if (!r)
        *out = node->op.event;
    return fac_leave(r);
}

CUresult cuGraphEventWaitNodeGetEvent(CUgraphNode node, CUevent *out)
{
    CUresult r = enter_node(node, CU_GRAPH_NODE_TYPE_WAIT_EVENT, out);
    if (!r)
        *out = node->op.event;
    return fac_leave(r);
}

CUresult cuGraphMemAllocNodeGetParams(CUgraphNode node, CUDA_MEM_ALLOC_NODE_PARAMS *out)
{
    CUresult r = enter_node(node, CU_GRAPH_NODE_TYPE_MEM_ALLOC, out);
    if (!r)
        *out = node->alloc;
    return fac_leave(r);
}

CUresult cuGraphMemFreeNodeGetParams(CUgraphNode node, CUdeviceptr *out)
{
    CUresult r = enter_node(node, CU_GRAPH_NODE_TYPE_MEM_FREE, out);
    if (!r)
        *out = node->op.memory.ptr;
    return fac_leave(r);
}

CUresult cuGraphBatchMemOpNodeGetParams(CUgraphNode node, CUDA_BATCH_MEM_OP_NODE_PARAMS *out)
{
    CUresult r = enter_node(node, CU_GRAPH_NODE_TYPE_BATCH_MEM_OP, out);
    if (!r)
        *out = (CUDA_BATCH_MEM_OP_NODE_PARAMS){.ctx = node->op.context, .count = node->op.mem.n,
                                               .paramArray = node->op.mem.op};
    return fac_leave(r);
}

/* ---- changing it ---- */

static CUresult replace(CUgraphNode node, fac_op *op)
{
    CUresult r = fac_handle_check(FAC_NODE, node);
    if (!r && (node->type == CU_GRAPH_NODE_TYPE_MEM_ALLOC ||
               node->type == CU_GRAPH_NODE_TYPE_MEM_FREE))
        r = fac_fail(CUDA_ERROR_INVALID_VALUE, "nodes of memory cannot be changed");
    if (!r && node->op.kind == FAC_OP_KERNEL && op->kind == FAC_OP_KERNEL)
        op->kernel->attributes = node->op.kernel->attributes;
    if (!r)
        r = fac_op_check(op);
    if (!r)
        r = fac_node_replace(node, op);
    fac_op_release(op);
    return r;
}

static CUresult set_op(CUgraphNode node, fac_op *op)
{
    CUresult r = fac_enter();
    return fac_leave(r ? r : replace(node, op));
}

CUresult cuGraphNodeSetParams(CUgraphNode node, CUgraphNodeParams *p)
{
    fac_op op = {.kind = FAC_OP_EMPTY};
    CUresult r = fac_enter();
    if (!r && p && p->type == CU_GRAPH_NODE_TYPE_MEM_ALLOC)
        r = CUDA_ERROR_INVALID_VALUE;
    if (!r)
        r = p ? fac_node_op(p, &op) : CUDA_ERROR_INVALID_VALUE;
    return fac_leave(r ? r : replace(node, &op));
}

CUresult cuGraphKernelNodeSetParams_v2(CUgraphNode node, const CUDA_KERNEL_NODE_PARAMS *p)
{
    fac_op op = {.kind = FAC_OP_EMPTY};
    CUresult r = fac_enter();
    if (!r)
        r = p ? fac_kernel_node_op(p, &op) : CUDA_ERROR_INVALID_VALUE;
    return fac_leave(r ? r : replace(node, &op));
}

CUresult cuGraphMemcpyNodeSetParams(CUgraphNode node, const CUDA_MEMCPY3D *p)
{
    fac_op op = {.kind = FAC_OP_COPY};
    if (!p)
        return CUDA_ERROR_INVALID_VALUE;
    op.copy = *p;
    return set_op(node, &op);
}

CUresult cuGraphMemsetNodeSetParams(CUgraphNode node, const CUDA_MEMSET_NODE_PARAMS *p)
{
    fac_op op = {.kind = FAC_OP_FILL};
    if (!p)
        return CUDA_ERROR_INVALID_VALUE;
    op.fill = *p;
    return set_op(node, &op);
}

CUresult cuGraphHostNodeSetParams(CUgraphNode node, const CUDA_HOST_NODE_PARAMS *p)
{
    fac_op op = {.kind = FAC_OP_HOST};
    if (!p)
        return CUDA_ERROR_INVALID_VALUE;
    op.host = *p;
    return set_op(node, &op);
}

CUresult cuGraphEventRecordNodeSetEvent(CUgraphNode node, CUevent event)
{
    fac_op op = {.kind = FAC_OP_RECORD, .event = event};
    return set_op(node, &op);
}

CUresult cuGraphEventWaitNodeSetEvent(CUgraphNode node, CUevent event)
{
    fac_op op = {.kind = FAC_OP_WAIT, .event = event};
    return set_op(node, &op);
}

CUresult cuGraphBatchMemOpNodeSetParams(CUgraphNode node, const CUDA_BATCH_MEM_OP_NODE_PARAMS *p)
{
    fac_op given = {.kind = FAC_OP_MEM}, op;
    if (!p || (p->count && !p->paramArray))
        return CUDA_ERROR_INVALID_VALUE;
    given.mem.op = p->paramArray;
    given.mem.n = p->count;
    fac_op_clone(&given, &op);
    return set_op(node, &op);
}

/* ---- attributes of kernels ---- */

CUresult cuGraphKernelNodeGetAttribute(CUgraphNode node, CUkernelNodeAttrID id,
                                       CUkernelNodeAttrValue *out)
{
    CUresult r = enter_node(node, CU_GRAPH_NODE_TYPE_KERNEL, out);
    if (!r && (unsigned)id >= FAC_ATTRIBUTES)
        r = fac_fail(CUDA_ERROR_INVALID_VALUE, "kernel attribute %d", (int)id);
    if (!r)
        *out = node->op.kernel->attributes.value[id];
    return fac_leave(r);
}

CUresult cuGraphKernelNodeSetAttribute(CUgraphNode node, CUkernelNodeAttrID id,
                                       const CUkernelNodeAttrValue *value)
{
    CUresult r = enter_node(node, CU_GRAPH_NODE_TYPE_KERNEL, value);
    if (!r) {
        const fac_attributes old = node->op.kernel->attributes;
        r = fac_attribute_set(&node->op.kernel->attributes, id, value);
        if (!r && (r = fac_op_check(&node->op)))
            node->op.kernel->attributes = old;
    }
    return fac_leave(r);
}

CUresult cuGraphKernelNodeCopyAttributes(CUgraphNode to, CUgraphNode from)
{
    CUresult r = enter_node(to, CU_GRAPH_NODE_TYPE_KERNEL, to);
    if (!r)
        r = fac_handle_check(FAC_NODE, from);
    if (!r && from->type != CU_GRAPH_NODE_TYPE_KERNEL)
        r = CUDA_ERROR_INVALID_VALUE;
    if (!r)
        to->op.kernel->attributes = from->op.kernel->attributes;
    return fac_leave(r);
}

/* ---- memory of graphs: it is the nodes', and none is kept for later ---- */

CUresult cuDeviceGraphMemTrim(CUdevice dev)
{
    CUresult r = fac_enter_device();
    if (!r && !fac_is_device(dev))
        r = CUDA_ERROR_INVALID_DEVICE;
    return fac_leave(r);
}

CUresult cuDeviceGetGraphMemAttribute(CUdevice dev, CUgraphMem_attribute id, void *out)
{
    CUresult r = cuDeviceGraphMemTrim(dev);
    if (!r && (!out || (unsigned)id > CU_GRAPH_MEM_ATTR_RESERVED_MEM_HIGH))
        return CUDA_ERROR_INVALID_VALUE;
    if (!r)
        *(cuuint64_t *)out = 0;
    return r;
}

CUresult cuDeviceSetGraphMemAttribute(CUdevice dev, CUgraphMem_attribute id, void *value)
{
    CUresult r = cuDeviceGraphMemTrim(dev);
    if (!r && (!value || (id != CU_GRAPH_MEM_ATTR_USED_MEM_HIGH &&
                          id != CU_GRAPH_MEM_ATTR_RESERVED_MEM_HIGH)))
        return CUDA_ERROR_INVALID_VALUE;
    return r;
}
