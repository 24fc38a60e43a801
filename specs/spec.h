/* The specification of a tensor operation (DESIGN, section 3): a checked JSON file. Everything
 * lives in the spec's arena. Shapes stay expressions until a set of dims is chosen. What an op
 * means is not known here; reference/graph.h infers shapes and evaluates. */
#ifndef SPECS_SPEC_H
#define SPECS_SPEC_H

#include "base/dtype.h"
#include "base/expr.h"

enum { SPEC_MAX_RANK = 8, SPEC_MAX_OPERANDS = 64, SPEC_MAX_BYTES = 4 << 20 };

typedef enum spec_dist {
    SPEC_DIST_UNIFORM,  /* [lo, hi) */
    SPEC_DIST_NORMAL,   /* mean, std */
    SPEC_DIST_RANDINT,  /* whole numbers in [lo, hi), hi may be an expression over dims */
    SPEC_DIST_CONST,    /* value */
    SPEC_DIST_ARANGE,   /* start + i * step, flat index */
    SPEC_DIST_FAN_IN,   /* [-b, b) with b = gain / sqrt(fan_in), fan_in an expression over dims */
    SPEC_DIST_BERNOULLI, /* 1 with probability p, else 0 */
    SPEC_DIST_EXPR,     /* whole-number expression over dims and the coordinates i0..i7 */
    SPEC_DIST_SETUP     /* a value of the setup graph */
} spec_dist;

typedef struct spec_init {
    spec_dist dist;
    double lo, hi;             /* uniform; randint when the expressions are NULL */
    const ws_expr *lo_expr, *hi_expr; /* randint */
    double mean, std;          /* normal */
    double value, step;        /* const, arange */
    const ws_expr *fan_in;     /* fan_in; normal when given: std is divided by its square root */
    double gain;               /* fan_in */
    double p;                  /* bernoulli */
    const ws_expr *expr;       /* expr */
    const char *setup;         /* setup: name of the value */
} spec_init;

typedef struct spec_tensor {
    const char *name;
    ws_dtype dtype;
    int rank;
    const ws_expr *shape[SPEC_MAX_RANK]; /* rank 0: a scalar tensor of one element */
    spec_init init;
    bool is_weight;
} spec_tensor;

/* One operand of a node. */
typedef struct spec_operand {
    const char *name;   /* a tensor or an earlier node's output; NULL: a literal */
    double literal;
} spec_operand;

/* An attribute as written: a number, bool, string, expression or list of those. */
typedef enum spec_attr_kind { SPEC_ATTR_NUMBER, SPEC_ATTR_BOOL, SPEC_ATTR_STRING,
                              SPEC_ATTR_LIST } spec_attr_kind;
typedef struct spec_attr {
    const char *name;
    spec_attr_kind kind;
    double number;          /* NUMBER */
    bool boolean;
    const char *string;     /* STRING: a word, or an integer expression over dims */
    struct spec_attr *item; /* LIST */
    int n_items;
} spec_attr;

typedef struct spec_node {
    const char *out;
    const char *op;
    spec_operand in[SPEC_MAX_OPERANDS];
    int n_in;
    spec_attr *attr;
    int n_attrs;
    ws_dtype dtype;         /* of the result when given ("dtype": "f16"), else WS_DTYPE_COUNT */
    int index;              /* position in "graph" (of a body: in "body"), for messages */
    /* scan only: the nodes of one step. They may name x_t (the slice of in[0]), carry (at first
     * in[1]), the operands in[2...] and earlier nodes of the body, nothing else. */
    struct spec_node *body;
    int n_body;
    const char *carry, *emit; /* nodes of the body: the next carry, and what is stacked */
} spec_node;

/* What a call is worth: it serves `tokens` tokens; a forward pass of the model makes `calls`. */
typedef struct spec_economics {
    const char *model, *phase; /* "Llama 3 70B"; prefill, decode or both */
    const ws_expr *tokens, *calls;
} spec_economics;

typedef struct spec {
    ws_arena arena;
    const char *path;
    const char *name, *title, *suite, *source, *notes;
    ws_binding *dim;        /* benchmark shape, in file order */
    int n_dims;
    ws_binding *
        *check; /* n_checks rows of n_dims bindings each (missing dims keep the benchmark value) */
    int n_checks;
    spec_tensor *tensor;    /* inputs, then weights */
    int n_inputs, n_weights;
    spec_node *node;
    int n_nodes;
    const char **output;    /* names of nodes (or of mutated inputs) */
    int n_outputs;
    const char **mutates;
    int n_mutates;
    ws_dtype precision;     /* of honest arithmetic: f32 unless given */
    ws_dtype accumulate; /* "accumulate": dtype of sums inside contractions and reductions; default
                            f32 at least */
    /* What computes inputs of dist setup, in f64 and before any timing: "setup": {tensors, graph}.
     * It shares dims and check shapes with this spec; its tensors are inputs; its outputs are the
     * values that inits name, each once. NULL: none. */
    struct spec *setup;
    double rtol, atol;      /* "tolerance": {rtol, atol}; negative: derived bound */
    bool generic;
    char sha256[65];        /* of the canonical JSON text */
    const spec_economics *economics; /* or NULL */
    cJSON *root;            /* the parsed file; owned */
} spec;

/* Loads and checks all that needs no knowledge of ops. Errors read "spec 'x.json': graph[2].in[0]:
 * ...". */
ws_status spec_load(const char *path, spec **out, ws_err *err) WS_MUST_CHECK;
ws_status spec_from_text(const char *text, size_t n, const char *path, spec **out,
                         ws_err *err) WS_MUST_CHECK;
void spec_free(spec *s);

/* Finds a spec by path ("x.json"), by name ("basics/softmax") or by short name ("softmax") in the
 * catalogue <home>/specs; an unknown one is an error with the nearest name as hint. */
ws_status spec_find(const char *name_or_path, spec **out, ws_err *err) WS_MUST_CHECK;
/* Calls visit(path) for every *.json under <home>/specs, in name order. */
ws_status spec_catalogue(void (*visit)(void *ud, const char *path), void *ud,
                         ws_err *err) WS_MUST_CHECK;

/* Environment of the benchmark dims (which < 0) or of check shape `which`. */
ws_env spec_env(const spec *s, int which);
/* "B=3 N=257" */
void spec_env_print(const ws_env *env, ws_buf *out);
/* Concrete dims of a shape; an extent below 0, or a product past 2^40 elements, is an error that
 * names what has it. Extent 0 is legal. */
ws_status spec_shape(const char *name, const ws_expr *const *shape, int rank, const ws_env *env,
                     int64_t dim[SPEC_MAX_RANK], int64_t *count, ws_err *err) WS_MUST_CHECK;
/* Those of a tensor. */
ws_status spec_tensor_dims(const spec_tensor *t, const ws_env *env, int64_t dim[SPEC_MAX_RANK],
                           int64_t *count, ws_err *err) WS_MUST_CHECK;
const spec_tensor *spec_find_tensor(const spec *s, const char *name); /* NULL: none */

#endif
