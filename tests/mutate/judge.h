/* Verdicts on mutants: as `warpsmith verify` judges, at full depth and over prime fields. */
#ifndef TESTS_MUTATE_JUDGE_H
#define TESTS_MUTATE_JUDGE_H

#include "base/err.h"
#include "base/sha256.h"

#include <stdbool.h>

typedef enum mut_fate {
    MUT_KILLED,    /* rejected */
    MUT_STILLBORN, /* no program: the compiler or the plan's reader does not take it */
    MUT_IDENTICAL, /* the same PTX, or machine code, and plan at every shape and choice: the same
                      program */
    MUT_SURVIVED,  /* accepted */
    MUT_FATES
} mut_fate;
extern const char *const mut_fate_name[MUT_FATES];
#define MUT_WARNED "warned"

typedef struct mut_outcome {
    mut_fate fate;
    char reason[32]; /* KILLED, STILLBORN: of harness/diag.h; IDENTICAL: "ptx" or "machine
                        code"; SURVIVED: MUT_WARNED when the verdict has a warning */
    char text[320];  /* the finding, on one line */
    double seconds;
} mut_outcome;

/* Judges mutants of one source. It owns a compiler and the references; not thread-safe, and to be
 * opened after a fork. */
typedef struct mut_judge mut_judge;
ws_status mut_judge_open(const char *spec_name, const char *source, size_t n, mut_judge **out,
                         ws_err *err) WS_MUST_CHECK;
void mut_judge_close(mut_judge *j);
/* `file` is what messages call it. A text with the code and plan of one that was judged before has
 * its outcome. */
ws_status mut_judge_one(mut_judge *j, const char *file, const char *text, size_t n,
                        mut_outcome *out, ws_err *err) WS_MUST_CHECK;

#endif
