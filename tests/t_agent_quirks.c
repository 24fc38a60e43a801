/* What servers refuse: the request is changed once and sent again, the lesson is kept for the
 * model, and a refusal that names nothing that can be changed stays one. The refusals are the
 * vendors' own words. */
#include "agent/llm/quirk.h"

#include "agent/llm/provider.h"
#include "base/log.h"
#include "tests/llm_bodies.h"
#include "tests/llm_server.h"
#include "tests/tap.h"

static llm_server server;

typedef struct refusal {
    const char *name;
    int wire, status;
    const char *body;
    const char *gone, *there; /* in the second request; NULL: not looked for */
    const char *learned;      /* "": of this prompt only; NULL: the refusal stays */
    int64_t max_tokens;       /* 0: 4000 */
    const char *provider;
} refusal;

#define OPENAI(message, param, code)                                                               \
    "{\"error\":{\"message\":\"" message "\",\"type\":\"invalid_request_error\",\"param\":" param  \
    ",\"code\":" code "}}"
#define ANTHROPIC(message)                                                                         \
    "{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":\"" message     \
    "\"}}"

static const refusal refusals[] = {
    {"max_tokens is renamed", CHAT, 400,
     OPENAI("Unsupported parameter: 'max_tokens' is not supported with this model. Use "
            "'max_completion_tokens' instead.",
            "\"max_tokens\"", "\"unsupported_parameter\""),
     "\"max_tokens\"", "\"max_completion_tokens\":4000", "max_completion_tokens", 0, NULL},
    {"max_completion_tokens is renamed", CHAT, 400,
     OPENAI("Unknown parameter: 'max_completion_tokens'.", "null", "null"), "max_completion_tokens",
     "\"max_tokens\":4000", "max_tokens", 0, "openai"},
    {"a temperature that is fixed", CHAT, 400,
     OPENAI("Unsupported value: 'temperature' does not support 0.7 with this model. Only the "
            "default (1) value is supported.",
            "\"temperature\"", "\"unsupported_value\""),
     "temperature", "\"max_tokens\":4000", "no_temperature", 0, NULL},
    {"stream_options by a validator's place", CHAT, 422,
     "{\"detail\":[{\"type\":\"extra_forbidden\",\"loc\":[\"body\",\"stream_options\"],\"msg\":"
     "\"Extra inputs are not permitted\"}]}",
     "stream_options", "\"stream\":true", "no_stream_options", 0, NULL},
    {"no streams", CHAT, 400,
     OPENAI("Unsupported value: 'stream' does not support true with this "
            "model.",
            "\"stream\"", "\"unsupported_value\""),
     "stream", "\"max_tokens\":4000", "no_stream", 0, NULL},
    {"reasoning effort", CHAT, 400,
     OPENAI("Unrecognized request argument supplied: reasoning_effort", "null", "null"),
     "reasoning_effort", NULL, "no_effort", 0, NULL},
    {"no system role", CHAT, 400,
     OPENAI("Unsupported value: 'messages[0].role' does not support 'system' with this model.",
            "\"messages[0].role\"", "\"unsupported_value\""),
     "\"role\":\"system\"", "\"content\":\"be brief\\n\\na kernel\"", "no_system", 0, NULL},
    {"Gemma has no system role", CHAT, 400,
     "[{\"error\":{\"code\":400,\"message\":\"Developer instruction is not enabled for "
     "models/gemma-3\",\"status\":\"INVALID_ARGUMENT\"}}]",
     "\"role\":\"system\"", "be brief\\n\\na kernel", "no_system", 0, NULL},
    {"a limit over the model's", CHAT, 400,
     OPENAI("max_tokens is too large: 4000. This model supports at most 2048 completion tokens, "
            "whereas you provided 4000.",
            "\"max_tokens\"", "\"invalid_value\""),
     "4000", "\"max_tokens\":2048", "most_tokens=2048", 0, NULL},
    {"vLLM's context is shorter than the limit", CHAT, 400,
     "{\"object\":\"error\",\"message\":\"'max_tokens' or 'max_completion_tokens' is too large: "
     "4000. "
     "This model's maximum context length is 4096 tokens and your request has 1200 input tokens "
     "(4000 > 4096 - 1200).\",\"code\":400}",
     "4000", "\"max_tokens\":2896", "", 0, NULL},
    {"a context that both must fit", CHAT, 400,
     OPENAI(
         "This model's maximum context length is 8192 tokens. However, you requested 10000 tokens "
         "(6000 in the messages, 4000 in the completion). Please reduce the length of the "
         "messages or completion.",
         "\"messages\"", "\"context_length_exceeded\""),
     "4000", "\"max_tokens\":2192", "", 0, NULL},
    {"a limit that is too high, without a word of which", CHAT, 400,
     OPENAI("max_tokens is too high", "\"max_tokens\"", "null"), "max_tokens", "a kernel",
     "no_max_tokens", 0, NULL},
    {"a model of the Responses API", CHAT, 404,
     OPENAI("This model is only supported in v1/responses and not in v1/chat/completions.",
            "\"model\"", "null"),
     "\"messages\"", "\"instructions\":\"be brief\"", "responses", 0, NULL},
    {"Responses: temperature", RESPONSES, 400,
     OPENAI("Unsupported parameter: 'temperature' is not supported with this model.",
            "\"temperature\"", "null"),
     "temperature", "\"store\":false", "no_temperature", 0, NULL},
    {"Responses: effort", RESPONSES, 400,
     OPENAI("Unsupported parameter: 'reasoning.effort' is not supported with this model.",
            "\"reasoning.effort\"", "\"unsupported_parameter\""),
     "reasoning", NULL, "no_effort", 0, NULL},
    {"Responses: store", RESPONSES, 422,
     "{\"detail\":[{\"loc\":[\"body\",\"store\"],\"msg\":\"Extra inputs are not permitted\"}]}",
     "store", NULL, "no_store", 0, NULL},
    {"Messages: temperature", MESSAGES, 400,
     ANTHROPIC("`temperature` is not supported for this model."), "temperature", NULL,
     "no_temperature", 0, NULL},
    {"Messages: temperature while thinking", MESSAGES, 400,
     ANTHROPIC("`temperature` may only be set to 1 when thinking is enabled."), "temperature", NULL,
     "no_temperature", 0, NULL},
    {"Messages: effort", MESSAGES, 400,
     ANTHROPIC("output_config.effort: Extra inputs are not permitted"), "output_config", NULL,
     "no_effort", 0, NULL},
    {"Messages: a limit over the model's", MESSAGES, 400,
     ANTHROPIC(
         "max_tokens: 100000 > 64000, which is the maximum allowed number of output tokens for "
         "claude-sonnet-4-6"),
     "100000", "\"max_tokens\":64000", "most_tokens=64000", 100000, NULL},
    {"Messages: what the context leaves", MESSAGES, 400,
     ANTHROPIC(
         "input length and `max_tokens` exceed context limit: 195000 + 16000 > 200000, decrease "
         "input length or `max_tokens` and try again"),
     "16000", "\"max_tokens\":5000", "", 16000, NULL},
    {"Messages: cache_control", MESSAGES, 400,
     ANTHROPIC("system.0.cache_control: Extra inputs are not permitted"), "cache_control",
     "be brief", "no_cache_control", 0, NULL},

    /* ---- these stay ---- */
    {"a bad message", CHAT, 400,
     OPENAI("Invalid type for 'messages': expected an array.", "\"messages\"", "\"invalid_type\""),
     NULL, NULL, NULL, 0, NULL},
    {"an unknown model", CHAT, 404,
     OPENAI("The model 'm' does not exist or you do not have access "
            "to it.",
            "\"model\"", "\"model_not_found\""),
     NULL, NULL, NULL, 0, NULL},
    {"a word that is a field's name", CHAT, 400,
     OPENAI("unexpected end of stream: your input is not "
            "supported",
            "null", "null"),
     NULL, NULL, NULL, 0, NULL},
    {"a field that was not sent", CHAT, 400,
     OPENAI("Unknown parameter: 'logprobs'.", "\"logprobs\"", "\"unknown_parameter\""), NULL, NULL,
     NULL, 0, NULL},
    {"a prompt that fills the context", CHAT, 400,
     OPENAI("This model's maximum context length is "
            "8192 tokens. However, you requested 13000 tokens (9000 in the messages, 4000 in the "
            "completion).",
            "\"messages\"", "\"context_length_exceeded\""),
     NULL, NULL, NULL, 0, NULL},
    {"Messages: a prompt that fills the context", MESSAGES, 400,
     ANTHROPIC("prompt is too long: 250000 tokens > 200000 maximum"), NULL, NULL, NULL, 0, NULL},
    {"Messages: a model of another wire", MESSAGES, 400, ANTHROPIC("use v1/responses"), NULL, NULL,
     NULL, 0, NULL},
};

/* ---- the store ---- */

static char stored[256], stored_url[128], stored_model[64];

static char *load(void *ud, const char *base_url, const char *model)
{
    (void)ud, (void)base_url, (void)model;
    return stored[0] ? ws_strdup(stored) : NULL;
}

static void save(void *ud, const char *base_url, const char *model, const char *quirks)
{
    (void)ud;
    snprintf(stored, sizeof stored, "%s", quirks);
    snprintf(stored_url, sizeof stored_url, "%s", base_url);
    snprintf(stored_model, sizeof stored_model, "%s", model);
}

/* ---- asking ---- */

static llm_client *open_client(int number, const refusal *w)
{
    static const llm_wire wire[] = {LLM_WIRE_AUTO, LLM_WIRE_RESPONSES, LLM_WIRE_MESSAGES};
    char url[96];
    ws_err err = {0};
    llm_client *c = NULL;
    snprintf(url, sizeof url, "http://127.0.0.1:%d/%d/%d/v1", server.port, number, 2 * w->wire);
    llm_client_options o = {.base_url = url,
                            .provider = w->provider,
                            .wire = wire[w->wire],
                            .loopback_only = true,
                            .limits = {.max_attempts = 1},
                            .quirks = {load, save, NULL}};
    if (llm_client_open(&o, &c, &err))
        printf("Bail out! %s\n", err.msg), exit(1);
    return c;
}

static llm_reply ask(llm_client *c, const refusal *w)
{
    static const llm_message message[] = {{"system", "be brief", 8}, {"user", "a kernel", 0}};
    ws_err err = {0};
    llm_reply r = {0};
    int id = 0, done;
    llm_request q = {.model = "m",
                     .message = message,
                     .n_messages = 2,
                     .stream = true,
                     .max_tokens = w->max_tokens ? w->max_tokens : 4000,
                     .temperature = 0.7,
                     .reasoning_effort = "high",
                     .turn = -1};
    if (llm_submit(c, &q, &id, &err) || !llm_poll(c, 5000, &done, &r))
        printf("Bail out! no reply\n"), exit(1);
    return r;
}

static bool holds(const char *text, const char *part)
{
    return !part || strstr(text, part);
}

static void test_refusal(int i)
{
    static server_play plays[SERVER_ROWS][3];
    const refusal *w = &refusals[i];
    plays[i][0] = (server_play){.status = w->status, .body = w->body};
    /* A model that is served at /responses answers in that form. */
    bool switches = w->learned && strcmp(w->learned, "responses") == 0;
    ws_buf other = {0};
    make_body(2 * (switches ? RESPONSES : w->wire), W_FINE, &other);
    plays[i][1] = (server_play){.framing = BY_CHUNKS, .body = ws_buf_z(&other)};
    server.play[i] = plays[i];
    server.n_plays[i] = 2;
    stored[0] = '\0';
    llm_client *c = open_client(i, w);
    llm_reply r = ask(c, w);
    const server_request *q = server.request[i][2 * w->wire];
    int n = server.n[i][2 * w->wire];
    if (!w->learned) {
        ok(r.outcome != LLM_OK && n == 1, "%s: stays refused", w->name);
        llm_reply_release(&r);
        llm_client_close(c);
        ws_buf_release(&other);
        return;
    }
    bool right = ok(r.outcome == LLM_OK && n == 2, "%s: sent again, changed", w->name);
    if (!right)
        printf("# %s, %d requests: %s\n", llm_outcome_name(r.outcome), n, r.error);
    if (n == 2 && !ok(!(w->gone && strstr(q[1].body, w->gone)) && holds(q[1].body, w->there),
                      "without what was refused"))
        printf("# %s\n", q[1].body);
    is_str(stored, w->learned, "and learned");
    llm_reply_release(&r);
    r = ask(c, w);
    is_int(server.n[i][2 * w->wire], 3, "the next request is right at once");
    llm_reply_release(&r);
    llm_client_close(c);
    c = open_client(i, w); /* another run, which loads what was stored */
    r = ask(c, w);
    ok(r.outcome == LLM_OK && r.n_attempts == 1, "and so is another client's");
    if (*w->learned && w->gone)
        ok(!strstr(r.request_body, w->gone), "from its first request on");
    llm_reply_release(&r);
    llm_client_close(c);
    ws_buf_release(&other);
}

/* A server that refuses whatever it is sent ends the request: each quirk is tried once. */
static void test_stubborn(void)
{
    enum { ROW = 100 };
    static const server_play plays[] = {
        {.status = 400,
         .body = OPENAI("Unsupported parameter: 'temperature'", "\"temperature\"", "null")}};
    server.play[ROW] = plays;
    server.n_plays[ROW] = 1;
    stored[0] = '\0';
    const refusal w = {.wire = CHAT};
    llm_client *c = open_client(ROW, &w);
    llm_reply r = ask(c, &w);
    ok(r.outcome == LLM_BAD_REQUEST && server.n[ROW][0] == 2,
       "a server that refuses the changed request too is not asked again");
    llm_reply_release(&r);
    llm_client_close(c);
}

/* A limit that a budget counts on is not given up: neither learned away nor left out because it was
 * learned before. */
static void test_hard_limit(void)
{
    enum { ROW = 102 };
    static const server_play plays[] = {
        {.status = 400,
         .body = OPENAI("Unsupported parameter: 'max_tokens'", "\"max_tokens\"", "null")},
        {.status = 400,
         .body = OPENAI("Unsupported parameter: 'max_completion_tokens'",
                        "\"max_completion_tokens\"", "null")},
        {.framing = BY_CHUNKS}};
    static const llm_message message[] = {{"user", "a kernel", 0}};
    ws_err err = {0};
    llm_reply r = {0};
    int id, done;
    server.play[ROW] = plays;
    server.n_plays[ROW] = 3;
    const refusal w = {.wire = CHAT};
    stored[0] = '\0';
    llm_client *c = open_client(ROW, &w);
    llm_request q = {.model = "m",
                     .message = message,
                     .n_messages = 1,
                     .stream = true,
                     .max_tokens = 500,
                     .hard_limit = true,
                     .temperature = -1,
                     .turn = -1};
    bool asked = !llm_submit(c, &q, &id, &err) && llm_poll(c, 5000, &done, &r);
    ok(asked && r.outcome == LLM_BAD_REQUEST && server.n[ROW][0] == 2,
       "a limit that is promised is not left out");
    llm_reply_release(&r);
    snprintf(stored, sizeof stored, "%s", "max_completion_tokens max_tokens no_max_tokens");
    llm_client_close(c);
    c = open_client(ROW, &w);
    ws_buf body = {0};
    llm_client_body(c, &q, &body);
    has_str(ws_buf_z(&body), "\"max_completion_tokens\":500", "whatever was learned before");
    ws_buf_reset(&body);
    q.hard_limit = false;
    llm_client_body(c, &q, &body);
    ok(!strstr(ws_buf_z(&body), "_tokens"), "which holds for other requests");
    ws_buf_release(&body);
    llm_client_close(c);
}

/* Of several endpoints each has its own lessons and its own wire. */
static void test_endpoints(void)
{
    enum { ROW = 101 };
    static const server_play plays[] = {{.framing = BY_CHUNKS}};
    server.play[ROW] = plays;
    server.n_plays[ROW] = 1;
    stored[0] = '\0';
    const refusal w = {.wire = CHAT};
    llm_client *c = open_client(ROW, &w);
    char url[96];
    ws_err err = {0};
    int at = 0, id, done, good = 0;
    snprintf(url, sizeof url, "http://127.0.0.1:%d/%d/%d/v1/messages", server.port, ROW,
             2 * MESSAGES);
    ok(!llm_endpoint_add(c, &(llm_client_options){.base_url = url, .loopback_only = true}, &at,
                         &err) &&
           at == 1,
       "a second endpoint, whose address names its wire");
    int again = -1;
    ok(!llm_endpoint_add(c, &(llm_client_options){.base_url = url, .loopback_only = true}, &again,
                         &err) &&
           again == 1,
       "the same again is the same, with its limits");
    ok(!llm_endpoint_add(
           c, &(llm_client_options){.base_url = url, .loopback_only = true, .api_key = "other"},
           &again, &err) &&
           again == 2,
       "another key's limits are its own");
    has_str(llm_endpoint_url(c, 1), "/4/v1", "its base URL is without the wire's path");
    for (int i = 0; i < 4; i++) {
        llm_request q = {.endpoint = i % 2,
                         .model = "m",
                         .n_messages = 1,
                         .stream = true,
                         .message = &(llm_message){"user", "x", 0},
                         .temperature = -1,
                         .turn = -1};
        if (llm_submit(c, &q, &id, &err))
            printf("Bail out! %s\n", err.msg), exit(1);
    }
    llm_reply r;
    for (int i = 0; i < 4 && llm_poll(c, 5000, &done, &r); i++) {
        good += r.outcome == LLM_OK && strcmp(r.wire, (done - 1) % 2 ? "messages" : "chat") == 0;
        llm_reply_release(&r);
    }
    is_int(good, 4, "each request goes to its endpoint, in its wire");
    ok(server.n[ROW][0] == 2 && server.n[ROW][2 * MESSAGES] == 2, "two each");
    has_str(server.request[ROW][2 * MESSAGES][0].body, "\"max_tokens\":16000",
            "Messages has a limit of its own when none is given");
    llm_client_close(c);
}

/* How a key is sent: as the provider does, as its variable says, and both ways to a server of the
 * Messages API that is not Anthropic's. */
static void test_key_headers(void)
{
    static const struct {
        const char *provider;
        llm_wire wire;
        llm_key_kind kind;
        bool bearer, x_api_key;
    } row[] = {
        {"openai", LLM_WIRE_CHAT, LLM_KEY_AUTO, true, false},
        {"anthropic", LLM_WIRE_MESSAGES, LLM_KEY_AUTO, false, true},
        {"anthropic", LLM_WIRE_MESSAGES, LLM_KEY_BEARER, true, false},
        {"custom", LLM_WIRE_MESSAGES, LLM_KEY_AUTO, true, true},
        {"custom", LLM_WIRE_MESSAGES, LLM_KEY_X_API_KEY, false, true},
        {"openrouter", LLM_WIRE_RESPONSES, LLM_KEY_AUTO, true, false},
    };
    enum { FIRST_ROW = 103 };
    static const server_play plays[] = {{.framing = BY_CHUNKS}};
    static const char bearer[] = "Authorization: Bearer canary-key-1\r\n",
                      x_api_key[] = "x-api-key: canary-key-1\r\n";
    setenv("OPENAI_ORG_ID", "org-1", 1);
    setenv("OPENAI_PROJECT_ID", "two\r\nlines", 1); /* never a header */
    for (size_t i = 0; i < WS_COUNT(row); i++) {
        int number = FIRST_ROW + (int)i, variant = 2 * ((int)row[i].wire - LLM_WIRE_CHAT), id, done;
        char url[96];
        ws_err err = {0};
        llm_client *c = NULL;
        llm_reply r = {0};
        server.play[number] = plays;
        server.n_plays[number] = 1;
        snprintf(url, sizeof url, "http://127.0.0.1:%d/%d/%d/v1", server.port, number, variant);
        llm_client_options o = {.base_url = url,
                                .provider = row[i].provider,
                                .wire = row[i].wire,
                                .key_kind = row[i].kind,
                                .api_key = "canary-key-1"};
        llm_request q = {.model = "m",
                         .message = &(llm_message){"user", "x", 0},
                         .n_messages = 1,
                         .stream = true,
                         .temperature = -1,
                         .turn = -1};
        bool asked = !llm_client_open(&o, &c, &err) && !llm_submit(c, &q, &id, &err) &&
                     llm_poll(c, 5000, &done, &r) && r.outcome == LLM_OK;
        const char *head = asked ? server.request[number][variant][0].head : "";
        ok(asked && (strstr(head, bearer) != NULL) == row[i].bearer &&
               (strstr(head, x_api_key) != NULL) == row[i].x_api_key,
           "%s, %s: the key in its headers", row[i].provider, llm_wire_name(row[i].wire));
        bool openai = strcmp(row[i].provider, "openai") == 0;
        ok(asked && (strstr(head, "OpenAI-Organization: org-1\r\n") != NULL) == openai &&
               !strstr(head, "OpenAI-Project"),
           "and the organisation where it belongs");
        llm_reply_release(&r);
        llm_client_close(c);
    }
    unsetenv("OPENAI_ORG_ID");
    unsetenv("OPENAI_PROJECT_ID");
}

/* Gemini's compatible endpoint leaves the thinking out of completion_tokens. */
static void test_thought_outside(void)
{
    enum { ROW = 110 };
    static const server_play plays[] = {
        {.body = "{\"model\":\"g\",\"choices\":[{\"index\":0,\"message\":{\"content\":\"c\"},"
                 "\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":10,"
                 "\"completion_tokens\":5,\"total_tokens\":95}}"}};
    static const char *const provider[] = {"gemini", "custom"};
    for (int i = 0; i < 2; i++) {
        server.play[ROW + i] = plays;
        server.n_plays[ROW + i] = 1;
        const refusal w = {.wire = CHAT, .provider = provider[i]};
        stored[0] = '\0';
        llm_client *c = open_client(ROW + i, &w);
        llm_reply r = ask(c, &w);
        ok(r.prompt_tokens == 10 && r.completion_tokens == (i ? 5 : 85) && r.attempt &&
               r.attempt[0].completion_tokens == r.completion_tokens && !r.usage_estimated,
           "%s: tokens of the reply", provider[i]);
        llm_reply_release(&r);
        llm_client_close(c);
    }
}

/* ---- as text ---- */

static void test_text(void)
{
    llm_quirks q = {LLM_Q_NO_STREAM | LLM_Q_RESPONSES, 64000};
    char *text = llm_quirks_print(&q);
    is_str(text, "no_stream responses most_tokens=64000", "quirks as text");
    llm_quirks back = llm_quirks_parse(text);
    ok(back.bits == q.bits && back.most_tokens == 64000, "and back");
    free(text);
    back = llm_quirks_parse("later_word no_store  most_tokens=-5 no_stor");
    ok(back.bits == LLM_Q_NO_STORE && back.most_tokens == 0,
       "words that are not known are skipped");
    back = llm_quirks_join((llm_quirks){1, 500}, (llm_quirks){2, 300});
    ok(back.bits == 3 && back.most_tokens == 300, "the smaller limit stands");
    back = llm_quirks_parse(NULL);
    text = llm_quirks_print(&back);
    is_str(text, "", "no quirks, no text");
    free(text);
}

int main(void)
{
    ws_log_set_level(WS_LOG_ERROR);
    server_start(&server, make_body);
    test_text();
    for (int i = 0; i < (int)WS_COUNT(refusals); i++)
        test_refusal(i);
    test_stubborn();
    test_hard_limit();
    test_endpoints();
    test_key_headers();
    test_thought_outside();
    return tap_done();
}
