/* Whether a run left its outputs and inputs as the reference wants them. */
#ifndef VERIFIER_OUTPUTS_H
#define VERIFIER_OUTPUTS_H

#include "verifier/exec.h"

typedef struct vfy_judge {
    const vfy_session *s;
    const vfy_options *o;
    vfy_verdict *v;      /* gets reason, text, place and numbers of the first finding */
    int wrong_output;    /* the worst element of the comparison that was wrong */
    int64_t wrong_at;
} vfy_judge;

/* A run without a fault: every output byte written, every input as it was, every value right. */
void vfy_judge_outputs(vfy_judge *j, const vfy_run *r);

#endif
