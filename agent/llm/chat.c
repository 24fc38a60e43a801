#include "agent/llm/chat.h"

#include "base/json.h"
#include "base/mem.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- the request ---- */

static void add_text(cJSON *o, const char *key, const char *text)
{
    char *clean = ws_utf8_valid(text ? text : ""); /* a prompt may quote any byte */
    cJSON_AddStringToObject(o, key, clean);
    free(clean);
}

void chat_body(const llm_request *r, unsigned quirks, ws_buf *out)
{
    cJSON *o = cJSON_CreateObject();
    add_text(o, "model", r->model);
    cJSON *messages = cJSON_AddArrayToObject(o, "messages");
    for (int i = 0; i < r->n_messages; i++) {
        cJSON *m = cJSON_CreateObject();
        add_text(m, "role", r->message[i].role);
        add_text(m, "content", r->message[i].content);
        cJSON_AddItemToArray(messages, m);
    }
    if (r->stream && !(quirks & CHAT_NO_STREAM)) {
        cJSON_AddBoolToObject(o, "stream", true);
        if (!(quirks & CHAT_NO_STREAM_OPTIONS))
            cJSON_AddBoolToObject(cJSON_AddObjectToObject(o, "stream_options"), "include_usage",
                                  true);
    }
    if (r->max_tokens > 0 && !(quirks & CHAT_NO_MAX_TOKENS))
        ws_json_add_int(o, quirks & CHAT_COMPLETION_TOKENS ? "max_completion_tokens" : "max_tokens",
                        r->max_tokens);
    if (r->temperature >= 0 && !(quirks & CHAT_NO_TEMPERATURE))
        ws_json_add_double(o, "temperature", r->temperature);
    if (r->reasoning_effort && !(quirks & CHAT_NO_EFFORT))
        add_text(o, "reasoning_effort", r->reasoning_effort);
    ws_json_print(o, false, out);
    cJSON_Delete(o);
}

void llm_request_body(const llm_request *r, ws_buf *out)
{
    chat_body(r, 0, out);
}

/* ---- errors ---- */

static const cJSON *get(const cJSON *o, const char *key)
{
    return cJSON_GetObjectItemCaseSensitive(o, key);
}

static const char *text_of(const cJSON *o, const char *key)
{
    const char *z = cJSON_GetStringValue(get(o, key));
    return z ? z : "";
}

static void copy_text(char *to, size_t size, const char *from)
{
    snprintf(to, size, "%.*s", (int)size - 1, from);
}

static double retry_info(const cJSON *error)
{
    const cJSON *d;
    cJSON_ArrayForEach(d, get(error, "details"))
    {
        char *end;
        const char *z = text_of(d, "retryDelay");
        double s = strtod(z, &end);
        if (end != z && *end == 's' && s >= 0)
            return s;
    }
    return (double)NAN;
}

static void read_error_object(const cJSON *e, chat_error *out)
{
    const cJSON *code = get(e, "code"), *place = cJSON_GetArrayItem(get(e, "loc"), 0);
    const char *message = text_of(e, "message");
    copy_text(out->message, sizeof out->message, *message ? message : text_of(e, "msg"));
    copy_text(out->type, sizeof out->type,
              *text_of(e, "type") ? text_of(e, "type") : text_of(e, "status"));
    copy_text(out->param, sizeof out->param, text_of(e, "param"));
    for (; place && !*text_of(e, "param");
         place = place->next) /* FastAPI: ["body", "stream_options"] */
        if (cJSON_IsString(place))
            copy_text(out->param, sizeof out->param, place->valuestring);
    if (cJSON_IsString(code))
        copy_text(out->code, sizeof out->code, code->valuestring);
    else if (cJSON_IsNumber(code) && code->valuedouble >= 400 && code->valuedouble < 600)
        out->status = (int)code->valuedouble;
    out->retry_after_s = retry_info(e);
    out->present = true;
}

/* {"error":{...}}, {"error":"..."}, [{"error":...}] (Gemini), {"object":"error",...} (old vLLM),
 * {"detail":...} (FastAPI), {"message":{"detail":...}} (Mistral), {"type":"error","error":...}
 * (Anthropic). */
static bool read_error(const cJSON *o, chat_error *out)
{
    if (cJSON_IsArray(o))
        o = cJSON_GetArrayItem(o, 0);
    if (cJSON_IsObject(get(o, "message")) && get(get(o, "message"), "detail"))
        o = get(o, "message");
    const cJSON *e = get(o, "error"), *detail = get(o, "detail");
    *out = (chat_error){.retry_after_s = (double)NAN};
    if (cJSON_IsObject(e)) {
        read_error_object(e, out);
    } else if (cJSON_IsString(e) || cJSON_IsString(detail)) {
        copy_text(out->message, sizeof out->message,
                  cJSON_IsString(e) ? e->valuestring : detail->valuestring);
        out->present = true;
    } else if (cJSON_IsArray(detail) && cJSON_IsObject(cJSON_GetArrayItem(detail, 0))) {
        read_error_object(cJSON_GetArrayItem(detail, 0), out);
    } else if (strcmp(text_of(o, "object"), "error") == 0) {
        read_error_object(o, out);
    }
    return out->present;
}

bool chat_error_parse(const char *body, size_t n, chat_error *out)
{
    cJSON *o = cJSON_ParseWithLength(body, n);
    *out = (chat_error){.retry_after_s = (double)NAN};
    bool found = o && read_error(o, out);
    cJSON_Delete(o);
    return found;
}

static bool says(const char *text, const char *word)
{
    return strcasestr(text, word) != NULL;
}

static bool says_any(const chat_error *e, const char *const *words)
{
    for (; *words; words++)
        if (says(e->message, *words) || says(e->code, *words) || says(e->type, *words))
            return true;
    return false;
}

static bool is_refused_field(const chat_error *e)
{
    static const char *const words[] = {"unsupported",
                                        "not supported",
                                        "does not support",
                                        "unknown",
                                        "unrecognized",
                                        "unexpected",
                                        "extra",
                                        "not permitted",
                                        "not allowed",
                                        "only the default",
                                        "not accepted",
                                        "invalid parameter",
                                        "no longer",
                                        NULL};
    return says_any(e, words);
}

/* The field is the error's param, or stands in the message as a whole word. */
static bool names_field(const chat_error *e, const char *field)
{
    size_t n = strlen(field);
    if (strcmp(e->param, field) == 0)
        return true;
    for (const char *p = e->message; (p = strstr(p, field)); p += n) {
        bool starts = p == e->message || (!isalnum((unsigned char)p[-1]) && p[-1] != '_');
        if (starts && !isalnum((unsigned char)p[n]) && p[n] != '_')
            return true;
    }
    return false;
}

static bool is_context(const chat_error *e)
{
    static const char *const words[] = {"context_length_exceeded",
                                        "exceed_context_size",
                                        "maximum context length",
                                        "prompt is too long",
                                        "context window",
                                        "too many tokens",
                                        NULL};
    return says_any(e, words);
}

/* The reply's limit is more than the model can give, or than its context leaves: without a limit
 * the server takes its own. */
static bool is_token_limit(const chat_error *e)
{
    static const char *const words[] = {"too large", "too high",  "at most", "valid range",
                                        "exceed",    "less than", "maximum", NULL};
    if (is_context(e))
        return true;
    return (names_field(e, "max_tokens") || names_field(e, "max_completion_tokens")) &&
           says_any(e, words);
}

unsigned chat_quirk_for(const chat_error *e, const llm_request *r, unsigned quirks)
{
    bool renamed = quirks & CHAT_COMPLETION_TOKENS;
    const struct {
        const char *field;
        bool sent;
        unsigned quirk;
    } row[] = {
        {"max_tokens", r->max_tokens > 0 && !renamed, CHAT_COMPLETION_TOKENS},
        {"max_completion_tokens", r->max_tokens > 0 && renamed, CHAT_NO_MAX_TOKENS},
        {"temperature", r->temperature >= 0, CHAT_NO_TEMPERATURE},
        {"stream_options", r->stream, CHAT_NO_STREAM_OPTIONS},
        {"stream", r->stream, CHAT_NO_STREAM},
        {"reasoning_effort", r->reasoning_effort != NULL, CHAT_NO_EFFORT},
    };
    if (e->present && r->max_tokens > 0 && !(quirks & CHAT_NO_MAX_TOKENS) && is_token_limit(e))
        return CHAT_NO_MAX_TOKENS;
    if (!e->present || !is_refused_field(e))
        return 0;
    for (int by_param = 1; by_param >= 0; by_param--)
        for (size_t i = 0; i < WS_COUNT(row); i++)
            if (row[i].sent && !(quirks & row[i].quirk) &&
                (by_param ? strcmp(e->param, row[i].field) == 0 : names_field(e, row[i].field)))
                return row[i].quirk;
    return 0;
}

static bool is_quota(const chat_error *e)
{
    static const char *const words[] = {
        "insufficient_quota",   "credit_balance", "spend_limit", "PerDay",
        "usage_limit_exceeded", "billing",        NULL};
    return says_any(e, words);
}

llm_outcome chat_error_outcome(int status, const chat_error *e)
{
    static const char *const bad_key[] = {"api key not valid", "invalid api key",
                                          "incorrect api key", "invalid_api_key", NULL};
    static const char *const moderated[] = {"moderation", "flagged", "content_policy",
                                            "content_filter", NULL};
    if (status < 400 && e->status)
        status = e->status; /* an error object under HTTP 200 */
    switch (status) {
    case 401:
        return LLM_AUTH;
    case 402:
        return LLM_QUOTA;
    case 403:
        return says_any(e, moderated) ? LLM_REFUSED : LLM_AUTH;
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
    if (is_context(e))
        return LLM_CONTEXT;
    if (status == 400 && says_any(e, bad_key)) /* Gemini */
        return LLM_AUTH;
    if (status >= 400 && status < 500)
        return says_any(e, moderated) ? LLM_REFUSED : LLM_BAD_REQUEST;
    if (status >= 300 && status < 400)
        return LLM_BAD_REQUEST;
    return says(e->type, "rate_limit") || says(e->code, "rate_limit") ? LLM_RATE_LIMITED
                                                                      : LLM_SERVER;
}

/* ---- text of a body that is no JSON ---- */

/* The end of a tag at p, past a script's or a style's content. */
static const char *skip_tag(const char *p, const char *end)
{
    static const char *const with_content[] = {"script", "style"};
    for (size_t i = 0; i < WS_COUNT(with_content); i++) {
        size_t n = strlen(with_content[i]);
        if ((size_t)(end - p) > n + 1 && strncasecmp(p + 1, with_content[i], n) == 0) {
            const char *close = memmem(p, (size_t)(end - p), "</", 2);
            p = close ? close : end;
        }
    }
    const char *gt = p < end ? memchr(p, '>', (size_t)(end - p)) : NULL;
    return gt ? gt + 1 : end;
}

/* Appends one character; `blank`: a space is due before it. */
static bool put_char(char *out, size_t size, size_t *at, bool blank, const char *c, size_t n)
{
    if (*at + n + 2 > size)
        return false;
    if (blank && *at)
        out[(*at)++] = ' ';
    memcpy(out + *at, c, n);
    *at += n;
    return true;
}

void chat_plain_text(const char *body, size_t n, char *out, size_t size)
{
    char *copy = ws_strndup(body ? body : "", body ? strnlen(body, n) : 0);
    char *clean = ws_utf8_valid(copy);
    const char *p = clean + strspn(clean, " \t\r\n"), *end = clean + strlen(clean);
    bool html = *p == '<', blank = false;
    size_t at = 0;
    while (p < end) {
        size_t k = ws_utf8_length(p);
        /* C0, DEL and C1 could command a terminal. */
        bool control = (unsigned char)*p < ' ' || *p == 0x7f ||
                       (k == 2 && (unsigned char)p[0] == 0xc2 && (unsigned char)p[1] < 0xa0);
        if (html && *p == '<') {
            p = skip_tag(p, end);
            blank = true;
            continue;
        }
        if (control || *p == ' ') {
            blank = true;
        } else {
            if (!put_char(out, size, &at, blank, p, k))
                break;
            blank = false;
        }
        p += k;
    }
    out[at] = '\0';
    free(copy);
    free(clean);
}

/* ---- replies ---- */

bool chat_reply_has_usage(const chat_reply *r)
{
    return r->prompt_tokens >= 0 && r->completion_tokens >= 0;
}

void chat_reply_init(chat_reply *r)
{
    *r = (chat_reply){.prompt_tokens = -1,
                      .cached_tokens = -1,
                      .completion_tokens = -1,
                      .reasoning_tokens = -1,
                      .cost_usd = (double)NAN};
    r->error.retry_after_s = (double)NAN;
}

void chat_reply_release(chat_reply *r)
{
    ws_buf_release(&r->content);
    ws_buf_release(&r->reasoning);
    ws_buf_release(&r->refusal);
}

/* A string, or an array of parts with "text". */
static void add_parts(ws_buf *out, const cJSON *v)
{
    const cJSON *part;
    if (cJSON_IsString(v))
        ws_buf_adds(out, v->valuestring);
    else if (cJSON_IsArray(v))
        cJSON_ArrayForEach(part, v) ws_buf_adds(out, text_of(part, "text"));
}

static void read_message(chat_reply *r, const cJSON *m)
{
    const cJSON *reasoning = get(m, "reasoning_content"); /* DeepSeek, llama.cpp */
    if (!cJSON_IsString(reasoning))
        reasoning = get(m, "reasoning"); /* vLLM, Ollama, OpenRouter */
    if (!cJSON_IsString(reasoning))
        reasoning = get(m, "reasoning_details");
    add_parts(&r->content, get(m, "content"));
    add_parts(&r->reasoning, reasoning);
    add_parts(&r->refusal, get(m, "refusal"));
}

static void read_count(const cJSON *o, const char *key, int64_t *out)
{
    int64_t n;
    if (ws_json_whole(get(o, key), &n) && n >= 0)
        *out = n;
}

static void read_usage(chat_reply *r, const cJSON *u)
{
    const cJSON *cost = get(u, "cost");
    read_count(u, "prompt_tokens", &r->prompt_tokens);
    read_count(u, "completion_tokens", &r->completion_tokens);
    read_count(u, "prompt_cache_hit_tokens", &r->cached_tokens); /* DeepSeek */
    read_count(get(u, "prompt_tokens_details"), "cached_tokens", &r->cached_tokens);
    read_count(get(u, "completion_tokens_details"), "reasoning_tokens", &r->reasoning_tokens);
    if (cJSON_IsNumber(cost) && cost->valuedouble >= 0)
        r->cost_usd = cost->valuedouble;
}

static void read_choice(chat_reply *r, const cJSON *choice)
{
    const cJSON *delta = get(choice, "delta");
    const char *reason = text_of(choice, "finish_reason");
    chat_error e;
    if (cJSON_IsObject(delta))
        read_message(r, delta);
    else if (cJSON_IsObject(get(choice, "message")))
        read_message(r, get(choice, "message"));
    else
        add_parts(&r->content, get(choice, "text"));
    if (read_error(choice, &e))
        r->error = e;
    if (*reason) {
        copy_text(r->finish_reason, sizeof r->finish_reason, reason);
        r->finished = true;
    }
}

static void read_completion(chat_reply *r, const cJSON *o)
{
    const cJSON *choice, *choices = get(o, "choices");
    chat_error e;
    if (read_error(o, &e)) {
        r->error = e;
        return;
    }
    if (!cJSON_IsArray(choices) && !cJSON_IsObject(get(o, "usage"))) {
        r->malformed = true;
        return;
    }
    if (*text_of(o, "model"))
        copy_text(r->model, sizeof r->model, text_of(o, "model"));
    cJSON_ArrayForEach(choice, choices)
    {
        const cJSON *index = get(choice, "index");
        if (!cJSON_IsNumber(index) || index->valuedouble == 0)
            read_choice(r, choice);
    }
    if (cJSON_IsObject(get(o, "usage")))
        read_usage(r, get(o, "usage"));
}

void chat_reply_event(chat_reply *r, const char *data, size_t n)
{
    if (strcmp(data, "[DONE]") == 0) {
        r->finished = r->done = true;
        return;
    }
    cJSON *o = cJSON_ParseWithLength(data, n);
    if (o)
        read_completion(r, o);
    else
        r->malformed = true;
    cJSON_Delete(o);
}

void chat_reply_whole(chat_reply *r, const char *body, size_t n)
{
    const char *end = NULL;
    cJSON *o = cJSON_ParseWithLengthOpts(body, n, &end, false);
    r->partial = !o && end && end + 1 >= body + n;
    if (o && cJSON_IsArray(o) && !read_error(o, &r->error)) {
        r->malformed = true;
    } else if (o) {
        read_completion(r, o);
        r->finished = !r->malformed && cJSON_IsArray(get(o, "choices"));
    } else {
        r->malformed = true;
    }
    cJSON_Delete(o);
}
