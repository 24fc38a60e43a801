/* One case: a spec's graph at one shape with one kind of inputs, and the reference for it. */
#ifndef VERIFIER_CASES_H
#define VERIFIER_CASES_H

#include "reference/graph.h"
#include "verifier/classes.h"

/* What a kind needs of a spec to be worth a run: VALUES nothing, WHOLE an input of whole numbers
 * drawn at random, FLAGS one of flags, MAXIMUM one whose greatest element an operation looks for, ORDER one whose
 * elements an operation compares with each other to decide something. */
typedef enum vfy_needs {
    VFY_NEEDS_NOTHING,
    VFY_NEEDS_WHOLE,
    VFY_NEEDS_FLAGS,
    VFY_NEEDS_MAXIMUM,
    VFY_NEEDS_ORDER
} vfy_needs;

/* id, name, class of the inputs, class of the weights, needs. The first VFY_INPUTS_QUICK are met by
 * every candidate, the others in full verification. RANDOM follows the spec's init. NEGATIVE makes
 * every float input below zero, which shows reductions that start from 0 and lost signs. LARGE
 * shows overflow in exponentials and sums. OTHER draws inputs from another seed and moves every
 * weight off its init: what is ignored, or taken for the ones and zeros that it began with, shows.
 */
#define VFY_INPUTS_LIST(X)                                                                         \
    X(RANDOM, "random", AS_INIT, AS_INIT, NOTHING)                                                 \
    X(NEGATIVE, "negative", NEGATIVE, AS_INIT, NOTHING)                                            \
    X(LARGE, "large", LARGE, AS_INIT, NOTHING)                                                     \
    X(OTHER, "other", AS_INIT, PERTURBED, NOTHING)                                                 \
    X(MIXED, "mixed", MIXED, AS_INIT, NOTHING)                                                     \
    X(MIXED_2, "mixed", MIXED, AS_INIT, NOTHING)                                                   \
    X(MIXED_3, "mixed", MIXED, AS_INIT, NOTHING)                                                   \
    X(SIGNED, "signed", SIGNED, AS_INIT, NOTHING)                                                  \
    X(HEAVY, "heavy-tailed", HEAVY, AS_INIT, NOTHING)                                              \
    X(SORTED, "sorted", SORTED, AS_INIT, NOTHING)                                                  \
    X(SPIKE, "one spike a row", SPIKE, AS_INIT, NOTHING)                                           \
    X(TINY, "denormal", TINY, AS_INIT, NOTHING)                                                    \
    X(RANGE, "wide range", RANGE, AS_INIT, NOTHING)                                                \
    X(CANCEL, "cancelling", CANCEL, AS_INIT, NOTHING)                                              \
    X(TIES, "ties", TIES, AS_INIT, NOTHING)                                                        \
    X(EQUAL, "all equal", EQUAL, AS_INIT, NOTHING)                                                 \
    X(ZERO, "zero", ZERO, AS_INIT, NOTHING)                                                        \
    X(SPECIAL, "NaN and infinity", SPECIAL, AS_INIT, NOTHING)                                      \
    X(LEAST, "least index", LEAST, AS_INIT, WHOLE)                                                 \
    X(MOST, "greatest index", MOST, AS_INIT, WHOLE)                                                \
    X(SAME, "one index", SAME, AS_INIT, WHOLE)                                                     \
    X(ONE_TRUE, "one unmasked", ONE_TRUE, AS_INIT, FLAGS)                                          \
    X(ALL_TRUE, "all set", ALL_TRUE, AS_INIT, FLAGS)                                               \
    X(ONE_FALSE, "all but one", ONE_FALSE, AS_INIT, FLAGS)                                         \
    X(ALIKE, "rows alike", ALIKE, AS_INIT, NOTHING)                                                \
    X(LOW, "far below zero", LOW, AS_INIT, MAXIMUM)                                                \
    X(PEAK, "peaks at the ends", PEAK, AS_INIT, MAXIMUM)                                           \
    X(NEXT, "neighbouring numbers", NEXT, AS_INIT, ORDER)
typedef enum vfy_inputs {
#define X(id, name, inputs, weights, needs) VFY_INPUTS_##id,
    VFY_INPUTS_LIST(X)
#undef X
    VFY_INPUTS_COUNT,
    VFY_INPUTS_QUICK = VFY_INPUTS_OTHER
} vfy_inputs;
const char *vfy_inputs_name(vfy_inputs k);

typedef struct vfy_case {
    int check;            /* check shape */
    vfy_inputs inputs;    /* COUNT: not of the list, see name */
    char name[64];        /* of the inputs */
    uint64_t seed;
    char shape[256];      /* "B=3 N=257" */
    ws_arena arena;
    ref_bound *bound;
    void **in;            /* per spec tensor: its bytes in storage format */
    size_t *in_bytes;
    ref_tensor *want;     /* per output, with bounds */
    ref_tensor *of;       /* per output: what an index output points into */
    bool **open; /* per output: marks of what the reference says nothing about; NULL: none */
    bool meaningless; /* the reference is not finite here: the kind does not suit the operation */
} vfy_case;

/* The random draw of inputs and weights that the quick kinds of one shape and seed change: made for
 * the first of them. All zeros: none yet. */
typedef struct vfy_draw {
    ref_tensor *input;
    int n;
    uint64_t seed;
} vfy_draw;
void vfy_draw_release(vfy_draw *d);

/* A kind of the quick list is compared everywhere, and without meaning where its reference is not
 * finite. Of the other kinds an element is left open where the bound has no meaning: it is no
 * number, or as large as the largest value of the output, so that first order says nothing. A
 * kind that does not suit the spec is without meaning. */
ws_status vfy_case_init(vfy_case *c, const ref_graph *g, int check, vfy_inputs kind, uint64_t seed,
                        ws_err *err) WS_MUST_CHECK;

/* The tensors of a kind, rounded to their dtype; input[i] is the caller's to release. */
ws_status vfy_case_inputs(const ref_bound *b, vfy_inputs kind, uint64_t seed, ref_tensor *input,
                          ws_err *err) WS_MUST_CHECK;
/* A case of given tensors, left open as those beyond the quick list. An operation that refuses them
 * makes it meaningless. */
ws_status vfy_case_of(vfy_case *c, const ref_graph *g, int check, const char *name, uint64_t seed,
                      const ref_tensor *input, ws_err *err) WS_MUST_CHECK;
void vfy_case_release(vfy_case *c);

#endif
