/* The self-test of an export: a check shape, inputs that a few lines of C can make again, and what
 * the reference computes from them. */
#ifndef RESULTS_EXPORT_CASE_H
#define RESULTS_EXPORT_CASE_H

#include "results/export_parts.h"
#include "verifier/compare.h"

/* How a tensor's contents are made; k-th element of tensor i from exp_random(i, k), in arithmetic
 * that is exact, so that it has the same bits everywhere. */
typedef enum exp_make {
    EXP_UNIFORM, /* a + b * u, u in [0, 1) with 24 bits */
    EXP_BELL,    /* a + b * s, s the sum of four numbers of 16 bits in [0, 1), minus 2 */
    EXP_WHOLE,   /* a + floor(b * u), u with 32 bits */
    EXP_FLAG,    /* u < a */
    EXP_BYTES    /* as they are */
} exp_make;
typedef struct exp_recipe {
    exp_make make;
    double a, b;
    const unsigned char *bytes; /* the contents, whatever `make` says */
    size_t n_bytes;
    int64_t count;
    uint64_t hash; /* FNV-1a of the bytes */
} exp_recipe;

/* An element of an output. */
typedef struct exp_sample {
    int64_t at;
    double want, tolerance;
} exp_sample;
typedef struct exp_expected {
    exp_sample *sample;
    int n;
    int64_t count;
    bool finite; /* all that the reference computes is finite */
} exp_expected;

typedef struct exp_case {
    const char *missing; /* NULL: it is there; else why there is none */
    int check, variant;  /* of the spec, of the job */
    ws_env env;
    exp_recipe *recipe;   /* per tensor that is given */
    exp_expected *output; /* per output of the spec */
    vfy_case c;           /* for exp_case_release */
    bool open;
} exp_case;

uint64_t exp_random(uint64_t tensor, uint64_t k);
/* Chooses a check shape that the plan takes and that is quick on a CPU, of those that
 * exp_compile compiled for. */
ws_status exp_case_make(exp_job *j, exp_case *out, ws_err *err) WS_MUST_CHECK;
void exp_case_release(exp_case *c);

#endif
