/* The keeper: what becomes of requests in flight when the process that made them is killed, or the
 * keeper itself is. The run is a child of the test; the server, in the test, counts requests. */
#include "agent/cli.h"
#include "agent/llm/cassette.h"
#include "agent/llm/llm.h"
#include "base/file.h"
#include "base/log.h"
#include "tests/llm_bodies.h"
#include "tests/llm_server.h"
#include "tests/tap.h"

#include <dirent.h>
#include <signal.h>
#include <sys/wait.h>

static llm_server server;
static char dir[] = "/tmp/warpsmith-keeper-XXXXXX";
static const char key[] = "sk-canary-0123456789abcdef";

static _Noreturn void bail(const ws_err *err)
{
    printf("Bail out! %s\n", err->msg);
    exit(1);
}

static const char *path_of(const char *name)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    return path;
}

static cassette *recorder(const char *name)
{
    cassette *c = NULL;
    ws_err err = {0};
    if (cassette_record_open(path_of(name), NULL, true, &c, &err))
        bail(&err);
    return c;
}

static void put_away(cassette *c)
{
    ws_err err = {0};
    if (cassette_close(c, &err))
        bail(&err);
}

/* Of the server's row and a wire. */
static llm_client *client_of(int row, int wire, cassette *tape)
{
    static const llm_wire wires[] = {LLM_WIRE_CHAT, LLM_WIRE_RESPONSES, LLM_WIRE_MESSAGES};
    char url[96];
    ws_err err = {0};
    llm_client *c = NULL;
    snprintf(url, sizeof url, "http://127.0.0.1:%d/%d/%d/v1", server.port, row, 2 * wire);
    llm_client_options o = {
        .base_url = url,
        .api_key = key,
        .wire = wires[wire],
        .loopback_only = true,
        .cassette = tape,
        .limits = {.max_in_flight = 8, .idle_s = 5, .total_s = 20, .max_attempts = 1}};
    if (llm_client_open(&o, &c, &err))
        bail(&err);
    return c;
}

static void submit(llm_client *c, int turn)
{
    char question[32];
    ws_err err = {0};
    int id;
    snprintf(question, sizeof question, "question %d", turn);
    llm_message m = {"user", question, 0};
    llm_request q = {.model = "m",
                     .message = &m,
                     .n_messages = 1,
                     .stream = true,
                     .temperature = -1,
                     .turn = turn};
    if (llm_submit(c, &q, &id, &err))
        bail(&err);
}

static void play(int row, const server_play *p)
{
    server.play[row] = p;
    server.n_plays[row] = 1;
}

static int asked(int row, int wire)
{
    pthread_mutex_lock(&server.lock);
    int n = server.n[row][2 * wire];
    pthread_mutex_unlock(&server.lock);
    return n;
}

/* A run that asks `n` questions after a while, and waits for the answers until it is killed. */
static pid_t start_run(const char *tape, int row, int wire, int n, int delay_ms)
{
    fflush(stdout);
    pid_t pid = fork();
    if (pid)
        return pid;
    llm_client *c = client_of(row, wire, recorder(tape));
    llm_reply r;
    int id;
    ws_sleep_ms(delay_ms);
    for (int i = 0; i < n; i++)
        submit(c, i);
    for (;;)
        if (llm_poll(c, 1000, &id, &r))
            llm_reply_release(&r);
}

static void kill_run(pid_t pid)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

static bool wait_asked(int row, int wire, int n)
{
    for (int i = 0; i < 2000 && asked(row, wire) < n; i++)
        ws_sleep_ms(10);
    return asked(row, wire) >= n;
}

/* The process called ws-keeper that is a child of `parent`; 0: none. */
static pid_t keeper_of_process(pid_t parent)
{
    pid_t found = 0;
    DIR *d = opendir("/proc");
    for (struct dirent *e; d && (e = readdir(d));) {
        char path[300], line[512];
        int pid, ppid;
        char name[64], state;
        snprintf(path, sizeof path, "/proc/%s/stat", e->d_name);
        FILE *f = e->d_name[0] >= '1' && e->d_name[0] <= '9' ? fopen(path, "r") : NULL;
        if (!f)
            continue;
        if (fgets(line, sizeof line, f) &&
            sscanf(line, "%d (%63[^)]) %c %d", &pid, name, &state, &ppid) == 4 && ppid == parent &&
            strcmp(name, "ws-keeper") == 0)
            found = pid;
        fclose(f);
    }
    if (d)
        closedir(d);
    return found;
}

/* Asks the same again; how many answers are right to the byte and the token. */
static int ask_again(const char *tape, int row, int wire, int n)
{
    cassette *t = recorder(tape);
    llm_client *c = client_of(row, wire, t);
    int good = 0, id;
    for (int i = 0; i < n; i++)
        submit(c, i);
    for (int i = 0; i < n;) {
        llm_reply r;
        if (!llm_poll(c, 1000, &id, &r))
            continue;
        good += r.outcome == LLM_OK && strcmp(r.content, body_text) == 0 &&
                r.prompt_tokens == BODY_PROMPT && r.completion_tokens == BODY_OUT;
        llm_reply_release(&r);
        i++;
    }
    llm_client_close(c);
    put_away(t);
    return good;
}

static bool file_has(const char *name, const char *text)
{
    ws_buf b = {0};
    ws_err err = {0};
    if (ws_read_file(path_of(name), 64 << 20, &b, &err))
        bail(&err);
    bool has = memmem(b.p, b.n, text, strlen(text)) != NULL;
    ws_buf_release(&b);
    return has;
}

/* ---- the run is killed ---- */

enum { SLOW, LINGERS, BREAKS, HALF, LARGE, QUIET };

static void test_killed(int wire)
{
    static const server_play slow = {.framing = BY_CHUNKS, .step = 40, .step_ms = 25};
    static const char *const tapes[] = {"chat.jsonl", "responses.jsonl", "messages.jsonl"};
    enum { N = 8 };
    play(SLOW, &slow);
    pid_t run = start_run(tapes[wire], SLOW, wire, N, 0);
    ok(wait_asked(SLOW, wire, N), "%d requests are in flight", N);
    cassette *c = NULL;
    ws_err err = {0};
    ok(cassette_record_open(path_of(tapes[wire]), NULL, true, &c, &err) == WS_EENV &&
           strstr(err.msg, "another run"),
       "while the run lives, another one is refused");
    kill_run(run);
    cli_interrupted = 1;
    err = (ws_err){0};
    ok(cassette_record_open(path_of(tapes[wire]), NULL, true, &c, &err) == WS_EENV &&
           strstr(err.msg, "interrupted"),
       "killed, its calls are waited for, which Ctrl-C ends");
    cli_interrupted = 0;
    is_int(ask_again(tapes[wire], SLOW, wire, N), N, "then all answers are there, whole");
    is_int(asked(SLOW, wire), N, "and none was asked for twice");
    ok(!file_has(tapes[wire], key), "the key is not in the recording");
}

/* A server that leaves the connection open, or breaks it, after a stream whose end it told. */
static void test_ends(void)
{
    static const server_play lingers = {
        .framing = BY_CHUNKS, .step = 100, .step_ms = 20, .linger_ms = 15000};
    static const server_play breaks = {
        .framing = BY_CHUNKS, .what = W_NO_DONE, .step = 100, .step_ms = 20, .cut = 100};
    static const server_play half = {.framing = BY_CHUNKS, .step = 100, .step_ms = 20, .cut = 50};
    static const server_play *const plays[] = {&lingers, &breaks, &half};
    static const char *const tapes[] = {"lingers.jsonl", "breaks.jsonl", "half.jsonl"};
    for (int i = 0; i < 3; i++) {
        int row = LINGERS + i;
        play(row, plays[i]);
        pid_t run = start_run(tapes[i], row, CHAT, 1, 0);
        ok(wait_asked(row, CHAT, 1), "%s: a request is in flight", tapes[i]);
        kill_run(run);
        int64_t begin = ws_now_ns();
        put_away(recorder(tapes[i]));
        ok(ws_seconds_since(begin) < 8, "it ends when the answer does");
    }
    is_int(ask_again("lingers.jsonl", LINGERS, CHAT, 1), 1, "an open end is one");
    is_int(asked(LINGERS, CHAT), 1, "not asked again");
    is_int(ask_again("breaks.jsonl", BREAKS, CHAT, 1), 1, "a broken connection after the end, too");
    is_int(asked(BREAKS, CHAT), 1, "not asked again");
    is_int(ask_again("half.jsonl", HALF, CHAT, 1), 0, "half an answer is none");
    is_int(asked(HALF, CHAT), 2, "and asked for again");
}

/* What has not left yet does not leave after the kill: it would be paid for and asked again. */
static void test_not_sent(void)
{
    static const server_play quiet = {.framing = BY_CHUNKS};
    enum { DELAY_MS = 600 };
    pid_t keeper = 0;
    play(QUIET, &quiet);
    pid_t run = start_run("quiet.jsonl", QUIET, CHAT, 3, DELAY_MS);
    for (int i = 0; i < 50 && !(keeper = keeper_of_process(run)); i++)
        ws_sleep_ms(10);
    ok(keeper > 0, "a run that records has a keeper");
    kill(keeper, SIGSTOP);
    ws_sleep_ms(2 * DELAY_MS);
    kill_run(run);
    kill(keeper, SIGCONT);
    put_away(recorder("quiet.jsonl"));
    is_int(asked(QUIET, CHAT), 0, "what it was given and had not sent is not sent");
    is_int(ask_again("quiet.jsonl", QUIET, CHAT, 3), 3, "but when it is asked again");
    is_int(asked(QUIET, CHAT), 3, "once");
}

/* ---- the keeper is killed ---- */

static void test_lost(void)
{
    static const server_play stalls = {.framing = BY_CHUNKS, .stall_ms = 4000};
    enum { ROW = 20 };
    play(ROW, &stalls);
    cassette *tape = recorder("lost.jsonl");
    llm_client *c = client_of(ROW, CHAT, tape);
    llm_reply r;
    ws_err err = {0};
    int id;
    bool got = false;
    submit(c, 0);
    for (int i = 0; i < 500 && !asked(ROW, CHAT); i++)
        got |= llm_poll(c, 10, &id, &r);
    ok(!got && asked(ROW, CHAT) == 1, "a request is in flight");
    kill(keeper_of_process(getpid()), SIGKILL);
    int64_t begin = ws_now_ns();
    while (!(got = llm_poll(c, 100, &id, &r)) && ws_seconds_since(begin) < 3)
        ;
    ok(got, "without its keeper a call ends");
    if (got) {
        is_int(r.outcome, LLM_TRANSPORT, "with a failure of the connection");
        has_str(r.error, "the process that holds the connections ended", "that is named");
        ok(r.attempt[0].tokens_estimated && r.attempt[0].prompt_tokens > 0,
           "and may have to be paid");
        llm_reply_release(&r);
    }
    submit(c, 1);
    got = llm_poll(c, 3000, &id, &r);
    ok(got && r.outcome == LLM_TRANSPORT, "nor can another be made");
    if (got)
        llm_reply_release(&r);
    llm_client_close(c);
    ok(cassette_close(tape, &err) == WS_EENV, "the recording says that it is not whole");
}

/* ---- bytes ---- */

/* More than a socket holds, while nobody reads. */
static void test_large(void)
{
    enum { ROW = 21, SIZE = 8 << 20 };
    static server_play large = {.framing = BY_LENGTH};
    ws_buf body = {0};
    ws_buf_adds(&body,
                "{\"object\":\"chat.completion\",\"model\":\"served\",\"choices\":[{\"index\":"
                "0,\"finish_reason\":\"stop\",\"message\":{\"role\":\"assistant\","
                "\"content\":\"");
    for (int i = 0; i < SIZE; i++)
        ws_buf_addc(&body, "abcdefghijklmnopqrstuvwxyz"[i % 26]);
    ws_buf_adds(&body, "\"}}],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4}}");
    large.body = body.p;
    play(ROW, &large);
    cassette *tape = recorder("large.jsonl");
    llm_client *c = client_of(ROW, CHAT, tape);
    llm_reply r;
    int id, right = 0;
    for (int i = 0; i < 3; i++)
        submit(c, i);
    ok(!llm_poll(c, 1, &id, &r), "three large bodies are asked for");
    ws_sleep_ms(300);
    for (int i = 0; i < 3; i++) {
        while (!llm_poll(c, 1000, &id, &r))
            ;
        bool same = r.outcome == LLM_OK && strlen(r.content) == SIZE;
        for (int k = 0; same && k < SIZE; k++)
            same = r.content[k] == "abcdefghijklmnopqrstuvwxyz"[k % 26];
        right += same;
        llm_reply_release(&r);
    }
    is_int(right, 3, "and arrive, though nobody read for a while");
    llm_client_close(c);
    put_away(tape);
    ws_buf_release(&body);
}

int main(void)
{
    ws_log_set_level(WS_LOG_ERROR);
    if (!mkdtemp(dir))
        return 1;
    server_start(&server, make_body);
    for (int wire = 0; wire < N_WIRES; wire++)
        test_killed(wire);
    test_ends();
    test_not_sent();
    test_lost();
    test_large();
    ws_buf command = {0};
    ws_buf_printf(&command, "rm -rf '%s'", dir);
    ok(system(command.p) == 0, "tidied up");
    ws_buf_release(&command);
    return tap_done();
}
