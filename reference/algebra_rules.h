/* What the rules of algebra.c have in common: reading the graph, and writing new nodes.
 *
 * A text is an operand as JSON: a name in quotes, or a number. */
#ifndef REFERENCE_ALGEBRA_RULES_H
#define REFERENCE_ALGEBRA_RULES_H

#include "reference/algebra.h"
#include "reference/ops.h"

/* A value that is read twice is gone through twice: there must be an end. */
enum { REF_MAX_VISITS = 256 };

typedef struct ref_rewriter {
    const ref_graph *g;
    ws_arena a;
    cJSON *nodes, *weights; /* new ones */
    int fresh;              /* for names */
    int visits;             /* values that the rule at hand went through; REF_MAX_VISITS at most */
    double *low, *high;     /* per value: what it lies between, for any inputs */
} ref_rewriter;

/* What may stand in place of n's result, a new node or a value that there is; NULL: the rule does
 * not apply. */
typedef const char *(*ref_rule_fn)(ref_rewriter *r, const ref_node *n);

/* ---- reading ---- */

bool ref_is_op(const ref_node *n, const char *op);
/* The node that makes v, when it is `op` (NULL: any) and asks for no dtype of its own. */
const ref_node *ref_maker(const ref_rewriter *r, int v, const char *op);
bool ref_is_one(const ws_expr *e);
bool ref_same_form(const ref_value *a, const ref_value *b);
/* v broadcast to `rank` axes does not vary along axis d. */
bool ref_is_flat(const ref_value *v, int rank, int d);
static inline const ref_attrs *ref_at(const ref_node *n)
{
    return n->attrs;
}
static inline const ref_value *ref_val(const ref_rewriter *r, int v)
{
    return &r->g->value[v];
}

/* ---- writing ---- */

const char *ref_text(ref_rewriter *r, int v);
/* "expression" */
const char *ref_text_dim(ref_rewriter *r, const ws_expr *e);
/* The shape of v as a JSON list. */
const char *ref_text_shape(ref_rewriter *r, int v);
/* A new node: all of it but its name. */
const char *ref_write(ref_rewriter *r, const char *fmt, ...) WS_PRINTF(2, 3);
/* A new node with the op and attributes of n, on the operands `in`. */
const char *ref_write_like(ref_rewriter *r, const ref_node *n, const char *in);
/* The same, of n's operands only the first another one. */
const char *ref_write_with(ref_rewriter *r, const ref_node *n, const char *first);
/* A new constant table: its shape's two extents, and its elements over i0 and i1. */
const char *ref_write_table(ref_rewriter *r, const char *rows, const char *columns,
                            const char *value);

/* ---- the rules ---- */

const char *ref_rule_scales(ref_rewriter *r, const ref_node *n);
const char *ref_rule_multiples(ref_rewriter *r, const ref_node *n);
const char *ref_rule_range(ref_rewriter *r, const ref_node *n);
const char *ref_rule_constant(ref_rewriter *r, const ref_node *n);
const char *ref_rule_one(ref_rewriter *r, const ref_node *n);
const char *ref_rule_shift_norm(ref_rewriter *r, const ref_node *n);
const char *ref_rule_shift_mean(ref_rewriter *r, const ref_node *n);
const char *ref_rule_shift_softmax(ref_rewriter *r, const ref_node *n);
const char *ref_rule_order(ref_rewriter *r, const ref_node *n);
const char *ref_rule_linear(ref_rewriter *r, const ref_node *n);
const char *ref_rule_fold_scale(ref_rewriter *r, const ref_node *n);
const char *ref_rule_fold_shift(ref_rewriter *r, const ref_node *n);
const char *ref_rule_sum(ref_rewriter *r, const ref_node *n);
const char *ref_rule_pool(ref_rewriter *r, const ref_node *n);
const char *ref_rule_pool_features(ref_rewriter *r, const ref_node *n);
/* Fills low and high. */
void ref_find_ranges(ref_rewriter *r);
/* The sum or mean over the spatial axes `dims` of a (transposed) convolution, these axes kept with
 * extent 1. */
const char *ref_sum_windows(ref_rewriter *r, const ref_node *n, const bool *axis, bool mean);
/* The number of elements along the axes of v as a node of shape [1]. */
const char *ref_write_count(ref_rewriter *r, int v, const bool *axis);

#endif
