/* The model client against the replay server, over real HTTP on loopback: answers, streaming and
 * not, and every way in which a server fails. */
#include "agent/llm/llm.h"

#include "agent/llm/extract.h"
#include "agent/llm/http.h"
#include "agent/llm/replay.h"
#include "agent/llm/sse.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "tests/tap.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static const char key[] = "sk-test-0123456789abcdef";
static char dir[] = "/tmp/warpsmith-llm-XXXXXX";

/* ---- a server and one request ---- */

typedef struct setup {
    const char *replies;    /* JSON array */
    llm_limits limits;
    bool whole, no_stream;  /* ask for JSON; let the server answer with JSON all the same */
    int turn;
} setup;

static replay_server *start(const setup *s)
{
    ws_buf text = {0}, path = {0};
    ws_err err = {0};
    replay_server *server = NULL;
    ws_buf_printf(
        &text, "{\"schema\": 1, \"scripted\": true, \"model\": \"scripted-test\", \"replies\": %s}",
        s->replies);
    ws_buf_printf(&path, "%s/script.json", dir);
    if (ws_write_file(ws_buf_z(&path), text.p, text.n, &err) ||
        replay_start(&(replay_options){.script = ws_buf_z(&path), .no_stream = s->no_stream},
                     &server, &err))
        printf("Bail out! %s\n", err.msg), exit(1);
    ws_buf_release(&text);
    ws_buf_release(&path);
    return server;
}

static llm_client *open_client(int port, llm_limits limits, const char *api_key)
{
    char url[64];
    ws_err err = {0};
    llm_client *c = NULL;
    snprintf(url, sizeof url, "http://127.0.0.1:%d/v1", port);
    if (limits.backoff_s == 0)
        limits.backoff_s = 0.02;
    llm_client_options o = {
        .base_url = url, .api_key = api_key, .loopback_only = true, .limits = limits};
    if (llm_client_open(&o, &c, &err))
        printf("Bail out! %s\n", err.msg), exit(1);
    return c;
}

static const llm_message message[] = {{"system", "be brief", 0}, {"user", "a kernel, please", 0}};

static int submit(llm_client *c, const setup *s)
{
    ws_err err = {0};
    int id = 0;
    llm_request q = {.model = "any", .message = message, .n_messages = 2, .stream = !s->whole,
                     .max_tokens = 100, .temperature = -1, .turn = s->turn};
    if (llm_submit(c, &q, &id, &err))
        printf("Bail out! %s\n", err.msg), exit(1);
    return id;
}

static llm_reply ask(const setup *s)
{
    replay_server *server = start(s);
    llm_client *c = open_client(replay_port(server), s->limits, NULL);
    llm_reply r = {0};
    int id = submit(c, s), done = 0;
    int64_t begin = ws_now_ns();
    while (!llm_poll(c, 50, &done, &r) && ws_seconds_since(begin) < 10)
        ;
    if (done != id)
        printf("Bail out! no reply within 10 s\n"), exit(1);
    llm_client_close(c);
    replay_stop(server);
    return r;
}

static void is_outcome(const llm_reply *r, llm_outcome want, const char *what)
{
    if (!ok(r->outcome == want, "%s", what))
        printf("# got %s (%s), want %s\n", llm_outcome_name(r->outcome), r->error,
               llm_outcome_name(want));
}

/* ---- answers ---- */

static const char poem[] =
    "Zwei Grüße, \\\"quoted\\\" and\\n```cuda\\n__global__ void k() {}\\n```\\n";
static const char poem_text[] =
    "Zwei Grüße, \"quoted\" and\n```cuda\n__global__ void k() {}\n```\n";

static void test_answers(void)
{
    char replies[512];
    snprintf(replies, sizeof replies,
             "[{\"text\": \"%s\", \"chunk_bytes\": 5, \"reasoning\": \"let me see\"}]", poem);
    const setup ways[] = {{.replies = replies}, {.replies = replies, .whole = true},
                          {.replies = replies, .no_stream = true}};
    const char *const names[] = {"a stream", "a whole reply", "a whole reply to a stream request"};
    for (int i = 0; i < 3; i++) {
        llm_reply r = ask(&ways[i]);
        is_outcome(&r, LLM_OK, names[i]);
        is_str(r.content, poem_text, "its text");
        is_str(r.reasoning, "let me see", "its reasoning, kept apart");
        is_str(r.finish_reason, "stop", "its finish reason");
        is_str(r.model, "scripted-test", "the model as the server names it");
        ok(r.prompt_tokens == 6 && r.completion_tokens > 10 && !r.usage_estimated, "its usage");
        is_int(r.n_attempts, 1, "one attempt");
        has_str(r.request_body, i == 1 ? "\"messages\"" : "\"stream\":true", "the request as sent");
        ok(strlen(r.raw) > strlen(r.content), "the body as received");
        llm_reply_release(&r);
    }
    llm_reply r = ask(&(setup){.replies = "[{\"text\": \"twelve chars\", \"no_usage\": true}]"});
    ok(r.outcome == LLM_OK && r.usage_estimated && r.completion_tokens == 3,
       "usage that is not told is estimated");
    llm_reply_release(&r);
}

static void test_endings(void)
{
    llm_reply r =
        ask(&(setup){.replies = "[{\"text\": \"half a ker\", \"finish_reason\": \"length\"}]"});
    is_outcome(&r, LLM_TRUNCATED, "finish reason length");
    has_str(r.hint, "--max-tokens", "with its hint");
    llm_reply_release(&r);
    r = ask(&(setup){.replies = "[{\"text\": \"  \\n\", \"reasoning\": \"hm\"}]"});
    is_outcome(&r, LLM_EMPTY, "a reply without text");
    llm_reply_release(&r);
    r = ask(&(setup){.replies = "[{\"text\": \"no\", \"finish_reason\": \"content_filter\"}]"});
    is_outcome(&r, LLM_REFUSED, "a filtered reply");
    llm_reply_release(&r);
}

static void test_turns(void)
{
    static const char replies[] = "[{\"text\": \"first\"}, {\"text\": \"second\"}]";
    llm_reply r = ask(&(setup){.replies = replies, .turn = 1});
    is_str(r.content, "second", "the turn chooses the reply");
    llm_reply_release(&r);
    r = ask(&(setup){.replies = replies, .turn = 2});
    is_outcome(&r, LLM_QUOTA, "a script that is used up");
    has_str(r.error, "the script's 2 replies are used up", "in words");
    ok(r.fatal && r.n_attempts == 1, "and not tried again");
    llm_reply_release(&r);

    setup s = {.replies = replies};
    replay_server *server = start(&s);
    llm_client *c = open_client(replay_port(server), (llm_limits){0}, NULL);
    bool right = true;
    int ids[4], done;
    for (int i = 0; i < 4; i++) {
        s.turn = i % 2;
        ids[i] = submit(c, &s);
    }
    is_int(llm_in_flight(c), 4, "four requests in flight");
    for (int n = 0; n < 4;) {
        if (!llm_poll(c, 1000, &done, &r))
            break;
        for (int i = 0; i < 4; i++)
            right &= ids[i] != done || strcmp(r.content, i % 2 ? "second" : "first") == 0;
        llm_reply_release(&r);
        n++;
    }
    ok(right && llm_in_flight(c) == 0, "each gets its own reply");
    llm_client_close(c);
    replay_stop(server);
}

/* ---- failures ---- */

static void test_rate_limit(void)
{
    llm_reply r = ask(&(setup){
        .replies =
            "[{\"text\": \"at last\", \"faults\": [{\"status\": 429, \"headers\": "
            "{\"Retry-After\": \"1\"},"
            "\"body\": {\"error\": {\"message\": \"slow down\", \"type\": \"requests\"}}}]}]"});
    is_outcome(&r, LLM_OK, "429, then a reply");
    is_int(r.n_attempts, 2, "two attempts");
    if (r.n_attempts == 2) {
        is_int(r.attempt[0].http_status, 429, "the first one's status");
        is_str(r.attempt[0].detail, "slow down", "the server's words");
        ok(r.attempt[1].waited_s >= 1 && r.attempt[1].waited_s <= 1.11,
           "waits as Retry-After says");
    }
    ok(r.seconds >= 1 && r.seconds < 2, "and really waited");
    llm_reply_release(&r);
    r = ask(&(setup){
        .replies =
            "[{\"status\": 429, \"headers\": {\"Retry-After\": \"500\"}, \"body\": \"{}\"}]"});
    is_outcome(&r, LLM_RATE_LIMITED, "a wait over the limit ends the request");
    has_str(r.error, "it asks to wait", "and says so");
    ok(r.seconds < 1, "at once");
    llm_reply_release(&r);
    r = ask(&(setup){
        .replies =
            "[{\"status\": 429, \"body\": {\"error\": {\"message\": \"You exceeded your current "
            "quota\", \"code\": \"insufficient_quota\"}}}]"});
    is_outcome(&r, LLM_QUOTA, "a spent quota is not waited for");
    ok(r.fatal && r.n_attempts == 1, "and ends the run");
    llm_reply_release(&r);
}

static void test_server_errors(void)
{
    llm_reply r = ask(&(setup){.replies = "[{\"text\": \"fine\", \"faults\": [{\"status\": 500, "
                                          "\"body\": \"boom\"}, {\"status\": 503}]}]"});
    is_outcome(&r, LLM_OK, "500 and 503, then a reply");
    is_int(r.n_attempts, 3, "three attempts");
    llm_reply_release(&r);
    r = ask(&(setup){
        .replies = "[{\"status\": 500, \"body\": {\"error\": {\"message\": \"overheated\"}}}]",
        .limits = {.max_attempts = 3}});
    is_outcome(&r, LLM_SERVER, "500 for ever");
    has_str(r.error, "the server failed (HTTP 500): overheated (after 3 tries)", "in words");
    llm_reply_release(&r);
    r = ask(
        &(setup){.replies = "[{\"status\": 401, \"body\": {\"error\": {\"message\": \"who?\"}}}]"});
    is_outcome(&r, LLM_AUTH, "401");
    ok(r.fatal && r.n_attempts == 1, "is final");
    llm_reply_release(&r);
    r = ask(&(setup){
        .replies = "[{\"status\": 307, \"headers\": {\"Location\": \"http://127.0.0.1:1/\"}}]"});
    is_outcome(&r, LLM_BAD_REQUEST, "a redirect is not followed");
    llm_reply_release(&r);
    r = ask(&(setup){.replies = "[{\"status\": 200, \"body\": \"<html>login</html>\"}]",
                     .limits = {.max_attempts = 4}});
    is_outcome(&r, LLM_PROTOCOL, "a page in the place of a completion");
    is_int(r.n_attempts, 2, "is tried once more");
    llm_reply_release(&r);
    r = ask(&(setup){
        .replies = "[{\"text\": \"good\", \"faults\": [{\"status\": 400, \"body\": {\"error\": {"
                   "\"message\": \"Unsupported parameter: 'max_tokens' is not supported with this "
                   "model. Use 'max_completion_tokens' instead.\", \"param\": \"max_tokens\", "
                   "\"code\": \"unsupported_parameter\"}}}]}]",
        .limits = {.max_attempts = 1}});
    is_outcome(&r, LLM_OK, "a refused parameter is renamed");
    has_str(r.request_body, "\"max_completion_tokens\":100", "in the second request");
    llm_reply_release(&r);
}

static void test_broken_streams(void)
{
    llm_reply r = ask(&(setup){.replies = "[{\"text\": \"never seen in time\", \"chunk_bytes\": 4, "
                                          "\"stall_after\": 500, \"stall_ms\": 5000}]",
                               .limits = {.idle_s = 0.2, .max_attempts = 1}});
    is_outcome(&r, LLM_STALL, "a stall in the middle");
    ok(r.seconds > 0.15 && r.seconds < 1, "ends at the idle limit");
    llm_reply_release(&r);
    r = ask(&(setup){.replies = "[{\"text\": \"fine\", \"faults\": [{\"stall_ms\": 5000}]}]",
                     .limits = {.idle_s = 0.1}});
    is_outcome(&r, LLM_OK, "a stall before the first byte, then a reply");
    ok(r.n_attempts == 2 && r.attempt[0].outcome == LLM_STALL && r.seconds < 1,
       "after twice the idle limit");
    llm_reply_release(&r);
    r = ask(&(setup){
        .replies = "[{\"text\": \"whole again\", \"chunk_bytes\": 3, \"faults\": [{\"cut_after\": "
                   "700}, {\"cut_after\": 500, \"clean\": true}, {\"cut_after\": 0}]}]"});
    is_outcome(&r, LLM_OK, "streams cut in the middle, then a reply");
    is_int(r.n_attempts, 4, "four attempts");
    bool cut = true;
    for (int i = 0; i + 1 < r.n_attempts; i++)
        cut &= r.attempt[i].outcome == LLM_CUT || r.attempt[i].outcome == LLM_TRANSPORT;
    ok(cut, "the cut ones are recorded");
    is_str(r.content, "whole again", "no half of an answer is kept");
    llm_reply_release(&r);
    r = ask(&(setup){
        .replies = "[{\"text\": \"0123456789012345678901234567890123456789\", \"cut_after\": 300}]",
        .whole = true,
        .limits = {.max_attempts = 2}});
    is_outcome(&r, LLM_CUT, "a whole reply cut in the middle");
    llm_reply_release(&r);
}

/* What servers of other makers answer, and what is made of it. */
static void test_dialects(void)
{
    static const char fastapi[] =
        "[{\"text\": \"good\", \"faults\": [{\"status\": 422, \"body\": {\"detail\": [{\"type\": "
        "\"extra_forbidden\", \"loc\": [\"body\", \"stream_options\"], \"msg\": \"Extra inputs are "
        "not "
        "permitted\"}]}}]}]";
    static const char vllm[] =
        "[{\"text\": \"good\", \"faults\": [{\"status\": 400, \"body\": {\"object\": \"error\", "
        "\"message\": \"'max_tokens' is too large: 16000. This model's maximum context length is "
        "8192 "
        "tokens and your request has 1200 input tokens\", \"code\": 400}}]}]";
    llm_reply r = ask(&(setup){.replies = fastapi});
    is_outcome(&r, LLM_OK, "FastAPI refuses a field by its place");
    ok(!strstr(r.request_body, "stream_options"), "which the second request leaves out");
    llm_reply_release(&r);
    r = ask(&(setup){.replies = vllm});
    is_outcome(&r, LLM_OK, "vLLM's context is smaller than the token limit");
    ok(!strstr(r.request_body, "max_tokens"), "which is left to the server then");
    llm_reply_release(&r);
    r = ask(&(setup){.replies = "[{\"status\": 502, \"body\": \"<html>\\n<head><style>a{}</style>"
                                "<title>502 Bad Gateway</title></head>\\u001b[31m</html>\"}]",
                     .limits = {.max_attempts = 1}});
    is_str(r.error, "the server failed (HTTP 502): 502 Bad Gateway [31m", "a page is told as text");
    llm_reply_release(&r);
    r = ask(&(setup){.replies = "[{\"body\": \"error: not ready\"}]",
                     .limits = {.max_attempts = 3}});
    is_outcome(&r, LLM_PROTOCOL, "plain text is no stream");
    has_str(r.error, "error: not ready", "and is told");
    llm_reply_release(&r);
    r = ask(&(setup){.replies =
                     "[{\"status\": 400, \"body\": [{\"error\": {\"code\": 400, \"message\": "
                                "\"API key not valid.\"}}]}]"});
    ok(r.outcome == LLM_AUTH && r.fatal, "Gemini's bad key");
    llm_reply_release(&r);
}

/* Servers that say that they are done, and then neither [DONE] nor good-bye. */
static void test_lingering(void)
{
    llm_reply r = ask(&(setup){.replies = "[{\"text\": \"all of it\", \"no_usage\": true}]"});
    char replies[160];
    snprintf(
        replies, sizeof replies,
        "[{\"text\": \"all of it\", \"no_usage\": true, \"stall_ms\": 8000, \"stall_after\": %zu}]",
        strlen(r.raw) - strlen("data: [DONE]\n\n"));
    llm_reply_release(&r);
    r = ask(&(setup){.replies = replies, .limits = {.idle_s = 0.3, .max_attempts = 2}});
    is_outcome(&r, LLM_OK, "an answer whose end was told is an answer");
    ok(r.n_attempts == 1 && r.seconds < 2, "and is not asked for again");
    is_str(r.content, "all of it", "its text");
    llm_reply_release(&r);
    r = ask(&(setup){.replies = "[{\"text\": \"all of it\"}]"});
    snprintf(replies, sizeof replies,
             "[{\"text\": \"all of it\", \"cut_after\": %zu, \"clean\": true}]",
             strlen(r.raw) - strlen("NE]\n\n"));
    llm_reply_release(&r);
    r = ask(&(setup){.replies = replies});
    ok(r.outcome == LLM_OK && r.n_attempts == 1, "half a [DONE] after it does no harm");
    llm_reply_release(&r);
}

/* A call may be bounded in requests, the ones that only adapt included. */
static void test_request_budget(void)
{
    setup s = {.replies = "[{\"status\": 500}]", .limits = {.max_attempts = 9}};
    replay_server *server = start(&s);
    llm_client *c = open_client(replay_port(server), s.limits, NULL);
    llm_request q = {.model = "any", .message = message, .n_messages = 2, .max_requests = 2,
                     .temperature = -1};
    llm_reply r = {0};
    ws_err err = {0};
    int id = 0, done = 0;
    ok(!llm_submit(c, &q, &id, &err) && llm_poll(c, 3000, &done, &r) && r.n_attempts == 2,
       "two requests and no more");
    llm_reply_release(&r);
    llm_client_close(c);
    replay_stop(server);
}

static void test_limits(void)
{
    ws_buf replies = {0};
    ws_buf_adds(&replies, "[{\"chunk_bytes\": 0, \"text\": \"");
    for (int i = 0; i < 5000; i++)
        ws_buf_adds(&replies, "0123456789");
    ws_buf_adds(&replies, "\"}]");
    llm_reply r = ask(&(setup){.replies = ws_buf_z(&replies), .limits = {.max_body_bytes = 10000}});
    is_outcome(&r, LLM_TOO_LARGE, "a reply over the limit");
    ok(r.n_attempts == 1 && strlen(r.raw) <= 10000, "is bounded and not tried again");
    llm_reply_release(&r);
    r = ask(&(setup){.replies = ws_buf_z(&replies), .limits = {.max_event_bytes = 10000}});
    is_outcome(&r, LLM_TOO_LARGE, "an event over the limit");
    llm_reply_release(&r);
    r = ask(&(setup){.replies = ws_buf_z(&replies)});
    ok(r.outcome == LLM_OK && strlen(r.content) == 50000, "within the limits it arrives");
    llm_reply_release(&r);
    ws_buf_release(&replies);

    setup s = {.replies = "[{\"text\": \"slow\", \"stall_ms\": 5000}]"};
    replay_server *server = start(&s);
    llm_client *c = open_client(replay_port(server), s.limits, NULL);
    int id = submit(c, &s), done = 0;
    bool early = llm_poll(c, 50, &done, &r);
    llm_cancel(c, id);
    ok(!early && llm_poll(c, 50, &done, &r) && done == id && r.outcome == LLM_CANCELLED,
       "a cancelled request");
    ok(r.n_attempts == 1 && r.attempt[0].outcome == LLM_CANCELLED, "is recorded as one that left");
    llm_reply_release(&r);
    llm_client_close(c);
    replay_stop(server);
    c = open_client(1, (llm_limits){.max_attempts = 2}, NULL);
    submit(c, &s);
    ok(llm_poll(c, 3000, &done, &r) && r.outcome == LLM_TRANSPORT && r.n_attempts == 2,
       "nobody listens");
    llm_reply_release(&r);
    llm_client_close(c);
}

/* ---- the key ---- */

typedef struct echo {
    int listener, port;
    char request[8192];
} echo;

/* Takes one request and refuses it with the key in the message, as some servers do. */
static void *echo_main(void *ud)
{
    echo *e = ud;
    char body[512], head[256];
    size_t n = 0;
    int fd = accept(e->listener, NULL, NULL);
    while (n < sizeof e->request - 1 && !strstr(e->request, "a kernel, please")) {
        ssize_t got = recv(fd, e->request + n, sizeof e->request - 1 - n, 0);
        if (got <= 0)
            break;
        n += (size_t)got;
    }
    int m = snprintf(body, sizeof body,
                     "{\"error\": {\"message\": \"Incorrect API key provided: %s\"}}", key);
    int h = snprintf(head, sizeof head,
                     "HTTP/1.1 401 Unauthorized\r\nContent-Length: %d\r\nX-Request-Id: r-%s\r\n"
                     "Content-Type: application/json\r\n\r\n",
                     m, key);
    bool sent = send(fd, head, (size_t)h, MSG_NOSIGNAL) == h &&
                send(fd, body, (size_t)m, MSG_NOSIGNAL) == m;
    close(fd);
    return sent ? e : NULL;
}

static void echo_open(echo *e)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    e->listener = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(e->listener, (struct sockaddr *)&at, sizeof at) || listen(e->listener, 1) ||
        getsockname(e->listener, (struct sockaddr *)&at, &size))
        printf("Bail out! no socket\n"), exit(1);
    e->port = ntohs(at.sin_port);
}

/* What went to stderr and to the log file while the request ran. */
static llm_reply ask_logged(llm_client *c, ws_buf *said)
{
    ws_buf log = {0}, out = {0};
    ws_err err = {0};
    llm_reply r = {0};
    int done, old = dup(2);
    ws_buf_printf(&log, "%s/log", dir);
    ws_buf_printf(&out, "%s/stderr", dir);
    FILE *to = fopen(ws_buf_z(&out), "w");
    dup2(fileno(to), 2);
    ws_log_set_level(WS_LOG_DEBUG);
    ok(!ws_log_open_file(ws_buf_z(&log), &err), "a log file");
    submit(c, &(setup){0});
    while (!llm_poll(c, 1000, &done, &r))
        ;
    ws_log(WS_LOG_DEBUG, "asked");
    ws_log_close();
    ws_log_set_level(WS_LOG_WARN);
    fflush(stderr);
    dup2(old, 2);
    close(old);
    fclose(to);
    ok(!ws_read_file(ws_buf_z(&log), 1 << 20, said, &err) &&
           !ws_read_file(ws_buf_z(&out), 1 << 20, said, &err),
       "what was logged");
    ws_buf_release(&log);
    ws_buf_release(&out);
    return r;
}

static void test_key(void)
{
    echo e = {0};
    pthread_t thread;
    ws_buf said = {0};
    echo_open(&e);
    pthread_create(&thread, NULL, echo_main, &e);
    llm_client *c = open_client(e.port, (llm_limits){.max_attempts = 1}, key);
    llm_reply r = ask_logged(c, &said);
    pthread_join(thread, NULL);
    close(e.listener);
    is_outcome(&r, LLM_AUTH, "a key that is refused");
    has_str(e.request, "\r\nAuthorization: Bearer sk-test-0123456789abcdef\r\n",
            "the key is in its header");
    const char *first = strstr(e.request, key);
    ok(first && !strstr(first + 1, key), "and nowhere else in the request");
    has_str(said.p, "asked", "the log was on");
    ok(!strstr(ws_buf_z(&said), key), "no log has the key");
    has_str(r.error, "Incorrect API key provided: ****", "the server's echo of the key is masked");
    ok(!strstr(r.error, key) && !strstr(r.raw, key) && !strstr(r.request_body, key) &&
           !strstr(r.hint, key),
       "the reply has no key");
    ok(r.n_attempts == 1 && !strstr(r.attempt[0].detail, key) &&
           !strstr(r.attempt[0].request_id, key),
       "nor has the attempt");
    llm_reply_release(&r);
    llm_client_close(c);
    ws_buf_release(&said);
}

static void test_refused_addresses(void)
{
    static const struct {
        const char *url, *key, *text;
    } bad[] = {
        {"http://example.com/v1", key, "would be sent in the clear"},
        {"ftp://127.0.0.1/v1", "", "not http or https"},
        {"http://me:secret@127.0.0.1/v1", "", "holds a user name"},
        {"https://example.com/v1", "two words", "holds a blank"},
        {"", "", "no base URL"},
    };
    for (size_t i = 0; i < WS_COUNT(bad); i++) {
        ws_err err = {0};
        llm_client *c;
        ws_status st = llm_client_open(
            &(llm_client_options){.base_url = bad[i].url, .api_key = bad[i].key}, &c, &err);
        ok(st == WS_EUSAGE && !c, "refused: '%s'", bad[i].url);
        has_str(err.msg, bad[i].text, "in words");
        ok(!strstr(err.msg, "secret") && !strstr(err.msg, key) && !strstr(err.hint, key),
           "without secrets");
    }
}

/* ---- events ---- */

static void note_event(void *ud, const char *data, size_t n)
{
    ws_buf_printf(ud, "<%.*s>", (int)n, data);
}

static void test_events(void)
{
    static const char text[] = "\xef\xbb\xbf: comment\r\ndata: a\r\ndata:b\r\n\r\nevent: e\ndata:  "
                               "c\n\n\ndata\r\rid: 7\n\n";
    for (size_t step = 1; step <= sizeof text; step += 5) {
        ws_buf got = {0};
        sse_parser p;
        sse_init(&p, 1000);
        bool fed = true;
        for (size_t at = 0; at < sizeof text - 1; at += step)
            fed &=
                sse_feed(&p, text + at, at + step < sizeof text - 1 ? step : sizeof text - 1 - at,
                         note_event, &got);
        ok(fed, "events in pieces of %zu", step);
        is_str(ws_buf_z(&got), "<a\nb>< c><>", "are the same events");
        sse_release(&p);
        ws_buf_release(&got);
    }
}

/* ---- the scripts that ship ---- */

static void test_shipped(void)
{
    static const char *const specs[] = {"basics/softmax", "basics/relpos_attention"};
    for (size_t i = 0; i < WS_COUNT(specs); i++) {
        char path[4096];
        ws_err err = {0};
        replay_server *server = NULL;
        if (!ok(replay_find_script(specs[i], path, sizeof path), "%s has a script", specs[i]) ||
            !ok(!replay_start(&(replay_options){.script = path}, &server, &err), "which loads"))
            continue;
        llm_client *c = open_client(replay_port(server), (llm_limits){0}, NULL);
        int good = 0, done;
        for (int turn = 0; turn < 6; turn++) {
            llm_reply r = {0};
            ws_buf code = {0};
            submit(c, &(setup){.turn = turn});
            if (llm_poll(c, 5000, &done, &r) && r.outcome == LLM_OK)
                good += llm_extract_cuda(r.content, strlen(r.content), &code) == LLM_EXTRACT_OK &&
                        strncmp(ws_buf_z(&code), "/* @plan\n", 9) == 0;
            llm_reply_release(&r);
            ws_buf_release(&code);
        }
        is_int(good, 6, "six replies, each with a kernel and its plan");
        llm_client_close(c);
        replay_stop(server);
    }
    char path[64];
    ok(!replay_find_script("basics/no_such_spec", path, sizeof path), "a spec without a script");
    ws_err err = {0};
    replay_server *server = NULL;
    if (!ok(!replay_start(&(replay_options){0}, &server, &err), "a server of all scripts"))
        return;
    llm_client *c = open_client(replay_port(server), (llm_limits){0}, NULL);
    llm_reply r = {0};
    int done;
    submit(c, &(setup){0});
    ok(llm_poll(c, 5000, &done, &r) && r.outcome == LLM_BAD_REQUEST && r.fatal,
       "does not know the model 'any'");
    has_str(r.error, "no script answers for the model 'any'", "and says so");
    llm_reply_release(&r);
    llm_client_close(c);
    replay_stop(server);
}

int main(void)
{
    if (!mkdtemp(dir))
        return 1;
    test_events();
    test_answers();
    test_endings();
    test_turns();
    test_rate_limit();
    test_server_errors();
    test_broken_streams();
    test_dialects();
    test_lingering();
    test_request_budget();
    test_limits();
    test_key();
    test_refused_addresses();
    test_shipped();
    char command[64];
    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    return (system(command) != 0) | tap_done();
}
