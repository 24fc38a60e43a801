/* What a choice of a plan's tunables costs, without judging whether it is right: compiled for the
 * benchmark shape, its static facts, the modelled time that vfy_verify would give. Choices that
 * make the same program are modelled once. */
#ifndef VERIFIER_CHOICE_H
#define VERIFIER_CHOICE_H

#include "harness/plan/plan.h"
#include "verifier/verify.h"

typedef struct vfy_choice {
    hx_reason reason; /* HX_PASS: it can run */
    char text[256];   /* the finding in one line, cut; "" */
    double seconds;   /* modelled, NaN when it cannot run */
    bool sampled;     /* from blocks of the benchmark shape; else scaled from a check shape */
    int registers, shared_bytes, spill_bytes; /* maximum over launches, dynamic shared memory
                                               * included; -1 unknown */
    double occupancy;                         /* resident warps / maximum, NaN unknown */
    char identity[65]; /* SHA-256 over PTX and launches; "" when it does not compile */
    bool same;         /* the same program as a choice judged before */
} vfy_choice;

typedef struct vfy_chooser vfy_chooser;

/* `s`, `source` and what `o` points to outlive the chooser. *out is NULL when the source has no
 * well-formed plan: `d` says why. */
ws_status vfy_chooser_open(vfy_session *s, const char *source, size_t n, const vfy_options *o,
                           vfy_chooser **out, hx_diag *d, ws_err *err) WS_MUST_CHECK;
void vfy_chooser_close(vfy_chooser *c);
const plan *vfy_chooser_plan(const vfy_chooser *c);
const ws_env *vfy_chooser_dims(const vfy_chooser *c); /* of the benchmark shape */
/* `row`: n rows of plan.n_tune values. The compiles run at once, so do up to `threads` samples (0:
 * one a core). */
ws_status vfy_choose(vfy_chooser *c, const int64_t *row, int n, int threads, vfy_choice *out,
                     ws_err *err) WS_MUST_CHECK;

#endif
