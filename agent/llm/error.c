#include "agent/llm/error.h"

#include "base/mem.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const cJSON *llm_get(const cJSON *o, const char *key)
{
    return cJSON_GetObjectItemCaseSensitive(o, key);
}

const char *llm_get_text(const cJSON *o, const char *key)
{
    const char *z = cJSON_GetStringValue(llm_get(o, key));
    return z ? z : "";
}

void llm_copy_text(char *to, size_t size, const char *from)
{
    snprintf(to, size, "%.*s", (int)size - 1, from);
}

/* ---- forms ---- */

static double retry_info(const cJSON *error)
{
    const cJSON *d;
    cJSON_ArrayForEach(d, llm_get(error, "details"))
    {
        char *end;
        const char *z = llm_get_text(d, "retryDelay");
        double s = strtod(z, &end);
        if (end != z && *end == 's' && s >= 0)
            return s;
    }
    return (double)NAN;
}

/* Gemini names the quota in the details: per minute is waited out, per day is not. */
static void read_daily_quota(const cJSON *error, llm_error *out)
{
    const cJSON *d, *v;
    cJSON_ArrayForEach(d, llm_get(error, "details"))
    {
        cJSON_ArrayForEach(v, llm_get(d, "violations"))
        {
            if (strstr(llm_get_text(v, "quotaId"), "PerDay"))
                llm_copy_text(out->code, sizeof out->code, llm_get_text(v, "quotaId"));
        }
    }
}

static void read_code(const cJSON *code, llm_error *out)
{
    double n = cJSON_IsNumber(code) ? code->valuedouble : 0;
    if (cJSON_IsString(code)) {
        llm_copy_text(out->code, sizeof out->code, code->valuestring);
        if (strspn(out->code, "0123456789") == 3 && !out->code[3])
            n = strtod(out->code, NULL);
    }
    if (n >= 400 && n < 600)
        out->status = (int)n;
}

void llm_error_read_object(const cJSON *e, llm_error *out)
{
    const cJSON *place = cJSON_GetArrayItem(llm_get(e, "loc"), 0);
    const char *message = llm_get_text(e, "message");
    llm_copy_text(out->message, sizeof out->message, *message ? message : llm_get_text(e, "msg"));
    llm_copy_text(out->type, sizeof out->type,
                  *llm_get_text(e, "type") ? llm_get_text(e, "type") : llm_get_text(e, "status"));
    llm_copy_text(out->param, sizeof out->param, llm_get_text(e, "param"));
    for (; place && !*llm_get_text(e, "param");
         place = place->next) /* FastAPI: ["body", "stream_options"] */
        if (cJSON_IsString(place))
            llm_copy_text(out->param, sizeof out->param, place->valuestring);
    read_code(llm_get(e, "status"), out);
    out->code[0] = '\0';
    read_code(llm_get(e, "code"), out);
    read_daily_quota(e, out);
    out->retry_after_s = retry_info(e);
    out->present = true;
}

/* {"error":{...}}, {"error":"..."}, [{"error":...}] (Gemini), {"object":"error",...} (old vLLM),
 * {"detail":...} (FastAPI), {"message":{"detail":...}} (Mistral), {"type":"error","error":...}
 * (Anthropic). */
bool llm_error_read(const cJSON *o, llm_error *out)
{
    if (cJSON_IsArray(o))
        o = cJSON_GetArrayItem(o, 0);
    if (cJSON_IsObject(llm_get(o, "message")) && llm_get(llm_get(o, "message"), "detail"))
        o = llm_get(o, "message");
    const cJSON *e = llm_get(o, "error"), *detail = llm_get(o, "detail");
    *out = (llm_error){.retry_after_s = (double)NAN};
    if (cJSON_IsObject(e) && e->child) { /* some servers always have the member, empty */
        llm_error_read_object(e, out);
    } else if ((cJSON_IsString(e) && *e->valuestring) || cJSON_IsString(detail)) {
        llm_copy_text(out->message, sizeof out->message,
                      cJSON_IsString(e) && *e->valuestring ? e->valuestring : detail->valuestring);
        out->present = true;
    } else if (cJSON_IsArray(detail) && cJSON_IsObject(cJSON_GetArrayItem(detail, 0))) {
        llm_error_read_object(cJSON_GetArrayItem(detail, 0), out);
    } else if (strcmp(llm_get_text(o, "object"), "error") == 0) {
        llm_error_read_object(o, out);
    }
    return out->present;
}

bool llm_error_parse(const char *body, size_t n, llm_error *out)
{
    cJSON *o = cJSON_ParseWithLength(body, n);
    *out = (llm_error){.retry_after_s = (double)NAN};
    bool found = o && llm_error_read(o, out);
    cJSON_Delete(o);
    return found;
}

/* ---- words ---- */

bool llm_error_says(const llm_error *e, const char *const *words)
{
    for (; *words; words++)
        if (strcasestr(e->message, *words) || strcasestr(e->code, *words) ||
            strcasestr(e->type, *words))
            return true;
    return false;
}

static bool in_word(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

bool llm_error_names(const llm_error *e, const char *field, bool quoted)
{
    size_t n = strlen(field);
    if (strcmp(e->param, field) == 0)
        return true;
    for (const char *p = e->message; (p = strstr(p, field)); p += n) {
        char before = p == e->message ? ' ' : p[-1];
        if (quoted ? before && strchr("'\"`", before) && p[n] == before
                   : !in_word(before) && !in_word(p[n]))
            return true;
    }
    return false;
}

bool llm_error_is_context(const llm_error *e)
{
    static const char *const words[] = {"context_length_exceeded", "exceed_context_size",
                                        "maximum context length",  "prompt is too long",
                                        "input is too long",       "context window",
                                        "context limit",           "too many tokens",
                                        "input token count",       NULL};
    return llm_error_says(e, words);
}

/* ---- outcomes ---- */

/* Names of errors that stand in a body under HTTP 200, or in a stream's error event. */
static int status_of_words(const llm_error *e)
{
    static const struct {
        const char *word;
        int status;
    } row[] = {
        {"invalid_request", 400},    {"authentication_error", 401}, {"invalid_api_key", 401},
        {"billing_error", 402},      {"permission_error", 403},     {"not_found", 404},
        {"request_too_large", 413},  {"rate_limit", 429},           {"too_many_requests", 429},
        {"RESOURCE_EXHAUSTED", 429}, {"INVALID_ARGUMENT", 400},     {"UNAUTHENTICATED", 401},
        {"PERMISSION_DENIED", 403},  {"overloaded", 529},
    };
    if (e->status)
        return e->status;
    for (size_t i = 0; i < WS_COUNT(row); i++)
        if (strcasestr(e->type, row[i].word) || strcasestr(e->code, row[i].word))
            return row[i].status;
    static const char *const rate[] = {"rate limit", "too many requests", NULL};
    return llm_error_says(e, rate) ? 429 : 500;
}

/* Not by "billing" in the message: Gemini's limits per minute speak of billing details too. */
static bool is_quota(const llm_error *e)
{
    static const char *const words[] = {"insufficient_quota",
                                        "credit_balance",
                                        "credit balance",
                                        "spend_limit",
                                        "PerDay",
                                        "usage_limit_exceeded",
                                        "usage_limit_reached",
                                        "insufficient balance",
                                        "insufficient credits",
                                        NULL};
    return llm_error_says(e, words) || strcasestr(e->type, "billing") ||
           strcasestr(e->code, "billing");
}

static llm_outcome client_error(int status, const llm_error *e)
{
    static const char *const bad_key[] = {"api key not valid", "invalid api key",
                                          "incorrect api key", "invalid_api_key", NULL};
    static const char *const moderated[] = {"moderation", "flagged", "content_policy",
                                            "content_filter", NULL};
    bool refused = llm_error_says(e, moderated);
    switch (status) {
    case 401:
        return LLM_AUTH;
    case 402:
        return LLM_QUOTA;
    case 403:
        return refused ? LLM_REFUSED : is_quota(e) ? LLM_QUOTA : LLM_AUTH;
    case 413:
        return LLM_CONTEXT;
    case 429:
        return is_quota(e) ? LLM_QUOTA : LLM_RATE_LIMITED;
    case 408:
    case 409:
    case 425:
        return LLM_SERVER;
    default:
        break;
    }
    if (llm_error_is_context(e))
        return LLM_CONTEXT;
    if (status == 400 && llm_error_says(e, bad_key)) /* Gemini */
        return LLM_AUTH;
    if (status == 400 && is_quota(e)) /* Anthropic: a credit balance that is too low */
        return LLM_QUOTA;
    return refused ? LLM_REFUSED : LLM_BAD_REQUEST;
}

llm_outcome llm_error_outcome(int status, const llm_error *e)
{
    if (status >= 300 && status < 400)
        return LLM_BAD_REQUEST;
    if (status < 400)
        status = status_of_words(e);
    if (status < 500)
        return client_error(status, e);
    /* llama.cpp and others tell a context that is too small as a failure of theirs. */
    if (status == 500 && llm_error_is_context(e))
        return LLM_CONTEXT;
    return is_quota(e) && status != 529 ? LLM_QUOTA : LLM_SERVER;
}
