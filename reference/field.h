/* The graph over a prime field (base/field.h), for kernels that the engine runs over the same
 * field.
 *
 * Sums of products of elements are whole numbers below 2^53, so the ops' own evaluation in
 * double is exact; after each node the values are taken modulo the prime. Division is that of
 * the field, and literals are the elements that base/field.h finds for them. */
#ifndef REFERENCE_FIELD_H
#define REFERENCE_FIELD_H

#include "reference/graph.h"

/* What a value is over the field. */
typedef enum ref_field_kind {
    REF_FIELD_ELEMENT, /* a polynomial, or a ratio of two, in the elements of the inputs */
    REF_FIELD_WHOLE,   /* computed from integers and bools alone, as they are */
    REF_FIELD_NONE     /* not of the field: `by` says why */
} ref_field_kind;

typedef struct ref_field_value {
    ref_field_kind kind;
    double degree;     /* ELEMENT: of the polynomial, or of the two together, at most */
    const char *by;    /* NONE: the op, or what the input is, that is not of the field */
} ref_field_value;

/* Of every value of the graph. *simple: its literals are simple fractions, and at most one of them,
 * or of the counts of means, is no number of f32; else honest kernels may hold rounded products. */
ref_field_value *ref_field_values(const ref_graph *g, ws_arena *a, bool *simple);

/* Contents of a tensor: elements by chance, but what is made of whole numbers as ref_make_input has
 * it, and what a setup graph makes computed there. WS_EINPUT: that is not of the field. */
ws_status ref_field_input(const ref_bound *b, uint32_t prime, int tensor, uint64_t seed,
                          ref_tensor *out, ws_err *err) WS_MUST_CHECK;

/* Values are elements, or whole numbers; outputs that are not of the field stay empty, and an
 * element without value (a division by zero) is WS_FIELD_OUTSIDE. WS_ELIMIT: a sum is too long
 * to be exact. */
ws_status ref_field_eval(const ref_bound *b, uint32_t prime, const ref_tensor *input,
                         ref_tensor *output, ws_err *err) WS_MUST_CHECK;
/* The same of `n` values in the place of the outputs. */
ws_status ref_field_eval_values(const ref_bound *b, uint32_t prime, const ref_tensor *input,
                                const int *wanted, int n, ref_tensor *output,
                                ws_err *err) WS_MUST_CHECK;

#endif
