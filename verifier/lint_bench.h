/* What the files of lint share: a spec at some shape with some inputs, trials on it, and findings.
 *
 * lint_lab.c makes labs, lint_trial.c tries one thing in a lab, lint_eval.c evaluates, lint_list.c
 * says which, lint_loose.c goes to larger shapes, lint_algebra.c finds cheaper forms, lint_honest.c
 * evaluates as honest kernels do, lint.c decides what is a finding. */
#ifndef VERIFIER_LINT_BENCH_H
#define VERIFIER_LINT_BENCH_H

#include "base/clock.h"
#include "verifier/compare.h"
#include "verifier/lint.h"

enum { LINT_MAX_FINDINGS = 256, LINT_MAX_WIDE = 10, LINT_SERIES = 4 };

typedef struct lint_values lint_values; /* lint_eval.c */

/* The spec at one shape with one kind of inputs. */
typedef struct lint_lab {
    const ref_graph *g;
    vfy_case c;
    ref_tensor *in; /* per tensor */
    lint_values *values;
    bool ready;
    ws_env env;
} lint_lab;

typedef struct lint_trial {
    lint_kind kind;
    int tensor;        /* COPY, IGNORED, WITHOUT, ONES */
    int node, operand; /* OP: the node gives way to its operand */
    int dim;           /* LOOSE_SAMPLE: that a sum runs over */
    int part;          /* LOOSE_SAMPLE: which eighth of it */
    bool estimated;    /* loose: what many elements would differ by */
    bool tight;        /* loose: compared as the verifier compares, all the same */
} lint_trial;

/* Shapes whose long dims are halved each time; the benchmark's are `times` doublings larger than
 * those of the first. */
typedef struct lint_series {
    lint_lab lab[LINT_SERIES];
    int n, times;
    int64_t rows; /* other dims, at most */
    bool tried;
} lint_series;

typedef struct linter {
    const spec *s;
    ref_graph *g;
    uint64_t seed;
    int check; /* the check shape at hand */
    lint_lab lab[VFY_INPUTS_QUICK];
    lint_lab wide[LINT_MAX_WIDE]; /* larger shapes: their references carry no bounds */
    bool wide_tried[LINT_MAX_WIDE];
    lint_series series[2]; /* of all dims; of those that are summed over */
    bool *summed;          /* per dim: no output has it */
    lint_report *rep;
    ws_err *err;
    double start; /* processor time */
    double seconds;
} linter;

static inline double lint_seconds(const linter *l)
{
    return ws_cpu_seconds() - l->start;
}

static inline int lint_count_tensors(const spec *s)
{
    return s->n_inputs + s->n_weights;
}

/* ---- labs ---- */

ws_status lint_lab_init(const linter *l, int check, vfy_inputs kind, lint_lab *b) WS_MUST_CHECK;
/* l->lab[kind], at the check shape at hand. */
ws_status lint_lab_open(linter *l, vfy_inputs kind) WS_MUST_CHECK;
void lint_lab_close(lint_lab *b);
/* l->wide[k]: the largest shape between the check shapes and the benchmark's that takes little
 * time: some flaws come with size. false: there is none. */
bool lint_open_wide(linter *l, int k);
/* At most LINT_SERIES of them; none where the benchmark is too far. */
const lint_series *lint_open_series(linter *l, bool summed_only);
void lint_find_summed(linter *l); /* l->summed */

/* ---- trials ---- */

/* Whether it passes. *excess: the worst error over its tolerance. */
bool lint_attempt(const lint_lab *b, const lint_trial *t, double *excess);
/* Evaluates the graph on `in`, of which t changes some or, OP, a node; whether the outputs pass. */
bool lint_passes(const lint_lab *b, const lint_trial *t, const ref_tensor *in, double *excess);
/* keep: what the lab's own inputs give, when there is room. */
lint_values *lint_values_new(const ref_graph *g, bool keep);
void lint_values_free(const ref_graph *g, lint_values *s);
/* Every output is right. */
bool lint_all_right(const lint_lab *b, const lint_trial *t, const ref_tensor *got, double *excess);
/* Of element i of an output. */
double lint_tolerance(const lint_lab *b, const ref_tensor *want, int64_t i);
/* Rounding to the next lower precision changes some element of some tensor. */
bool lint_rounds_something(const lint_lab *b);
int lint_ascending(const void *a, const void *b); /* doubles, for qsort */

/* Where a loose trial passes that does not at the check shape: at a wider one, or at the
 * benchmark's when what is measured at smaller ones goes on. Text says so, and *kind what passes
 * then. */
bool lint_attempt_wider(linter *l, const lint_trial *t, lint_kind *kind, char *text, size_t size);

/* What there is to try, in the order of what it tells. */
lint_trial *lint_list_trials(const linter *l, ws_arena *a, int *n);

/* ---- findings ---- */

/* A new finding with its sentence; NULL: there is no room. */
lint_finding *lint_add(linter *l, lint_kind kind, const char *name, bool always);
/* Cheaper forms of the graph. */
void lint_find_shortcuts(linter *l);
/* Honest arithmetic in every order, at all check shapes. */
ws_status lint_examine_orders(linter *l) WS_MUST_CHECK;
/* Specs whose results are not what tolerances of 1e-2 are made for. */
void lint_examine_tf32(linter *l);

#endif
