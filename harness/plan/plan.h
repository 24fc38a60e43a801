/* The launch plan: the JSON in a candidate's first comment (DESIGN, section 5), parsed, bound to
 * concrete dims and tunables, and checked against the compiled kernels. */
#ifndef HARNESS_PLAN_PLAN_H
#define HARNESS_PLAN_PLAN_H

#include "base/dtype.h"
#include "base/expr.h"
#include "harness/compile/compile.h"
#include "harness/diag.h"
#include "harness/ptx/tensormap.h"

struct cJSON;

enum { PLAN_MAX_LAUNCHES = 2048, PLAN_MAX_ARGS = 64, PLAN_MAX_SCRATCH = 256, PLAN_MAX_TUNE = 16,
       PLAN_MAX_MAPS = 16 /* of one launch: half of what its parameters may take */ };

/* What a tensor is: row-major, its extents expressions over the dims. They last as long as plans that
 * were parsed with it. */
typedef struct plan_shape {
    ws_dtype dtype;
    int rank;
    const ws_expr *const *dim;
} plan_shape;

/* Names that a plan may use: the spec's tensors (inputs, weights, outputs) and dims. */
typedef struct plan_names {
    const char *const *tensor;
    int n_tensors;
    const char *const *dim;
    int n_dims;
    const plan_shape *shape; /* per tensor; NULL: not known, and plans cannot map tensors */
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

typedef enum plan_arg_kind { PLAN_ARG_TENSOR, PLAN_ARG_SCRATCH, PLAN_ARG_INT, PLAN_ARG_FLOAT,
                             PLAN_ARG_MAP } plan_arg_kind;
typedef struct plan_arg {
    plan_arg_kind kind;
    int index;            /* into plan_names.tensor, plan.scratch or the launch's maps */
    const ws_expr *value; /* INT: any expression over dims and tunables */
    double number;        /* FLOAT: a literal with a fraction or exponent */
    const char *text;     /* as written, for messages */
} plan_arg;

/* A tensor map (CUtensorMap) of a launch, with the arguments of cuTensorMapEncodeTiled or, with
 * lower, upper, channels and pixels in place of the box, of cuTensorMapEncodeIm2col. Dimension 0 is
 * the innermost one. No expression is NULL but those of the other mode; what the plan leaves out has
 * its default: the tensor's own extents, dense strides, steps of 1. */
typedef struct plan_map {
    const char *name, *buffer;             /* its own name, that of what it maps */
    bool is_scratch, is_im2col, fills_nan;
    int index;                             /* into plan_names.tensor or plan.scratch */
    ptx_tm_type type;
    int rank;
    const ws_expr *offset;                 /* elements into the tensor */
    const ws_expr *dim[PTX_TM_RANK];       /* elements */
    const ws_expr *stride[PTX_TM_RANK - 1]; /* elements, of dimensions 1 on */
    const ws_expr *step[PTX_TM_RANK];
    const ws_expr *box[PTX_TM_RANK];       /* tiled: elements that a copy spans */
    const ws_expr *lower[PTX_TM_RANK - 2], *upper[PTX_TM_RANK - 2], *channels, *pixels; /* im2col */
    const ws_expr *swizzle, *interleave, *promotion; /* bytes, 0: none */
    plan_shape shape;                      /* of a tensor */
    int line;
} plan_map;

typedef struct plan_launch {
    const char *kernel;
    const ws_expr *grid[3], *block[3], *shared, *max_dynamic_shared; /* absent: 1, 1, 0, NULL */
    int n_grid, n_block;
    plan_arg *arg;
    int n_args;
    plan_map *map;
    int n_maps;
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
typedef struct plan_bound_map {
    char name[64];
    bool is_scratch;
    int index;
    ptx_tensor_map map; /* its address is the offset in bytes into the tensor or scratch buffer */
} plan_bound_map;
typedef struct plan_bound_launch {
    const char *kernel;
    int64_t grid[3], block[3], shared, max_dynamic_shared, cluster[3];
    bool cooperative;
    plan_bound_arg *arg;
    int n_args;
    plan_bound_map *map;
    int n_maps;
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
 * require does not hold, INVALID_LAUNCH for sizes outside CUDA's limits (compute capability 9.0),
 * scratch over the bound of 32 GiB, a tensor map that breaks a rule of the driver's or reaches beyond
 * its tensor, UNSUPPORTED for one that the engine does not know, PLAN_INVALID when an expression
 * cannot be evaluated. */
bool plan_bind(ws_arena *a, const plan *p, const ws_env *dims, const int64_t *tune,
               plan_bound **out, hx_diag *d);

/* Every launch's kernel exists, and its arguments agree with the .param list in count, size and
 * kind (pointer, integer, float). false: PLAN_MISMATCH in those words. */
bool plan_check_kernels(const plan *p, const comp_kernel *kernel, int n_kernels,
                        const plan_names *names, hx_diag *d);
/* Tensor maps need compute capability 9.0: INVALID_LAUNCH where `arch` ("sm_80") has less. */
bool plan_check_arch(const plan *p, const char *arch, hx_diag *d);
/* Where what the map covers ends, in bytes from the start of its buffer; false: beyond the address
 * space. */
bool plan_map_end(const ptx_tensor_map *m, uint64_t *end);
/* Whether the launch has the tensor (or scratch buffer) as an argument or in a tensor map. */
bool plan_launch_takes(const plan_bound_launch *l, bool is_scratch, int index);
/* The names of the scratch buffers in the plan's order, for run_request. */
const char *const *plan_scratch_names(const plan *p, ws_arena *a);
enum { PLAN_PARAM_BYTES = 4096 };
/* Lays the arguments out as the kernel's parameter block, PLAN_PARAM_BYTES at most. `address[i]` is
 * the device pointer of tensor i, scratch_address[j] of scratch j; map[m] the launch's tensor map m as
 * the driver encoded it. */
void plan_pack_params(const plan_bound_launch *l, const comp_kernel *k, const uint64_t *address,
                      const uint64_t *scratch_address, unsigned char (*map)[PTX_TM_BYTES],
                      unsigned char *block, size_t *bytes);

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
