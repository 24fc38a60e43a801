#include "harness/timing/pairs.h"

#include "base/json.h"
#include "base/mem.h"
#include "base/philox.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SCHEMA = 1, ORDER_STREAM = 0x6f72 };

static const char *const discard_name[] = {
#define X(name, json) json,
    TIM_DISCARD_LIST(X)
#undef X
};

void tim_pairs_release(tim_pairs *p)
{
    if (!p)
        return;
    free(p->v);
    *p = (tim_pairs){0};
}

void tim_pairs_reset(tim_pairs *p)
{
    p->n = 0;
}

bool tim_pair_b_first(uint64_t seed, int index)
{
    bool coin = ws_philox_u64(seed, ORDER_STREAM, (uint64_t)index / 2) & 1;
    return coin != (index & 1);
}

static ws_status check_time(int index, const char *name, double v, ws_err *err)
{
    if (!isfinite(v) || !(v > 0))
        return ws_fail(err, WS_EINPUT, "pair %d: %s is %g, must be finite and above 0", index, name,
                       v);
    return WS_OK;
}

static ws_status check_clock(int index, const char *name, double v, ws_err *err)
{
    if (!isfinite(v) || !(v >= 0))
        return ws_fail(err, WS_EINPUT, "pair %d: %s is %g, must be 0 (not known) or above", index,
                       name, v);
    return WS_OK;
}

ws_status tim_pairs_add(tim_pairs *p, const tim_pair *pair, ws_err *err)
{
    ws_status st;
    if (pair->index < 0 || (p->n && pair->index <= p->v[p->n - 1].index))
        return ws_fail(err, WS_EINPUT,
                       "pair %d: the index must ascend from 0, and %d pairs are there", pair->index,
                       p->n);
    if ((st = check_time(pair->index, "a_s", pair->a_s, err)) ||
        (st = check_time(pair->index, "b_s", pair->b_s, err)) ||
        (st = check_clock(pair->index, "a_hz", pair->a_hz, err)) ||
        (st = check_clock(pair->index, "b_hz", pair->b_hz, err)))
        return st;
    if (pair->launches < 1)
        return ws_fail(err, WS_EINPUT, "pair %d: launches is %d, must be at least 1", pair->index,
                       pair->launches);
    if ((unsigned)pair->discard >= TIM_DISCARD_COUNT)
        ws_bug("discard reason %d", (int)pair->discard);
    WS_GROW(p->v, p->n, p->cap);
    p->v[p->n++] = *pair;
    return WS_OK;
}

void tim_pairs_swap(const tim_pairs *p, tim_pairs *out)
{
    tim_pairs_reset(out);
    out->seed = p->seed;
    out->quantum_s = p->quantum_s;
    for (int i = 0; i < p->n; i++) {
        tim_pair t = p->v[i];
        WS_GROW(out->v, out->n, out->cap);
        out->v[out->n++] = (tim_pair){.index = t.index,
                                      .b_first = !t.b_first,
                                      .launches = t.launches,
                                      .a_s = t.b_s,
                                      .b_s = t.a_s,
                                      .a_hz = t.b_hz,
                                      .b_hz = t.a_hz,
                                      .discard = t.discard};
    }
}

/* ---- JSON ---- */

enum { INDEX, ORDER, A_S, B_S, A_HZ, B_HZ, LAUNCHES, DISCARD, COLUMNS };
static const char *const column[COLUMNS] = {"index", "order", "a_s",      "b_s",
                                            "a_hz",  "b_hz",  "launches", "discard"};

/* cJSON writes 15 digits and takes what comes close for equal. */
static cJSON *exact(double v)
{
    char text[32];
    snprintf(text, sizeof text, "%.15g", v);
    if (strtod(text, NULL) != v)
        snprintf(text, sizeof text, "%.17g", v);
    return cJSON_CreateRaw(text);
}

cJSON *tim_pairs_to_json(const tim_pairs *p)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddNumberToObject(o, "schema", SCHEMA);
    ws_json_add_seed(o, "seed", p->seed);
    cJSON_AddItemToObject(o, "quantum_s", exact(p->quantum_s));
    cJSON_AddItemToObject(o, "columns", cJSON_CreateStringArray(column, COLUMNS));
    cJSON *rows = cJSON_AddArrayToObject(o, "pairs");
    for (int i = 0; i < p->n; i++) {
        const tim_pair *t = &p->v[i];
        cJSON *row = cJSON_CreateArray();
        cJSON_AddItemToArray(row, cJSON_CreateNumber(t->index));
        cJSON_AddItemToArray(row, cJSON_CreateString(t->b_first ? "BA" : "AB"));
        const double number[] = {t->a_s, t->b_s, t->a_hz, t->b_hz, t->launches};
        for (size_t k = 0; k < WS_COUNT(number); k++)
            cJSON_AddItemToArray(row, exact(number[k]));
        cJSON_AddItemToArray(row, cJSON_CreateString(discard_name[t->discard]));
        cJSON_AddItemToArray(rows, row);
    }
    return o;
}

static ws_status seed_of(const cJSON *o, uint64_t *out, ws_err *err)
{
    const char *text;
    char *end;
    ws_status st = ws_json_string(o, "samples", "seed", &text, err);
    if (st)
        return st;
    errno = 0;
    *out = strtoull(text, &end, 10);
    if (errno || !*text || *end || strspn(text, "0123456789") != strlen(text))
        return ws_fail(err, WS_EINPUT, "samples.seed: '%s' is no whole number below 2^64", text);
    return WS_OK;
}

static bool whole_int(const cJSON *v, int *out)
{
    int64_t w;
    if (!ws_json_whole(v, &w) || w < INT_MIN || w > INT_MAX)
        return false;
    *out = (int)w;
    return true;
}

static ws_status read_row(const cJSON *row, int at, tim_pair *out, ws_err *err)
{
    const cJSON *v[COLUMNS];
    if (!cJSON_IsArray(row) || cJSON_GetArraySize(row) != COLUMNS)
        return ws_fail(err, WS_EINPUT, "samples.pairs[%d]: expected an array of %d values", at,
                       COLUMNS);
    for (int c = 0; c < COLUMNS; c++) {
        v[c] = cJSON_GetArrayItem(row, c);
        bool text = c == ORDER || c == DISCARD;
        if (text ? !cJSON_IsString(v[c]) : !cJSON_IsNumber(v[c]))
            return ws_fail(err, WS_EINPUT, "samples.pairs[%d].%s: expected a %s", at, column[c],
                           text ? "string" : "number");
    }
    *out = (tim_pair){.a_s = v[A_S]->valuedouble,
                      .b_s = v[B_S]->valuedouble,
                      .a_hz = v[A_HZ]->valuedouble,
                      .b_hz = v[B_HZ]->valuedouble};
    if (!whole_int(v[INDEX], &out->index) || !whole_int(v[LAUNCHES], &out->launches))
        return ws_fail(err, WS_EINPUT, "samples.pairs[%d]: index and launches must be whole", at);
    out->b_first = strcmp(v[ORDER]->valuestring, "BA") == 0;
    if (!out->b_first && strcmp(v[ORDER]->valuestring, "AB") != 0)
        return ws_fail(err, WS_EINPUT, "samples.pairs[%d].order: '%s' is neither 'AB' nor 'BA'", at,
                       v[ORDER]->valuestring);
    for (int d = 0; d < TIM_DISCARD_COUNT; d++)
        if (strcmp(v[DISCARD]->valuestring, discard_name[d]) == 0) {
            out->discard = (tim_discard)d;
            return WS_OK;
        }
    return ws_fail(err, WS_EINPUT, "samples.pairs[%d].discard: unknown reason '%s'", at,
                   v[DISCARD]->valuestring);
}

static ws_status check_head(const cJSON *o, ws_err *err)
{
    static const char *const known[] = {"schema", "seed", "quantum_s", "columns", "pairs", NULL};
    const cJSON *names;
    ws_status st = ws_json_only(o, "samples", known, err);
    if (st)
        return st;
    int64_t schema;
    if (!ws_json_whole(cJSON_GetObjectItemCaseSensitive(o, "schema"), &schema) || schema != SCHEMA)
        return ws_fail(err, WS_EINPUT, "samples.schema: expected %d", SCHEMA);
    if ((st = ws_json_array(o, "samples", "columns", &names, err)))
        return st;
    bool same = cJSON_GetArraySize(names) == COLUMNS;
    for (int c = 0; same && c < COLUMNS; c++) {
        const cJSON *name = cJSON_GetArrayItem(names, c);
        same = cJSON_IsString(name) && strcmp(name->valuestring, column[c]) == 0;
    }
    return same ? WS_OK
                : ws_fail(err, WS_EINPUT, "samples.columns: not those of schema %d", SCHEMA);
}

ws_status tim_pairs_from_json(const cJSON *o, tim_pairs *out, ws_err *err)
{
    tim_pairs p = {0};
    const cJSON *rows, *row;
    int at = 0;
    ws_status st;
    if (!cJSON_IsObject(o))
        return ws_fail(err, WS_EINPUT, "samples: expected an object");
    if ((st = check_head(o, err)) || (st = seed_of(o, &p.seed, err)) ||
        (st = ws_json_array(o, "samples", "pairs", &rows, err)))
        return st;
    const cJSON *quantum = cJSON_GetObjectItemCaseSensitive(o, "quantum_s");
    p.quantum_s = cJSON_IsNumber(quantum) ? quantum->valuedouble : -1;
    if (!isfinite(p.quantum_s) || !(p.quantum_s >= 0))
        return ws_fail(err, WS_EINPUT, "samples.quantum_s: expected a number from 0");
    cJSON_ArrayForEach(row, rows)
    {
        tim_pair pair;
        if ((st = read_row(row, at++, &pair, err)) || (st = tim_pairs_add(&p, &pair, err))) {
            tim_pairs_release(&p);
            return st;
        }
    }
    *out = p;
    return WS_OK;
}
