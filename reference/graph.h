/* A spec's graph with shapes inferred (symbolically), bound to concrete dims, and evaluated in
 * double with a first-order error bound per element.
 *
 * ref_graph is built once per spec: every value has a dtype and a shape of expressions. ref_bound
 * is the graph at one set of dims. ref_eval computes. The op table (ops.h) is the only place that
 * knows ops. */
#ifndef REFERENCE_GRAPH_H
#define REFERENCE_GRAPH_H

#include "specs/spec.h"

typedef struct ref_op ref_op; /* reference/ops.h */

/* An input, weight, literal or node result. */
typedef struct ref_value {
    const char *name;
    ws_dtype dtype;
    int rank;
    const ws_expr *dim[SPEC_MAX_RANK];
    int tensor;      /* index in spec.tensor, or -1 */
    int node;        /* index in graph.node, or -1 */
    bool is_literal;
    double literal;  /* rank 0 */
    bool exact;      /* every honest evaluation has these bits: inputs, their copies and casts */
    int scope;       /* 0: the graph; 1 + k: the body of the scan graph.node[k] */
} ref_value;

/* A fact that must hold at every dims, recorded by shape inference: condition != 0. */
typedef struct ref_need {
    const ws_expr *condition;
    const char *text;  /* "inner dimensions of matmul agree" */
    int node;
} ref_need;

typedef struct ref_node {
    const ref_op *op;
    const spec_node *spec;
    int in[SPEC_MAX_OPERANDS]; /* value indices */
    int n_in;
    int out;                   /* value index */
    void *attrs; /* the op's own parsed attributes (expressions where they may vary) */
    /* scan: the nodes of one step, and the values that it reads and gives */
    struct ref_node *body;
    int n_body;
    int x_t, carry, next, emit;
} ref_node;

typedef struct ref_graph {
    const spec *spec;
    ws_arena arena;
    ref_value *value;
    int n_values;
    ref_node *node;
    int n_nodes;
    ref_need *need;
    int n_needs;
    int *output;      /* value indices, in spec order */
    int n_outputs;
    struct ref_graph *setup; /* of spec.setup, or NULL */
} ref_graph;

ws_status ref_graph_new(const spec *s, ref_graph **out, ws_err *err) WS_MUST_CHECK;
void ref_graph_free(ref_graph *g);

/* Concrete shapes at `env`: shape[v] for each value. */
typedef struct ref_shape {
    int rank;
    int64_t dim[SPEC_MAX_RANK];
    int64_t count;
} ref_shape;
typedef struct ref_bound {
    const ref_graph *graph;
    ws_env env;
    ref_shape *shape; /* per value */
    struct ref_bound *setup; /* of graph.setup, or NULL */
} ref_bound;
/* Evaluates all shapes and needs; an error names the node and quotes the shapes. */
ws_status ref_bind(const ref_graph *g, const ws_env *env, ws_arena *a, ref_bound **out,
                   ws_err *err) WS_MUST_CHECK;

/* A tensor in double: value and error bound (NULL: exact). Row-major, contiguous. */
typedef struct ref_tensor {
    ref_shape shape;
    double *v;  /* values */
    double *e;  /* first-order bound on |honest - v|, same layout, or NULL: zero */
    bool by_trial; /* some bounds come from trials (trial.h), not from adding up worst cases */
} ref_tensor;
void ref_tensor_release(ref_tensor *t);

/* `input[i]`: the contents of spec.tensor[i], already rounded to its dtype. `output[o]`: filled.
 * Bounds cover evaluation in spec.precision, in f32 where a node's result is f32, with
 * spec.accumulate, results rounded to each value's dtype. A large tensor that does not fit in memory
 * is WS_ELIMIT. */
ws_status ref_eval(const ref_bound *b, const ref_tensor *input, bool with_bounds,
                   ref_tensor *output, ws_err *err) WS_MUST_CHECK;

/* How an output is compared. */
typedef enum ref_compare { REF_COMPARE_VALUE, REF_COMPARE_INDEX } ref_compare;
/* INDEX (argmax, argmin): element i of the output is an index along `axis` of value `of`; it is
 * right when the pointed-at value is within tolerance of the true extremum. */
ref_compare ref_output_compare(const ref_graph *g, int output, int *axis);
bool ref_has_index_output(const ref_graph *g);

/* As ref_eval, also giving, for each INDEX output, the tensor pointed into (with bounds), of[o];
 * the others of `of` are left empty. */
ws_status ref_eval_full(const ref_bound *b, const ref_tensor *input, bool with_bounds,
                        ref_tensor *output, ref_tensor *of, ws_err *err) WS_MUST_CHECK;

/* Units of a GPU that work is counted by. Sums of products have their own, by the numbers that are
 * multiplied, from wide to narrow; the others are what happens element by element. */
#define REF_UNITS(X)                                                                               \
    X(F64, "fp64") X(F32, "fp32") X(INT, "integer") X(SFU, "special functions")                    \
    X(PRODUCT_F64, "fp64 products") X(PRODUCT_F32, "fp32 products")                                \
    X(PRODUCT_I32, "int32 products") X(PRODUCT_TF32, "tf32 products")                              \
    X(PRODUCT_F16, "16-bit products") X(PRODUCT_F8, "fp8 products")                                \
    X(PRODUCT_I8, "int8 products") X(PRODUCT_F4, "fp4 products")
typedef enum ref_unit {
#define X(id, name) REF_##id,
    REF_UNITS(X)
#undef X
    REF_UNIT_COUNT
} ref_unit;
const char *ref_unit_name(ref_unit u);

/* Useful work and least traffic at these dims. */
typedef struct ref_cost {
    double flops;          /* multiply-add counts 2; transcendental 1 */
    double unit[REF_UNIT_COUNT]; /* of them; SFU: those that are special functions, again */
    double min_bytes;      /* each input and weight read once, each output written once */
} ref_cost;
void ref_cost_of(const ref_bound *b, ref_cost *out);
/* At dims to which the graph need not be bound before; fails as ref_bind does. */
ws_status ref_cost_at(const ref_graph *g, const ws_env *env, ref_cost *out,
                      ws_err *err) WS_MUST_CHECK;

/* Contents of spec.tensor[i] at its dims from its init, rounded to its dtype: element k is a pure
 * function of (seed, i, k); one of dist setup is the output of the setup graph, whose tensors are
 * made so in turn. */
ws_status ref_make_input(const ref_bound *b, int tensor, uint64_t seed, ref_tensor *out,
                         ws_err *err) WS_MUST_CHECK;

#endif
