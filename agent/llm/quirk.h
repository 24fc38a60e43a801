/* What a server was found not to accept: learned from its refusals, kept per endpoint and model. A
 * refused request is sent again once per quirk, changed. */
#ifndef AGENT_LLM_QUIRK_H
#define AGENT_LLM_QUIRK_H

#include "agent/llm/error.h"

/* id, name as it is stored, what it does. */
#define LLM_QUIRK_LIST(X)                                                                          \
    X(COMPLETION_TOKENS, "max_completion_tokens") /* max_tokens was refused */                     \
    X(PLAIN_TOKENS, "max_tokens")                 /* max_completion_tokens was refused */          \
    X(NO_MAX_TOKENS, "no_max_tokens")                                                              \
    X(NO_TEMPERATURE, "no_temperature")                                                            \
    X(NO_STREAM_OPTIONS, "no_stream_options")                                                      \
    X(NO_STREAM, "no_stream")                                                                      \
    X(NO_EFFORT, "no_effort")                                                                      \
    X(NO_STORE, "no_store")                                                                        \
    X(NO_CACHE, "no_cache_control")                                                                \
    X(NO_SYSTEM, "no_system") /* the system text leads the first message of the user */            \
    X(RESPONSES, "responses") /* the model is only served at /responses */
enum {
#define X(id, name) LLM_QUIRK_BIT_##id,
    LLM_QUIRK_LIST(X)
#undef X
        LLM_N_QUIRKS
};
enum {
#define X(id, name) LLM_Q_##id = 1 << LLM_QUIRK_BIT_##id,
    LLM_QUIRK_LIST(X)
#undef X
};

typedef struct llm_quirks {
    unsigned bits;
    int64_t most_tokens; /* of a reply, as the server says; 0: not learned */
} llm_quirks;

/* "max_completion_tokens no_temperature most_tokens=64000" */
char *llm_quirks_print(const llm_quirks *q);
llm_quirks llm_quirks_parse(const char *text); /* words that are not known are skipped */
llm_quirks llm_quirks_join(llm_quirks a, llm_quirks b);

/* What a refusal asks for. */
typedef struct llm_lesson {
    llm_quirks learned; /* of the model: to be kept */
    llm_quirks own;     /* of this prompt */
} llm_lesson;
typedef struct llm_refusal {
    const llm_error *error;
    const llm_request *request;
    const char *body; /* as it was sent */
    llm_wire wire;
    bool may_switch; /* to another wire */
    llm_quirks in_use;
} llm_refusal;
/* false: the request cannot be changed so that the server might accept it. */
bool llm_quirk_for(const llm_refusal *r, llm_lesson *out);

#endif
