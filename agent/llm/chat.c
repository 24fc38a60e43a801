/* OpenAI's Chat Completions (openai-openapi, /chat/completions), as they are in the wild. A stream
 * ends with a finish reason or [DONE]. */
#include "agent/llm/adapter.h"

#include "agent/llm/provider.h"
#include "base/json.h"

#include <string.h>

static cJSON *content_of(const llm_message *m, const llm_quirks *q, unsigned traits)
{
    if ((traits & LLM_TRAIT_CACHE_PARTS) && m->cache_prefix && !(q->bits & LLM_Q_NO_CACHE))
        return llm_cached_parts(m);
    return NULL;
}

static void add_messages(const llm_request *r, const llm_quirks *q, unsigned traits, cJSON *o)
{
    cJSON *messages = cJSON_AddArrayToObject(o, "messages");
    for (int i = 0; i < r->n_messages; i++) {
        cJSON *m = cJSON_CreateObject(), *parts = content_of(&r->message[i], q, traits);
        llm_add_text(m, "role", r->message[i].role);
        if (parts)
            cJSON_AddItemToObject(m, "content", parts);
        else
            llm_add_text(m, "content", r->message[i].content);
        cJSON_AddItemToArray(messages, m);
    }
}

/* The other name is taken when one was refused, none when both were. */
static const char *token_field(const llm_quirks *q, unsigned traits)
{
    bool renamed = q->bits & LLM_Q_COMPLETION_TOKENS, plain = q->bits & LLM_Q_PLAIN_TOKENS;
    if (renamed && plain)
        return NULL;
    if (renamed || (!plain && (traits & LLM_TRAIT_COMPLETION_TOKENS)))
        return "max_completion_tokens";
    return "max_tokens";
}

static void body(const llm_request *r, const llm_quirks *q, unsigned traits, cJSON *o)
{
    const char *field = token_field(q, traits);
    int64_t most = llm_most_tokens(r, q);
    add_messages(r, q, traits, o);
    if (r->stream && !(q->bits & LLM_Q_NO_STREAM)) {
        cJSON_AddBoolToObject(o, "stream", true);
        if (!(q->bits & LLM_Q_NO_STREAM_OPTIONS))
            cJSON_AddBoolToObject(cJSON_AddObjectToObject(o, "stream_options"), "include_usage",
                                  true);
    }
    if (most && field)
        ws_json_add_int(o, field, most);
    if (r->temperature >= 0 && !(q->bits & LLM_Q_NO_TEMPERATURE))
        ws_json_add_double(o, "temperature", r->temperature);
    if (!r->reasoning_effort || (q->bits & LLM_Q_NO_EFFORT))
        return;
    if (traits & LLM_TRAIT_REASONING_OBJECT)
        llm_add_text(cJSON_AddObjectToObject(o, "reasoning"), "effort", r->reasoning_effort);
    else
        llm_add_text(o, "reasoning_effort", r->reasoning_effort);
}

/* ---- replies ---- */

static void read_message(llm_answer *a, const cJSON *m)
{
    size_t before = a->content.n + a->reasoning.n + a->refusal.n;
    const cJSON *part, *content = llm_get(m, "content");
    const cJSON *reasoning = llm_get(m, "reasoning_content"); /* DeepSeek, llama.cpp */
    if (!cJSON_IsString(reasoning))
        reasoning = llm_get(m, "reasoning"); /* vLLM, Ollama, OpenRouter */
    if (!cJSON_IsString(reasoning))
        reasoning = llm_get(m, "reasoning_details");
    llm_add_parts(&a->content, content);
    llm_add_parts(&a->reasoning, reasoning);
    if (cJSON_IsArray(content)) /* Mistral: parts of type "thinking" */
        cJSON_ArrayForEach(part, content) llm_add_parts(&a->reasoning, llm_get(part, "thinking"));
    llm_add_parts(&a->refusal, llm_get(m, "refusal"));
    a->moved |= a->content.n + a->reasoning.n + a->refusal.n > before ||
                cJSON_GetArraySize(llm_get(m, "tool_calls")) > 0 ||
                cJSON_GetArraySize(reasoning) > 0;
}

static void read_choice(llm_answer *a, const cJSON *choice)
{
    const cJSON *delta = llm_get(choice, "delta");
    llm_error e;
    if (cJSON_IsObject(delta))
        read_message(a, delta);
    else if (cJSON_IsObject(llm_get(choice, "message")))
        read_message(a, llm_get(choice, "message"));
    else
        llm_add_parts(&a->content, llm_get(choice, "text"));
    if (llm_error_read(choice, &e))
        a->error = e;
    llm_answer_finish(a, llm_get_text(choice, "finish_reason"));
}

static void event(llm_answer *a, const cJSON *o)
{
    const cJSON *choice, *choices = llm_get(o, "choices");
    const cJSON *usage = llm_get(o, "usage");
    if (!cJSON_IsObject(usage))
        usage = llm_get(llm_get(o, "x_groq"), "usage");
    if (!cJSON_IsArray(choices) && !cJSON_IsObject(usage)) {
        a->malformed = true;
        return;
    }
    llm_answer_name(a, o);
    cJSON_ArrayForEach(choice, choices)
    {
        const cJSON *index = llm_get(choice, "index");
        if (!cJSON_IsNumber(index) || index->valuedouble == 0)
            read_choice(a, choice);
    }
    llm_answer_usage(a, usage);
    a->finished |= a->finish_reason[0] != '\0';
}

static void whole(llm_answer *a, const cJSON *o)
{
    event(a, o);
    a->finished = !a->malformed && cJSON_IsArray(llm_get(o, "choices"));
}

const llm_adapter llm_chat = {.wire = LLM_WIRE_CHAT,
                              .name = "chat",
                              .path = "/chat/completions",
                              .what = "a chat completion",
                              .body = body,
                              .event = event,
                              .whole = whole};
