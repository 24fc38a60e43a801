/* What reads a model's reply: bodies of the three wires, whole and as event streams cut anywhere,
 * errors, and the source in the answer's text. Whatever a server sends, they must survive it. */
#include "agent/llm/error.h"
#include "agent/llm/extract.h"
#include "agent/llm/intake.h"
#include "tests/fuzz_text.h"
#include "tests/llm_bodies.h"

static const char *const words[] = {
    "data: ", "event: ", "id:", "retry: 1", ":", "\n\n", "\r\n", "\r", "\n", "[DONE]", "{", "}", "[",
    "]", "\"", "\\", "\\u0000", "\\ud83d", "null", "true", "-1", "1e400", "9223372036854775808",
    "\"choices\":", "\"delta\":", "\"message\":", "\"content\":", "\"finish_reason\":", "\"usage\":",
    "\"prompt_tokens\":", "\"completion_tokens\":", "\"type\":", "\"response.completed\"",
    "\"message_stop\"", "\"content_block_delta\"", "\"text\":", "\"thinking\":", "\"error\":",
    "\"stop\"", "\"length\"", "\"output\":", "\"refusal\":", "```", "```cuda\n", "~~~", "    ```\n",
    "<think>", "</think>", "/* @plan", "*/", "extern \"C\" __global__ void k() {}", "\xef\xbb\xbf",
    "\xff", "\xe2\x82", "1. ", "> ", "\t"
};

/* A body as some server may send it. */
static void make_one(ws_buf *text)
{
    if (pick(3)) {
        make_body((int)pick(N_VARIANTS), (int)pick(W_BIG), text);
    } else {
        const ws_buf *f = &text_file[pick(n_text_files)];
        ws_buf_add(text, f->p, f->n);
    }
    for (uint32_t n = pick(5); n; n--)
        text_put_word(text, 0, text->n, words, WS_COUNT(words));
    if (!pick(3))
        change_bytes(text);
}

/* Fed in pieces; true: it was an answer. */
static bool read_body(const char *p, size_t n)
{
    static const int status[] = {200, 200, 200, 200, 201, 204, 301, 400, 429, 500, 0};
    llm_intake in = {.wire = llm_adapter_of((llm_wire)(LLM_WIRE_CHAT + pick(3)))};
    llm_error error;
    const int code = status[pick(WS_COUNT(status))];
    const bool small = pick(4) == 0;
    intake_begin(&in, small ? 1000 : 1 << 22, small ? 300 : 1 << 20);
    for (size_t at = 0; at < n;) {
        size_t piece = 1 + pick(pick(2) ? 3 : 600), left = n - at;
        piece = piece < left ? piece : left;
        if (intake_take(&in, code, p + at, piece) == HTTP_TAKE_TOO_LARGE)
            break;
        at += piece;
    }
    if (in.kind == BODY_JSON)
        llm_adapter_whole(in.wire, &in.answer, in.raw.p, in.raw.n);
    else
        intake_finish(&in);
    llm_answer_settle(&in.answer);
    const bool whole = in.answer.finished && !in.answer.malformed;
    llm_error_parse(ws_buf_z(&in.raw), in.raw.n, &error);
    intake_is_whole("http://h/v1/chat/completions", code, p, n, pick(2));
    intake_release(&in);
    return whole;
}

static bool reply_one(void)
{
    ws_buf text = {0}, code = {0};
    make_one(&text);
    fuzz_keep(text.p, text.n);
    /* In a block of its own size, so that a sanitizer sees a read past its end. */
    char *exact = ws_malloc(text.n ? text.n : 1);
    memcpy(exact, text.p, text.n);
    llm_extract_cuda(exact, text.n, &code);
    const bool whole = read_body(exact, text.n);
    free(exact);
    ws_buf_release(&text);
    ws_buf_release(&code);
    return whole;
}

int main(int argc, char **argv)
{
    if (!text_load("agent/replays/*/*.md"))
        return 3;
    int rc = fuzz_main("reply", argc, argv, reply_one);
    text_release();
    return rc;
}
