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

/* Names of the last part of a message. */
void plan_suggest(const char *word, const char *const *list, int n, ws_buf *out);

#endif
