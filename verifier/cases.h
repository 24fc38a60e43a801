/* One case: a spec's graph at one shape with one kind of inputs, and the reference for it. */
#ifndef VERIFIER_CASES_H
#define VERIFIER_CASES_H

#include "reference/graph.h"

/* RANDOM follows the spec's init. NEGATIVE makes every float input below zero, which shows
 * reductions that start from 0 and lost signs. LARGE multiplies float inputs by 64, those of 16
 * bits and less by 16, which shows overflow in exponentials and sums. Weights keep their init. */
#define VFY_INPUTS_LIST(X) X(RANDOM, "random") X(NEGATIVE, "negative") X(LARGE, "large")
typedef enum vfy_inputs {
#define X(id, name) VFY_INPUTS_##id,
    VFY_INPUTS_LIST(X)
#undef X
    VFY_INPUTS_COUNT
} vfy_inputs;
const char *vfy_inputs_name(vfy_inputs k);

typedef struct vfy_case {
    int check;            /* check shape */
    vfy_inputs inputs;
    uint64_t seed;
    char shape[256];      /* "B=3 N=257" */
    ws_arena arena;
    ref_bound *bound;
    void **in;            /* per spec tensor: its bytes in storage format */
    size_t *in_bytes;
    ref_tensor *want;     /* per output, with bounds */
    ref_tensor *of;       /* per output: what an index output points into */
    bool meaningless; /* the reference is not finite here: the kind does not suit the operation */
} vfy_case;

ws_status vfy_case_init(vfy_case *c, const ref_graph *g, int check, vfy_inputs kind, uint64_t seed,
                        ws_err *err) WS_MUST_CHECK;
void vfy_case_release(vfy_case *c);

#endif
