/* Points of a tune space with what was found about each: what a search was told, or a whole space
 * as 'warpsmith tune --exhaustive --json' writes it. */
#ifndef AGENT_TUNE_TABLE_H
#define AGENT_TUNE_TABLE_H

#include "agent/tune/search.h"

#include <cjson/cJSON.h>

typedef struct tune_table {
    int width;    /* values of a row: plan.n_tune */
    int64_t *row; /* n x width, in the order in which they were added */
    tune_result *result;
    int n, cap;
} tune_table;

void tune_table_release(tune_table *t);
/* Adds a row, or gives the row that is there another result; its index. */
int tune_table_put(tune_table *t, const int64_t *row, const tune_result *r);
int tune_table_find(const tune_table *t, const int64_t *row); /* -1: none */
void tune_table_swap(tune_table *t, int i, int j);
/* The fastest right row, of equally fast ones that with fewer spills, then registers; -1: none. */
int tune_table_best(const tune_table *t);
static inline const int64_t *tune_table_row(const tune_table *t, int i)
{
    return t->row + (size_t)i * (size_t)t->width;
}

/* "BLOCK=256 VEC=4" */
void tune_row_print(const plan *p, const int64_t *row, ws_buf *out);
/* {"BLOCK":256,"VEC":4} */
cJSON *tune_row_json(const plan *p, const int64_t *row);
/* Per tunable, most telling first, the best time at each value over the best of all; at most
 * `max_lines` lines. */
void tune_table_report(const plan *p, const tune_table *t, int max_lines, ws_buf *out);
/* The same as {"BLOCK": {"128": 1.25, "256": 1}}. */
cJSON *tune_table_sensitivity(const plan *p, const tune_table *t);

/* {"tunables": ["BLOCK"], "points": [[[256], 1.2e-3, 32, 4096, 0, 0.5], ...]}: values, seconds
 * (null when it is not right), registers, shared bytes, spilled bytes, occupancy. */
cJSON *tune_table_json(const plan *p, const tune_table *t);
ws_status tune_table_read(const cJSON *o, const plan *p, tune_table *out,
                          ws_err *err) WS_MUST_CHECK;

#endif
