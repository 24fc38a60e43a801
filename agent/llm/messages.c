/* Anthropic's Messages (/v1/messages). The system text stands outside the messages, the limit of
 * the reply is required, and a stream ends with message_stop and nothing else. */
#include "agent/llm/adapter.h"

#include "base/json.h"

#include <string.h>

static cJSON *parts_of(const llm_message *m, const llm_quirks *q)
{
    llm_message plain = *m;
    if (q->bits & LLM_Q_NO_CACHE)
        plain.cache_prefix = 0;
    return llm_cached_parts(&plain);
}

static void add_system(const llm_request *r, const llm_quirks *q, cJSON *o)
{
    cJSON *system = cJSON_CreateArray();
    for (int i = 0; i < r->n_messages; i++) {
        if (!llm_is_system(&r->message[i]))
            continue;
        cJSON *parts = parts_of(&r->message[i], q);
        while (cJSON_GetArraySize(parts))
            cJSON_AddItemToArray(system, cJSON_DetachItemFromArray(parts, 0));
        cJSON_Delete(parts);
    }
    if (cJSON_GetArraySize(system))
        cJSON_AddItemToObject(o, "system", system);
    else
        cJSON_Delete(system);
}

static void body(const llm_request *r, const llm_quirks *q, unsigned traits, cJSON *o)
{
    int64_t most = llm_most_tokens(r, q);
    (void)traits;
    ws_json_add_int(o, "max_tokens", most ? most : r->max_tokens);
    add_system(r, q, o);
    cJSON *messages = cJSON_AddArrayToObject(o, "messages");
    for (int i = 0; i < r->n_messages; i++) {
        if (llm_is_system(&r->message[i]))
            continue;
        cJSON *m = cJSON_CreateObject();
        llm_add_text(m, "role", r->message[i].role);
        cJSON_AddItemToObject(m, "content", parts_of(&r->message[i], q));
        cJSON_AddItemToArray(messages, m);
    }
    if (r->stream && !(q->bits & LLM_Q_NO_STREAM))
        cJSON_AddBoolToObject(o, "stream", true);
    if (r->temperature >= 0 && !(q->bits & LLM_Q_NO_TEMPERATURE))
        ws_json_add_double(o, "temperature", r->temperature);
    if (r->reasoning_effort && !(q->bits & LLM_Q_NO_EFFORT))
        llm_add_text(cJSON_AddObjectToObject(o, "output_config"), "effort", r->reasoning_effort);
}

/* ---- replies ---- */

/* A block, or a delta of one: text and thinking; signatures and what is redacted are no text. */
static void read_part(llm_answer *a, const cJSON *part)
{
    const char *text = llm_get_text(part, "text"), *thinking = llm_get_text(part, "thinking");
    ws_buf_adds(&a->content, text);
    ws_buf_adds(&a->reasoning, thinking);
}

static void event(llm_answer *a, const cJSON *o)
{
    const char *type = llm_get_text(o, "type");
    if (strcmp(type, "ping") == 0)
        return;
    a->moved = true;
    if (strcmp(type, "message_start") == 0) {
        llm_answer_name(a, llm_get(o, "message"));
        llm_answer_usage(a, llm_get(llm_get(o, "message"), "usage"));
        a->completion_tokens = -1; /* the first token or so; the whole count comes later */
    } else if (strcmp(type, "content_block_start") == 0) {
        read_part(a, llm_get(o, "content_block"));
    } else if (strcmp(type, "content_block_delta") == 0) {
        read_part(a, llm_get(o, "delta"));
    } else if (strcmp(type, "message_delta") == 0) {
        llm_answer_usage(a, llm_get(o, "usage"));
        llm_answer_finish(a, llm_get_text(llm_get(o, "delta"), "stop_reason"));
    } else if (strcmp(type, "message_stop") == 0) {
        a->finished = a->done = true;
    } else if (strcmp(type, "error") == 0) { /* without its error object */
        a->error.present = true;
    } else if (!*type) {
        a->malformed = true;
    }
}

static void whole(llm_answer *a, const cJSON *o)
{
    const cJSON *part, *content = llm_get(o, "content");
    if (!cJSON_IsArray(content)) {
        a->malformed = true;
        return;
    }
    llm_answer_name(a, o);
    cJSON_ArrayForEach(part, content) read_part(a, part);
    llm_answer_usage(a, llm_get(o, "usage"));
    llm_answer_finish(a, llm_get_text(o, "stop_reason"));
    a->finished = true;
}

static const char *const header[] = {"anthropic-version: 2023-06-01", NULL};
const llm_adapter llm_messages = {.wire = LLM_WIRE_MESSAGES,
                                  .name = "messages",
                                  .path = "/messages",
                                  .what = "a message of the Messages API",
                                  .header = header,
                                  .body = body,
                                  .event = event,
                                  .whole = whole};
