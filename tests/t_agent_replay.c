/* The replay server in the three formats of model APIs: whole replies and streams, how they end,
 * recorded and replayed. */
#include "agent/llm/cassette.h"
#include "agent/llm/llm.h"
#include "agent/llm/replay.h"
#include "base/file.h"
#include "base/log.h"
#include "tests/tap.h"

#include <stdlib.h>
#include <unistd.h>

static char dir[] = "/tmp/warpsmith-replay-XXXXXX";
static const char *const wire_name[LLM_N_WIRES] = {"", "chat", "responses", "messages"};

_Noreturn static void bail(const ws_err *err)
{
    printf("Bail out! %s\n", err->msg);
    exit(1);
}

static replay_server *serve(const char *script, int *port)
{
    char path[128];
    ws_err err = {0};
    replay_server *server = NULL;
    snprintf(path, sizeof path, "%s/script.json", dir);
    if (ws_write_file(path, script, strlen(script), &err) ||
        replay_start(&(replay_options){.script = path}, &server, &err))
        bail(&err);
    *port = replay_port(server);
    return server;
}

static llm_reply ask(llm_client *c, int turn, bool stream)
{
    ws_err err = {0};
    llm_reply r = {0};
    int id = 0;
    llm_message m[2] = {{.role = "system", .content = "be brief"},
                        {.role = "user", .content = "a kernel, please"}};
    llm_request q = {.model = "scripted-test",
                     .message = m,
                     .n_messages = 2,
                     .stream = stream,
                     .max_tokens = 100,
                     .temperature = -1,
                     .turn = turn};
    if (llm_submit(c, &q, &id, &err))
        bail(&err);
    while (!llm_poll(c, 1000, &id, &r))
        ;
    return r;
}

static llm_client *client(int port, llm_wire wire, cassette *tape)
{
    char url[64];
    ws_err err = {0};
    llm_client *c = NULL;
    snprintf(url, sizeof url, "http://127.0.0.1:%d/v1", port);
    llm_client_options o = {.base_url = url, .wire = wire, .cassette = tape};
    o.loopback_only = true;
    o.limits.max_attempts = 1;
    if (llm_client_open(&o, &c, &err))
        bail(&err);
    return c;
}

static const char script[] =
    "{\"schema\": 1, \"scripted\": true, \"model\": \"scripted-test\", \"replies\": ["
    "{\"text\": \"Gr\\u00fc\\u00dfe, a kernel\", \"reasoning\": \"let me see\", \"chunk_bytes\": "
    "4},"
    "{\"text\": \"half a ker\", \"finish_reason\": \"length\"},"
    "{\"text\": \"no\", \"finish_reason\": \"content_filter\"},"
    "{\"text\": \"a text that is cut off before its end\", \"cut_after\": 60, \"clean\": true},"
    "{\"status\": 401, \"body\": {\"type\": \"error\", \"error\": {\"type\": "
    "\"authentication_error\", \"message\": \"who are you\"}}},"
    "{\"text\": \"twelve chars\", \"no_usage\": true}]}";

/* 8 + 16 characters of prompt are 6 tokens; 15 characters of text in 17 bytes and 10 of reasoning
 * are 5 + 3. */
static void check(const llm_reply r[6], const char *what)
{
    ok(r[0].outcome == LLM_OK && strcmp(r[0].content, "Gr\303\274\303\237e, a kernel") == 0,
       "%s: the text", what);
    is_str(r[0].reasoning, "let me see", "its reasoning, kept apart");
    is_int(r[0].prompt_tokens, 6, "tokens of the prompt");
    is_int(r[0].completion_tokens, 8, "tokens of the reply");
    ok(r[1].outcome == LLM_TRUNCATED, "%s: a reply at its limit (%s)", what,
       llm_outcome_name(r[1].outcome));
    ok(r[2].outcome == LLM_REFUSED, "%s: a refusal (%s)", what, llm_outcome_name(r[2].outcome));
    ok(r[3].outcome == LLM_CUT, "%s: half a reply is none (%s)", what,
       llm_outcome_name(r[3].outcome));
    ok(r[4].outcome == LLM_AUTH && r[4].fatal, "%s: a refused key", what);
    ok(r[5].outcome == LLM_OK && r[5].usage_estimated && r[5].completion_tokens == 3,
       "%s: usage that is not told is estimated", what);
}

static void test_shape(int port, llm_wire wire, bool stream)
{
    char what[64], path[128];
    ws_err err = {0};
    cassette *tape = NULL;
    llm_reply live[6], again[6];
    snprintf(what, sizeof what, "%s, %s", wire_name[wire], stream ? "stream" : "whole");
    snprintf(path, sizeof path, "%s/tape.jsonl", dir);
    unlink(path);
    if (cassette_record_open(path, NULL, false, &tape, &err))
        bail(&err);
    llm_client *c = client(port, wire, tape);
    for (int i = 0; i < 6; i++)
        live[i] = ask(c, i, stream);
    llm_client_close(c);
    if (cassette_close(tape, &err) || cassette_replay_open(path, NULL, &tape, &err))
        bail(&err);
    check(live, what);
    c = client(1, wire, tape);
    bool same = true;
    for (int i = 0; i < 6; i++) {
        again[i] = ask(c, i, stream);
        same &= live[i].outcome == again[i].outcome &&
                strcmp(live[i].content, again[i].content) == 0 &&
                strcmp(live[i].raw, again[i].raw) == 0 &&
                live[i].completion_tokens == again[i].completion_tokens;
        llm_reply_release(&live[i]);
        llm_reply_release(&again[i]);
    }
    ok(same, "%s: the same from a recording", what);
    llm_client_close(c);
    if (cassette_close(tape, &err))
        bail(&err);
}

int main(void)
{
    int port;
    ws_log_set_level(WS_LOG_ERROR);
    if (!mkdtemp(dir))
        return 1;
    replay_server *server = serve(script, &port);
    for (int w = LLM_WIRE_CHAT; w < LLM_N_WIRES; w++)
        for (int stream = 0; stream < 2; stream++)
            test_shape(port, (llm_wire)w, stream);
    replay_stop(server);
    ws_buf command = {0};
    ws_buf_printf(&command, "rm -rf '%s'", dir);
    if (system(ws_buf_z(&command)) != 0)
        return 1;
    ws_buf_release(&command);
    return tap_done();
}
