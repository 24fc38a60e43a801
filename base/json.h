/* Readers over cJSON that say what is wrong and where. `where` is the path of the object
 * ("graph[2]"). */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include "base/buf.h"
#include "base/mem.h"

#include <cjson/cJSON.h>
#include <stdint.h>

/* Parses text; an error names line and column and shows the line with a caret. Caller frees.
 * Duplicate keys inside one object are an error too. */
ws_status ws_json_parse(const char *text, size_t n, cJSON **out, ws_err *err) WS_MUST_CHECK;

/* Required members. The error reads "graph[2]: missing 'op'" or "graph[2].op: expected a
 * string". */
ws_status ws_json_string(const cJSON *o, const char *where, const char *key, const char **out,
                         ws_err *err) WS_MUST_CHECK;
ws_status ws_json_array(const cJSON *o, const char *where, const char *key, const cJSON **out,
                        ws_err *err) WS_MUST_CHECK;
ws_status ws_json_object(const cJSON *o, const char *where, const char *key, const cJSON **out,
                         ws_err *err) WS_MUST_CHECK;
/* Refuses members that are not in the NULL-terminated list `known`, naming the nearest known
 * one. */
ws_status ws_json_only(const cJSON *o, const char *where, const char *const known[],
                       ws_err *err) WS_MUST_CHECK;
/* Integer value of a number node: false when it is not a whole number of magnitude <= 2^53. */
bool ws_json_whole(const cJSON *n, int64_t *out);

/* The text of a value, formatted or on one line, appended to `out`. */
void ws_json_print(const cJSON *v, bool pretty, ws_buf *out);
/* On one line, in `a`. */
const char *ws_json_text(const cJSON *v, ws_arena *a);
/* Adds a 64-bit integer exactly (cJSON's numbers are double). */
void ws_json_add_int(cJSON *o, const char *key, int64_t v);
/* Adds a seed as decimal text: readers of JSON take numbers for doubles. */
void ws_json_add_seed(cJSON *o, const char *key, uint64_t seed);
/* Adds a number; NaN and infinities, which JSON lacks, become the strings "nan", "inf", "-inf". */
void ws_json_add_double(cJSON *o, const char *key, double v);

/* The entry of the NULL-terminated list nearest to `word` in edit distance, or NULL when none is
 * near. */
const char *ws_nearest(const char *word, const char *const list[]);

#endif
