#include "agent/llm/wire_body.h"

#include "base/json.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- parts ---- */

void wire_end_part(wire_parts *p)
{
    WS_GROW(p->end, p->n, p->cap);
    p->end[p->n++] = p->body.n;
}

void wire_parts_release(wire_parts *p)
{
    ws_buf_release(&p->body);
    free(p->end);
}

size_t wire_next_piece(const script_answer *a, const char *text, size_t from)
{
    size_t left = strlen(text + from);
    size_t n = a->chunk_bytes > 0 && (size_t)a->chunk_bytes < left ? (size_t)a->chunk_bytes : left;
    while (n < left && ((unsigned char)text[from + n] & 0xc0) == 0x80)
        n++;
    return n;
}

/* ---- Chat Completions ---- */

/* What is common to a completion and a chunk; *choice is NULL when `with_choice` is false. */
static cJSON *new_object(const wire_completion *c, const char *kind, bool with_choice,
                         cJSON **choice)
{
    char id[48];
    cJSON *o = cJSON_CreateObject();
    snprintf(id, sizeof id, "chatcmpl-scripted-%" PRId64, c->id);
    cJSON_AddStringToObject(o, "id", id);
    cJSON_AddStringToObject(o, "object", kind);
    ws_json_add_int(o, "created", c->created_s);
    cJSON_AddStringToObject(o, "model", c->model);
    cJSON_AddStringToObject(o, "system_fingerprint", "scripted");
    cJSON *choices = cJSON_AddArrayToObject(o, "choices");
    *choice = NULL;
    if (with_choice) {
        *choice = cJSON_CreateObject();
        ws_json_add_int(*choice, "index", 0);
        cJSON_AddItemToArray(choices, *choice);
    }
    return o;
}

int64_t wire_reasoning_tokens(const script_answer *a)
{
    return a->reasoning ? (int64_t)(strlen(a->reasoning) + 3) / 4 : 0;
}

/* Tokens are estimated at four characters each. */
int64_t wire_completion_tokens(const script_answer *a)
{
    return (int64_t)(strlen(a->text) + 3) / 4 + wire_reasoning_tokens(a);
}

static void add_usage(cJSON *o, const wire_completion *c, const script_answer *a)
{
    int64_t out = wire_completion_tokens(a);
    cJSON *u = cJSON_AddObjectToObject(o, "usage");
    ws_json_add_int(u, "prompt_tokens", c->prompt_tokens);
    ws_json_add_int(u, "completion_tokens", out);
    ws_json_add_int(u, "total_tokens", c->prompt_tokens + out);
    ws_json_add_int(cJSON_AddObjectToObject(u, "completion_tokens_details"), "reasoning_tokens",
                    wire_reasoning_tokens(a));
}

static const char *finish_of(const script_answer *a)
{
    return a->finish_reason ? a->finish_reason : "stop";
}

static void add_event(wire_parts *p, cJSON *o)
{
    ws_buf_adds(&p->body, "data: ");
    ws_json_print(o, false, &p->body);
    ws_buf_adds(&p->body, "\n\n");
    wire_end_part(p);
    cJSON_Delete(o);
}

static void add_delta(wire_parts *p, const wire_completion *c, const char *key, const char *text,
                      const char *finish)
{
    cJSON *choice, *o = new_object(c, "chat.completion.chunk", true, &choice);
    cJSON *delta = cJSON_AddObjectToObject(choice, "delta");
    if (key)
        cJSON_AddStringToObject(delta, key, text);
    if (finish)
        cJSON_AddStringToObject(choice, "finish_reason", finish);
    else
        cJSON_AddNullToObject(choice, "finish_reason");
    add_event(p, o);
}

/* The text in events of at most chunk_bytes, not inside a UTF-8 sequence. */
static void add_text_events(wire_parts *p, const wire_completion *c, const script_answer *a,
                            const char *key, const char *text)
{
    for (size_t from = 0, n; (n = wire_next_piece(a, text, from)) > 0; from += n) {
        char *part = ws_strndup(text + from, n);
        add_delta(p, c, key, part, NULL);
        free(part);
    }
}

static void complete_streaming(const wire_completion *c, const script_answer *a, wire_parts *p)
{
    add_delta(p, c, "role", "assistant", NULL);
    if (a->reasoning)
        add_text_events(p, c, a, "reasoning_content", a->reasoning);
    add_text_events(p, c, a, "content", a->text);
    add_delta(p, c, NULL, NULL, finish_of(a));
    if (c->include_usage && !a->no_usage) {
        cJSON *none, *o = new_object(c, "chat.completion.chunk", false, &none);
        add_usage(o, c, a);
        add_event(p, o);
    }
    ws_buf_adds(&p->body, "data: [DONE]\n\n");
    wire_end_part(p);
}

static void complete_whole(const wire_completion *c, const script_answer *a, wire_parts *p)
{
    cJSON *choice, *o = new_object(c, "chat.completion", true, &choice);
    cJSON *m = cJSON_AddObjectToObject(choice, "message");
    cJSON_AddStringToObject(m, "role", "assistant");
    if (a->reasoning)
        cJSON_AddStringToObject(m, "reasoning_content", a->reasoning);
    cJSON_AddStringToObject(m, "content", a->text);
    cJSON_AddStringToObject(choice, "finish_reason", finish_of(a));
    if (!a->no_usage)
        add_usage(o, c, a);
    ws_json_print(o, false, &p->body);
    wire_end_part(p);
    cJSON_Delete(o);
}

void wire_chat_body(const wire_completion *c, const script_answer *a, wire_parts *p)
{
    if (c->stream)
        complete_streaming(c, a, p);
    else
        complete_whole(c, a, p);
}
