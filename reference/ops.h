/* The op table: the only place that knows what an op means. One row an op: shape inference over
 * expressions, evaluation in double with a first-order error bound, and the count of useful work.
 *
 * Error model (DESIGN, section 4). An honest evaluation rounds every operation to the spec's
 * precision, unit roundoff u; sums run in `accumulate`, unit roundoff ua; a result is stored in the
 * value's dtype, unit roundoff uo. With |err(x)| <= e(x), to first order:
 *
 *     add, sub  e = e1 + e2 + u|v|
 *     mul       e = |b| e1 + |a| e2 + u|v|
 *     unary f   e = |f'(x)| e + k u |v|      (k: documented error of CUDA's function in ulp)
 *     sum of n  e = sum e_i + REF_SUM sqrt(n) ua sum|x_i|
 *
 * In deep graphs, where the sum of all worst cases says nothing, random trials give the bound:
 * see trial.h.
 *
 * Storing adds uo|v| plus what underflow may lose: in f32 up to the smallest normal number. */
#ifndef REFERENCE_OPS_H
#define REFERENCE_OPS_H

#include "reference/graph.h"

/* Constant of the probabilistic bound of a sum: errors of random sign grow like sqrt(n), and 2
 * covers the orders of summation that kernels use (Higham & Mary, SISC 41, 2019). */
#define REF_SUM 2.0

/* A choice (a rounding to few bits, an order, a threshold) is certain when it is the same for this
 * many bounds either way: what the verifier grants to an evaluation. */
#define REF_SAFETY 4.0

typedef enum ref_reduce_fn {
    REF_SUM_OF, REF_MEAN, REF_MAX, REF_MIN, REF_PROD, REF_ARGMAX, REF_ARGMIN, REF_LOGSUMEXP,
    REF_L2NORM
} ref_reduce_fn;
/* The result is an index along at->dim. */
static inline bool ref_is_index_fn(ref_reduce_fn fn)
{
    return fn == REF_ARGMAX || fn == REF_ARGMIN;
}

/* "output": of lstm and gru the last layer's sequence, or each pass's last state; of topk. */
typedef enum ref_output {
    REF_OUTPUT_NONE, REF_RNN_Y, REF_RNN_H, REF_RNN_C, REF_VALUES, REF_INDICES
} ref_output;

/* "mode" of gather, scatter, grouped_matmul, pad. */
typedef enum ref_mode {
    REF_MODE_NONE, REF_SELECT, REF_ONE_PER_ROW, REF_ALONG, /* gather */
    REF_REPLACE, REF_ADD_ROWS,                             /* scatter */
    REF_IDS, REF_OFFSETS,                                  /* grouped_matmul */
    REF_CONSTANT, REF_REFLECT, REF_REPLICATE, REF_CIRCULAR /* pad */
} ref_mode;

/* All attributes that ops have; each op reads those that its row lists. */
typedef struct ref_attrs {
    int dim;                      /* one axis, made non-negative */
    int dims[SPEC_MAX_RANK], n_dims; /* axes in ascending order; permute: the order as given */
    bool keepdim, trans_a, trans_b;
    bool tanh_approximation;      /* gelu */
    ref_reduce_fn fn;
    int normalized_dims;          /* trailing axes of layer_norm, rms_norm */
    double eps, value, slope, alpha, beta, threshold, exponent;
    double least, most;           /* clamp */
    double p;                     /* dropout */
    bool training;
    const ws_expr *value_expr;    /* full: the value when it is an expression */
    int64_t diagonal;
    const ws_expr *shape[SPEC_MAX_RANK]; /* reshape, full, expand; iota: shape[0] is the length */
    int n_shape;
    /* windows: one value a spatial axis, at most three; [0] and [1] are rows and columns in 2-D */
    int64_t kernel[3], stride[3], padding[3], dilation[3], output_padding[3];
    bool ceil_mode, count_include_pad;
    const ws_expr *groups;        /* conv, group_norm: over dims; conv's inference makes it 1 */
    /* slice: made 0 <= start <= extent by inference, so that element i is start + i * step */
    const ws_expr *start, *stop;
    int64_t step;
    int first_dim, last_dim;      /* flatten */
    const ws_expr *shift[SPEC_MAX_RANK]; /* roll: of dims[i] */
    int n_shifts;
    /* pad: per axis of the operand; inference replaces NULL by 0 */
    const ws_expr *pad_before[SPEC_MAX_RANK], *pad_after[SPEC_MAX_RANK];
    int num_layers;               /* lstm, gru */
    bool bidirectional, batch_first;
    ref_output output;
    ref_mode mode;
    const ws_expr *k;             /* topk */
    bool descending, largest;     /* sort, argsort; topk */
    int64_t block[SPEC_MAX_RANK]; /* quantize, dequantize: elements that share a scale; -1: all */
    int n_block;
    const char *equation;         /* einsum */
} ref_attrs;

typedef struct ref_infer {
    ref_graph *graph;
    const spec_node *spec;
    int node;                     /* index, for needs */
    ref_node *self;
    ref_attrs *at;
    const ref_value *in[SPEC_MAX_OPERANDS];
    int n_in;
    ref_value *out; /* dtype is preset to the spec's precision; rank and dim to be set */
    ws_err *err;
} ref_infer;

typedef struct ref_call {
    const ref_attrs *at;
    const ws_env *env;
    const ref_tensor *in[SPEC_MAX_OPERANDS];
    int n_in;
    ref_tensor *out;              /* shape set, v allocated; e allocated when bounds are wanted */
    const ref_op *op;
    double u, ua;                 /* unit roundoff of precision and of accumulation */
    const ref_bound *bound;
    const ref_node *node;
    ws_err *err;
} ref_call;

struct ref_op {
    const char *name;
    int min_in, max_in;
    const char *attrs;            /* names that the op takes, separated by spaces */
    ws_status (*infer)(ref_infer *f);
    ws_status (*eval)(const ref_call *c);
    /* useful floating-point operations at these shapes */
    double (*flops)(const ref_attrs *at, const ref_shape *const *in, int n_in,
                    const ref_shape *out);
    bool rounds; /* whole numbers are rounded and bounded by the op itself */
    bool fills; /* eval writes every v and e, which come with any contents; else with zeros */
    bool moves; /* every result is a copy of an element of in[0]'s dtype, or zero */
};
/* NULL-terminated, for nearest-name hints. */
const char *const *ref_op_names(void);

/* ---- helpers that the op files share ---- */
/* For an op whose modes are those from `first`, the default, to `last`. */
ws_status ref_check_mode(ref_infer *f, ref_mode first, ref_mode last, const char *text);
/* The value of a scan's body for which `f` is inferred: shape and dtype of `like`. */
int ref_body_value(ref_infer *f, const char *name, const ref_value *like);
/* Infers the nodes of the scan's body into f->self. */
ws_status ref_infer_body(ref_infer *f);
/* The value that a name of the body means. */
int ref_find_in_body(const ref_infer *f, const char *name);
/* One node, evaluated into value[n->out], which the caller releases; `value` is indexed by value of
 * the graph. */
ws_status ref_eval_node(const ref_bound *b, const ref_node *n, ref_tensor *value, bool with_bounds,
                        ws_err *err);
/* A literal is rounded to the precision of the arithmetic that reads it. */
ws_status ref_make_literal(const ref_bound *b, int v, ref_tensor *out, ws_err *err);
static inline double ref_err(const ref_tensor *t, int64_t i)
{
    return t->e ? t->e[i] : 0;
}
/* out = same shape as value v. */
void ref_same_shape(ref_value *out, const ref_value *v);
/* NumPy broadcasting of all operands into out; records what must hold. */
ws_status ref_broadcast(ref_infer *f);
void ref_need_that(ref_infer *f, const ws_expr *condition, const char *text);
void ref_need_equal(ref_infer *f, const ws_expr *a, const ws_expr *b, const char *text);
ws_status ref_infer_fail(ref_infer *f, const char *fmt, ...) WS_PRINTF(2, 3);
/* Element offset in operand `in` for flat index i of `out`, with broadcasting. */
int64_t ref_broadcast_index(const ref_shape *out, const ref_shape *in, int64_t i);
/* Extents before, along and after an axis. */
void ref_split(const ref_shape *s, int axis, int64_t *outer, int64_t *n, int64_t *inner);
/* Runs body(ud, i) for i in [0, n) on all cores; `work` is the cost of one i in elementary
 * steps. */
void ref_for(int64_t n, double work, void (*body)(void *ud, int64_t i), void *ud);
/* The same over ranges [first, end) that cover [0, n). */
void ref_for_ranges(int64_t n, double work, void (*body)(void *ud, int64_t first, int64_t end),
                    void *ud);
/* Zeroed v, and e when asked for, of t->shape; WS_ELIMIT when the memory is not there. */
ws_status ref_tensor_alloc(ref_tensor *t, bool with_bounds, const char *name,
                           ws_err *err) WS_MUST_CHECK;
/* v alone, for a caller who writes every element. */
ws_status ref_tensor_alloc_unset(ref_tensor *t, const char *name, ws_err *err) WS_MUST_CHECK;

/* The rows, one array a family, each ended by a NULL name. */
extern const ref_op ref_ops_unary[];
extern const ref_op ref_ops_elementwise[];
extern const ref_op ref_ops_reduce[];
extern const ref_op ref_ops_norm[];
extern const ref_op ref_ops_matmul[];
extern const ref_op ref_ops_einsum[];
extern const ref_op ref_ops_movement[];
extern const ref_op ref_ops_conv[];
extern const ref_op ref_ops_pool[];
extern const ref_op ref_ops_recurrent[];
extern const ref_op ref_ops_scan[];
extern const ref_op ref_ops_order[];
extern const ref_op ref_ops_index[];
extern const ref_op ref_ops_quantize[];

/* Absolute accuracy that usual forms of a function keep where the result is small. */
typedef enum ref_floor {
    REF_FLOOR_NONE, REF_FLOOR_X, REF_FLOOR_ONE, REF_FLOOR_BELOW_ZERO, REF_FLOOR_RAMP
} ref_floor;

/* Unary functions by name, also for the emitter: f, its derivative, f over n elements, CUDA's error
 * in ulp, and the CUDA expression over a number named x (NULL: the emitter writes it). */
typedef struct ref_unary {
    const char *name;
    double (*f)(double x, const ref_attrs *at);
    double (*df)(double x, const ref_attrs *at);
    void (*run)(const double *restrict x, double *restrict y, int64_t n, const ref_attrs *at);
    double ulp;
    ref_floor floor;
    const char *cuda;
} ref_unary;
extern const ref_unary ref_unaries[]; /* NULL-named last */
const ref_unary *ref_find_unary(const char *name);

#endif
