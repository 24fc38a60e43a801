/* OpenAI Responses and Anthropic Messages: streams of named events. */
#include "agent/llm/wire_body.h"

#include "base/json.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* An event named as its data's "type"; takes `o`. */
static void add_event(wire_parts *p, cJSON *o)
{
    const char *type = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, "type"));
    ws_buf_printf(&p->body, "event: %s\ndata: ", type);
    ws_json_print(o, false, &p->body);
    ws_buf_adds(&p->body, "\n\n");
    wire_end_part(p);
    cJSON_Delete(o);
}

static cJSON *typed(const char *type)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "type", type);
    return o;
}

static void add_whole(wire_parts *p, cJSON *o)
{
    ws_json_print(o, false, &p->body);
    wire_end_part(p);
    cJSON_Delete(o);
}

static bool ends_by(const script_answer *a, const char *reason)
{
    return a->finish_reason && strcmp(a->finish_reason, reason) == 0;
}

/* ---- Responses ---- */

static void add_part(cJSON *list, const char *type, const char *text)
{
    cJSON *part = typed(type);
    cJSON_AddStringToObject(part, "text", text);
    cJSON_AddItemToArray(list, part);
}

static void add_output(const script_answer *a, cJSON *output)
{
    if (a->reasoning) {
        cJSON *thought = typed("reasoning");
        add_part(cJSON_AddArrayToObject(thought, "summary"), "summary_text", a->reasoning);
        cJSON_AddItemToArray(output, thought);
    }
    cJSON *message = typed("message");
    cJSON_AddStringToObject(message, "role", "assistant");
    add_part(cJSON_AddArrayToObject(message, "content"), "output_text", a->text);
    cJSON_AddItemToArray(output, message);
}

static void add_responses_usage(const wire_completion *c, const script_answer *a, cJSON *o)
{
    int64_t out = wire_completion_tokens(a);
    cJSON *u = cJSON_AddObjectToObject(o, "usage");
    ws_json_add_int(u, "input_tokens", c->prompt_tokens);
    ws_json_add_int(u, "output_tokens", out);
    ws_json_add_int(cJSON_AddObjectToObject(u, "output_tokens_details"), "reasoning_tokens",
                    wire_reasoning_tokens(a));
    ws_json_add_int(u, "total_tokens", c->prompt_tokens + out);
}

/* The response object, without output and usage while it is in progress. */
static cJSON *response(const wire_completion *c, const script_answer *a, bool over)
{
    char id[48];
    const char *why = ends_by(a, "length")           ? "max_output_tokens"
                      : ends_by(a, "content_filter") ? "content_filter"
                                                     : NULL;
    cJSON *o = cJSON_CreateObject();
    snprintf(id, sizeof id, "resp_scripted_%" PRId64, c->id);
    cJSON_AddStringToObject(o, "id", id);
    cJSON_AddStringToObject(o, "object", "response");
    ws_json_add_int(o, "created_at", c->created_s);
    cJSON_AddStringToObject(o, "model", c->model);
    cJSON_AddStringToObject(o, "status", !over ? "in_progress" : why ? "incomplete" : "completed");
    if (over && why)
        cJSON_AddStringToObject(cJSON_AddObjectToObject(o, "incomplete_details"), "reason", why);
    cJSON *output = cJSON_AddArrayToObject(o, "output");
    if (over)
        add_output(a, output);
    if (over && !a->no_usage)
        add_responses_usage(c, a, o);
    return o;
}

static void add_texts(wire_parts *p, const script_answer *a, const char *type, const char *text,
                      int index)
{
    for (size_t from = 0, n; (n = wire_next_piece(a, text, from)) > 0; from += n) {
        char *piece = ws_strndup(text + from, n);
        cJSON *o = typed(type);
        cJSON_AddNumberToObject(o, "output_index", index);
        cJSON_AddStringToObject(o, "delta", piece);
        add_event(p, o);
        free(piece);
    }
}

void wire_responses_body(const wire_completion *c, const script_answer *a, wire_parts *p)
{
    if (!c->stream) {
        add_whole(p, response(c, a, true));
        return;
    }
    cJSON *o = typed("response.created");
    cJSON_AddItemToObject(o, "response", response(c, a, false));
    add_event(p, o);
    if (a->reasoning)
        add_texts(p, a, "response.reasoning_summary_text.delta", a->reasoning, 0);
    add_texts(p, a, "response.output_text.delta", a->text, a->reasoning ? 1 : 0);
    bool whole = !ends_by(a, "length") && !ends_by(a, "content_filter");
    o = typed(whole ? "response.completed" : "response.incomplete");
    cJSON_AddItemToObject(o, "response", response(c, a, true));
    add_event(p, o);
}

/* ---- Messages ---- */

static const char *stop_reason(const script_answer *a)
{
    return ends_by(a, "length")           ? "max_tokens"
           : ends_by(a, "content_filter") ? "refusal"
           : ends_by(a, "stop")           ? "end_turn"
           : a->finish_reason             ? a->finish_reason
                                          : "end_turn";
}

/* Reasoning is a part of the output tokens and not told apart. */
static void add_messages_usage(const wire_completion *c, int64_t out, cJSON *o)
{
    cJSON *u = cJSON_AddObjectToObject(o, "usage");
    ws_json_add_int(u, "input_tokens", c->prompt_tokens);
    ws_json_add_int(u, "output_tokens", out);
}

static void add_block(cJSON *content, const char *type, const char *text)
{
    cJSON *block = typed(type);
    cJSON_AddStringToObject(block, type, text);
    cJSON_AddItemToArray(content, block);
}

static cJSON *message(const wire_completion *c, const script_answer *a, bool over)
{
    char id[48];
    cJSON *o = typed("message");
    snprintf(id, sizeof id, "msg_scripted_%" PRId64, c->id);
    cJSON_AddStringToObject(o, "id", id);
    cJSON_AddStringToObject(o, "role", "assistant");
    cJSON_AddStringToObject(o, "model", c->model);
    cJSON *content = cJSON_AddArrayToObject(o, "content");
    if (over && a->reasoning)
        add_block(content, "thinking", a->reasoning);
    if (over)
        add_block(content, "text", a->text);
    if (over)
        cJSON_AddStringToObject(o, "stop_reason", stop_reason(a));
    else
        cJSON_AddNullToObject(o, "stop_reason");
    if (!a->no_usage)
        add_messages_usage(c, over ? wire_completion_tokens(a) : 1, o);
    return o;
}

/* A block of `kind` ("text", "thinking") in pieces. */
static void add_stream_block(wire_parts *p, const script_answer *a, const char *kind,
                             const char *text, int index)
{
    char type[32];
    cJSON *o = typed("content_block_start"), *block = typed(kind);
    snprintf(type, sizeof type, "%s_delta", kind);
    cJSON_AddNumberToObject(o, "index", index);
    cJSON_AddStringToObject(block, kind, "");
    cJSON_AddItemToObject(o, "content_block", block);
    add_event(p, o);
    for (size_t from = 0, n; (n = wire_next_piece(a, text, from)) > 0; from += n) {
        char *piece = ws_strndup(text + from, n);
        cJSON *delta = typed(type);
        o = typed("content_block_delta");
        cJSON_AddNumberToObject(o, "index", index);
        cJSON_AddStringToObject(delta, kind, piece);
        cJSON_AddItemToObject(o, "delta", delta);
        add_event(p, o);
        free(piece);
    }
    o = typed("content_block_stop");
    cJSON_AddNumberToObject(o, "index", index);
    add_event(p, o);
}

void wire_messages_body(const wire_completion *c, const script_answer *a, wire_parts *p)
{
    int index = 0;
    if (!c->stream) {
        add_whole(p, message(c, a, true));
        return;
    }
    cJSON *o = typed("message_start");
    cJSON_AddItemToObject(o, "message", message(c, a, false));
    add_event(p, o);
    if (a->reasoning)
        add_stream_block(p, a, "thinking", a->reasoning, index++);
    add_stream_block(p, a, "text", a->text, index);
    o = typed("message_delta");
    cJSON_AddStringToObject(cJSON_AddObjectToObject(o, "delta"), "stop_reason", stop_reason(a));
    if (!a->no_usage)
        ws_json_add_int(cJSON_AddObjectToObject(o, "usage"), "output_tokens",
                        wire_completion_tokens(a));
    add_event(p, o);
    add_event(p, typed("message_stop"));
}
