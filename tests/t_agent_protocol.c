/* The client against a server that breaks every rule: a table of behaviours, each played to all
 * three wires, streams and whole replies, with the outcome that must follow, how many requests may
 * be made and how long they must be apart. */
#include "agent/llm/cassette.h"
#include "agent/llm/llm.h"

#include "base/log.h"
#include "tests/llm_bodies.h"
#include "tests/llm_server.h"
#include "tests/tap.h"

#include <poll.h>

enum { BATCH = 10, TRIES = 3 };
static const char key[] = "sk-canary-0123456789abcdef";
static llm_server server;

typedef struct row {
    const char *name;
    server_play play[4];
    llm_outcome want;
    int requests;  /* exactly */
    double gap_s;  /* least time between the first two */
    double most_s; /* of the whole call, 0: not checked */
    unsigned skip; /* bits of variants that it makes no sense for */
    bool fatal;
} row;

enum {
    STREAMS = 1 << 0 | 1 << 2 | 1 << 4,
    PLAINS = STREAMS << 1,
    ONLY_CHAT = 0x3c,
    ONLY_MESSAGES = 0x0f
};
#define JSON "Content-Type: application/json\r\n"
#define FINE                                                                                       \
    {                                                                                              \
        .framing = BY_CHUNKS                                                                       \
    }
#define ERR(text)                                                                                  \
    "{\"type\":\"error\",\"error\":{\"message\":\"" text "\",\"type\":\"some_error\"}}"
static const char page[] = "<html><title>Sign in</title><p>please</p></html>";

#pragma GCC diagnostic ignored "-Wmissing-field-initializers" /* of rows that end early */
/* What must hold of every row besides: content and usage are exact when the outcome is OK, and no
 * more than TRIES attempts are made but for quirks. */
static const row rows[] = {
    /* ---- framings of an answer ---- */
    {"a body of known length", {{.framing = BY_LENGTH}}, LLM_OK, 1},
    {"chunks", {{.framing = BY_CHUNKS}}, LLM_OK, 1},
    {"chunks of one byte", {{.framing = BY_CHUNKS, .step = 1}}, LLM_OK, 1},
    {"chunks of seven bytes, slowly",
     {{.framing = BY_CHUNKS, .step = 47, .step_ms = 1}},
     LLM_OK,
     1},
    {"an end by closing", {{.framing = BY_CLOSE}}, LLM_OK, 1},
    {"HTTP/1.0", {{.framing = BY_CLOSE, .http10 = true}}, LLM_OK, 1},
    {"100 and 103 first",
     {{.framing = BY_CHUNKS,
       .before = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n"
                 "Retry-After: 50\r\n\r\n"}},
     LLM_OK,
     1},
    {"gzip that nobody asked for", {{.framing = BY_CHUNKS, .gzip = true, .step = 100}}, LLM_OK, 1},
    {"lines that end with CR LF", {{.framing = BY_CHUNKS, .what = W_CRLF, .step = 1}}, LLM_OK, 1},
    {"lines that end with CR", {{.framing = BY_CHUNKS, .what = W_CR, .step = 3}}, LLM_OK, 1},
    {"a byte order mark", {{.framing = BY_CHUNKS, .what = W_BOM, .step = 1}}, LLM_OK, 1},
    {"data on several lines", {{.framing = BY_CHUNKS, .what = W_LINES, .step = 5}}, LLM_OK, 1},
    {"comments, ids and retry fields", {{.framing = BY_CHUNKS, .what = W_COMMENTS}}, LLM_OK, 1},
    {"text/plain as the type", {{.headers = "Content-Type: text/plain\r\n"}}, LLM_OK, 1},
    {"text/html as the type", {{.headers = "Content-Type: text/html\r\n"}}, LLM_OK, 1},
    {"no type at all", {{.headers = ""}}, LLM_OK, 1},
    {"JSON, whatever was asked for", {{.what = W_JSON, .headers = JSON}}, LLM_OK, 1},
    {"events, whatever was asked for",
     {{.what = W_EVENTS, .framing = BY_CHUNKS, .headers = "Content-Type: text/event-stream\r\n"}},
     LLM_OK,
     1},
    {"an end, and then no word",
     {{.framing = BY_CHUNKS, .linger_ms = 9000}},
     LLM_OK,
     1,
     .most_s = 5,
     .skip = PLAINS},
    {"no [DONE] after the finish reason",
     {{.what = W_NO_DONE, .framing = BY_CHUNKS}},
     LLM_OK,
     1,
     .skip = ONLY_CHAT},
    {"thinking in the content", {{.what = W_THINK, .framing = BY_CHUNKS}}, LLM_OK, 1},

    /* ---- answers that are no kernel ---- */
    {"the limit of the reply", {{.what = W_LENGTH, .framing = BY_CHUNKS}}, LLM_TRUNCATED, 1},
    {"a refusal", {{.what = W_REFUSED, .framing = BY_CHUNKS}}, LLM_REFUSED, 1},
    {"nothing but reasoning", {{.what = W_EMPTY, .framing = BY_CHUNKS}}, LLM_EMPTY, 1},
    {"a context that was full",
     {{.what = W_CONTEXT, .framing = BY_CHUNKS}},
     LLM_CONTEXT,
     1,
     .skip = ONLY_MESSAGES},

    /* ---- replies that stop too early: never accepted ---- */
    {"chunks cut, then an answer", {{.framing = BY_CHUNKS, .cut = 60}, FINE}, LLM_OK, 2},
    {"chunks always cut", {{.framing = BY_CHUNKS, .cut = 60}}, LLM_CUT, TRIES},
    {"shorter than its length", {{.framing = BY_LENGTH, .cut = 60}}, LLM_CUT, TRIES},
    {"closed in the middle", {{.framing = BY_CLOSE, .cut = 60}}, LLM_CUT, TRIES},
    {"ended cleanly in the middle",
     {{.framing = BY_CHUNKS, .cut = 60, .clean = true}},
     LLM_CUT,
     TRIES},
    {"ended cleanly at its length",
     {{.framing = BY_LENGTH, .cut = 60, .clean = true}},
     LLM_CUT,
     TRIES},
    {"reset in the middle",
     {{.framing = BY_CHUNKS, .cut = 60, .reset = true, .step = 50, .step_ms = 2}},
     LLM_CUT,
     TRIES},
    {"all of the text and no end", {{.what = W_NO_END, .framing = BY_CHUNKS}}, LLM_CUT, TRIES},
    {"all of the text, closed", {{.what = W_NO_END, .framing = BY_CLOSE}}, LLM_CUT, TRIES},
    {"gzip, cut", {{.framing = BY_CHUNKS, .gzip = true, .cut = 60, .clean = true}}, LLM_CUT, TRIES},
    {"closed without a word", {{.no_answer = true}}, LLM_TRANSPORT, TRIES},
    {"nothing in it", {{.body = ""}}, LLM_CUT, TRIES},
    {"204", {{.status = 204, .body = ""}}, LLM_PROTOCOL, 2},

    /* ---- time ---- */
    {"no head", {{.stall_ms = 6000}, FINE}, LLM_OK, 2, .gap_s = 1.0, .most_s = 5},
    {"a pause in the middle",
     {{.framing = BY_CHUNKS, .pause_ms = 6000}, FINE},
     LLM_OK,
     2,
     .gap_s = 0.95,
     .most_s = 5},
    {"nothing but comments",
     {{.framing = BY_CHUNKS,
       .body = ": wait\n\n: wait\n\n",
       .pause_ms = 6000,
       .filler = ": keep-alive\n\n"},
      FINE},
     LLM_OK,
     2,
     .gap_s = 1.0,
     .most_s = 5,
     .skip = PLAINS},
    {"nothing but empty lines",
     {{.framing = BY_CHUNKS, .body = "\n\n", .pause_ms = 6000, .filler = "\n"}, FINE},
     LLM_OK,
     2,
     .gap_s = 1.0,
     .most_s = 5,
     .skip = STREAMS},
    {"comments that keep a stream alive",
     {{.framing = BY_CHUNKS, .pause_ms = 6000, .filler = ": OPENROUTER PROCESSING\n\n"}, FINE},
     LLM_OK,
     2,
     .gap_s = 0.95,
     .most_s = 5,
     .skip = PLAINS},
    {"pings that keep a stream alive",
     {{.framing = BY_CHUNKS,
       .pause_ms = 6000,
       .filler = "event: ping\ndata: {\"type\": \"ping\"}\n\n"},
      FINE},
     LLM_OK,
     2,
     .gap_s = 0.95,
     .most_s = 5,
     .skip = ONLY_MESSAGES | PLAINS},
    {"events without content that keep a stream alive",
     {{.framing = BY_CHUNKS,
       .pause_ms = 6000,
       .filler = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\"}}]}\n\n"},
      FINE},
     LLM_OK,
     2,
     .gap_s = 0.95,
     .most_s = 5,
     .skip = ONLY_CHAT | PLAINS},
    {"blanks that keep a reply alive",
     {{.framing = BY_CHUNKS, .pause_ms = 9000, .filler = " "}, FINE},
     LLM_OK,
     2,
     .gap_s = 0.95,
     .most_s = 8,
     .skip = STREAMS},
    {"a drip",
     {{.framing = BY_CHUNKS, .step = 1, .step_ms = 30}, FINE},
     LLM_OK,
     2,
     .gap_s = 0.95,
     .most_s = 8},

    /* ---- limits of the rate ---- */
    {"429 with seconds",
     {{.status = 429, .headers = "Retry-After: 1\r\n", .body = ERR("slow down")}, FINE},
     LLM_OK,
     2,
     .gap_s = 1.0,
     .most_s = 6},
    {"429 with milliseconds",
     {{.status = 429, .headers = "retry-after-ms: 350\r\nRetry-After: 9\r\n", .body = ERR("slow")},
      FINE},
     LLM_OK,
     2,
     .gap_s = 0.35,
     .most_s = 4.2},
    {"429 with a date",
     {{.status = 429, .slow_date = true, .headers = "", .body = ERR("slow")}, FINE},
     LLM_OK,
     2,
     .gap_s = 1.0,
     .most_s = 12},
    {"503 with seconds",
     {{.status = 503, .headers = "Retry-After: 0.5\r\n", .body = "busy"}, FINE},
     LLM_OK,
     2,
     .gap_s = 0.5,
     .most_s = 4.8},
    {"Gemini's delay in the body",
     {{.status = 429,
       .headers = JSON,
       .body =
           "[{\"error\":{\"code\":429,\"message\":\"You exceeded your current quota, please "
           "check your plan and billing details.\",\"status\":\"RESOURCE_EXHAUSTED\",\"details\""
           ":[{\"violations\":[{\"quotaId\":\"GenerateRequestsPerMinutePerProjectPerModel\"}]},{"
           "\"retryDelay\":\"0.4s\"}]}}]"},
      FINE},
     LLM_OK,
     2,
     .gap_s = 0.4,
     .most_s = 4.5},
    {"429 with a reset as Go writes it",
     {{.status = 429,
       .headers = "x-ratelimit-remaining-requests: 0\r\n"
                  "x-ratelimit-reset-requests: 450ms\r\n"
                  "x-ratelimit-remaining-tokens: 100\r\n"
                  "x-ratelimit-reset-tokens: 6m0s\r\n",
       .body = ERR("slow")},
      FINE},
     LLM_OK,
     2,
     .gap_s = 0.45,
     .most_s = 4.8},
    {"429 with a reset in whole seconds",
     {{.status = 429,
       .headers = "x-ratelimit-remaining-tokens: 0\r\nx-ratelimit-reset-tokens: 1\r\n",
       .body = ERR("slow")},
      FINE},
     LLM_OK,
     2,
     .gap_s = 1.0,
     .most_s = 6},
    {"429 without a word of when",
     {{.status = 429, .body = "slow"}, FINE},
     LLM_OK,
     2,
     .gap_s = 0.01},
    {"429 for ever", {{.status = 429, .body = ERR("slow down")}}, LLM_RATE_LIMITED, TRIES},
    {"429 with a wait that is too long",
     {{.status = 429, .headers = "Retry-After: 500\r\n", .body = ERR("later")}},
     LLM_RATE_LIMITED,
     1,
     .most_s = 3},
    {"503 with a wait that is too long",
     {{.status = 503, .headers = "Retry-After: 500\r\n", .body = ERR("later")}},
     LLM_SERVER,
     1,
     .most_s = 3},
    {"a rate limit told under 200", {{.what = W_LIMITED, .framing = BY_CHUNKS}, FINE}, LLM_OK, 2},

    /* ---- errors that pass ---- */
    {"500", {{.status = 500, .body = "boom"}, FINE}, LLM_OK, 2},
    {"502, 504", {{.status = 502, .body = page}, {.status = 504, .body = ""}, FINE}, LLM_OK, 3},
    {"529", {{.status = 529, .body = ERR("Overloaded")}, FINE}, LLM_OK, 2},
    {"520 and 522",
     {{.status = 520, .body = page}, {.status = 522, .body = page}, FINE},
     LLM_OK,
     3},
    {"408 and 409", {{.status = 408, .body = ""}, {.status = 409, .body = ""}, FINE}, LLM_OK, 3},
    {"500 for ever", {{.status = 500, .body = "boom"}}, LLM_SERVER, TRIES},
    {"overloaded, told under 200", {{.what = W_OVERLOADED, .framing = BY_CHUNKS}, FINE}, LLM_OK, 2},
    {"a page in the place of an answer", {{.body = page}}, LLM_PROTOCOL, 2},
    {"a page, then an answer", {{.body = page}, FINE}, LLM_OK, 2},
    {"an event that is no JSON",
     {{.what = W_NOT_JSON, .framing = BY_CHUNKS}},
     LLM_PROTOCOL,
     2,
     .skip = PLAINS},
    {"another JSON", {{.body = "{\"hello\":1}", .headers = JSON}}, LLM_PROTOCOL, 2},
    {"400 that asks to be tried again",
     {{.status = 400, .headers = "x-should-retry: true\r\n", .body = ERR("try again")}, FINE},
     LLM_OK,
     2},

    /* ---- errors that stay: one request ---- */
    {"400", {{.status = 400, .body = ERR("bad schema")}}, LLM_BAD_REQUEST, 1},
    {"401", {{.status = 401, .body = ERR("who are you")}}, LLM_AUTH, 1, .fatal = true},
    {"402", {{.status = 402, .body = ERR("pay")}}, LLM_QUOTA, 1, .fatal = true},
    {"403", {{.status = 403, .body = ERR("no")}}, LLM_AUTH, 1, .fatal = true},
    {"403 by moderation", {{.status = 403, .body = ERR("your input was flagged")}}, LLM_REFUSED, 1},
    {"404", {{.status = 404, .body = ERR("no such model")}}, LLM_BAD_REQUEST, 1, .fatal = true},
    {"405", {{.status = 405, .body = ""}}, LLM_BAD_REQUEST, 1},
    {"413", {{.status = 413, .body = ERR("too large")}}, LLM_CONTEXT, 1},
    {"422",
     {{.status = 422, .body = "{\"detail\":[{\"loc\":[\"body\",\"messages\"],\"msg\":\"bad\"}]}"}},
     LLM_BAD_REQUEST,
     1},
    {"a prompt that is too long",
     {{.status = 400,
       .body = "{\"error\":{\"message\":\"This model's maximum context length is 10 "
               "tokens\",\"code\":\"context_length_exceeded\"}}"}},
     LLM_CONTEXT,
     1},
    {"a spent quota",
     {{.status = 429,
       .headers = "Retry-After: 0\r\n",
       .body = "{\"error\":{\"message\":\"You exceeded your current quota\",\"code\":"
               "\"insufficient_quota\"}}"}},
     LLM_QUOTA,
     1,
     .fatal = true},
    {"a balance that is too low",
     {{.status = 400, .body = ERR("Your credit balance is too low to access the API")}},
     LLM_QUOTA,
     1,
     .fatal = true},
    {"a quota of the day",
     {{.status = 429,
       .body =
           "[{\"error\":{\"code\":429,\"message\":\"quota\",\"details\":[{\"violations\":[{"
           "\"quotaId\":\"GenerateRequestsPerDayPerProject\"}]},{\"retryDelay\":\"0.1s\"}]}}]"}},
     LLM_QUOTA,
     1,
     .fatal = true},
    {"a bad key, told under 200",
     {{.what = W_NO_KEY, .framing = BY_CHUNKS}},
     LLM_AUTH,
     1,
     .fatal = true},
    {"500 that asks not to be tried again",
     {{.status = 500, .headers = "x-should-retry: false\r\n", .body = "boom"}},
     LLM_SERVER,
     1},
    {"501", {{.status = 501, .body = "never"}}, LLM_SERVER, 1},
    {"401 whose body never comes",
     {{.status = 401, .body = "0123456789", .pause_ms = 6000}},
     LLM_AUTH,
     1,
     .most_s = 4,
     .fatal = true},
    {"404 whose body is cut",
     {{.status = 404, .body = ERR("none"), .cut = 50}},
     LLM_BAD_REQUEST,
     1,
     .fatal = true},
    {"a wait without end",
     {{.status = 429, .headers = "Retry-After: 1e300\r\n", .body = ""}},
     LLM_RATE_LIMITED,
     1,
     .most_s = 1},
    {"a redirect",
     {{.status = 307, .headers = "Location: http://127.0.0.1:1/v1\r\n", .body = ""}},
     LLM_BAD_REQUEST,
     1,
     .fatal = true},
    {"a redirect for ever",
     {{.status = 301, .headers = "Location: /\r\n", .body = page}},
     LLM_BAD_REQUEST,
     1,
     .fatal = true},

    /* ---- sizes ---- */
    {"an event over the limit",
     {{.what = W_BIG, .framing = BY_CHUNKS}},
     LLM_TOO_LARGE,
     1,
     .skip = PLAINS},
};

/* ---- playing ---- */

static const llm_message message[] = {{"system", "be brief: no prose", 10},
                                      {"user", "a kernel, please", 0}};

static llm_limits limits_of_test(void)
{
    return (llm_limits){.max_body_bytes = 100000,
                        .max_event_bytes = 50000,
                        .connect_s = 5,
                        .first_byte_s = 1.5, /* long enough for a machine that is busy */
                        .idle_s = 1.0,
                        .total_s = 3.5,
                        .max_attempts = TRIES,
                        .max_wait_s = 3,
                        .max_in_flight = 100,
                        .backoff_s = 0.02};
}

/* NULL: nothing is recorded; else the keeper has the connections. */
static cassette *tape;

static llm_client_options endpoint_of(int row_number, int variant, char url[96])
{
    static const char *const path[] = {"/chat/completions", "/responses", "/messages"};
    static const llm_wire wire[] = {LLM_WIRE_CHAT, LLM_WIRE_RESPONSES, LLM_WIRE_MESSAGES};
    snprintf(url, 96, "http://127.0.0.1:%d/%d/%d/v1%s", server.port, row_number, variant,
             row_number % 2 ? path[variant / 2] : "");
    return (llm_client_options){.base_url = url,
                                .api_key = key,
                                .wire = wire[variant / 2],
                                .loopback_only = true,
                                .cassette = tape,
                                .limits = limits_of_test()};
}

static llm_client *client_of(int row_number, int variant)
{
    char url[96];
    ws_err err = {0};
    llm_client *c = NULL;
    llm_client_options o = endpoint_of(row_number, variant, url);
    if (llm_client_open(&o, &c, &err))
        printf("Bail out! %s\n", err.msg), exit(1);
    return c;
}

static int submit(llm_client *c, int endpoint, bool plain)
{
    ws_err err = {0};
    int id = 0;
    llm_request q = {.endpoint = endpoint,
                     .model = "m",
                     .message = message,
                     .n_messages = 2,
                     .stream = !plain,
                     .max_tokens = 100,
                     .temperature = 0.5,
                     .reasoning_effort = "low",
                     .turn = -1};
    if (llm_submit(c, &q, &id, &err))
        printf("Bail out! %s\n", err.msg), exit(1);
    return id;
}

static bool has(const char *text, const char *part)
{
    return strstr(text, part) != NULL;
}

/* The answer, to the byte and the token. */
static const char *fault_of_answer(const llm_reply *r, const row *w)
{
    bool thought = w->play[0].what == W_THINK && w->requests == 1;
    if (strcmp(r->content, body_text) != 0)
        return "the text is another";
    if (strcmp(r->reasoning, thought ? "hm\nh" : "hm") != 0)
        return "the reasoning is another";
    if (strcmp(r->model, "served") != 0)
        return "the model's name is lost";
    if (r->prompt_tokens != BODY_PROMPT || r->completion_tokens != BODY_OUT ||
        r->cached_tokens != BODY_CACHED || r->cache_write_tokens != BODY_WRITTEN ||
        r->reasoning_tokens != BODY_THOUGHT || r->usage_estimated)
        return "the usage is another";
    return has(r->usage_json, "50") ? NULL : "the usage object is lost";
}

static const char *fault_of_attempts(const llm_reply *r)
{
    for (int i = 0; i < r->n_attempts; i++) {
        const llm_attempt *a = &r->attempt[i];
        bool refused = a->http_status >= 300;
        if (has(a->detail, key) || has(a->request_id, key))
            return "an attempt holds the key";
        if (refused && (a->prompt_tokens || a->completion_tokens))
            return "an attempt that was refused has tokens";
        if (a->outcome == LLM_CUT && a->http_status == 200 && a->prompt_tokens <= 0)
            return "a cut attempt has no tokens";
    }
    return NULL;
}

static const char *fault_of(const llm_reply *r, const row *w, int number, int variant)
{
    static char text[160];
    int n = server.n[number][variant];
    const server_request *q = server.request[number][variant];
    if (r->outcome != w->want) {
        snprintf(text, sizeof text, "the outcome is %s: %.100s", llm_outcome_name(r->outcome),
                 r->error);
        return text;
    }
    if (n != w->requests || r->n_attempts != n) {
        snprintf(text, sizeof text, "%d requests, %d attempts", n, r->n_attempts);
        return text;
    }
    if (r->fatal != w->fatal)
        return w->fatal ? "it is not fatal" : "it is fatal";
    if (n > 1 && (double)(q[1].ns - q[0].ns) * 1e-9 < w->gap_s) {
        snprintf(text, sizeof text, "the second request came after %.3f s",
                 (double)(q[1].ns - q[0].ns) * 1e-9);
        return text;
    }
    if (w->most_s > 0 && r->seconds > w->most_s) {
        snprintf(text, sizeof text, "it took %.2f s", r->seconds);
        return text;
    }
    if (has(r->raw, key) || has(r->error, key) || has(r->request_body, key))
        return "the reply holds the key";
    if (w->want == LLM_OK)
        return fault_of_answer(r, w) ? fault_of_answer(r, w) : fault_of_attempts(r);
    return fault_of_attempts(r);
}

static const char *variant_name(int variant)
{
    static const char *const name[] = {"chat", "responses", "messages"};
    static char text[48];
    snprintf(text, sizeof text, "%s, %s", name[variant / 2], variant % 2 ? "plain" : "stream");
    return text;
}

/* The rows from `first`, all variants at once. */
static void play_batch(int first, int end)
{
    enum { MOST = BATCH * N_VARIANTS };
    struct {
        int id, row, variant;
    } asked[MOST];
    int n = 0, done;
    char url[96];
    ws_err err = {0};
    llm_reply r;
    llm_client *c = client_of(first, 0);
    for (int i = first; i < end; i++)
        for (int v = 0, at; v < N_VARIANTS; v++) {
            llm_client_options o = endpoint_of(i, v, url);
            if (rows[i].skip >> v & 1)
                continue;
            if (llm_endpoint_add(c, &o, &at, &err))
                printf("Bail out! %s\n", err.msg), exit(1);
            asked[n].id = submit(c, at, v % 2);
            asked[n].row = i;
            asked[n++].variant = v;
        }
    for (int left = n; left; left--) {
        int at = 0;
        int64_t start = ws_now_ns();
        while (!llm_poll(c, 100, &done, &r))
            if (ws_seconds_since(start) > 15)
                printf("Bail out! no reply within 15 s\n"), exit(1);
        while (asked[at].id != done)
            at++;
        const row *w = &rows[asked[at].row];
        const char *fault = fault_of(&r, w, asked[at].row, asked[at].variant);
        if (!ok(!fault, "%s (%s)", w->name, variant_name(asked[at].variant)))
            printf("# %s\n", fault);
        llm_reply_release(&r);
    }
    llm_client_close(c);
}

static void test_table(void)
{
    int n = (int)WS_COUNT(rows);
    for (int i = 0; i < n; i++) {
        server.play[i] = rows[i].play;
        while (server.n_plays[i] < 4 &&
               memcmp(&rows[i].play[server.n_plays[i]], &(server_play){0}, sizeof(server_play)))
            server.n_plays[i]++;
    }
    server.n_plays[0] += !server.n_plays[0];
    for (int i = 0; i < n; i += BATCH)
        play_batch(i, i + BATCH < n ? i + BATCH : n);
}

/* ---- what is sent ---- */

static const char *fault_of_request(int variant)
{
    const server_request *q = &server.request[0][variant][0];
    bool plain = variant % 2;
    static const char *const path[] = {"/v1/chat/completions", "/v1/responses", "/v1/messages"};
    static const char *const needs[N_WIRES][6] = {
        {"{\"role\":\"system\",\"content\":\"be brief: no prose\"}",
         "{\"role\":\"user\",\"content\":\"a kernel, please\"}", "\"max_tokens\":100",
         "\"temperature\":0.5", "\"reasoning_effort\":\"low\"", "\"model\":\"m\""},
        {"\"instructions\":\"be brief: no prose\"",
         "\"input\":[{\"role\":\"user\",\"content\":\"a kernel, please\"}]",
         "\"max_output_tokens\":100", "\"store\":false", "\"reasoning\":{\"effort\":\"low\"}",
         "\"temperature\":0.5"},
        {"\"system\":[{\"type\":\"text\",\"text\":\"be brief: \",\"cache_control\":{\"type\":"
         "\"ephemeral\"}},{\"type\":\"text\",\"text\":\"no prose\"}]",
         "\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"a kernel, "
         "please\"}]}]",
         "\"max_tokens\":100", "\"output_config\":{\"effort\":\"low\"}", "\"temperature\":0.5",
         "\"model\":\"m\""},
    };
    int wire = variant / 2;
    if (strcmp(q->path + strcspn(q->path + 1, "/") + 3, path[wire]) != 0)
        return q->path;
    for (int i = 0; i < 6; i++)
        if (!has(q->body, needs[wire][i]))
            return needs[wire][i];
    if (has(q->body, "\"stream\":true") == plain)
        return "stream";
    if (has(q->body, "include_usage") != (wire == CHAT && !plain))
        return "include_usage";
    if (wire != CHAT && has(q->body, "\"system\",\"content\""))
        return "a system role";
    if (!has(q->head, "Authorization: Bearer sk-canary-0123456789abcdef\r\n"))
        return "Authorization";
    if (has(q->head, "x-api-key: sk-canary") != (wire == MESSAGES) ||
        has(q->head, "anthropic-version: 2023-06-01\r\n") != (wire == MESSAGES))
        return "headers of Messages";
    return strstr(q->head, "text/event-stream") && plain ? "Accept" : NULL;
}

static void test_requests(void)
{
    for (int v = 0; v < N_VARIANTS; v++) {
        const char *fault = fault_of_request(v);
        if (!ok(!fault, "the request has its wire's form (%s)", variant_name(v)))
            printf("# %s\n# %s\n# %s\n", fault, server.request[0][v][0].head,
                   server.request[0][v][0].body);
    }
}

/* ---- several in flight ---- */

enum { STORM = 100, STORM_OF_529, SHUT, SPENT, AGAIN, BACKLOG, PROXY, PIPES, REFUSED, NO_QUOTA };

static void wait_all(llm_client *c, int n, int *count_ok)
{
    int done;
    llm_reply r;
    *count_ok = 0;
    for (int64_t start = ws_now_ns(); n && ws_seconds_since(start) < 15;) {
        if (!llm_poll(c, 100, &done, &r))
            continue;
        *count_ok += r.outcome == LLM_OK;
        llm_reply_release(&r);
        n--;
    }
}

/* Eight requests are refused at once: nothing is sent before the wait is over, then one, and more
 * only when that is answered. */
static void test_storm(int number, const server_play *refusal, double wait_s)
{
    static server_play plays[2][9];
    for (int i = 0; i < 8; i++)
        plays[number - STORM][i] = *refusal;
    plays[number - STORM][8] = (server_play){.framing = BY_CHUNKS, .stall_ms = 60};
    server.play[number] = plays[number - STORM];
    server.n_plays[number] = 9;
    llm_client *c = client_of(number, 0);
    int good;
    for (int i = 0; i < 8; i++)
        submit(c, 0, false);
    wait_all(c, 8, &good);
    const server_request *q = server.request[number][0];
    is_int(good, 8, "eight requests that were refused at once are answered");
    is_int(server.n[number][0], 16, "each was sent twice");
    ok((double)(q[8].ns - q[7].ns) * 1e-9 >= wait_s, "none before the wait is over");
    ok((double)(q[9].ns - q[8].ns) * 1e-9 >= 0.05, "then one, until it is answered");
    ok((double)(q[11].ns - q[9].ns) * 1e-9 >= 0.05, "then two");
    llm_client_close(c);
}

static void test_storms(void)
{
    test_storm(STORM,
               &(server_play){.status = 429,
                              .headers = "Retry-After: 0.5\r\n",
                              .stall_ms = 50,
                              .body = ERR("slow down")},
               0.5);
    test_storm(STORM_OF_529,
               &(server_play){.status = 529, .stall_ms = 50, .body = ERR("Overloaded")}, 0.01);
}

/* What ends one request for good holds for those that have not been sent, too. */
static void test_queue_behind(int number, const server_play *play, llm_outcome want,
                              const char *words)
{
    char url[96];
    ws_err err = {0};
    llm_client *c = NULL;
    llm_client_options o = endpoint_of(number, 0, url);
    llm_reply r;
    int done, ended = 0;
    server.play[number] = play;
    server.n_plays[number] = 1;
    o.limits.max_in_flight = 1;
    if (llm_client_open(&o, &c, &err))
        printf("Bail out! %s\n", err.msg), exit(1);
    for (int i = 0; i < 4; i++)
        submit(c, 0, false);
    for (int i = 0; i < 4 && llm_poll(c, 3000, &done, &r); i++) {
        ended += r.outcome == want && has(r.error, words);
        llm_reply_release(&r);
    }
    ok(ended == 4, "four requests end, %s", llm_outcome_name(want));
    is_int(server.n[number][0], 1, "of which one was sent");
    llm_client_close(c);
}

static void test_ends(void)
{
    static const server_play limited = {
        .status = 429, .headers = "Retry-After: 500\r\n", .body = ERR("tomorrow")};
    static const server_play refused = {.status = 401, .body = ERR("who are you")};
    static const server_play spent = {
        .status = 429, .body = "{\"error\":{\"message\":\"no\",\"code\":\"insufficient_quota\"}}"};
    test_queue_behind(SHUT, &limited, LLM_RATE_LIMITED, "it asks to wait");
    test_queue_behind(REFUSED, &refused, LLM_AUTH, "who are you");
    test_queue_behind(NO_QUOTA, &spent, LLM_QUOTA, "(HTTP 429): no");
}

/* A limit that is used up by an answer is waited for before it is exceeded. */
static void test_used_up(void)
{
    static const server_play plays[] = {{.framing = BY_CHUNKS,
                                         .headers =
                                             "anthropic-ratelimit-requests-remaining: 0\r\n"
                                             "anthropic-ratelimit-requests-reset: 600ms\r\n"},
                                        FINE};
    server.play[SPENT] = plays;
    server.n_plays[SPENT] = 2;
    llm_client *c = client_of(SPENT, 4);
    int good, more;
    submit(c, 0, false);
    wait_all(c, 1, &good);
    submit(c, 0, false);
    wait_all(c, 1, &more);
    const server_request *q = server.request[SPENT][4];
    ok(good == 1 && more == 1 && (double)(q[1].ns - q[0].ns) * 1e-9 >= 0.55,
       "a limit of which nothing remains is waited for");
    llm_client_close(c);
}

static bool never(void *ud, const llm_attempt *failed)
{
    *(llm_outcome *)ud = failed->outcome;
    return false;
}

static void test_again(void)
{
    static const server_play plays[] = {{.framing = BY_CHUNKS, .cut = 60}, FINE};
    llm_outcome seen = LLM_OK;
    ws_err err = {0};
    llm_reply r = {0};
    int id = 0, done = 0;
    server.play[AGAIN] = plays;
    server.n_plays[AGAIN] = 2;
    llm_client *c = client_of(AGAIN, 0);
    llm_request q = {.model = "m",
                     .message = message,
                     .n_messages = 2,
                     .stream = true,
                     .temperature = -1,
                     .turn = -1,
                     .again = never,
                     .ud = &seen};
    ok(!llm_submit(c, &q, &id, &err) && llm_poll(c, 3000, &done, &r) && r.outcome == LLM_CUT &&
           r.n_attempts == 1 && seen == LLM_CUT && server.n[AGAIN][0] == 1,
       "the caller is asked before a request is sent again");
    ok(r.n_attempts == 1 && r.attempt[0].tokens_estimated && r.attempt[0].prompt_tokens == 9 &&
           r.attempt[0].completion_tokens > 0,
       "what a cut attempt may cost is estimated");
    llm_reply_release(&r);
    llm_client_close(c);
}

/* A listener that accepts nobody: its queue is full. */
static void test_connect(void)
{
    int port, fd = server_listen(0, &port), filler[8];
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                             .sin_port = htons((uint16_t)port)};
    char url[96];
    ws_err err = {0};
    llm_client *c = NULL;
    llm_reply r = {0};
    int done;
    for (size_t i = 0; i < WS_COUNT(filler); i++) {
        filler[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        if (connect(filler[i], (struct sockaddr *)&at, sizeof at) == 0)
            continue;
    }
    llm_client_options o = endpoint_of(BACKLOG, 0, url);
    snprintf(url, sizeof url, "http://127.0.0.1:%d/v1", port);
    o.limits.connect_s = 0.2;
    o.limits.max_attempts = 2;
    if (llm_client_open(&o, &c, &err))
        printf("Bail out! %s\n", err.msg), exit(1);
    submit(c, 0, false);
    bool ended = llm_poll(c, 5000, &done, &r);
    ok(ended && r.outcome == LLM_TRANSPORT && r.n_attempts == 2 && r.seconds < 2,
       "a connection that is not made is given up");
    if (ended)
        ok(r.attempt[0].prompt_tokens == 0, "and costs nothing");
    llm_reply_release(&r);
    llm_client_close(c);
    for (size_t i = 0; i < WS_COUNT(filler); i++)
        close(filler[i]);
    close(fd);
}

/* The controller waits for its judges and for replies in one place. */
static void test_descriptors(void)
{
    static const server_play plays[] = {{.framing = BY_CHUNKS, .stall_ms = 400}};
    int pipes[2], done, rounds = 0;
    llm_reply r = {0};
    server.play[PIPES] = plays;
    server.n_plays[PIPES] = 1;
    llm_client *c = client_of(PIPES, 0);
    if (pipe(pipes))
        printf("Bail out! no pipe\n"), exit(1);
    struct pollfd fd[2] = {{.fd = pipes[0], .events = POLLIN}, {.fd = -1}};
    submit(c, 0, false);
    int64_t start = ws_now_ns();
    ok(!llm_poll_with(c, fd, 2, 60, &done, &r) && ws_seconds_since(start) >= 0.05 &&
           !fd[0].revents,
       "nothing happens, and that takes its time");
    ok(write(pipes[1], "x", 1) == 1 && !llm_poll_with(c, fd, 2, 5000, &done, &r) &&
           (fd[0].revents & POLLIN),
       "a descriptor that can be read ends the wait");
    char byte;
    ok(read(pipes[0], &byte, 1) == 1, "it is read");
    while (!llm_poll_with(c, fd, 2, 50, &done, &r) && rounds < 100)
        rounds++;
    ok(r.outcome == LLM_OK && r.n_attempts == 1 && rounds < 100, "the reply arrives meanwhile");
    llm_reply_release(&r);
    close(pipes[1]);
    start = ws_now_ns();
    ok(!llm_poll_with(c, fd, 2, 5000, &done, &r) && (fd[0].revents & POLLHUP) &&
           ws_seconds_since(start) < 2,
       "so does one whose other end is gone");
    close(pipes[0]);
    llm_client_close(c);
}

/* A proxy of the environment is not for this machine: it would get the key in the clear. */
static void test_proxy(void)
{
    static const server_play plays[] = {FINE};
    static const char *const variable[] = {"http_proxy", "ALL_PROXY", "all_proxy"};
    char url[96];
    ws_err err = {0};
    llm_client *c = NULL;
    int good;
    server.play[PROXY] = plays;
    server.n_plays[PROXY] = 1;
    for (size_t i = 0; i < WS_COUNT(variable); i++)
        setenv(variable[i], "http://127.0.0.1:1", 1);
    llm_client_options o = endpoint_of(PROXY, 0, url);
    o.loopback_only = false;
    if (llm_client_open(&o, &c, &err))
        printf("Bail out! %s\n", err.msg), exit(1);
    submit(c, 0, false);
    wait_all(c, 1, &good);
    is_int(good, 1, "a server on this machine is asked without a proxy");
    for (size_t i = 0; i < WS_COUNT(variable); i++)
        unsetenv(variable[i]);
    llm_client_close(c);
}

static void forget_requests(void)
{
    for (int i = 0; i < SERVER_ROWS; i++)
        for (int v = 0; v < SERVER_VARIANTS; v++) {
            for (int k = 0; k < server.n[i][v] && k < SERVER_REQUESTS; k++) {
                free(server.request[i][v][k].head);
                free(server.request[i][v][k].body);
            }
            server.n[i][v] = 0;
        }
}

/* The same answers, waits and ends when a process of its own has the connections. */
static void test_kept(void)
{
    char dir[] = "/tmp/warpsmith-protocol-XXXXXX", path[64];
    ws_err err = {0};
    if (!mkdtemp(dir))
        printf("Bail out! no directory\n"), exit(1);
    snprintf(path, sizeof path, "%s/tape.jsonl", dir);
    forget_requests();
    memset(server.most_open, 0, sizeof server.most_open);
    if (cassette_record_open(path, NULL, false, &tape, &err))
        printf("Bail out! %s\n", err.msg), exit(1);
    test_table();
    test_requests();
    test_ends();
    ok(!cassette_close(tape, &err), "all is recorded");
    tape = NULL;
    unlink(path);
    rmdir(dir);
}

int main(void)
{
    ws_log_set_level(WS_LOG_ERROR);
    server_start(&server, make_body);
    test_table();
    test_requests();
    test_storms();
    test_ends();
    test_used_up();
    test_again();
    test_connect();
    test_proxy();
    test_descriptors();
    test_kept();
    return tap_done();
}
