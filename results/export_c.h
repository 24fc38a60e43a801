/* What a program needs to know to call an exported C header. */
#ifndef RESULTS_EXPORT_C_H
#define RESULTS_EXPORT_C_H

#include "results/export_parts.h"

/* Members of the struct of arguments, in order, without workspace and stream. */
typedef struct exp_c_api {
    char id[160];                         /* "softmax_1a2b3c4d": what symbols begin with */
    const char **type, **name, **comment; /* "const float *", "x", "in f32 [B, N]" */
    int n;
    bool has_workspace;
} exp_c_api;

/* Texts live in the job's arena. */
void exp_c_describe(exp_job *j, exp_c_api *out);

#endif
