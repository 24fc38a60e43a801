#include "agent/tune/table.h"

#include "base/json.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void tune_table_release(tune_table *t)
{
    free(t->row);
    free(t->result);
    *t = (tune_table){.width = t->width};
}

int tune_table_find(const tune_table *t, const int64_t *row)
{
    for (int i = 0; i < t->n; i++)
        if (memcmp(tune_table_row(t, i), row, (size_t)t->width * sizeof *row) == 0)
            return i;
    return -1;
}

int tune_table_put(tune_table *t, const int64_t *row, const tune_result *r)
{
    int at = tune_table_find(t, row);
    if (at >= 0) {
        t->result[at] = *r;
        return at;
    }
    if (t->n == t->cap) {
        t->cap = t->cap ? 2 * t->cap : 64;
        t->row = ws_realloc(t->row, (size_t)t->cap * (size_t)t->width * sizeof *t->row);
        t->result = ws_realloc(t->result, (size_t)t->cap * sizeof *t->result);
    }
    memcpy(t->row + (size_t)t->n * (size_t)t->width, row, (size_t)t->width * sizeof *row);
    t->result[t->n] = *r;
    return t->n++;
}

void tune_table_swap(tune_table *t, int i, int j)
{
    const tune_result r = t->result[i];
    for (int k = 0; k < t->width; k++) {
        int64_t *a = t->row + (size_t)i * (size_t)t->width + k;
        int64_t *b = t->row + (size_t)j * (size_t)t->width + k;
        const int64_t value = *a;
        *a = *b;
        *b = value;
    }
    t->result[i] = t->result[j];
    t->result[j] = r;
}

static bool is_better(const tune_result *a, const tune_result *b)
{
    if (a->seconds < b->seconds || a->seconds > b->seconds)
        return a->seconds < b->seconds;
    if (a->facts.spill_bytes != b->facts.spill_bytes)
        return a->facts.spill_bytes < b->facts.spill_bytes;
    return a->facts.registers < b->facts.registers;
}

int tune_table_best(const tune_table *t)
{
    int best = -1;
    for (int i = 0; i < t->n; i++)
        if (t->result[i].right && (best < 0 || is_better(&t->result[i], &t->result[best])))
            best = i;
    return best;
}

void tune_row_print(const plan *p, const int64_t *row, ws_buf *out)
{
    for (int k = 0; k < p->n_tune; k++)
        ws_buf_printf(out, "%s%s=%" PRId64, k ? " " : "", p->tune[k].name, row[k]);
}

cJSON *tune_row_json(const plan *p, const int64_t *row)
{
    cJSON *o = cJSON_CreateObject();
    for (int k = 0; k < p->n_tune; k++)
        ws_json_add_int(o, p->tune[k].name, row[k]);
    return o;
}

/* ---- sensitivities ---- */

/* The best time at one value of tunable k; NaN: none is right. */
static double best_at(const tune_table *t, int k, int64_t value, int *judged)
{
    double best = (double)NAN;
    *judged = 0;
    for (int i = 0; i < t->n; i++) {
        const tune_result *r = &t->result[i];
        if (tune_table_row(t, i)[k] != value)
            continue;
        ++*judged;
        if (r->right && !(r->seconds >= best))
            best = r->seconds;
    }
    return best;
}

typedef struct line {
    int k;
    double spread; /* the worst value's best time over the best */
} line;

static int by_spread(const void *a, const void *b)
{
    const line *x = a, *y = b;
    return x->spread > y->spread ? -1 : x->spread < y->spread ? 1 : x->k - y->k;
}

void tune_table_report(const plan *p, const tune_table *t, int max_lines, ws_buf *out)
{
    line order[PLAN_MAX_TUNE] = {{0}};
    int best = tune_table_best(t), judged;
    if (best < 0)
        return;
    const double least = t->result[best].seconds;
    for (int k = 0; k < p->n_tune; k++) {
        order[k] = (line){k, 0};
        for (int v = 0; v < p->tune[k].n_values; v++) {
            double ratio = best_at(t, k, p->tune[k].value[v], &judged) / least;
            order[k].spread = ratio > order[k].spread ? ratio : order[k].spread;
        }
    }
    qsort(order, (size_t)p->n_tune, sizeof *order, by_spread);
    for (int i = 0; i < p->n_tune && i < max_lines; i++) {
        const plan_tunable *u = &p->tune[order[i].k];
        ws_buf_printf(out, "%s:", u->name);
        for (int v = 0; v < u->n_values; v++) {
            double ratio = best_at(t, order[i].k, u->value[v], &judged) / least;
            ws_buf_printf(out, "%s %" PRId64, v ? "," : "", u->value[v]);
            if (!judged)
                ws_buf_adds(out, " not tried");
            else if (isnan(ratio))
                ws_buf_adds(out, " never right");
            else
                ws_buf_printf(out, " %.2fx", ratio);
        }
        ws_buf_addc(out, '\n');
    }
}

cJSON *tune_table_sensitivity(const plan *p, const tune_table *t)
{
    cJSON *o = cJSON_CreateObject();
    int best = tune_table_best(t), judged;
    for (int k = 0; k < p->n_tune && best >= 0; k++) {
        cJSON *of = cJSON_AddObjectToObject(o, p->tune[k].name);
        for (int v = 0; v < p->tune[k].n_values; v++) {
            char name[24];
            double ratio = best_at(t, k, p->tune[k].value[v], &judged) / t->result[best].seconds;
            snprintf(name, sizeof name, "%" PRId64, p->tune[k].value[v]);
            if (isnan(ratio))
                cJSON_AddNullToObject(of, name);
            else
                cJSON_AddNumberToObject(of, name, ratio);
        }
    }
    return o;
}

/* ---- a table as JSON ---- */

cJSON *tune_table_json(const plan *p, const tune_table *t)
{
    cJSON *o = cJSON_CreateObject(), *names = cJSON_AddArrayToObject(o, "tunables");
    cJSON *points = cJSON_AddArrayToObject(o, "points");
    for (int k = 0; k < p->n_tune; k++)
        cJSON_AddItemToArray(names, cJSON_CreateString(p->tune[k].name));
    for (int i = 0; i < t->n; i++) {
        const tune_result *r = &t->result[i];
        cJSON *one = cJSON_CreateArray(), *values = cJSON_CreateArray();
        for (int k = 0; k < t->width; k++)
            cJSON_AddItemToArray(values, cJSON_CreateNumber((double)tune_table_row(t, i)[k]));
        cJSON_AddItemToArray(one, values);
        cJSON_AddItemToArray(one, r->right ? cJSON_CreateNumber(r->seconds) : cJSON_CreateNull());
        cJSON_AddItemToArray(one, cJSON_CreateNumber(r->facts.registers));
        cJSON_AddItemToArray(one, cJSON_CreateNumber(r->facts.shared_bytes));
        cJSON_AddItemToArray(one, cJSON_CreateNumber(r->facts.spill_bytes));
        cJSON_AddItemToArray(one, isnan(r->facts.occupancy)
                                      ? cJSON_CreateNull()
                                      : cJSON_CreateNumber(r->facts.occupancy));
        cJSON_AddItemToArray(points, one);
    }
    return o;
}

static double number_or_nan(const cJSON *v)
{
    return cJSON_IsNumber(v) ? v->valuedouble : (double)NAN;
}

static bool read_point(const cJSON *point, int width, int64_t *row, tune_result *r)
{
    enum { FIELDS = 6 };
    const cJSON *values = cJSON_GetArrayItem(point, 0);
    if (cJSON_GetArraySize(point) != FIELDS || cJSON_GetArraySize(values) != width)
        return false;
    for (int k = 0; k < width; k++)
        if (!ws_json_whole(cJSON_GetArrayItem(values, k), &row[k]))
            return false;
    r->seconds = number_or_nan(cJSON_GetArrayItem(point, 1));
    r->right = !isnan(r->seconds);
    r->facts = (tune_facts){.registers = cJSON_GetArrayItem(point, 2)->valueint,
                            .shared_bytes = cJSON_GetArrayItem(point, 3)->valueint,
                            .spill_bytes = cJSON_GetArrayItem(point, 4)->valueint,
                            .occupancy = number_or_nan(cJSON_GetArrayItem(point, 5))};
    return true;
}

ws_status tune_table_read(const cJSON *o, const plan *p, tune_table *out, ws_err *err)
{
    const cJSON *names, *points, *point;
    int64_t row[PLAN_MAX_TUNE];
    tune_result r;
    tune_table t = {.width = p->n_tune};
    if (ws_json_array(o, "table", "tunables", &names, err) ||
        ws_json_array(o, "table", "points", &points, err))
        return err->status;
    bool same = cJSON_GetArraySize(names) == p->n_tune;
    for (int k = 0; same && k < p->n_tune; k++) {
        const char *name = cJSON_GetStringValue(cJSON_GetArrayItem(names, k));
        same = name && strcmp(name, p->tune[k].name) == 0;
    }
    if (!same)
        return ws_fail(err, WS_EINPUT, "the table is of other tunables than the plan's");
    cJSON_ArrayForEach(point, points)
    {
        if (!read_point(point, p->n_tune, row, &r)) {
            int n = t.n;
            tune_table_release(&t);
            return ws_fail(err, WS_EINPUT,
                           "points[%d]: expected [[values], seconds, registers, "
                           "shared bytes, spilled bytes, occupancy]",
                           n);
        }
        tune_table_put(&t, row, &r);
    }
    *out = t;
    return WS_OK;
}
