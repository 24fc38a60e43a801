/* Graphs: nodes with operations and what they depend on, and executable copies of them. */
#ifndef HARNESS_PTX_CUDA_GRAPH_H
#define HARNESS_PTX_CUDA_GRAPH_H

#include "harness/ptx/cuda/stream.h"

#pragma GCC visibility push(hidden)

struct CUgraphNode_st {
    CUgraph graph;
    CUgraphNodeType type;
    fac_op op;
    fac_nodes deps; /* of the same graph */
    CUgraphNode origin; /* that it was cloned from; may be gone, and is compared alone */
    bool enabled;       /* in an executable graph */
    bool marked;        /* while graphs are walked */
    void **shown;       /* what cuGraphKernelNodeGetParams pointed to last */
    CUDA_MEM_ALLOC_NODE_PARAMS alloc; /* as it was made */
};

struct CUgraph_st {
    CUgraphNode *node; /* in the order in which they were added */
    int n, cap;
    unsigned long long id;
    bool is_part;      /* of a node, or of an executable graph: not the program's to destroy */
    int captures;      /* streams and events that add to it */
    struct fac_user_ref { /* objects that live as long as it */
        CUuserObject object;
        unsigned count;
    } *users;
    int n_users, cap_users;
};

struct CUgraphExec_st {
    CUgraph graph; /* a copy, its nodes sorted; their origins are the program's */
    unsigned long long flags;
};

CUgraph fac_graph_new(void);
void fac_graph_free(CUgraph g);
CUgraph fac_graph_clone(CUgraph g);
/* A node with the operation's copy; `deps` are nodes of g. */
CUresult fac_graph_add(CUgraph g, CUgraphNodeType type, const fac_op *op, const CUgraphNode *deps,
                       size_t n, CUgraphNode *out);
CUgraphNodeType fac_node_type(fac_op_kind kind);
/* Sorts the nodes so that each is behind what it depends on; false: there is a cycle. */
bool fac_graph_sort(CUgraph g);
/* Whether `to` is in g and can be reached from `from`, or is it. */
bool fac_graph_reaches(CUgraph g, CUgraphNode from, CUgraphNode to);
CUresult fac_exec_run(CUgraphExec e);
/* Gives the node the operation's copy in place of its own, if it is of the same kind. */
CUresult fac_node_replace(CUgraphNode node, const fac_op *op);
/* The operation of a node's parameters; `op` is for fac_op_release then. */
CUresult fac_node_op(const CUgraphNodeParams *p, fac_op *op);
CUresult fac_kernel_node_op(const CUDA_KERNEL_NODE_PARAMS *p, fac_op *op);
void fac_user_release(CUuserObject o, unsigned count);

#pragma GCC visibility pop

#endif
