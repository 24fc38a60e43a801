/* What has arrived of a reply, whatever the wire: text, reasoning, usage, errors. The adapters fill
 * it. No network here. */
#ifndef AGENT_LLM_ANSWER_H
#define AGENT_LLM_ANSWER_H

#include "agent/llm/error.h"

/* Token counts are -1 until told. */
typedef struct llm_answer {
    ws_buf content, reasoning, refusal;
    char finish_reason[48], model[128];
    int64_t prompt_tokens; /* all of the input: cached and written ones too */
    int64_t cached_tokens, cache_write_tokens, completion_tokens, reasoning_tokens;
    double cost_usd;
    cJSON *usage; /* as told, merged over the events; NULL: none */
    llm_error error;
    bool finished;  /* its end was told */
    bool done;      /* nothing follows */
    bool malformed; /* something was not JSON, or not of this wire */
    bool partial;   /* malformed because the JSON ends too early */
    bool moved;     /* the last event brought something: it was no ping */
    int events;
} llm_answer;

void llm_answer_init(llm_answer *a, size_t max_bytes);
void llm_answer_release(llm_answer *a);
bool llm_answer_has_usage(const llm_answer *a);
/* A usage object in OpenAI's or Anthropic's words; counts that come twice are cumulative. */
void llm_answer_usage(llm_answer *a, const cJSON *usage);
/* Reasoning that stands in the content, up to a closing tag or after an opening one, moves to
 * `reasoning`. Once, at the end. */
void llm_answer_settle(llm_answer *a);

/* ---- for adapters ---- */
void llm_answer_finish(llm_answer *a, const char *reason); /* "" and NULL: none yet */
void llm_answer_name(llm_answer *a, const cJSON *o);       /* o.model */
/* A string, or an array of parts with "text" or "summary". */
void llm_add_parts(ws_buf *out, const cJSON *v);

#endif
