/* Bodies of the three wires without network: every beginning of a stream, every way to cut it in
 * two, and random damage. What counts as finished is the whole text, whatever arrives. */
#include "agent/llm/adapter.h"
#include "agent/llm/sse.h"

#include "base/mem.h"
#include "base/philox.h"
#include "tests/llm_bodies.h"
#include "tests/tap.h"

#include <stdlib.h>

enum { MOST = 1 << 20 };

typedef struct reader {
    const llm_adapter *wire;
    llm_answer answer;
    sse_parser sse;
} reader;

static void on_event(void *ud, const char *data, size_t n)
{
    reader *r = ud;
    llm_adapter_event(r->wire, &r->answer, data, n);
}

static const llm_adapter *adapter_of(int wire)
{
    static const llm_adapter *const all[] = {&llm_chat, &llm_responses, &llm_messages};
    return all[wire];
}

static void reader_init(reader *r, int wire)
{
    r->wire = adapter_of(wire);
    llm_answer_init(&r->answer, MOST);
    sse_init(&r->sse, MOST);
}

static void reader_release(reader *r)
{
    llm_answer_release(&r->answer);
    sse_release(&r->sse);
}

/* A stream in two pieces (`cut` 0: one), then its end. */
static void read_stream(reader *r, int wire, const char *p, size_t n, size_t cut)
{
    reader_init(r, wire);
    bool fits =
        sse_feed(&r->sse, p, cut, on_event, r) && sse_feed(&r->sse, p + cut, n - cut, on_event, r);
    if (fits)
        sse_finish(&r->sse, on_event, r);
}

static bool is_whole(const llm_answer *a)
{
    return strcmp(ws_buf_z(&a->content), body_text) == 0 &&
           strcmp(ws_buf_z(&a->reasoning), "hm") == 0;
}

static const char *const wire_name[] = {"chat", "responses", "messages"};
static const body_what styles[] = {W_FINE, W_CRLF, W_CR, W_BOM, W_LINES, W_COMMENTS};

/* No beginning of a stream is taken for an answer that is not whole. */
static void test_beginnings(int wire)
{
    int accepted = 0, wrong = 0;
    for (size_t i = 0; i < WS_COUNT(styles); i++) {
        ws_buf body = {0};
        make_body(2 * wire, (int)styles[i], &body);
        for (size_t n = 0; n < body.n; n++) {
            reader r;
            read_stream(&r, wire, body.p, n, 0);
            accepted += r.answer.finished;
            wrong += r.answer.finished && !is_whole(&r.answer);
            reader_release(&r);
        }
        ws_buf_release(&body);
    }
    is_int(wrong, 0, "no beginning of a stream is an answer");
    /* Chat: from the finish reason on, before usage and [DONE]. */
    ok(wire == CHAT ? accepted > 0 : accepted < 200, "but one whose last word was said (%s: %d)",
       wire_name[wire], accepted);
}

static void test_cuts(int wire)
{
    int different = 0;
    for (size_t i = 0; i < WS_COUNT(styles); i++) {
        ws_buf body = {0};
        make_body(2 * wire, (int)styles[i], &body);
        for (size_t cut = 0; cut <= body.n; cut++) {
            reader r;
            read_stream(&r, wire, body.p, body.n, cut);
            different += !r.answer.finished || r.answer.malformed || !is_whole(&r.answer) ||
                         r.answer.prompt_tokens != BODY_PROMPT ||
                         r.answer.completion_tokens != BODY_OUT;
            reader_release(&r);
        }
        ws_buf_release(&body);
    }
    is_int(different, 0, "wherever a stream is cut in two, it says the same");
}

static void test_whole_beginnings(int wire)
{
    ws_buf body = {0};
    int wrong = 0;
    make_body(2 * wire + 1, W_FINE, &body);
    for (size_t n = 1; n < body.n; n++) {
        llm_answer a;
        llm_answer_init(&a, MOST);
        llm_adapter_whole(adapter_of(wire), &a, body.p, n);
        wrong += a.finished || !a.malformed || !a.partial;
        llm_answer_release(&a);
    }
    is_int(wrong, 0, "no beginning of a whole reply is an answer, each is one that was cut");
    ws_buf_release(&body);
}

static uint64_t next_random(uint64_t *index)
{
    return ws_philox_u64(20261121, 0, ++*index);
}

/* Bytes changed, dropped, doubled: no crash, and nothing without its end is an answer. */
static void test_damage(int wire)
{
    uint64_t rng = (uint64_t)wire << 32;
    int wrong = 0;
    for (int round = 0; round < 4000; round++) {
        ws_buf body = {0}, bad = {0};
        bool plain = round % 2;
        make_body(2 * wire + plain, (int)(next_random(&rng) % W_BIG), &body);
        size_t damage = 1 + next_random(&rng) % 5, every = body.n / damage + 1;
        size_t at = next_random(&rng) % every;
        for (size_t i = 0; i < body.n; i++) {
            if (i % every != at) {
                ws_buf_addc(&bad, body.p[i]);
                continue;
            }
            static const char odd[] = "{}[]\",:\\\n\r\t 0n\x80\xff";
            uint64_t kind = next_random(&rng) % 4;
            if (kind == 1)
                ws_buf_addc(&bad, odd[next_random(&rng) % (sizeof odd - 1)]);
            else if (kind > 1)
                for (uint64_t k = 0; k < kind; k++)
                    ws_buf_addc(&bad, body.p[i]);
        }
        reader r;
        if (plain) {
            reader_init(&r, wire);
            llm_adapter_whole(r.wire, &r.answer, bad.p, bad.n);
            wrong += r.answer.finished && r.answer.malformed;
        } else {
            read_stream(&r, wire, bad.p, bad.n, bad.n / 2);
            wrong += wire == MESSAGES && r.answer.finished && !strstr(bad.p, "message_stop");
        }
        llm_answer_settle(&r.answer);
        reader_release(&r);
        ws_buf_release(&body);
        ws_buf_release(&bad);
    }
    is_int(wrong, 0, "damage makes no answer of what is none");
}

/* ---- reasoning in the content ---- */

static void test_tags(void)
{
    static const struct {
        const char *content, *want, *reasoning;
    } row[] = {
        {"plain", "plain", ""},
        {"<think>a</think>b", "b", "a"},
        {"\n <thinking>a\n</thinking>\n\nb", "b", "a\n"},
        {"<seed:think>a</seed:think>b", "b", "a"},
        {"<think>never closed ```cuda x```", "", "never closed ```cuda x```"},
        {"opened by the template</think>b", "b", "opened by the template"},
        {"```\ncode\n```\n</think>", "```\ncode\n```\n</think>", ""},
        {"<thinker>x</thinker>", "<thinker>x</thinker>", ""},
        {"a < b", "a < b", ""},
        {"", "", ""},
    };
    for (size_t i = 0; i < WS_COUNT(row); i++) {
        llm_answer a;
        llm_answer_init(&a, MOST);
        ws_buf_adds(&a.content, row[i].content);
        llm_answer_settle(&a);
        is_str(ws_buf_z(&a.content), row[i].want, row[i].content);
        is_str(ws_buf_z(&a.reasoning), row[i].reasoning, "its reasoning");
        llm_answer_release(&a);
    }
}

/* Replies as servers of other makers have them. */
static void test_dialects(void)
{
    static const struct {
        const char *what, *body, *content, *reasoning;
    } row[] = {
        {"vLLM and Ollama name it reasoning",
         "{\"choices\":[{\"message\":{\"content\":\"c\",\"reasoning\":\"r\"},"
         "\"finish_reason\":\"stop\"}]}",
         "c", "r"},
        {"OpenRouter's details",
         "{\"choices\":[{\"message\":{\"content\":\"c\",\"reasoning_details\":["
         "{\"type\":\"reasoning.text\",\"text\":\"a\"},{\"type\":\"reasoning.summary\","
         "\"summary\":\"b\"},{\"type\":\"reasoning.encrypted\",\"data\":\"x\"}]},"
         "\"finish_reason\":\"stop\"}]}",
         "c", "ab"},
        {"Mistral's parts",
         "{\"choices\":[{\"message\":{\"content\":[{\"type\":\"thinking\","
         "\"thinking\":[{\"type\":\"text\",\"text\":\"r\"}]},{\"type\":\"text\",\"text\":\"c\"}]},"
         "\"finish_reason\":\"stop\"}]}",
         "c", "r"},
        {"an error member that is empty",
         "{\"error\":{},\"choices\":[{\"message\":{\"content\":\"c\"},\"finish_reason\":\"stop\"}]"
         "}",
         "c", ""},
        {"or an empty text",
         "{\"error\":\"\",\"choices\":[{\"message\":{\"content\":\"c\"},\"finish_reason\":\"stop\"}"
         "]}",
         "c", ""},
        {"another choice is not read",
         "{\"choices\":[{\"index\":1,\"message\":{\"content\":\"x\"}},{\"index\":0,\"message\":{"
         "\"content\":\"c\"},\"finish_reason\":\"stop\"}]}",
         "c", ""},
        {"a completion of old", "{\"choices\":[{\"text\":\"c\",\"finish_reason\":\"stop\"}]}", "c",
         ""},
    };
    for (size_t i = 0; i < WS_COUNT(row); i++) {
        llm_answer a;
        llm_answer_init(&a, MOST);
        llm_adapter_whole(&llm_chat, &a, row[i].body, strlen(row[i].body));
        ok(a.finished && !a.malformed && !a.error.present, "%s", row[i].what);
        is_str(ws_buf_z(&a.content), row[i].content, "its text");
        is_str(ws_buf_z(&a.reasoning), row[i].reasoning, "its reasoning");
        llm_answer_release(&a);
    }
}

/* Usage in the forms that vendors and proxies have. */
static void test_usage(void)
{
    static const struct {
        const char *json;
        int64_t prompt, cached, written, out, thought;
    } row[] = {
        {"{\"prompt_tokens\":10,\"completion_tokens\":5}", 10, -1, -1, 5, -1},
        {"{\"prompt_tokens\":10,\"completion_tokens\":5,\"prompt_cache_hit_tokens\":4,"
         "\"prompt_cache_miss_tokens\":6}",
         10, 4, -1, 5, -1},
        {"{\"input_tokens\":10,\"output_tokens\":5,\"cache_read_input_tokens\":null}", 10, -1, -1,
         5, -1},
        {"{\"input_tokens\":10,\"output_tokens\":5,\"cache_read_input_tokens\":100,"
         "\"cache_creation_input_tokens\":20}",
         130, 100, 20, 5, -1},
        {"{\"prompt_tokens\":130,\"completion_tokens\":5,\"cache_read_input_tokens\":100,"
         "\"cache_creation_input_tokens\":20}",
         130, 100, 20, 5, -1}, /* a proxy: inside the prompt */
        {"{\"prompt_tokens\":-3,\"completion_tokens\":1.5}", -1, -1, -1, -1, -1},
        {"{\"prompt_tokens\":\"10\"}", -1, -1, -1, -1, -1},
        {"{\"input_tokens\":7,\"output_tokens\":9,\"output_tokens_details\":{\"reasoning_tokens\":"
         "6}}",
         7, -1, -1, 9, 6},
    };
    for (size_t i = 0; i < WS_COUNT(row); i++) {
        llm_answer a;
        cJSON *u = cJSON_Parse(row[i].json);
        llm_answer_init(&a, MOST);
        llm_answer_usage(&a, u);
        ok(a.prompt_tokens == row[i].prompt && a.cached_tokens == row[i].cached &&
               a.cache_write_tokens == row[i].written && a.completion_tokens == row[i].out &&
               a.reasoning_tokens == row[i].thought,
           "%s", row[i].json);
        cJSON_Delete(u);
        llm_answer_release(&a);
    }
}

int main(void)
{
    for (int wire = 0; wire < N_WIRES; wire++) {
        test_beginnings(wire);
        test_cuts(wire);
        test_whole_beginnings(wire);
        test_damage(wire);
    }
    test_tags();
    test_dialects();
    test_usage();
    return tap_done();
}
