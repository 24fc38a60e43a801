/* Can a spec be passed without the work? Answers that cost nothing (zeros, a constant, a copy of an
 * input, the answer for other inputs) and graphs with a tensor or an op less are compared with the
 * reference as a candidate's results are. What passes is a finding: a flaw of the spec's inputs or
 * of the operation, which its measurements should be read with. The loose ones are refused here;
 * they pass, or nearly pass, where results are compared as allclose(1e-2, 1e-2) does. */
#ifndef VERIFIER_LINT_H
#define VERIFIER_LINT_H

#include "reference/order.h"

/* name in reports, what passes (%s: tensor, node, dim or order of summation). HONEST is the
 * reverse: what must pass and does not. */
#define LINT_LIST(X)                                                                               \
    X(ZEROS, "zeros", "zeros pass")                                                                \
    X(CONSTANT, "constant", "one number for all elements passes")                                  \
    X(OTHER_INPUTS, "other_inputs", "the answer for other inputs passes")                          \
    X(COPY, "copy", "a copy of '%s' passes")                                                       \
    X(IGNORED, "ignored", "'%s' does not matter: other contents pass")                             \
    X(WITHOUT, "without", "the same without '%s' (zeros in its place) passes")                     \
    X(ONES, "ones", "the same with ones in place of '%s' passes")                                  \
    X(OP, "op", "the same without '%s' passes")                                                    \
    X(LOWER, "lower_precision", "inputs rounded to the next lower precision pass")                 \
    X(HONEST, "honest", "honest arithmetic is out of the bound, its sums %s")                      \
    X(LOOSE_ZEROS, "loose_zeros", "zeros are within 1e-2 of 99 %% of the elements")                \
    X(LOOSE_CONSTANT, "loose_constant", "one number is within 1e-2 of 99 %% of the elements")      \
    X(LOOSE_OTHER, "loose_other_inputs",                                                           \
      "the answer for other inputs is within 1e-2 of 99 %% of the elements")                       \
    X(LOOSE_COPY, "loose_copy", "a copy of '%s' is within 1e-2 of 99 %% of the elements")          \
    X(LOOSE_SAMPLE, "loose_sample", "the answer for an eighth of '%s' is within 1e-2")             \
    X(LOOSE_SPREAD, "loose_spread", "the elements hardly differ from one number")                  \
    X(SHORTCUT, "shortcut", "a cheaper form of '%s' is right")                                     \
    X(ILL_CONDITIONED, "ill_conditioned", "honest arithmetic in tf32 is not within 1e-2")
typedef enum lint_kind {
#define X(id, name, text) LINT_##id,
    LINT_LIST(X)
#undef X
        LINT_COUNT
} lint_kind;
const char *vfy_lint_name(lint_kind k);
static inline bool vfy_lint_is_loose(lint_kind k)
{
    return k >= LINT_LOOSE_ZEROS && k < LINT_SHORTCUT;
}
/* Nothing is wrong with the spec: numbers taken with it are to be read with that in mind. */
static inline bool vfy_lint_informs(lint_kind k)
{
    return k >= LINT_LOOSE_ZEROS;
}

enum { LINT_TEXT = 512 };
typedef struct lint_finding {
    lint_kind kind;
    char name[80];        /* of the tensor, node or dim; "" */
    char text[LINT_TEXT]; /* the sentence */
    bool always; /* also with negative and large inputs, where these suit the operation: the
                  * verifier cannot tell. Otherwise only the spec's own inputs are to blame. */
} lint_finding;

typedef struct lint_report {
    char shape[256]; /* the check shape at hand: that with the most elements */
    lint_finding *finding;
    int n;
    int tried, possible; /* trials, as far as the time allowed */
    int cut[LINT_COUNT]; /* trials that there was no time for */
    bool by_trial;       /* some bounds come from trials: reference/trial.h */
    double tolerance;    /* median of tolerance / |value| over elements that are not 0 */
    double lower_excess; /* of inputs rounded to the next lower precision: the worst error over
                          * its tolerance; NaN: that rounds nothing */
    double honest[REF_ORDER_COUNT]; /* of honest arithmetic in that order, over all check shapes:
                                     * the worst error over its tolerance */
    double flops, least_flops; /* at the benchmark's shape, as the graph is written, and by legal
                                * shortcuts; 0: there are none */
    double honest_limit;       /* what that may be: bounds are tolerances over VFY_SAFETY */
} lint_report;

/* `seconds` of processor time: when no further trial begins. Findings live in the arena. */
ws_status vfy_lint(const spec *s, uint64_t seed, double seconds, ws_arena *a, lint_report *out,
                   ws_err *err) WS_MUST_CHECK;

#endif
