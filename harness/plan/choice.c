/* Choices of a plan's tunables, as packets and the archive keep them. */
#include "base/json.h"
#include "harness/plan/plan.h"

#include <string.h>

ws_status plan_choice_read(const plan *p, const cJSON *choice, int64_t *out, ws_err *err)
{
    const cJSON *v;
    for (int t = 0; t < p->n_tune; t++)
        out[t] = p->tune[t].value[0];
    cJSON_ArrayForEach(v, choice)
    {
        int t = 0;
        while (t < p->n_tune && (!v->string || strcmp(p->tune[t].name, v->string) != 0))
            t++;
        if (t == p->n_tune)
            return ws_fail(err, WS_EINPUT, "the plan has no tunable '%.60s'",
                           v->string ? v->string : "");
        if (!ws_json_whole(v, &out[t]))
            return ws_fail(err, WS_EINPUT, "tunable '%s' is not a whole number", v->string);
    }
    return WS_OK;
}

ws_status plan_choice_parse(const plan *p, const char *text, int64_t *out, ws_err *err)
{
    cJSON *choice = NULL;
    ws_status st = text && *text ? ws_json_parse(text, strlen(text), &choice, err) : WS_OK;
    if (!st)
        st = plan_choice_read(p, choice, out, err);
    cJSON_Delete(choice);
    return st ? ws_wrap(err, "the candidate's tunables") : WS_OK;
}
