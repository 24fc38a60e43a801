/* Cassettes: what is recorded of real exchanges over loopback, and that a replay of it gives the
 * same without a server; matching, torn files, secrets. */
#include "agent/llm/cassette.h"

#include "agent/llm/llm.h"
#include "agent/llm/replay.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/philox.h"
#include "tests/tap.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static const char canary[] = "sk-canary-0123456789abcdef";
static char dir[] = "/tmp/warpsmith-cassette-XXXXXX";

_Noreturn static void bail(const ws_err *err)
{
    printf("Bail out! %s\n", err->msg);
    exit(1);
}

static char *path_of(const char *name)
{
    static char path[4][128];
    static int n;
    char *p = path[n++ % 4];
    snprintf(p, sizeof path[0], "%s/%s", dir, name);
    return p;
}

static char *text_of(const char *path)
{
    ws_buf text = {0};
    ws_err err = {0};
    if (ws_read_file(path, 64 << 20, &text, &err))
        bail(&err);
    return ws_buf_take(&text);
}

static void write_text(const char *path, const char *text, size_t n)
{
    ws_err err = {0};
    if (ws_write_file(path, text, n, &err))
        bail(&err);
}

static replay_server *serve(const char *replies)
{
    ws_buf text = {0};
    ws_err err = {0};
    replay_server *server = NULL;
    ws_buf_printf(&text,
                  "{\"schema\": 1, \"scripted\": true, \"model\": \"scripted-test\", "
                  "\"replies\": %s}",
                  replies);
    write_text(path_of("script.json"), text.p, text.n);
    if (replay_start(&(replay_options){.script = path_of("script.json")}, &server, &err))
        bail(&err);
    ws_buf_release(&text);
    return server;
}

static cassette *recorder(const char *name, bool append)
{
    cassette *c = NULL;
    ws_err err = {0};
    if (cassette_record_open(path_of(name), "{\"spec\":\"test\"}", append, &c, &err))
        bail(&err);
    return c;
}

static cassette *player(const char *name, cassette_options o)
{
    cassette *c = NULL;
    ws_err err = {0};
    if (cassette_replay_open(path_of(name), &o, &c, &err))
        bail(&err);
    return c;
}

static void put_away(cassette *c)
{
    ws_err err = {0};
    if (cassette_close(c, &err))
        bail(&err);
}

/* port 0: no server, and none is needed */
static llm_client *client(int port, cassette *tape)
{
    char url[64];
    ws_err err = {0};
    llm_client *c = NULL;
    snprintf(url, sizeof url, "http://127.0.0.1:%d/v1", port);
    llm_client_options o = {.base_url = port ? url : NULL,
                            .api_key = port ? canary : NULL,
                            .loopback_only = true,
                            .cassette = tape,
                            .limits = {.backoff_s = 0.02}};
    if (llm_client_open(&o, &c, &err))
        bail(&err);
    return c;
}

typedef struct question {
    const char *text;
    int turn;
    bool whole;
    double temperature;
} question;

static int submit(llm_client *c, const question *q)
{
    ws_err err = {0};
    int id = 0;
    llm_message m[2] = {{.role = "system", .content = "be brief"},
                        {.role = "user", .content = q->text}};
    llm_request r = {.model = "scripted-test",
                     .message = m,
                     .n_messages = 2,
                     .stream = !q->whole,
                     .temperature = q->temperature,
                     .turn = q->turn};
    if (llm_submit(c, &r, &id, &err))
        bail(&err);
    return id;
}

static llm_reply await(llm_client *c)
{
    llm_reply r = {0};
    int id;
    int64_t begin = ws_now_ns();
    while (!llm_poll(c, 50, &id, &r))
        if (ws_seconds_since(begin) > 10)
            printf("Bail out! no reply within 10 s\n"), exit(1);
    return r;
}

static llm_reply ask(llm_client *c, question q)
{
    submit(c, &q);
    return await(c);
}

/* ---- the same again ---- */

static const char story[] =
    "[{\"text\": \"a stream with \\u00fc in pieces\", \"chunk_bytes\": 3, \"chunk_ms\": 20, "
    "  \"reasoning\": \"hm\"},"
    " {\"text\": \"at last\", \"faults\": ["
    "    {\"status\": 429, \"headers\": {\"Retry-After\": \"1\", \"Set-Cookie\": \"id=7\"}, "
    "     \"body\": {\"error\": {\"message\": \"slow down\", \"type\": \"requests\"}}},"
    "    {\"cut_after\": 150}, {\"status\": 500, \"body\": \"oops\"}]},"
    " {\"text\": \"whole\"},"
    " {\"status\": 401, \"body\": {\"error\": {\"message\": "
    "    \"Incorrect API key provided: sk-canary-0123456789abcdef\"}}},"
    " {\"text\": \"half\", \"cut_after\": 90, \"clean\": true}]";

static const question asked[] = {{"one", 0, false, 0.5},
                                 {"two", 1, false, 0.5},
                                 {"three", 2, true, 0.5},
                                 {"four", 3, true, 0.5},
                                 {"five", 4, false, -1}};
enum { N_ASKED = WS_COUNT(asked) };

static void same_reply(const llm_reply *a, const llm_reply *b, const char *what)
{
    bool same = a->outcome == b->outcome && strcmp(a->content, b->content) == 0 &&
                strcmp(a->reasoning, b->reasoning) == 0 && strcmp(a->raw, b->raw) == 0 &&
                strcmp(a->error, b->error) == 0 && a->prompt_tokens == b->prompt_tokens &&
                a->completion_tokens == b->completion_tokens && a->n_attempts == b->n_attempts &&
                strcmp(a->request_body, b->request_body) == 0;
    for (int i = 0; same && i < a->n_attempts; i++)
        same = a->attempt[i].outcome == b->attempt[i].outcome &&
               a->attempt[i].http_status == b->attempt[i].http_status &&
               strcmp(a->attempt[i].detail, b->attempt[i].detail) == 0;
    if (!ok(same, "the same %s", what))
        printf("# %s '%s' (%s), %d attempts\n# %s '%s' (%s), %d attempts\n",
               llm_outcome_name(a->outcome), a->content, a->error, a->n_attempts,
               llm_outcome_name(b->outcome), b->content, b->error, b->n_attempts);
}

static void test_again(void)
{
    replay_server *server = serve(story);
    cassette *tape = recorder("story.jsonl", false);
    llm_client *c = client(replay_port(server), tape);
    llm_reply first[N_ASKED];
    double took = 0;
    for (int i = 0; i < N_ASKED; i++) {
        first[i] = ask(c, asked[i]);
        took += first[i].seconds;
    }
    is_int(first[1].n_attempts, 4, "live: 429, cut, 500, an answer");
    ok(first[0].outcome == LLM_OK && first[1].outcome == LLM_OK && first[3].outcome == LLM_AUTH &&
           first[4].outcome == LLM_CUT,
       "live: the outcomes of the story");
    ok(first[0].seconds > 0.1 && took > 1, "live: it took its time");
    llm_client_close(c);
    put_away(tape);
    replay_stop(server);

    tape = player("story.jsonl", (cassette_options){0});
    c = client(0, tape);
    int64_t begin = ws_now_ns();
    for (int i = 0; i < N_ASKED; i++) {
        llm_reply r = ask(c, asked[i]);
        same_reply(&first[i], &r, asked[i].text);
        if (i == 0)
            ok(r.seconds > 0.1 && r.seconds < first[i].seconds + 0.05, /* up to the last frame */
               "it tells the recorded seconds: %.3f of %.3f", r.seconds, first[i].seconds);
        llm_reply_release(&r);
    }
    ok(ws_seconds_since(begin) < 0.5, "at once, retries and all (%.3f s)", ws_seconds_since(begin));
    llm_client_close(c);
    put_away(tape);

    tape = player("story.jsonl", (cassette_options){.speed = 1});
    c = client(0, tape);
    llm_reply r = ask(c, asked[0]);
    same_reply(&first[0], &r, "at recorded speed");
    ok(r.seconds > 0.7 * first[0].seconds && r.seconds < first[0].seconds + 0.5,
       "which takes as long (%.2f s, recorded %.2f s)", r.seconds, first[0].seconds);
    llm_reply_release(&r);
    llm_client_close(c);
    put_away(tape);
    for (int i = 0; i < N_ASKED; i++)
        llm_reply_release(&first[i]);
}

static void test_file(void)
{
    char *text = text_of(path_of("story.jsonl"));
    ok(!strstr(text, "canary"), "the key is not in the file");
    has_str(text, "Authorization: [redacted]", "the header's name is");
    ok(!strstr(text, "id=7"), "nor a cookie");
    has_str(text, "Retry-After: 1", "headers that matter are");
    has_str(text, "Incorrect API key provided: ***", "an echoed key is masked");
    ok(strncmp(text, "{\"cassette\":1,\"run\":{\"spec\":\"test\"},\"warpsmith\":\"", 48) == 0,
       "the first line is the header");
    int lines = 0, json = 0, frames = 0;
    for (char *p = text, *eol; (eol = strchr(p, '\n')); p = eol + 1) {
        cJSON *o = cJSON_ParseWithLength(p, (size_t)(eol - p)), *response, *array;
        response = cJSON_GetObjectItem(o, "response");
        array = cJSON_GetObjectItem(response, "frames");
        lines++;
        json += o != NULL;
        if (cJSON_GetArraySize(array) > frames)
            frames = cJSON_GetArraySize(array);
        cJSON_Delete(o);
    }
    is_int(lines, 1 + (1 + 4 + 1 + 1 + 5), "the header, and a line for each request");
    is_int(json, lines, "each is JSON");
    ok(frames > 5, "a stream keeps its frames (%d)", frames);
    free(text);
}

/* Bytes of any kind come back, frame by frame, and a key that is split over two is masked. */
static void test_bytes(void)
{
    static const char bytes[] =
        "a\0b\xff\xfe half \xc3\xbc sk-canary-0123456789abcdef \xe2\x82\xac!";
    size_t n = sizeof bytes - 1;
    for (size_t step = 1; step <= 7; step += 3) {
        cassette *c = recorder("bytes.jsonl", false);
        cassette_exchange *x =
            cassette_begin(c, "POST", "http://h/v1/chat/completions?key=1", "not json \"", 10, -1);
        cassette_add_request_header(x, "X-Api-Key: sk-canary-0123456789abcdef");
        for (size_t i = 0; i < n; i += step)
            cassette_add_frame(x, (double)i * 10, bytes + i, n - i < step ? n - i : step);
        x->status = 200;
        x->end_ms = 1234.5;
        cassette_record(c, x, canary);
        put_away(c);
        c = player("bytes.jsonl", (cassette_options){0});
        const cassette_exchange *y = cassette_count(c) == 1 ? cassette_get(c, 0) : NULL;
        const char *at =
            y ? memmem(y->bytes.p, y->bytes.n, "**************************", 26) : NULL;
        ok(y && y->bytes.n == n && at &&
               memcmp(y->bytes.p, bytes, (size_t)(at - y->bytes.p)) == 0 &&
               memcmp(at + 26, bytes + (at - y->bytes.p) + 26,
                      n - (size_t)(at - y->bytes.p) - 26) == 0,
           "any bytes, in frames of %zu", step);
        ok(y && y->n_frames == (int)((n + step - 1) / step) &&
               y->frame[1].at_ms == 10 * (double)step && y->end_ms == 1234.5,
           "with their times");
        put_away(c);
        char *text = text_of(path_of("bytes.jsonl"));
        ok(!strstr(text, "canary") && !strstr(text, "key=1") && !strstr(text, "c2stY2FuYXJ5"),
           "and without the key");
        free(text);
        unlink(path_of("bytes.jsonl"));
    }
}

/* ---- matching ---- */

static const char url[] = "http://127.0.0.1:1/v1/chat/completions";

static void add(cassette *c, const char *body, int turn, const char *answer, int status)
{
    cassette_exchange *x = cassette_begin(c, "POST", url, body, strlen(body), turn);
    cassette_add_frame(x, 1, answer, strlen(answer));
    x->status = status;
    cassette_record(c, x, NULL);
}

static const char *find(cassette *c, const char *body, int turn)
{
    static char hint[512];
    static char text[64];
    hint[0] = '\0';
    const cassette_exchange *x = cassette_find(c, "https://elsewhere/api/v1/chat/completions?x=1",
                                               body, strlen(body), turn, hint, sizeof hint);
    if (!x)
        return hint;
    snprintf(text, sizeof text, "%.*s", (int)x->bytes.n, x->bytes.p);
    return text;
}

#define ASK(model, text)                                                                           \
    "{\"model\":\"" model "\",\"messages\":[{\"role\":\"user\",\"content\":\"" text "\"}]}"

static void test_matching(void)
{
    cassette *c = recorder("match.jsonl", false);
    add(c, ASK("m", "same"), 0, "first", 429);
    add(c, ASK("m", "same"), 5, "of turn 5", 200);
    add(c, ASK("m", "same"), 0, "second", 200);
    add(c, ASK("m", "line 1\\nline 2\\nline 3"), 1, "lines", 200);
    add(c, ASK("n", "other model"), 2, "n", 200);
    put_away(c);

    c = player("match.jsonl", (cassette_options){0});
    is_str(find(c, ASK("m", "same"), 5), "of turn 5", "the exchange of the same turn first");
    is_str(find(c, ASK("m", "same"), 0), "first", "then in order: a refusal");
    is_str(find(c, ASK("m", "same"), 0), "second", "and its retry");
    has_str(find(c, ASK("m", "same"), 0), "is used already", "once each");
    has_str(find(c, ASK("m", "line 1\\nline two\\nline 3"), 1),
            "differs in line 2 of the prompt: recorded 'line 2', asked 'line two'",
            "what is not recorded is named with the nearest");
    is_str(find(c,
                "{\"stream\":true,\"messages\":[{\"content\":\"line 1\\nline 2\\nline 3\",\"role\":"
                "\"user\"}],\"stream_options\":{},\"model\":\"m\"}",
                -1),
           "lines", "the order of members and streaming do not matter");
    has_str(find(c,
                 "{\"model\":\"n\",\"temperature\":1,\"messages\":[{\"role\":\"user\",\"content\":"
                 "\"other model\"}]}",
                 2),
            "other parameters", "a sampling parameter does");
    put_away(c);

    c = player("match.jsonl", (cassette_options){.loose = true});
    is_str(find(c, ASK("m", "new"), 1), "lines", "loose: the answer of the same model and turn");
    is_str(find(c, ASK("m", "new"), 0), "second", "loose: answers only");
    is_str(find(c, ASK("m", "new"), 9), "of turn 5", "loose: then the next of the model");
    has_str(find(c, ASK("m", "new"), 9), "nearest", "loose: not of another model");
    cassette_rewind(c);
    is_str(find(c, ASK("m", "new"), 1), "lines", "rewound, all may be used again");
    put_away(c);

    char a[WS_SHA256_HEX], b[WS_SHA256_HEX];
    cassette_key(url, "{}", 2, a, NULL);
    cassette_key("http://127.0.0.1:1/v1/responses", "{}", 2, b, NULL);
    ok(strcmp(a, b) != 0, "another wire is another key");
}

/* The address of the recording says which wire it is of. */
static void test_wires(void)
{
    static const struct {
        const char *url, *answer;
    } wires[] = {
        {"https://a.example/v1/chat/completions",
         "{\"model\":\"m\",\"choices\":[{\"message\":{\"content\":\"hi\"},\"finish_reason\":"
         "\"stop\"}],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":3}}"},
        {"https://b.example/v1/responses",
         "{\"object\":\"response\",\"model\":\"m\",\"status\":\"completed\",\"output\":[{\"type\":"
         "\"message\",\"role\":\"assistant\",\"content\":[{\"type\":\"output_text\",\"text\":"
         "\"hi\"}]}],"
         "\"usage\":{\"input_tokens\":7,\"output_tokens\":3}}"},
        {"https://c.example/v1/messages",
         "{\"type\":\"message\",\"role\":\"assistant\",\"model\":\"m\",\"content\":[{\"type\":"
         "\"text\","
         "\"text\":\"hi\"}],\"stop_reason\":\"end_turn\",\"usage\":{\"input_tokens\":7,"
         "\"output_tokens\":3}}"}};
    for (size_t i = 0; i < WS_COUNT(wires); i++) {
        static const char body[] = "{\"model\":\"scripted-test\"}";
        cassette *tape = recorder("wire.jsonl", false);
        cassette_exchange *x = cassette_begin(tape, "POST", wires[i].url, body, sizeof body - 1, 0);
        cassette_add_header(x, "Content-Type: application/json", 30);
        cassette_add_frame(x, 1, wires[i].answer, strlen(wires[i].answer));
        x->status = 200;
        cassette_record(tape, x, NULL);
        put_away(tape);
        tape = player("wire.jsonl", (cassette_options){.loose = true});
        llm_client *c = client(0, tape);
        llm_reply r = ask(c, (question){"q", 0, true, -1});
        if (!ok(r.outcome == LLM_OK && strcmp(r.content, "hi") == 0 && r.prompt_tokens == 7 &&
                    r.completion_tokens == 3,
                "replayed by %s", wires[i].url))
            printf("# %s: %s\n", llm_outcome_name(r.outcome), r.error);
        llm_reply_release(&r);
        llm_client_close(c);
        put_away(tape);
        unlink(path_of("wire.jsonl"));
    }
}

/* What is left of a budget depends on the order in which replies come. */
static void test_limits(void)
{
    static const char same[] = "{\"model\":\"m\",\"max_tokens\":900,\"messages\":[]}";
    cassette *c = recorder("limit.jsonl", false);
    add(c, same, 1, "of turn 1", 200);
    add(c, "{\"model\":\"m\",\"max_tokens\":1000,\"messages\":[]}", 2, "of turn 2", 200);
    put_away(c);
    c = player("limit.jsonl", (cassette_options){0});
    is_str(find(c, same, 2), "of turn 2", "another limit of the reply, and the same turn");
    is_str(find(c, same, 7), "of turn 1", "an unknown turn takes what is left");
    cassette_rewind(c);
    is_str(find(c, "{\"model\":\"m\",\"max_completion_tokens\":7,\"messages\":[]}", 7), "of turn 1",
           "by any name of it");
    has_str(find(c, "{\"model\":\"m\",\"max_tokens\":900,\"top_p\":1,\"messages\":[]}", 1),
            "other parameters", "but nothing else");
    put_away(c);
}

/* Where the recorded run ended, a replay ends. */
static void test_turns(void)
{
    cassette *c = recorder("turns.jsonl", false);
    add(c, ASK("m", "a"), 0, "{}", 200);
    add(c, ASK("m", "b"), 1, "{}", 429);
    add(c, ASK("m", "c"), 2, "data: {\"choices\":[]}\n\n", 200);
    add(c, ASK("m", "d"), 3, "data: {\"choices\":[]}\n\ndata: [DONE]\n\n", 200);
    add(c, ASK("m", "e"), 4, "{}", 401);
    put_away(c);
    c = player("turns.jsonl", (cassette_options){0});
    ok(cassette_has_turn(c, 0) && cassette_has_turn(c, 3), "turns with an answer are recorded");
    ok(cassette_has_turn(c, 4), "one that was refused for good, too");
    ok(!cassette_has_turn(c, 1) && !cassette_has_turn(c, 2),
       "not those that lack their last retry");
    ok(!cassette_has_turn(c, 5), "nor one that was never sent");
    put_away(c);
}

static void test_no_recording(void)
{
    cassette *tape = player("story.jsonl", (cassette_options){0});
    llm_client *c = client(0, tape);
    llm_reply r = ask(c, (question){"nobody asked this", 0, false, 0.5});
    ok(r.outcome == LLM_NO_RECORDING && r.fatal && r.n_attempts == 1,
       "a request without recording ends the run, after one try");
    is_str(llm_outcome_name(r.outcome), "no_recording", "by name");
    has_str(r.error, "recorded 'one', asked 'nobody asked this'", "and says what is nearest");
    llm_reply_release(&r);
    llm_client_close(c);
    put_away(tape);
}

/* ---- killed recorders ---- */

static void test_torn(void)
{
    ws_err err = {0};
    cassette *c = recorder("torn.jsonl", false), *d = NULL;
    add(c, ASK("m", "one"), 0, "1", 200);
    put_away(c);
    char *text = text_of(path_of("torn.jsonl"));
    size_t whole = strlen(text), second = (size_t)(strchr(text, '\n') + 1 - text);
    bool right = true;
    for (size_t n = 1; n < whole; n++) {
        write_text(path_of("torn.jsonl"), text, n);
        err = (ws_err){0};
        ws_status st = cassette_replay_open(path_of("torn.jsonl"), NULL, &c, &err);
        right &= n < second ? st == WS_EINPUT && strstr(err.msg, "empty") : !st;
        if (!st) {
            right &= cassette_count(c) == 0;
            put_away(c);
        }
    }
    ok(right, "cut at any byte, the whole lines are read");
    write_text(path_of("torn.jsonl"), text, whole - 9);
    c = recorder("torn.jsonl", true);
    add(c, ASK("m", "two"), 1, "2", 200);
    put_away(c);
    c = player("torn.jsonl", (cassette_options){0});
    is_int(cassette_count(c), 1, "recording goes on after the last whole line");
    is_str(find(c, ASK("m", "two"), 1), "2", "with what is new");
    put_away(c);
    ok(cassette_record_open(path_of("torn.jsonl"), NULL, false, &d, &err) == WS_EUSAGE && !d,
       "a recording is not overwritten");
    right = true;
    for (size_t n = 1; n <= second; n++) {
        write_text(path_of("begun.jsonl"), text, n);
        c = recorder("begun.jsonl", false);
        add(c, ASK("m", "two"), 1, "2", 200);
        put_away(c);
        c = player("begun.jsonl", (cassette_options){0});
        right &= cassette_count(c) == 1;
        put_away(c);
    }
    ok(right, "one that ended before its first exchange is begun anew");
    write_text(path_of("junk.jsonl"), "dear diary", 10);
    err = (ws_err){0};
    ok(cassette_record_open(path_of("junk.jsonl"), NULL, false, &d, &err) == WS_EUSAGE && !d,
       "a file of another kind is not overwritten");
    char *junk = text_of(path_of("junk.jsonl"));
    is_str(junk, "dear diary", "and stays as it is");
    free(junk);
    write_text(path_of("junk.jsonl"), "{\"a\":1}\n{\n", 10);
    err = (ws_err){0};
    ok(cassette_replay_open(path_of("junk.jsonl"), NULL, &d, &err) == WS_EINPUT &&
           strstr(err.msg, "not a cassette"),
       "another JSON file is no cassette");
    ok(cassette_replay_open(path_of("nothing.jsonl"), NULL, &d, &err) == WS_EENV,
       "a file that is not there is named");
    free(text);
}

/* Damaged in any way, it is read or refused with the place. */
static void test_damaged(void)
{
    char *text = text_of(path_of("story.jsonl"));
    size_t n = strlen(text);
    int refused = 0;
    bool right = true;
    for (uint64_t i = 0; i < 400; i++) {
        char *copy = ws_strndup(text, n);
        for (uint64_t k = 0; k < 1 + i % 3; k++) {
            uint64_t r = ws_philox_u64(9, i, k);
            copy[r % n] = "\"{}[]:,0-9\\nexz\n"[(r >> 32) % 16];
        }
        write_text(path_of("damaged.jsonl"), copy, n);
        free(copy);
        cassette *c = NULL;
        ws_err err = {0};
        ws_status st = cassette_replay_open(path_of("damaged.jsonl"), NULL, &c, &err);
        refused += st != WS_OK;
        right &= st == WS_OK || (st == WS_EINPUT && strstr(err.msg, "damaged.jsonl"));
        if (!st)
            put_away(c);
    }
    ok(right && refused > 50, "damaged files are read or refused (%d of 400)", refused);
    free(text);
}

static void test_lock(void)
{
    cassette *c = recorder("lock.jsonl", true);
    add(c, ASK("m", "one"), 0, "1", 200);
    fflush(stdout);
    pid_t child = fork(); /* the lock is the process's own */
    if (child == 0) {
        ws_err err = {0};
        cassette *d = NULL;
        _exit(cassette_record_open(path_of("lock.jsonl"), NULL, true, &d, &err) == WS_EENV &&
                      strstr(err.msg, "another run")
                  ? 0
                  : 1);
    }
    int status = 1;
    waitpid(child, &status, 0);
    is_int(status, 0, "a second recorder is refused");
    put_away(c);
}

/* The process was killed between the answer's arrival and the archive's write. */
static void test_left_behind(void)
{
    replay_server *server = serve("[{\"text\": \"paid for\"}, {\"text\": \"new\"}]");
    cassette *tape = recorder("left.jsonl", true);
    llm_client *c = client(replay_port(server), tape);
    llm_reply r = ask(c, (question){"q", 0, false, 0.5});
    llm_reply_release(&r);
    llm_client_close(c);
    put_away(tape);
    replay_stop(server);

    server = serve("[{\"text\": \"paid twice\"}, {\"text\": \"new\"}, {\"text\": \"third\"}]");
    tape = recorder("left.jsonl", true);
    c = client(replay_port(server), tape);
    r = ask(c, (question){"q", 0, false, 0.5});
    is_str(r.content, "paid for", "an answer that was recorded is not asked for again");
    llm_reply_release(&r);
    r = ask(c, (question){"q", 0, false, 0.5});
    is_str(r.content, "paid twice", "but once only");
    llm_reply_release(&r);
    r = ask(c, (question){"q", 1, false, 0.5});
    is_str(r.content, "new", "another turn asks, even with the same words");
    llm_reply_release(&r);
    submit(c, &(question){"q", 2, false, 0.5});
    llm_client_close(c); /* before anything went out, or while it did */
    put_away(tape);
    replay_stop(server);
    tape = player("left.jsonl", (cassette_options){0});
    ok(cassette_count(tape) >= 3, "what went out is on the tape");
    put_away(tape);
}

static void test_refused(void)
{
    cassette *tape = recorder("refused.jsonl", true);
    replay_server *server = serve("[{\"text\": \"x\"}]");
    int port = replay_port(server);
    replay_stop(server);
    llm_client *c = client(port, tape);
    llm_reply live = ask(c, (question){"q", 0, false, 0.5});
    ok(live.outcome == LLM_TRANSPORT && live.n_attempts == 5, "nobody listens, five tries");
    llm_client_close(c);
    put_away(tape);
    tape = player("refused.jsonl", (cassette_options){0});
    is_int(cassette_count(tape), 5, "each is on the tape");
    c = client(0, tape);
    llm_reply again = ask(c, (question){"q", 0, false, 0.5});
    same_reply(&live, &again, "refused connection");
    llm_reply_release(&live);
    llm_reply_release(&again);
    llm_client_close(c);
    put_away(tape);
}

static void test_parallel(void)
{
    replay_server *server = serve("[{\"text\": \"r0\", \"chunk_bytes\": 1, \"chunk_ms\": 9},"
                                  "{\"text\": \"r1\"}, {\"text\": \"r2\", \"stall_ms\": 30},"
                                  "{\"text\": \"r3\"}]");
    cassette *tape = recorder("parallel.jsonl", false);
    llm_client *c = client(replay_port(server), tape);
    for (int pass = 0; pass < 2; pass++) {
        bool right = true;
        int ids[4];
        for (int i = 0; i < 4; i++) /* the same words in all of them */
            ids[i] = submit(c, &(question){"q", pass ? 3 - i : i, false, 0.5});
        for (int n = 0; n < 4; n++) {
            llm_reply r = {0};
            int id = 0;
            while (!llm_poll(c, 1000, &id, &r))
                ;
            for (int i = 0; i < 4; i++)
                if (ids[i] == id)
                    right &= r.outcome == LLM_OK && r.content[1] == '0' + (pass ? 3 - i : i);
            llm_reply_release(&r);
        }
        ok(right, pass ? "replayed in another order, each turn gets its own" : "four at a time");
        llm_client_close(c);
        put_away(tape);
        if (pass)
            break;
        replay_stop(server);
        tape = player("parallel.jsonl", (cassette_options){0});
        c = client(0, tape);
    }
}

/* Served over HTTP again, with the framing and the failures that were recorded. */
static void test_served(void)
{
    cassette *tape = player("story.jsonl", (cassette_options){0});
    llm_client *c = client(0, tape);
    llm_reply want[N_ASKED];
    for (int i = 0; i < N_ASKED; i++)
        want[i] = ask(c, asked[i]);
    llm_client_close(c);
    put_away(tape);
    replay_server *server = NULL;
    ws_err err = {0};
    replay_options o = {.script = path_of("story.jsonl"), .answers = path_of("answers.jsonl")};
    if (replay_start(&o, &server, &err))
        bail(&err);
    c = client(replay_port(server), NULL);
    for (int i = 0; i < N_ASKED; i++) {
        llm_reply r = ask(c, asked[i]);
        ok(r.outcome == want[i].outcome && strcmp(r.content, want[i].content) == 0 &&
               strcmp(r.reasoning, want[i].reasoning) == 0 && r.n_attempts == want[i].n_attempts &&
               r.prompt_tokens == want[i].prompt_tokens,
           "served again: %s", asked[i].text);
        llm_reply_release(&r);
        llm_reply_release(&want[i]);
    }
    llm_reply r = ask(c, (question){"nobody asked this", 0, false, 0.5});
    has_str(r.error, "no recording of this request", "what is not recorded is refused");
    ok(r.n_attempts == 1, "for good");
    llm_reply_release(&r);
    llm_client_close(c);
    replay_stop(server);
    char *text = text_of(path_of("answers.jsonl"));
    has_str(text, "{\"turn\":1,\"status\":429,\"answer\":false,\"sent\":true",
            "the server writes down what it sent");
    free(text);
}

int main(void)
{
    ws_log_set_level(WS_LOG_ERROR);
    if (!mkdtemp(dir))
        return 1;
    test_again();
    test_file();
    test_bytes();
    test_matching();
    test_limits();
    test_turns();
    test_wires();
    test_no_recording();
    test_torn();
    test_damaged();
    test_lock();
    test_left_behind();
    test_refused();
    test_parallel();
    test_served();
    ws_buf command = {0};
    ws_buf_printf(&command, "rm -rf '%s'", dir);
    if (system(ws_buf_z(&command)) != 0)
        return 1;
    ws_buf_release(&command);
    return tap_done();
}
