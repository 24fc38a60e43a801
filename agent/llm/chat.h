/* OpenAI's chat completions as they are in the wild: the request's JSON, and what a reply, a stream
 * delta or an error says. No network here. */
#ifndef AGENT_LLM_CHAT_H
#define AGENT_LLM_CHAT_H

#include "agent/llm/llm.h"

/* What a server was found not to accept; learned from its 400s, remembered by the client. */
enum {
    CHAT_COMPLETION_TOKENS = 1 << 0, /* max_completion_tokens in the place of max_tokens */
    CHAT_NO_TEMPERATURE = 1 << 1,
    CHAT_NO_STREAM_OPTIONS = 1 << 2,
    CHAT_NO_STREAM = 1 << 3,
    CHAT_NO_EFFORT = 1 << 4,
    CHAT_NO_MAX_TOKENS = 1 << 5
};

void chat_body(const llm_request *r, unsigned quirks, ws_buf *out);

/* An error object in any of the usual forms. */
typedef struct chat_error {
    bool present;
    char message[512], type[64], param[64], code[64];
    int status;           /* a numeric code in HTTP's error range, 0: none */
    double retry_after_s; /* Gemini's RetryInfo, NaN: none */
} chat_error;

/* What has arrived of a reply. Token counts are -1 until told. */
typedef struct chat_reply {
    ws_buf content, reasoning, refusal;
    char finish_reason[32], model[128];
    int64_t prompt_tokens, cached_tokens, completion_tokens, reasoning_tokens;
    double cost_usd;
    chat_error error;
    bool finished;  /* a finish reason or [DONE] was seen */
    bool done;      /* [DONE] was seen: nothing follows */
    bool malformed; /* something was not JSON, or not a completion */
    bool partial;   /* malformed because the JSON ends too early */
} chat_reply;

void chat_reply_init(chat_reply *r);
void chat_reply_release(chat_reply *r);
/* One event's data of a stream. */
void chat_reply_event(chat_reply *r, const char *data, size_t n);
/* A whole JSON body. */
void chat_reply_whole(chat_reply *r, const char *body, size_t n);

/* The error in a body of any status; false: none recognised. */
bool chat_error_parse(const char *body, size_t n, chat_error *out);
/* The quirk that `e` asks for, given those already in use; 0: none. */
unsigned chat_quirk_for(const chat_error *e, const llm_request *r, unsigned quirks);
/* A reply whose usage was told in full. */
bool chat_reply_has_usage(const chat_reply *r);
/* The text of an HTML page, or of any bytes, on one line of valid UTF-8 without control characters.
 */
void chat_plain_text(const char *body, size_t n, char *out, size_t size);
/* How a response with this HTTP status ends the attempt. */
llm_outcome chat_error_outcome(int status, const chat_error *e);

#endif
