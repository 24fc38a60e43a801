#include "harness/timing/sitting_wire.h"

#include "base/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char where[] = "the sitting's result";

static void add_list(cJSON *o, const char *key, const int *v, int n)
{
    cJSON *list = cJSON_AddArrayToObject(o, key);
    for (int i = 0; i < n; i++)
        cJSON_AddItemToArray(list, cJSON_CreateNumber(v[i]));
}

cJSON *sit_result_json(const lane_result *r, int n_programs)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddItemToObject(o, "aa", tim_pairs_to_json(&r->aa));
    cJSON *pairs = cJSON_AddArrayToObject(o, "pairs");
    for (int i = 0; i < r->n_pairs; i++)
        cJSON_AddItemToArray(pairs, tim_pairs_to_json(&r->pairs[i]));
    add_list(o, "launches", r->launches, n_programs);
    cJSON *outputs = cJSON_AddArrayToObject(o, "by");
    for (int i = 0; i < r->n_outputs; i++) {
        cJSON *by = cJSON_CreateArray();
        for (int p = 0; p < n_programs; p++)
            if (r->output[i].by[p])
                cJSON_AddItemToArray(by, cJSON_CreateNumber(p));
        cJSON_AddItemToArray(outputs, by);
    }
    cJSON_AddNumberToObject(o, "empty_s", r->empty_s);
    cJSON_AddNumberToObject(o, "warm_up", r->warm_up);
    cJSON_AddBoolToObject(o, "settled", r->settled);
    cJSON_AddBoolToObject(o, "out_of_time", r->out_of_time);
    cJSON_AddNumberToObject(o, "launched", (double)r->launched);
    cJSON_AddNumberToObject(o, "compared", (double)r->compared);
    cJSON_AddNumberToObject(o, "failed", r->failed);
    cJSON_AddNumberToObject(o, "reason", r->reason);
    cJSON_AddStringToObject(o, "text", r->text);
    cJSON_AddItemToObject(o, "first", tim_moment_json(&r->first));
    cJSON_AddItemToObject(o, "last", tim_moment_json(&r->last));
    cJSON_AddStringToObject(o, "unwatched", r->unwatched);
    return o;
}

/* A whole number of [least, most]. */
static ws_status read_whole(const cJSON *v, const char *key, int64_t least, int64_t most,
                            int64_t *out, ws_err *err)
{
    if (!ws_json_whole(v, out) || *out < least || *out > most)
        return ws_fail(err, WS_EENV, "%s: '%s' is not what it should be", where, key);
    return WS_OK;
}

static ws_status read_pairs(const cJSON *o, int n_programs, lane_result *out, ws_err *err)
{
    const cJSON *list, *one;
    int i = 0;
    if (tim_pairs_from_json(cJSON_GetObjectItemCaseSensitive(o, "aa"), &out->aa, err) ||
        ws_json_array(o, where, "pairs", &list, err))
        return err->status;
    if (cJSON_GetArraySize(list) != n_programs - 1)
        return ws_fail(err, WS_EENV, "%s: of another number of programs", where);
    out->n_pairs = n_programs - 1;
    out->pairs = ws_calloc((size_t)out->n_pairs, sizeof *out->pairs);
    cJSON_ArrayForEach(
        one, list) if (tim_pairs_from_json(one, &out->pairs[i++], err)) return err->status;
    return WS_OK;
}

static ws_status read_outputs(const cJSON *o, int n_programs, lane_result *out, ws_err *err)
{
    const cJSON *list, *by, *p;
    int i = 0;
    int64_t v;
    if (ws_json_array(o, where, "by", &list, err))
        return err->status;
    if (cJSON_GetArraySize(list) != out->n_outputs)
        return ws_fail(err, WS_EENV, "%s: of another number of outputs", where);
    cJSON_ArrayForEach(by, list)
    {
        cJSON_ArrayForEach(p, by)
        {
            if (read_whole(p, "by", 0, n_programs - 1, &v, err))
                return err->status;
            out->output[i].by[v] = true;
        }
        i++;
    }
    return WS_OK;
}

ws_status sit_result_read(const cJSON *o, int n_programs, lane_result *out, ws_err *err)
{
    const cJSON *list, *one;
    const char *text, *unwatched;
    int64_t failed, reason, warm_up, launched, compared, v;
    int i = 0;
#define WHOLE(key, least, most, to)                                                                \
    read_whole(cJSON_GetObjectItemCaseSensitive(o, key), key, least, most, to, err)
    if (read_pairs(o, n_programs, out, err) || read_outputs(o, n_programs, out, err) ||
        ws_json_array(o, where, "launches", &list, err) ||
        ws_json_string(o, where, "text", &text, err) ||
        ws_json_string(o, where, "unwatched", &unwatched, err) ||
        tim_moment_read(cJSON_GetObjectItemCaseSensitive(o, "first"), &out->first, err) ||
        tim_moment_read(cJSON_GetObjectItemCaseSensitive(o, "last"), &out->last, err) ||
        WHOLE("failed", -1, n_programs - 1, &failed) ||
        WHOLE("reason", 0, HX_REASON_COUNT - 1, &reason) ||
        WHOLE("warm_up", 0, INT32_MAX, &warm_up) ||
        WHOLE("launched", 0, (int64_t)1 << 50, &launched) ||
        WHOLE("compared", 0, (int64_t)1 << 50, &compared))
        return err->status;
#undef WHOLE
    if (cJSON_GetArraySize(list) != n_programs)
        return ws_fail(err, WS_EENV, "%s: of another number of programs", where);
    out->launches = ws_calloc((size_t)n_programs, sizeof *out->launches);
    cJSON_ArrayForEach(one, list)
    {
        if (read_whole(one, "launches", 0, INT32_MAX, &v, err))
            return err->status;
        out->launches[i++] = (int)v;
    }
    const cJSON *empty = cJSON_GetObjectItemCaseSensitive(o, "empty_s");
    out->empty_s = cJSON_IsNumber(empty) ? empty->valuedouble : NAN;
    out->settled = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(o, "settled"));
    out->out_of_time = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(o, "out_of_time"));
    out->failed = (int)failed;
    out->reason = (hx_reason)reason;
    out->warm_up = (int)warm_up;
    out->launched = launched;
    out->compared = compared;
    snprintf(out->text, sizeof out->text, "%s", text);
    snprintf(out->unwatched, sizeof out->unwatched, "%s", unwatched);
    return WS_OK;
}
