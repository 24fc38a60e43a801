/* OpenAI's Responses (openai-openapi, /responses). The output is a list of items, of which every
 * output_text counts. A stream ends with one of response.completed, .incomplete, .failed, or error;
 * nothing else is an end. Nothing is stored on the server. */
#include "agent/llm/adapter.h"

#include "base/json.h"

#include <string.h>

static void body(const llm_request *r, const llm_quirks *q, unsigned traits, cJSON *o)
{
    ws_buf instructions = {0};
    int64_t most = llm_most_tokens(r, q);
    (void)traits;
    for (int i = 0; i < r->n_messages; i++)
        if (llm_is_system(&r->message[i]))
            ws_buf_printf(&instructions, "%s%s", instructions.n ? "\n\n" : "",
                          r->message[i].content);
    if (instructions.n)
        llm_add_text(o, "instructions", ws_buf_z(&instructions));
    cJSON *input = cJSON_AddArrayToObject(o, "input");
    for (int i = 0; i < r->n_messages; i++) {
        if (llm_is_system(&r->message[i]))
            continue;
        cJSON *m = cJSON_CreateObject();
        llm_add_text(m, "role", r->message[i].role);
        llm_add_text(m, "content", r->message[i].content);
        cJSON_AddItemToArray(input, m);
    }
    if (!(q->bits & LLM_Q_NO_STORE))
        cJSON_AddBoolToObject(o, "store", false);
    if (r->stream && !(q->bits & LLM_Q_NO_STREAM))
        cJSON_AddBoolToObject(o, "stream", true);
    if (most)
        ws_json_add_int(o, "max_output_tokens", most < 16 ? 16 : most); /* the server's least */
    if (r->temperature >= 0 && !(q->bits & LLM_Q_NO_TEMPERATURE))
        ws_json_add_double(o, "temperature", r->temperature);
    if (r->reasoning_effort && !(q->bits & LLM_Q_NO_EFFORT))
        llm_add_text(cJSON_AddObjectToObject(o, "reasoning"), "effort", r->reasoning_effort);
    ws_buf_release(&instructions);
}

/* ---- replies ---- */

static void read_item(llm_answer *a, const cJSON *item)
{
    const cJSON *part;
    const char *type = llm_get_text(item, "type");
    if (strcmp(type, "reasoning") == 0) {
        llm_add_parts(&a->reasoning, llm_get(item, "summary"));
        llm_add_parts(&a->reasoning, llm_get(item, "content"));
        return;
    }
    if (*type && strcmp(type, "message") != 0)
        return;
    cJSON_ArrayForEach(part, llm_get(item, "content"))
    {
        if (strcmp(llm_get_text(part, "type"), "refusal") == 0)
            ws_buf_adds(&a->refusal, llm_get_text(part, "refusal"));
        else
            ws_buf_adds(&a->content, llm_get_text(part, "text"));
    }
}

/* The whole response object. Its output replaces what came in pieces, where it has any. */
static void read_response(llm_answer *a, const cJSON *r)
{
    const cJSON *item, *output = llm_get(r, "output");
    const char *status = llm_get_text(r, "status");
    const char *reason = llm_get_text(llm_get(r, "incomplete_details"), "reason");
    llm_error e;
    llm_answer_name(a, r);
    llm_answer_usage(a, llm_get(r, "usage"));
    if (cJSON_GetArraySize(output) > 0) {
        ws_buf_reset(&a->content);
        ws_buf_reset(&a->refusal);
        bool told = false;
        cJSON_ArrayForEach(item, output) told |=
            strcmp(llm_get_text(item, "type"), "reasoning") == 0 &&
            (cJSON_GetArraySize(llm_get(item, "summary")) ||
             cJSON_GetArraySize(llm_get(item, "content")));
        if (told)
            ws_buf_reset(&a->reasoning);
        cJSON_ArrayForEach(item, output) read_item(a, item);
    }
    if (llm_error_read(r, &e))
        a->error = e;
    else if (strcmp(status, "failed") == 0 || strcmp(status, "cancelled") == 0) {
        a->error = (llm_error){.present = true, .retry_after_s = a->error.retry_after_s};
        llm_copy_text(a->error.message, sizeof a->error.message, "the response has failed");
    }
    llm_answer_finish(a, *reason ? reason : status);
}

static bool ends_with(const char *z, const char *tail)
{
    size_t n = strlen(z), k = strlen(tail);
    return n >= k && strcmp(z + n - k, tail) == 0;
}

static void event(llm_answer *a, const cJSON *o)
{
    const char *type = llm_get_text(o, "type");
    const char *delta = llm_get_text(o, "delta");
    if (strcmp(type, "error") == 0) { /* flat: code, message, param beside type */
        a->error = (llm_error){.retry_after_s = a->error.retry_after_s};
        llm_error_read_object(o, &a->error);
    } else if (strcmp(type, "response.completed") == 0 ||
               strcmp(type, "response.incomplete") == 0 || strcmp(type, "response.failed") == 0 ||
               strcmp(type, "response.cancelled") == 0) {
        read_response(a, llm_get(o, "response"));
        llm_answer_finish(a, a->finish_reason[0] ? NULL : type + strlen("response."));
        if (ends_with(type, "failed") && !a->error.present) {
            a->error.present = true;
            llm_copy_text(a->error.message, sizeof a->error.message, "the response has failed");
        }
        a->finished = a->done = true;
        a->moved = true;
    } else if (strcmp(type, "response.output_text.delta") == 0) {
        ws_buf_adds(&a->content, delta);
        a->moved |= *delta != '\0';
    } else if (strcmp(type, "response.refusal.delta") == 0) {
        ws_buf_adds(&a->refusal, delta);
        a->moved |= *delta != '\0';
    } else if (strcmp(type, "response.reasoning_text.delta") == 0 ||
               strcmp(type, "response.reasoning_summary_text.delta") == 0) {
        ws_buf_adds(&a->reasoning, delta);
        a->moved |= *delta != '\0';
    } else if (strcmp(type, "response.created") == 0) {
        llm_answer_name(a, llm_get(o, "response"));
    } else if (!*type) {
        a->malformed = true;
    } else { /* the server repeats in_progress and queued as signs of life; others bring parts */
        a->moved |= !ends_with(type, ".in_progress") && !ends_with(type, ".queued") &&
                    strcmp(type, "keepalive") != 0 && strcmp(type, "ping") != 0;
    }
}

static void whole(llm_answer *a, const cJSON *o)
{
    const char *status = llm_get_text(o, "status");
    if (!cJSON_IsArray(llm_get(o, "output")) && !*status) {
        a->malformed = true;
        return;
    }
    read_response(a, o);
    a->finished = strcmp(status, "in_progress") != 0 && strcmp(status, "queued") != 0;
    a->malformed = !a->finished; /* asked for without background: it must be over */
}

const llm_adapter llm_responses = {.wire = LLM_WIRE_RESPONSES,
                                   .name = "responses",
                                   .path = "/responses",
                                   .what = "a response of the Responses API",
                                   .body = body,
                                   .event = event,
                                   .whole = whole};
