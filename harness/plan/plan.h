/* The launch plan: the JSON in a candidate's first comment (DESIGN, section 5), parsed, bound to
 * concrete dims and tunables, and checked against the compiled kernels. */
#ifndef HARNESS_PLAN_PLAN_H
#define HARNESS_PLAN_PLAN_H

#include "base/dtype.h"
#include "base/expr.h"
#include "harness/compile/compile.h"
#include "harness/diag.h"

struct cJSON;

enum { PLAN_MAX_LAUNCHES = 2048, PLAN_MAX_ARGS = 64, PLAN_MAX_SCRATCH = 256, PLAN_MAX_TUNE = 16 };

/* Names that a plan may use: the spec's tensors (inputs, weights, outputs) and dims. */
typedef struct plan_names {
    const char *const *tensor;
    int n_tensors;
    const char *const *dim;
    int n_dims;
} plan_names;

typedef struct plan_scratch {
    const char *name;
    ws_dtype dtype;
    const ws_expr *count;
} plan_scratch;

typedef struct plan_tunable {
    const char *name;
    int64_t *value; /* choices; the first is the default */
    int n_values;
} plan_tunable;

typedef enum plan_arg_kind { PLAN_ARG_TENSOR, PLAN_ARG_SCRATCH, PLAN_ARG_INT,
                             PLAN_ARG_FLOAT } plan_arg_kind;
typedef struct plan_arg {
    plan_arg_kind kind;
    int index;            /* into plan_names.tensor or plan.scratch */
    const ws_expr *value; /* INT: any expression over dims and tunables */
    double number;        /* FLOAT: a literal with a fraction or exponent */
    const char *text;     /* as written, for messages */
} plan_arg;

typedef struct plan_launch {
    const char *kernel;
    const ws_expr *grid[3], *block[3], *shared, *max_dynamic_shared; /* absent: 1, 1, 0, NULL */
    int n_grid, n_block;
    plan_arg *arg;
    int n_args;
    bool cooperative;
    const ws_expr *cluster[3]; /* NULL: none */
    int line;                  /* of the candidate's source */
} plan_launch;

typedef struct plan_require {
    const ws_expr *condition;
    const char *text;
} plan_require;

typedef struct plan {
    plan_scratch *scratch;
    int n_scratch;
    plan_tunable *tune;
    int n_tune;
    plan_require *require;
    int n_require;
    plan_launch *launch;
    int n_launches;
    int line;            /* where the plan comment begins */
    const char *json;    /* the plan's text */
} plan;

/* Finds and parses the plan of `source`. false: `d` says PLAN_MISSING or PLAN_INVALID and where. */
bool plan_parse(ws_arena *a, const char *source, size_t n, const plan_names *names, plan **out,
                hx_diag *d);

/* A plan at concrete dims and tunables. */
typedef struct plan_bound_arg {
    plan_arg_kind kind;
    int index;
    int64_t integer;
    double number;
} plan_bound_arg;
typedef struct plan_bound_launch {
    const char *kernel;
    int64_t grid[3], block[3], shared, max_dynamic_shared, cluster[3];
    bool cooperative;
    plan_bound_arg *arg;
    int n_args;
    int line;
} plan_bound_launch;
typedef struct plan_bound {
    plan_bound_launch *launch;
    int n_launches;
    int64_t *scratch_bytes;  /* per scratch, each > 0 */
    int n_scratch;
    ws_binding *macro;       /* DIM_<dim> and tunables: what the source is compiled with */
    size_t n_macros;
} plan_bound;

/* `tune` gives a value per tunable of the plan (NULL: the defaults). false: SHAPE_REFUSED when a
 * require does not hold, INVALID_LAUNCH for sizes outside CUDA's limits (compute capability 9.0) or
 * scratch over the bound of 32 GiB, PLAN_INVALID when an expression cannot be evaluated. */
bool plan_bind(ws_arena *a, const plan *p, const ws_env *dims, const int64_t *tune,
               plan_bound **out, hx_diag *d);

/* Every launch's kernel exists, and its arguments agree with the .param list in count, size and
 * kind (pointer, integer, float). false: PLAN_MISMATCH in those words. */
bool plan_check_kernels(const plan *p, const comp_kernel *kernel, int n_kernels,
                        const plan_names *names, hx_diag *d);
/* The names of the scratch buffers in the plan's order, for run_request. */
const char *const *plan_scratch_names(const plan *p, ws_arena *a);
enum { PLAN_PARAM_BYTES = 4096 };
/* Lays the arguments out as the kernel's parameter block, PLAN_PARAM_BYTES at most. `address[i]` is
 * the device pointer of tensor i, scratch_address[j] of scratch j. */
void plan_pack_params(const plan_bound_launch *l, const comp_kernel *k, const uint64_t *address,
                      const uint64_t *scratch_address, unsigned char *block, size_t *bytes);

/* All choices of the tune space that satisfy `require` at `dims`, as rows of n_tune values; at most
 * `max`. */
int plan_enumerate(ws_arena *a, const plan *p, const ws_env *dims, int max, int64_t **rows);

/* The choice that is written as {"BLOCK":256}: out[k] is the value of tunable k, the default of one
 * that is not named. NULL: the defaults. WS_EINPUT: a name that the plan lacks, or no whole
 * number. */
ws_status plan_choice_read(const plan *p, const struct cJSON *choice, int64_t *out,
                           ws_err *err) WS_MUST_CHECK;
/* The same of a candidate's text; NULL or empty: the defaults. */
ws_status plan_choice_parse(const plan *p, const char *text, int64_t *out,
                            ws_err *err) WS_MUST_CHECK;

/* `source`, whose plan is `p`, with tune[k] as the first value of tunable k. */
void plan_put_defaults(const char *source, size_t n, const plan *p, const int64_t *tune,
                       ws_buf *out);

#endif
