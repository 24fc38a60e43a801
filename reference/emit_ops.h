/* Inside the emitter: what its op files share. One row an op; an emitter writes the body of one or
 * two kernels into `body` and hands it to em_kernel(), which adds signature, comment and launch.
 *
 * Conventions of the emitted text: 256 threads a block (matmul: 16 x 16), one-dimensional grids,
 * 64-bit indices, extents written as DIM_<name> so that the text holds at every dims; in graphs of
 * many nodes as parameters, so that nodes that differ in extents alone share a kernel. Arithmetic
 * runs in float; in double where the spec asks for it or an operand is f64 or a wide integer. */
#ifndef REFERENCE_EMIT_OPS_H
#define REFERENCE_EMIT_OPS_H

#include "reference/ops.h"

enum { EM_THREADS = 256, EM_TILE = 16, EM_EXTENTS = 32 };

/* Device functions that kernels call; each is written once when something uses it. */
typedef enum em_helper {
    EM_AXIS = 1, EM_SUM = 2, EM_PROD = 4, EM_MAX = 8, EM_MIN = 16, EM_SCAN_SUM = 32,
    EM_SCAN_PROD = 64, EM_TF32 = 128, EM_WHOLE = 256, EM_E2M1 = 512
} em_helper;

/* While the body of a scan is emitted, kernels become device functions that the scan's kernel calls
 * for one block after the other. */
typedef struct em_loop {
    const char *name[64];                /* buffers of the scan's kernel: names in the plan, */
    ws_dtype dtype[64];                  /* dtypes, */
    bool written[64];                    /* and whether the kernel writes them */
    int n;
    ws_buf calls;
} em_loop;

/* Values that a group's nodes read from outside the group. */
typedef struct em_outside {
    int *value, n;
} em_outside;

/* Nodes that one kernel computes (emit_fuse.c). */
typedef struct em_group {
    int root, producer;       /* producer -1: none */
    int *node, n;             /* epilogue, ascending, with the root; 0: the producer is the root */
    int *prologue, n_prologue;
    em_outside after, before; /* of epilogue and prologue */
    bool wide;                /* arithmetic in double */
} em_group;

typedef struct em_named_text {
    const char *name, *text;
} em_named_text;

typedef struct em_job {
    const ref_graph *graph;
    ws_arena arena;                      /* of expressions and text pieces */
    ws_buf scratch, launches, kernels;   /* of the plan, and the source */
    int n_scratch, n_launches;
    const char **slot_name;              /* per value: the scratch that holds it, or NULL */
    const int *step_of; /* per node: the node whose kernels compute it; NULL: itself */
    em_named_text *known;                /* kernels so far; equal ones are written once */
    int n_known;
    int *view_of;                        /* fused: per value, the value whose memory it is; or -1 */
    em_group *group;                     /* fused: the groups */
    int n_groups;
    em_named_text *extent;               /* long expressions over dims, by their text */
    int n_extents;
    unsigned helpers;                    /* em_helper bits in use */
    em_loop *loop;                       /* of the scan whose body is emitted, or NULL */
    int n_bodies;                        /* nodes of bodies so far, whose indices are their own */
    ws_err *err;
} em_job;

typedef struct em_node {
    em_job *job;
    const ref_node *node;
    const char *formula;                 /* of the op's row */
    int index;                           /* in graph.node */
    const ref_attrs *at;
    const ref_value *in[SPEC_MAX_OPERANDS];
    int n_in;
    const ref_value *out;
    const char *type;                    /* of arithmetic: "float" or "double" */
    const em_group *group;               /* that the node is the producer or root of; or NULL */
    bool by_argument;                    /* extents are parameters d0, d1, ... of the kernel */
    const ws_expr *extent[EM_EXTENTS];   /* these */
    int n_extents;
    int indent;                          /* of em_put, beyond a function's four */
    ws_buf body;
} em_node;

typedef struct em_op {
    const char *name;
    ws_status (*emit)(em_node *n);
    const char *formula; /* the result over the operands' names; NULL: in the emitter */
} em_op;
/* One array a family, each ended by a NULL name. */
extern const em_op em_ops_elementwise[], em_ops_rows[], em_ops_contraction[], em_ops_window[],
    em_ops_movement[], em_ops_recurrent[], em_ops_scan[], em_ops_order[],
    em_ops_index[], em_ops_quantize[];

/* A kernel parameter: its name in the kernel and what the plan passes. */
typedef struct em_param {
    const char *role;
    const ref_value *value; /* NULL: the scratch named `scratch` */
    const char *scratch;
    ws_dtype dtype;         /* of the scratch */
    bool written;
    bool shared;            /* another parameter may point to the same */
} em_param;

/* Closes the kernel whose body was put: `blocks` blocks, at least one. `suffix` tells kernels of
 * one node apart; `how` says in the comment what a thread or a block does. Operands of `p` that are
 * literals are left out. */
ws_status em_kernel(em_node *n, const char *suffix, const char *how, const em_param *p, int n_p,
                    const ws_expr *blocks, bool tiled);
/* Declares scratch of `count` elements; the name is unique in the plan. */
ws_status em_scratch(em_job *j, const char *name, ws_dtype dtype, const ws_expr *count);

/* `base`, with underscores until nothing in the spec has the name. */
const char *em_unused_name(em_node *n, const char *base);

/* Scratch of the plan for a value of a scan's body. */
ws_status em_value_scratch(em_node *n, const ref_value *v);
/* Declares the scratch of all values that are stored; sets job->slot_name. */
ws_status em_plan_slots(em_job *j);
bool em_is_output(const ref_graph *g, const ref_value *v);
/* Emits a node of a scan's body, in job->loop. */
ws_status em_body_node(em_job *j, const ref_node *node);
/* The pointer of the scan's kernel to a value. */
const char *em_loop_buffer(em_node *n, const ref_value *v, bool written);
/* The kernel of a scan, whose body was put: one block, all buffers of job->loop. */
ws_status em_loop_kernel(em_node *n);

/* Adds a line to the body, 4 spaces in. */
void em_put(em_node *n, const char *fmt, ...) WS_PRINTF(2, 3);
/* A text piece in the job's arena. */
const char *em_text(em_node *n, const char *fmt, ...) WS_PRINTF(2, 3);

/* `out[index] = value`, after the epilogue of the node's group. */
void em_put_result(em_node *n, const char *indent, const char *index, const char *value);

/* ---- groups ---- */
void em_plan_groups(em_job *j);
/* A node that only changes the shape, of a result that nobody outside sees: no kernel. */
bool em_is_view(const em_job *j, int node);
/* The op is a formula over the elements of its operands. */
bool em_is_elementwise(const char *op);
/* Its emitter puts every result with em_put_result, once. */
bool em_is_producer(const ref_node *node);
/* Its emitter reads operand 0 only through em_load, at a flat index. */
bool em_walks_rows(const char *op);
/* Puts `name = formula` for a node over the texts of its operands. */
void em_put_formula(em_node *n, const ref_node *node, const char *name, const char *const *operand);
/* `value` cut off where `v` holds whole numbers, as C does; a store alone would round. */
const char *em_whole(em_node *n, const ref_value *v, const char *value);
void em_put_prologue(em_node *n);
const char *em_prologue_call(em_node *n, const ref_value *v, const char *index);
/* out: room for n_p and all values from outside. */
int em_group_params(em_node *n, const em_param *p, int n_p, em_param *out);
ws_status em_elementwise_group(em_node *n);

/* ---- expressions ---- */
const ws_expr *em_product(em_node *n, const ws_expr *const *dim, int count);
const ws_expr *em_count(em_node *n, const ref_value *v);
/* Blocks of EM_THREADS for `count` elements. */
const ws_expr *em_blocks(em_node *n, const ws_expr *count);
bool em_is_const(const ws_expr *e, int64_t v);
bool em_same_shape(const ref_value *a, const ref_value *b);
/* C text, over long long. */
const char *em_expr(em_node *n, const ws_expr *e);

/* ---- values ---- */
/* Arithmetic in double where the spec asks for it or one of the first n_in operands needs it. */
void em_choose_type(em_node *n, int n_in, bool accumulates);
bool em_needs_double(ws_dtype t);
/* A number of the arithmetic type. */
const char *em_number(em_node *n, double v);
/* The element `index` of operand `v`, whose pointer is `role`, in the arithmetic type. */
const char *em_load(em_node *n, const ref_value *v, const char *role, const char *index);
/* `expr`, of the arithmetic type, as an element of `dtype`. */
const char *em_store(em_node *n, ws_dtype dtype, const char *expr);

/* ---- indices ---- */
/* `long long i` of this thread, with the guard against the grid's excess. */
void em_thread_index(em_node *n, const ws_expr *count);
/* `const long long <prefix>0, ...`: coordinates of the flat index named `flat` in extents
 * dim[rank]; only those in the bit set `needed`. */
void em_coords(em_node *n, const char *flat, const char *prefix, const ws_expr *const *dim,
               int rank, unsigned needed);
/* Row-major offset of the coordinates at[rank] ("0" is left out) in extents dim[rank]. */
const char *em_offset(em_node *n, const char *const *at, const ws_expr *const *dim, int rank);
/* Coordinates of `v` under broadcasting to extents out[out_rank], named <prefix>0...; the bits of
 * `needed` are set for those that the text uses. */
void em_broadcast(em_node *n, const ref_value *v, const ws_expr *const *out, int out_rank,
                  const char *prefix, const char *at[SPEC_MAX_RANK], unsigned *needed);

#endif
