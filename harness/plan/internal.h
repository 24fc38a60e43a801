/* Shared by the files of harness/plan/: the plan's text and places in it. */
#ifndef HARNESS_PLAN_INTERNAL_H
#define HARNESS_PLAN_INTERNAL_H

#include "harness/plan/plan.h"

/* The JSON of the plan comment. `text` has as many lines before the JSON as the source has, so that
 * a line or column of `text` is one of the source; `json` points into it. */
typedef struct plan_text {
    char *text;
    const char *json;
    size_t n; /* of text */
    int line; /* where the comment begins */
} plan_text;

bool plan_find(ws_arena *a, const char *source, size_t n, plan_text *out, hx_diag *d);

/* Places in well-formed JSON: the value of a member or an element. NULL when there is none; NULL in
 * gives NULL out, so that calls nest. */
const char *plan_json_member(const char *object, const char *key);
const char *plan_json_element(const char *array, int index);
/* The end of the value at p. */
const char *plan_json_end(const char *p);

/* ---- parsing ---- */

typedef struct plan_parser {
    ws_arena *a;
    const plan_names *names;
    const plan_text *text;
    plan *p;
    const plan_launch *launch; /* that is being read, NULL: none */
    hx_diag *d;
} plan_parser;

/* Line and column of a place in the text, which are those of the source. */
int plan_place(const plan_parser *s, const char *at, int *column);
/* PLAN_INVALID at the place `at` of the text (NULL: where the JSON begins); returns false. */
WS_PRINTF(3, 4) bool plan_bad(plan_parser *s, const char *at, const char *fmt, ...);
bool plan_bad_err(plan_parser *s, const char *at, const ws_err *err);
/* Indices, -1: there is none. */
int plan_find_name(const char *const *list, int n, const char *name);
int plan_find_scratch(const plan *p, const char *name);
int plan_find_map(const plan_launch *l, const char *name);
bool plan_is_identifier(const char *z);
/* A name that nothing else has. */
bool plan_new_name(plan_parser *s, const char *at, const char *where, const char *name);
bool plan_read_expr(plan_parser *s, const char *at, const char *where, const struct cJSON *v,
                    const ws_expr **out);
/* Every name of `e` is a dim or a tunable. `tensors`: the message may propose tensors. */
bool plan_check_names(plan_parser *s, const char *at, const char *where, const ws_expr *e,
                      bool tensors);
/* An optional array member; false when it is of another type. */
bool plan_array_member(plan_parser *s, const struct cJSON *o, const char *at, const char *where,
                       const char *key, int max, const struct cJSON **out);
/* A dtype of specs, or what CUDA and Python call it. */
bool plan_read_dtype(const char *name, ws_dtype *out);
bool plan_read_launches(plan_parser *s, const struct cJSON *root);
/* The launch's member 'tensormaps', which may be missing. */
bool plan_read_maps(plan_parser *s, const struct cJSON *launch, const char *at, const char *where,
                    plan_launch *l);

/* ---- binding ---- */

typedef struct plan_binder {
    ws_arena *a;
    const plan *p;
    plan_bound *b;
    ws_env env; /* tunables, then dims */
    hx_diag *d;
} plan_binder;

/* false: PLAN_INVALID, with `what` in front. */
bool plan_evaluate(plan_binder *s, const ws_expr *e, int line, const char *what, int64_t *out);
/* After the scratch buffers. */
bool plan_bind_maps(plan_binder *s, const plan_launch *l, plan_bound_launch *o);

/* Names of the last part of a message. */
void plan_suggest(const char *word, const char *const *list, int n, ws_buf *out);

#endif
