/* A modelled time, taken apart: every term of the cost model with its formula, and each input with
 * its value, unit and where it comes from. The model itself is written in these terms (terms.c), so
 * what is printed is what was computed. Formulas are expressions over the inputs' names, in the
 * notation of most languages (max and ceil are functions); a test evaluates them. */
#ifndef HARNESS_TIMING_EXPLAIN_H
#define HARNESS_TIMING_EXPLAIN_H

#include "harness/timing/model.h"

typedef enum tim_source {
    TIM_COUNTED,   /* by the CPU engine, scaled to the grid where blocks were sampled */
    TIM_PLAN,      /* grid and block */
    TIM_COMPILED,  /* registers, stack and spills in the machine code, or the text of the PTX */
    TIM_DATASHEET, /* of the GPU, or published measurements; gpus.c names them */
    TIM_DERIVED,   /* computed from the others: its note says how */
    TIM_ESTIMATE,  /* nobody has measured it here */
    TIM_FITTED     /* by 'warpsmith calibrate' */
} tim_source;
const char *tim_source_name(tim_source s); /* "counted" ... */

typedef struct tim_input {
    const char *name; /* as in the formula */
    double value;
    const char *unit; /* "bytes", "clocks", "" */
    tim_source source;
    const char *note; /* what it is */
} tim_input;

enum { TIM_MAX_INPUTS = 16, TIM_MEMORY_NORM = 4 /* estimate */ };
typedef enum tim_term_id {
    TIM_DRAM, TIM_L2, TIM_SHARED, TIM_COMPUTE, TIM_LATENCY, TIM_ATOMICS, TIM_OVERLAPPED,
    TIM_GRID_BARRIERS = TIM_OVERLAPPED, TIM_TERMS
} tim_term_id;

typedef struct tim_term {
    const char *name;    /* "DRAM" */
    const char *formula; /* seconds */
    const char *says;    /* one line: what it stands for */
    tim_input in[TIM_MAX_INPUTS];
    int n;
    double seconds;
} tim_term;

/* Terms before TIM_OVERLAPPED overlap, as the norms say; grid barriers add to them. */
typedef struct tim_breakdown {
    tim_term term[TIM_TERMS];
    double norm;                /* (memory^norm + sum of the others^norm)^(1/norm), where memory is
                                 * (DRAM^4 + L2^4)^(1/4) */
    double overlapped_s;        /* of the terms that overlap */
    const char *decides;        /* name of the largest term */
    tim_launch_estimate result; /* result.seconds = overlapped_s + grid barriers */
} tim_breakdown;
void tim_explain_launch(const tim_gpu *gpu, const tim_launch *l, tim_breakdown *out);

/* What the model leaves out, a line each; NULL ends it. */
extern const char *const tim_left_out[];

#endif
