/* Bodies of the three wires, streams and whole replies, as the vendors' references have them
 * (openai-openapi: chat.completion.chunk, response.*; Anthropic: message_start ... message_stop).
 * Written apart from the client's code: what is sent here is what is expected there. */
#ifndef TESTS_LLM_BODIES_H
#define TESTS_LLM_BODIES_H

#include "base/buf.h"

#include <stdio.h>
#include <string.h>

enum { CHAT, RESPONSES, MESSAGES, N_WIRES, N_VARIANTS = 2 * N_WIRES }; /* variant: 2 wire + plain */

typedef enum body_what {
    W_FINE,
    W_LENGTH, /* the reply's limit was reached */
    W_REFUSED,
    W_EMPTY,   /* the limit was reached while reasoning */
    W_CONTEXT, /* the context was full before the end (Messages only) */
    W_THINK,   /* reasoning in tags in the content */
    W_NO_END,  /* all of the text, and no word that it is over */
    W_NO_DONE, /* chat: a finish reason, and no [DONE] */
    W_OVERLOADED,
    W_LIMITED,
    W_NO_KEY, /* errors under HTTP 200 */
    W_CRLF,
    W_CR,
    W_BOM,
    W_LINES,
    W_COMMENTS, /* framings of events */
    W_JSON,     /* JSON, whatever was asked for */
    W_EVENTS,   /* events, whatever was asked for */
    W_NOT_JSON, /* an event that is no JSON in the middle */
    W_BIG       /* 60 000 characters */
} body_what;

/* As JSON text, and as it is read. */
#define TEXT_A "Gr\u00f6\u00dfe "
#define TEXT_B "\u2713 \\\"q\\\"\\n"
#define TEXT_C "__global__ void k() {}"
static const char body_text[] = "Gr\u00f6\u00dfe \u2713 \"q\"\n__global__ void k() {}";

enum { BODY_PROMPT = 120, BODY_CACHED = 70, BODY_WRITTEN = 30, BODY_OUT = 50, BODY_THOUGHT = 8 };

static const char *const finish_words[N_WIRES][4] = {
    {"stop", "length", "content_filter", ""},
    {"completed", "max_output_tokens", "content_filter", ""},
    {"end_turn", "max_tokens", "refusal", "model_context_window_exceeded"},
};

static const char *finish_word(int wire, body_what what)
{
    return finish_words[wire][what == W_LENGTH || what == W_EMPTY ? 1
                              : what == W_REFUSED                 ? 2
                              : what == W_CONTEXT                 ? 3
                                                                  : 0];
}

static void add_usage(int wire, ws_buf *out)
{
    if (wire == CHAT)
        ws_buf_printf(out,
                      "{\"prompt_tokens\":%d,\"completion_tokens\":%d,\"total_tokens\":%d,"
                      "\"prompt_tokens_details\":{\"cached_tokens\":%d,\"cache_write_tokens\":%d},"
                      "\"completion_tokens_details\":{\"reasoning_tokens\":%d}}",
                      BODY_PROMPT, BODY_OUT, BODY_PROMPT + BODY_OUT, BODY_CACHED, BODY_WRITTEN,
                      BODY_THOUGHT);
    else if (wire == RESPONSES)
        ws_buf_printf(out,
                      "{\"input_tokens\":%d,\"input_tokens_details\":{\"cached_tokens\":%d,"
                      "\"cache_write_tokens\":%d},\"output_tokens\":%d,"
                      "\"output_tokens_details\":{\"reasoning_tokens\":%d},\"total_tokens\":%d}",
                      BODY_PROMPT, BODY_CACHED, BODY_WRITTEN, BODY_OUT, BODY_THOUGHT,
                      BODY_PROMPT + BODY_OUT);
    else /* what was cached is not in input_tokens */
        ws_buf_printf(out,
                      "{\"input_tokens\":%d,\"cache_creation_input_tokens\":%d,"
                      "\"cache_read_input_tokens\":%d,\"output_tokens\":%d,"
                      "\"output_tokens_details\":{\"thinking_tokens\":%d}}",
                      BODY_PROMPT - BODY_CACHED - BODY_WRITTEN, BODY_WRITTEN, BODY_CACHED, BODY_OUT,
                      BODY_THOUGHT);
}

static void add_error(int wire, body_what what, bool stream, ws_buf *out)
{
    const char *openai = what == W_OVERLOADED ? "server_error"
                         : what == W_LIMITED  ? "rate_limit_exceeded"
                                              : "invalid_api_key";
    const char *anthropic = what == W_OVERLOADED ? "overloaded_error"
                            : what == W_LIMITED  ? "rate_limit_error"
                                                 : "authentication_error";
    if (wire == RESPONSES && stream)
        ws_buf_printf(out,
                      "{\"type\":\"error\",\"code\":\"%s\",\"message\":\"sorry\",\"param\":null}",
                      openai);
    else if (wire == MESSAGES)
        ws_buf_printf(out, "{\"type\":\"error\",\"error\":{\"type\":\"%s\",\"message\":\"sorry\"}}",
                      anthropic);
    else
        ws_buf_printf(out,
                      "{\"error\":{\"message\":\"sorry\",\"type\":\"x\",\"param\":null,"
                      "\"code\":\"%s\"}}",
                      openai);
}

static bool is_error(body_what what)
{
    return what == W_OVERLOADED || what == W_LIMITED || what == W_NO_KEY;
}

static void add_text(body_what what, ws_buf *out)
{
    if (what == W_THINK)
        ws_buf_adds(out, "\\n<think>h</think>\\n\\n");
    for (int i = 0; what == W_BIG && i < 6000; i++)
        ws_buf_adds(out, "0123456789");
    if (what != W_EMPTY)
        ws_buf_adds(out, TEXT_A TEXT_B TEXT_C);
}

/* ---- whole ---- */

static void add_output(body_what what, ws_buf *out)
{
    ws_buf_adds(out,
                "[{\"type\":\"reasoning\",\"id\":\"r\",\"summary\":[{\"type\":\"summary_text\","
                "\"text\":\"hm\"}]},{\"type\":\"message\",\"role\":\"assistant\",\"content\":[");
    if (what == W_REFUSED) {
        ws_buf_adds(out, "{\"type\":\"refusal\",\"refusal\":\"no\"}");
    } else if (what != W_EMPTY) { /* in two parts: all of them count */
        ws_buf_adds(out, "{\"type\":\"output_text\",\"text\":\"\",\"annotations\":[]},"
                         "{\"type\":\"output_text\",\"text\":\"");
        add_text(what, out);
        ws_buf_adds(out, "\",\"annotations\":[]}");
    }
    ws_buf_adds(out, "]}]");
}

static void add_response(body_what what, ws_buf *out)
{
    bool whole = what != W_LENGTH && what != W_EMPTY;
    ws_buf_printf(out,
                  "{\"id\":\"r\",\"object\":\"response\",\"model\":\"served\",\"status\":\"%s\","
                  "\"error\":null,\"incomplete_details\":",
                  whole ? "completed" : "incomplete");
    if (whole)
        ws_buf_adds(out, "null");
    else
        ws_buf_printf(out, "{\"reason\":\"%s\"}", finish_word(RESPONSES, what));
    ws_buf_adds(out, ",\"output\":");
    add_output(what, out);
    ws_buf_adds(out, ",\"usage\":");
    add_usage(RESPONSES, out);
    ws_buf_addc(out, '}');
}

static void add_whole(int wire, body_what what, ws_buf *out)
{
    const char *finish = finish_word(wire, what);
    if (is_error(what)) {
        add_error(wire, what, false, out);
    } else if (wire == RESPONSES) {
        add_response(what, out);
    } else if (wire == CHAT) {
        ws_buf_printf(out, "{\"id\":\"c\",\"object\":\"chat.completion\",\"model\":\"served\","
                           "\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\","
                           "\"reasoning_content\":\"hm\",\"content\":\"");
        add_text(what, out);
        ws_buf_printf(out, "\"},\"finish_reason\":\"%s\"}],\"usage\":", finish);
        add_usage(CHAT, out);
        ws_buf_addc(out, '}');
    } else {
        ws_buf_adds(out, "{\"id\":\"m\",\"type\":\"message\",\"role\":\"assistant\","
                         "\"model\":\"served\",\"content\":[{\"type\":\"thinking\","
                         "\"thinking\":\"hm\",\"signature\":\"s\"},{\"type\":\"text\",\"text\":\"");
        add_text(what, out);
        ws_buf_printf(out, "\"}],\"stop_reason\":\"%s\",\"stop_sequence\":null,\"usage\":", finish);
        add_usage(MESSAGES, out);
        ws_buf_addc(out, '}');
    }
    if (what == W_NO_END)
        out->n -= 9;
}

/* ---- streams ---- */

typedef struct event_style {
    body_what what;
    ws_buf *out;
} event_style;

/* One event with its name (NULL: none). JSON may be broken at a comma into data lines. */
static void add_event(const event_style *s, const char *name, const char *data)
{
    const char *end = s->what == W_CRLF ? "\r\n" : s->what == W_CR ? "\r" : "\n";
    if (s->what == W_COMMENTS)
        ws_buf_printf(s->out, ": OPENROUTER PROCESSING%s%sid: 7%sretry: 10%s", end, end, end, end);
    if (name)
        ws_buf_printf(s->out, "event: %s%s", name, end);
    const char *comma = s->what == W_LINES ? strchr(data, ',') : NULL;
    if (comma)
        ws_buf_printf(s->out, "data: %.*s%sdata:%s%s%s", (int)(comma + 1 - data), data, end,
                      comma + 1, end, end);
    else
        ws_buf_printf(s->out, "data: %s%s%s", data, end, end);
}

#define EVENT(name, ...)                                                                           \
    do {                                                                                           \
        ws_buf text_ = {0};                                                                        \
        ws_buf_printf(&text_, __VA_ARGS__);                                                        \
        add_event(&s, name, ws_buf_z(&text_));                                                     \
        ws_buf_release(&text_);                                                                    \
    } while (0)

/* The text in pieces, each in the event `before` ... `after`. */
static void add_deltas(event_style s, const char *name, const char *before, const char *after)
{
    static const char *const piece[] = {TEXT_A, TEXT_B, TEXT_C};
    if (s.what == W_THINK) {
        EVENT(name, "%s\\n<thi%s", before, after);
        EVENT(name, "%snk>h</think>\\n\\n%s", before, after);
    }
    if (s.what == W_BIG) {
        ws_buf text = {0};
        add_text(W_BIG, &text);
        text.p[60000] = '\0';
        EVENT(name, "%s%s%s", before, text.p, after);
        ws_buf_release(&text);
    }
    for (size_t i = 0; i < 3 && s.what != W_EMPTY; i++) {
        if (i == 1 && s.what == W_NOT_JSON)
            EVENT(name, "%s", "{oops");
        EVENT(name, "%s%s%s", before, piece[i], after);
    }
}

static void chat_stream(event_style s)
{
    static const char head[] = "{\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"model\":"
                               "\"served\",\"choices\":[{\"index\":0,\"delta\":";
    char before[256];
    EVENT(NULL,
          "%s{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":null}],\"usage\":null}",
          head);
    EVENT(NULL, "%s{\"reasoning_content\":\"hm\"},\"finish_reason\":null}]}", head);
    snprintf(before, sizeof before, "%s{\"content\":\"", head);
    add_deltas(s, NULL, before, "\"},\"finish_reason\":null}],\"obfuscation\":\"xyz\"}");
    if (s.what == W_NO_END)
        return;
    if (is_error(s.what)) {
        ws_buf e = {0};
        add_error(CHAT, s.what, true, &e);
        EVENT(NULL, "%s", e.p);
        ws_buf_release(&e);
        return;
    }
    ws_buf usage = {0};
    add_usage(CHAT, &usage);
    EVENT(NULL, "%s{},\"finish_reason\":\"%s\"}]}", head, finish_word(CHAT, s.what));
    EVENT(NULL,
          "{\"object\":\"chat.completion.chunk\",\"model\":\"served\",\"choices\":[],\"usage\":%s}",
          usage.p);
    if (s.what != W_NO_DONE)
        EVENT(NULL, "%s", "[DONE]");
    ws_buf_release(&usage);
}

static void responses_stream(event_style s)
{
    EVENT("response.created", "{\"type\":\"response.created\",\"sequence_number\":0,\"response\":{"
                              "\"id\":\"r\",\"model\":\"served\",\"status\":\"in_progress\"}}");
    EVENT("response.in_progress", "{\"type\":\"response.in_progress\",\"response\":{}}");
    EVENT("response.output_item.added",
          "{\"type\":\"response.output_item.added\",\"item\":{\"type\":\"reasoning\"}}");
    EVENT("response.reasoning_summary_text.delta",
          "{\"type\":\"response.reasoning_summary_text.delta\",\"delta\":\"hm\"}");
    if (s.what == W_REFUSED)
        EVENT("response.refusal.delta", "{\"type\":\"response.refusal.delta\",\"delta\":\"no\"}");
    else
        add_deltas(s, "response.output_text.delta",
                   "{\"type\":\"response.output_text.delta\",\"output_index\":1,\"delta\":\"",
                   "\"}");
    if (s.what == W_NO_END)
        return;
    ws_buf end = {0};
    if (is_error(s.what)) {
        add_error(RESPONSES, s.what, true, &end);
        EVENT("error", "%s", end.p);
    } else {
        const char *word =
            s.what == W_LENGTH || s.what == W_EMPTY ? "response.incomplete" : "response.completed";
        add_response(s.what == W_BIG ? W_FINE : s.what, &end);
        EVENT(word, "{\"type\":\"%s\",\"sequence_number\":9,\"response\":%s}", word, end.p);
    }
    ws_buf_release(&end);
}

static void messages_stream(event_style s)
{
    EVENT("message_start",
          "{\"type\":\"message_start\",\"message\":{\"id\":\"m\",\"type\":\"message\",\"model\":"
          "\"served\",\"content\":[],\"stop_reason\":null,\"usage\":{\"input_tokens\":%d,"
          "\"cache_creation_input_tokens\":%d,\"cache_read_input_tokens\":%d,"
          "\"output_tokens\":1}}}",
          BODY_PROMPT - BODY_CACHED - BODY_WRITTEN, BODY_WRITTEN, BODY_CACHED);
    EVENT("content_block_start", "{\"type\":\"content_block_start\",\"index\":0,\"content_block\":{"
                                 "\"type\":\"thinking\",\"thinking\":\"\"}}");
    EVENT("ping", "{\"type\": \"ping\"}");
    EVENT("content_block_delta",
          "{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":"
          "\"thinking_delta\",\"thinking\":\"hm\"}}");
    EVENT("content_block_delta",
          "{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":"
          "\"signature_delta\",\"signature\":\"s\"}}");
    EVENT("content_block_stop", "{\"type\":\"content_block_stop\",\"index\":0}");
    EVENT("content_block_start", "{\"type\":\"content_block_start\",\"index\":1,\"content_block\":{"
                                 "\"type\":\"text\",\"text\":\"\"}}");
    add_deltas(s, "content_block_delta",
               "{\"type\":\"content_block_delta\",\"index\":1,\"delta\":{\"type\":\"text_delta\","
               "\"text\":\"",
               "\"}}");
    if (is_error(s.what)) {
        ws_buf e = {0};
        add_error(MESSAGES, s.what, true, &e);
        EVENT("error", "%s", e.p);
        ws_buf_release(&e);
        return;
    }
    EVENT("content_block_stop", "{\"type\":\"content_block_stop\",\"index\":1}");
    EVENT("message_delta",
          "{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"%s\",\"stop_sequence\":null},"
          "\"usage\":{\"output_tokens\":%d,\"output_tokens_details\":{\"thinking_tokens\":%d}}}",
          finish_word(MESSAGES, s.what), BODY_OUT, BODY_THOUGHT);
    if (s.what != W_NO_END) /* which alone is the end */
        EVENT("message_stop", "{\"type\":\"message_stop\"}");
}

static void make_body(int variant, int what, ws_buf *out)
{
    int wire = variant / 2;
    bool plain = (variant % 2 == 1 || what == W_JSON) && what != W_EVENTS;
    event_style s = {(body_what)what, out};
    if (what == W_BOM && !plain)
        ws_buf_adds(out, "\xef\xbb\xbf");
    if (plain)
        add_whole(wire, (body_what)what, out);
    else if (wire == CHAT)
        chat_stream(s);
    else if (wire == RESPONSES)
        responses_stream(s);
    else
        messages_stream(s);
}

#endif
