/* /reward, which reads the columns of `warpsmith dataset`, and /get_reward as OpenRLHF asks it. */
#include "agent/serve/endpoint.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- /reward ---- */

/* Of a string for all samples, or a list with one for each. */
static ws_status nth_text(const cJSON *v, const char *key, int i, int n, const char **out,
                          ws_err *err)
{
    if (cJSON_IsArray(v) && cJSON_GetArraySize(v) != n)
        return ws_fail(err, WS_EINPUT, "'%s' has %d entries for %d replies", key,
                       cJSON_GetArraySize(v), n);
    const cJSON *item = cJSON_IsArray(v) ? cJSON_GetArrayItem(v, i) : v;
    if (!cJSON_IsString(item))
        return ws_fail(err, WS_EINPUT, "'%s': expected the name of a spec, or a list of them", key);
    *out = item->valuestring;
    return WS_OK;
}

static ws_status read_reward(serve_call *c, ws_err *err)
{
    const cJSON *list = serve_get(c, "completions"), *one = serve_get(c, "completion");
    const cJSON *names = serve_get(c, "spec");
    char where[40];
    if (!list == !one)
        return ws_fail(err, WS_EINPUT, "expected either 'completions' or 'completion'");
    if (list && (!cJSON_IsArray(list) || !cJSON_GetArraySize(list)))
        return ws_fail(err, WS_EINPUT, "'completions': expected a list of replies");
    if (!names)
        return ws_fail(err, WS_EINPUT, "missing 'spec': the operation that the replies are for");
    const int n = one ? 1 : cJSON_GetArraySize(list);
    const cJSON *reply = one ? one : list->child;
    for (int i = 0; i < n; i++, reply = reply->next) {
        const char *name = NULL;
        char *text = NULL;
        snprintf(where, sizeof where, one ? "'completion'" : "completions[%d]", i);
        if (nth_text(names, "spec", i, n, &name, err) || serve_reply_text(reply, where, &text, err))
            return err->status;
        ws_status st = serve_add_sample(c, name, text, err);
        free(text);
        if (st)
            return st;
    }
    return serve_check_columns(c, err);
}

static cJSON *write_reward(const serve_call *c)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddNumberToObject(o, "version", VFY_REWARD_VERSION);
    cJSON_AddStringToObject(o, "scheme", vfy_reward_scheme_name(c->options->scheme));
    cJSON *rewards = cJSON_AddArrayToObject(o, "rewards");
    cJSON *results = cJSON_AddArrayToObject(o, "results");
    for (int i = 0; i < c->n; i++) {
        cJSON_AddItemToArray(rewards, serve_reward_number(c->sample[i].result));
        cJSON_AddItemToArray(results, serve_result_json(c->sample[i].result));
    }
    return o;
}

/* The columns that a row has beside its prompt may come along: those that say nothing of how to
 * judge are read past. */
static const char *const reward_fields[] = {
    "completions", "completion", "spec",       "gpu",   "arch",      "spec_sha256",
    "prompts",     "prompt",     "op_family",  "split", "provenance", "completion_ids",
    NULL};
const serve_endpoint serve_reward = {"/reward", reward_fields, read_reward, write_reward};

/* ---- /get_reward ---- */

/* What follows the prompt. OpenRLHF sends prompt and reply in one text; what stands before the
 * prompt is a token that begins the text. Code in the prompt is not the model's. */
static ws_status reply_of(const char *query, const char *prompt, int i, const char **out,
                          ws_err *err)
{
    const char *at = *prompt ? strstr(query, prompt) : NULL;
    if (!at || at - query > 64)
        return ws_fail(err, WS_EINPUT,
                       "query[%d] does not begin with prompts[%d]: where the reply begins is not "
                       "known, and code of the prompt is not judged",
                       i, i);
    *out = at + strlen(prompt);
    return WS_OK;
}

/* Tokens that end a turn, where no fence keeps them out of the code. */
static char *without_end_tokens(const char *reply)
{
    size_t n = strlen(reply);
    for (bool again = true; again;) {
        again = false;
        while (n && strchr(" \t\r\n", reply[n - 1]))
            n--;
        if (n >= 4 && strncmp(reply + n - 4, "</s>", 4) == 0) {
            n -= 4;
            again = true;
        } else if (n >= 4 && strncmp(reply + n - 2, "|>", 2) == 0) {
            size_t k = n - 2;
            while (k && n - k < 40 && reply[k - 1] != '<' && reply[k - 1] != '\n')
                k--;
            again = k && reply[k - 1] == '<' && reply[k] == '|';
            if (again)
                n = k - 1;
        }
    }
    return ws_strndup(reply, n);
}

/* A list of strings, or one string. */
static const cJSON *text_list(const serve_call *c, const char *key, int i)
{
    const cJSON *v = serve_get(c, key);
    const cJSON *item = cJSON_IsArray(v) ? cJSON_GetArrayItem(v, i) : i == 0 ? v : NULL;
    return cJSON_IsString(item) ? item : NULL;
}

static int count_list(const serve_call *c, const char *key)
{
    const cJSON *v = serve_get(c, key);
    return cJSON_IsArray(v) ? cJSON_GetArraySize(v) : cJSON_IsString(v);
}

static ws_status read_get_reward(serve_call *c, ws_err *err)
{
    const char *query = serve_get(c, "query") ? "query" : "queries";
    const int n = count_list(c, query);
    if (serve_get(c, "query") && serve_get(c, "queries"))
        return ws_fail(err, WS_EINPUT, "expected either 'query' or 'queries'");
    if (!n)
        return ws_fail(err, WS_EINPUT, "missing 'query': a list of texts, prompt and reply in one");
    if (count_list(c, "prompts") != n)
        return ws_fail(err, WS_EINPUT,
                       "'prompts' has %d entries for %d queries: each is needed to tell the reply "
                       "from the prompt",
                       count_list(c, "prompts"), n);
    if (count_list(c, "labels") != n)
        return ws_fail(err, WS_EINPUT,
                       "'labels' has %d entries for %d queries: each is the name of a spec",
                       count_list(c, "labels"), n);
    for (int i = 0; i < n; i++) {
        const cJSON *q = text_list(c, query, i), *p = text_list(c, "prompts", i);
        const cJSON *label = text_list(c, "labels", i);
        const char *reply = NULL;
        if (!q || !p || !label)
            return ws_fail(err, WS_EINPUT, "%s: expected a string at %d",
                           !q ? query : !p ? "prompts" : "labels", i);
        if (reply_of(q->valuestring, p->valuestring, i, &reply, err))
            return err->status;
        char *text = without_end_tokens(reply);
        ws_status st = serve_add_sample(c, label->valuestring, text, err);
        free(text);
        if (st)
            return st;
    }
    return WS_OK;
}

static double number_of(const serve_result *r, int which)
{
    const double speedup = r->reward.speedup;
    switch (which) {
    case 0:
        return r->judged && r->reward.known;
    case 1:
        return serve_compiled(r);
    case 2:
        return serve_correct(r);
    default:
        return isfinite(speedup) ? speedup : 0;
    }
}

/* OpenRLHF makes tensors of these lists: numbers alone. */
static cJSON *write_get_reward(const serve_call *c)
{
    static const char *const names[] = {"known", "compiled", "correct", "speedup"};
    cJSON *o = cJSON_CreateObject();
    cJSON *rewards = cJSON_AddArrayToObject(o, "rewards");
    cJSON *scores = cJSON_AddArrayToObject(o, "scores");
    for (int i = 0; i < c->n; i++) {
        const serve_result *r = c->sample[i].result;
        cJSON_AddItemToArray(rewards, cJSON_CreateNumber(r->reward.total));
        cJSON_AddItemToArray(scores, cJSON_CreateNumber(r->reward.total));
    }
    cJSON *logs = cJSON_AddObjectToObject(o, "extra_logs");
    for (int k = 0; k < (int)WS_COUNT(names); k++) {
        cJSON *list = cJSON_AddArrayToObject(logs, names[k]);
        for (int i = 0; i < c->n; i++)
            cJSON_AddItemToArray(list, cJSON_CreateNumber(number_of(c->sample[i].result, k)));
    }
    return o;
}

static const char *const get_reward_fields[] = {"query",       "queries",         "prompts",
                                                "labels",      "datasources",     "metas",
                                                "query_token_ids", "prompt_token_lens", NULL};
const serve_endpoint serve_get_reward = {"/get_reward", get_reward_fields, read_get_reward,
                                         write_get_reward};
