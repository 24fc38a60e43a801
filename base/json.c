#include "base/json.h"

#include "base/mem.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* "line 3, column 7: ...\n    <the line>\n    ^" for the offset `at`. */
static void describe_place(const char *text, size_t n, size_t at, ws_buf *out)
{
    size_t line = 1, start = 0, end;
    if (at > n)
        at = n;
    for (size_t i = 0; i < at; i++)
        if (text[i] == '\n')
            line++, start = i + 1;
    for (end = start; end < n && text[end] != '\n'; end++)
        ;
    size_t shown = end - start > 100 ? 100 : end - start;
    ws_buf_printf(out, "line %zu, column %zu near '%.*s'", line, at - start + 1, (int)shown,
                  text + start);
}

static ws_status refuse_duplicates(const cJSON *v, ws_err *err)
{
    for (const cJSON *c = v->child; c; c = c->next) {
        if (cJSON_IsObject(v))
            for (const cJSON *d = c->next; d; d = d->next)
                if (strcmp(c->string, d->string) == 0)
                    return ws_fail(err, WS_EINPUT, "key '%s' appears twice in one object",
                                   c->string);
        if (refuse_duplicates(c, err))
            return err->status;
    }
    return WS_OK;
}

ws_status ws_json_parse(const char *text, size_t n, cJSON **out, ws_err *err)
{
    const char *end = NULL;
    cJSON *root = cJSON_ParseWithLengthOpts(text, n, &end, false);
    size_t at = end ? (size_t)(end - text) : 0;
    if (root) { /* cJSON accepts trailing text; JSON does not */
        while (at < n && (text[at] == ' ' || text[at] == '\n' || text[at] == '\t' ||
                          text[at] == '\r' || text[at] == '\0'))
            at++;
        if (at >= n) {
            if (refuse_duplicates(root, err)) {
                cJSON_Delete(root);
                return err->status;
            }
            *out = root;
            return WS_OK;
        }
        cJSON_Delete(root);
    }
    ws_buf place = {0};
    describe_place(text, n, at, &place);
    ws_fail(err, WS_EINPUT, "not valid JSON at %s", ws_buf_z(&place));
    ws_buf_release(&place);
    return err->status;
}

static ws_status member(const cJSON *o, const char *where, const char *key, const cJSON **out,
                        ws_err *err)
{
    const char *sep = *where ? ": " : "";
    if (!cJSON_IsObject(o))
        return ws_fail(err, WS_EINPUT, "%s%sexpected an object", where, sep);
    if (!(*out = cJSON_GetObjectItemCaseSensitive(o, key)))
        return ws_fail(err, WS_EINPUT, "%s%smissing '%s'", where, sep, key);
    return WS_OK;
}

static ws_status wrong_type(const char *where, const char *key, const char *wanted, ws_err *err)
{
    return ws_fail(err, WS_EINPUT, "%s%s%s: expected %s", where, *where ? "." : "", key, wanted);
}

ws_status ws_json_string(const cJSON *o, const char *where, const char *key, const char **out,
                         ws_err *err)
{
    const cJSON *v;
    if (member(o, where, key, &v, err))
        return err->status;
    if (!cJSON_IsString(v))
        return wrong_type(where, key, "a string", err);
    *out = v->valuestring;
    return WS_OK;
}

ws_status ws_json_array(const cJSON *o, const char *where, const char *key, const cJSON **out,
                        ws_err *err)
{
    const cJSON *v;
    if (member(o, where, key, &v, err))
        return err->status;
    if (!cJSON_IsArray(v))
        return wrong_type(where, key, "an array", err);
    *out = v;
    return WS_OK;
}

ws_status ws_json_object(const cJSON *o, const char *where, const char *key, const cJSON **out,
                         ws_err *err)
{
    const cJSON *v;
    if (member(o, where, key, &v, err))
        return err->status;
    if (!cJSON_IsObject(v))
        return wrong_type(where, key, "an object", err);
    *out = v;
    return WS_OK;
}

ws_status ws_json_only(const cJSON *o, const char *where, const char *const known[], ws_err *err)
{
    for (const cJSON *c = o->child; c; c = c->next) {
        size_t i = 0;
        while (known[i] && strcmp(known[i], c->string))
            i++;
        if (known[i])
            continue;
        const char *near = ws_nearest(c->string, known);
        ws_fail(err, WS_EINPUT, "%s%sunknown member '%s'", where, *where ? ": " : "", c->string);
        if (near)
            ws_hint(err, "did you mean '%s'?", near);
        return err->status;
    }
    return WS_OK;
}

bool ws_json_whole(const cJSON *n, int64_t *out)
{
    if (!cJSON_IsNumber(n) || !(fabs(n->valuedouble) <= 0x1p53) ||
        floor(n->valuedouble) != n->valuedouble)
        return false;
    *out = (int64_t)n->valuedouble;
    return true;
}

void ws_json_print(const cJSON *v, bool pretty, ws_buf *out)
{
    char *text = pretty ? cJSON_Print(v) : cJSON_PrintUnformatted(v);
    if (!text)
        ws_bug("out of memory printing JSON");
    ws_buf_adds(out, text);
    free(text);
}

const char *ws_json_text(const cJSON *v, ws_arena *a)
{
    ws_buf text = {0};
    ws_json_print(v, false, &text);
    const char *copy = ws_arena_strdup(a, ws_buf_z(&text));
    ws_buf_release(&text);
    return copy;
}

void ws_json_add_int(cJSON *o, const char *key, int64_t v)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRId64, v);
    cJSON_AddRawToObject(o, key, text);
}

void ws_json_add_seed(cJSON *o, const char *key, uint64_t seed)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRIu64, seed);
    cJSON_AddStringToObject(o, key, text);
}

void ws_json_add_double(cJSON *o, const char *key, double v)
{
    if (isfinite(v))
        cJSON_AddNumberToObject(o, key, v);
    else
        cJSON_AddStringToObject(o, key, isnan(v) ? "nan" : v > 0 ? "inf" : "-inf");
}

/* Levenshtein distance, with words cut at 63 characters. */
static size_t edit_distance(const char *a, const char *b)
{
    size_t row[64], na = strlen(a), nb = strlen(b);
    na = na > 63 ? 63 : na;
    nb = nb > 63 ? 63 : nb;
    for (size_t j = 0; j <= nb; j++)
        row[j] = j;
    for (size_t i = 1; i <= na; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= nb; j++) {
            size_t best = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            best = row[j] + 1 < best ? row[j] + 1 : best;
            row[j] = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
        }
    }
    return row[nb];
}

const char *ws_nearest(const char *word, const char *const list[])
{
    const char *best = NULL;
    size_t best_distance = strlen(word) / 3 + 2; /* further is no typo */
    for (size_t i = 0; list[i]; i++) {
        size_t d = edit_distance(word, list[i]);
        if (d < best_distance)
            best_distance = d, best = list[i];
    }
    return best;
}
