/* One wire format of a model API: how a request is written and a reply is read. Three files, one
 * each: chat.c (OpenAI Chat Completions, and all that imitate it), responses.c (OpenAI Responses),
 * messages.c (Anthropic Messages). No network here. */
#ifndef AGENT_LLM_ADAPTER_H
#define AGENT_LLM_ADAPTER_H

#include "agent/llm/answer.h"
#include "agent/llm/quirk.h"

typedef struct llm_adapter {
    llm_wire wire;
    const char *name;          /* as in --wire */
    const char *path;          /* after the base URL */
    const char *what;          /* "a chat completion", for the sentence about a body that is none */
    const char *const *header; /* sent with every request, NULL-terminated; NULL: none */
    /* `traits` of the provider. */
    void (*body)(const llm_request *r, const llm_quirks *q, unsigned traits, cJSON *out);
    void (*event)(llm_answer *a, const cJSON *o); /* one event's data of a stream */
    void (*whole)(llm_answer *a, const cJSON *o); /* the reply to a request without a stream */
} llm_adapter;

extern const llm_adapter llm_chat, llm_responses, llm_messages;
const llm_adapter *llm_adapter_of(llm_wire w); /* not for LLM_WIRE_AUTO */

/* The JSON body as it is sent. */
void llm_adapter_body(const llm_adapter *w, const llm_request *r, const llm_quirks *q,
                      unsigned traits, ws_buf *out);
void llm_adapter_event(const llm_adapter *w, llm_answer *a, const char *data, size_t n);
void llm_adapter_whole(const llm_adapter *w, llm_answer *a, const char *body, size_t n);

/* ---- for the adapters ---- */
/* Text with U+FFFD for what is not UTF-8: a prompt may quote any byte. */
void llm_add_text(cJSON *o, const char *key, const char *text);
/* The message's content as parts of which the first, its invariant prefix, ends with a cache
 * breakpoint. */
cJSON *llm_cached_parts(const llm_message *m);
/* Tokens of reply to ask for, 0: not to be sent. */
int64_t llm_most_tokens(const llm_request *r, const llm_quirks *q);
bool llm_is_system(const llm_message *m);

#endif
