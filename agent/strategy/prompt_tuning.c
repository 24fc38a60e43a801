/* {{tuning}}: how sensitive a kernel is to its tunables, from the tuned forms in the view. */
#include "agent/strategy/prompt_vars.h"

#include "base/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_ROWS = 40 };

typedef struct row {
    const char *name; /* of the tunable */
    double value, best_s;
} row;

static row *row_of(row *list, int *n, const char *name, double value)
{
    for (int i = 0; i < *n; i++)
        if (list[i].value == value && strcmp(list[i].name, name) == 0)
            return &list[i];
    if (*n == MAX_ROWS)
        return NULL;
    list[*n] = (row){name, value, (double)INFINITY};
    return &list[(*n)++];
}

/* By tunable as they came, then by value. */
static void sort_rows(row *list, int n)
{
    for (int i = 1; i < n; i++)
        for (int k = i; k > 0; k--) {
            bool same = strcmp(list[k].name, list[k - 1].name) == 0;
            bool known = false; /* its tunable is further up already */
            for (int j = 0; j < k - 1; j++)
                known |= strcmp(list[j].name, list[k].name) == 0;
            if (same ? list[k].value >= list[k - 1].value : !known)
                break;
            row swap = list[k];
            list[k] = list[k - 1];
            list[k - 1] = swap;
        }
}

/* The first value of each of the plan's tunables: what an attempt without a setting ran with. NULL:
 * the plan has none. */
static cJSON *default_setting(const char *source)
{
    const char *at = source ? strstr(source, "@plan") : NULL;
    cJSON *plan = at && (at = strchr(at, '{')) ? cJSON_ParseWithOpts(at, NULL, false) : NULL;
    const cJSON *tune = cJSON_GetObjectItemCaseSensitive(plan, "tune"), *list;
    cJSON *setting = NULL;
    cJSON_ArrayForEach(list, tune)
    {
        if (!setting)
            setting = cJSON_CreateObject();
        if (cJSON_IsArray(list) && cJSON_IsNumber(list->child))
            cJSON_AddNumberToObject(setting, list->string, list->child->valuedouble);
    }
    cJSON_Delete(plan);
    return setting;
}

static int add_form(const strat_attempt *a, ws_arena *arena, row *list, int *n)
{
    const db_candidate *c = a->candidate;
    cJSON *setting = c->tune_json ? cJSON_Parse(c->tune_json) : default_setting(c->source), *v;
    double s = strat_passed(a) ? strat_seconds(c) : (double)INFINITY;
    cJSON_ArrayForEach(v, setting)
    {
        row *r = cJSON_IsNumber(v)
                     ? row_of(list, n, ws_arena_strdup(arena, v->string), v->valuedouble)
                     : NULL;
        if (r && s < r->best_s)
            r->best_s = s;
    }
    cJSON_Delete(setting);
    return setting != NULL;
}

void prompt_put_tuning(const strat_view *v, int subject, ws_buf *out)
{
    row list[MAX_ROWS];
    ws_arena arena = {0};
    int n = 0, forms = 0;
    if (subject < 0 || v->attempt[subject].turn < 0)
        return;
    for (int i = 0; i < v->n_attempts; i++)
        if (v->attempt[i].turn == v->attempt[subject].turn)
            forms += add_form(&v->attempt[i], &arena, list, &n);
    sort_rows(list, n);
    for (int i = 0; i < n && forms > 1; i++) {
        if (i == 0 || strcmp(list[i].name, list[i - 1].name) != 0)
            ws_buf_printf(out, "%s%s:", i ? "\n" : "", list[i].name);
        if (isfinite(list[i].best_s))
            ws_buf_printf(out, " %g %.2f us", list[i].value, list[i].best_s * 1e6);
        else
            ws_buf_printf(out, " %g fails", list[i].value);
        if (i + 1 < n && strcmp(list[i].name, list[i + 1].name) == 0)
            ws_buf_addc(out, ',');
    }
    if (n && forms > 1)
        ws_buf_addc(out, '\n');
    ws_arena_release(&arena);
}
