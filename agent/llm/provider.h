/* The table of model servers: where they are, which variables hold their keys, which wire they
 * speak. What a server really accepts is learned from it (quirk.h), never listed by model. */
#ifndef AGENT_LLM_PROVIDER_H
#define AGENT_LLM_PROVIDER_H

#include "agent/llm/llm.h"
#include "base/mem.h"

enum { LLM_PROVIDER_NAMES = 3 };
enum {                                       /* traits */
       LLM_TRAIT_COMPLETION_TOKENS = 1 << 0, /* the reply's limit is max_completion_tokens */
       LLM_TRAIT_CACHE_PARTS = 1 << 1,       /* takes cache_control in a chat message's parts */
       LLM_TRAIT_REASONING_OBJECT = 1 << 2,  /* {"reasoning": {"effort": ...}} */
       LLM_TRAIT_THOUGHT_OUTSIDE =
           1 << 3,                 /* completion_tokens is without the thinking: total is not */
       LLM_TRAIT_SLASHES = 1 << 4, /* its models' own names have slashes */
       LLM_TRAIT_LOCAL = 1 << 5    /* on this machine, without a key */
};

typedef struct llm_provider {
    const char *name;
    const char *base_url; /* NULL: must be given */
    const char *path;     /* of the API, for a base URL without one */
    const char *key_env[LLM_PROVIDER_NAMES];
    const char *url_env[LLM_PROVIDER_NAMES - 1];
    const char *host; /* of its base URLs; NULL: not recognised by address */
    llm_wire wire;
    llm_key_kind key_kind;
    unsigned traits;
    const char *family[LLM_PROVIDER_NAMES]; /* its models' names begin with it */
    const char *header;                     /* sent with every request; NULL: none */
    /* Variables that are sent as headers when they are set: {variable, header}. */
    const char *env_header[LLM_PROVIDER_NAMES - 1][2];
} llm_provider;

/* Ended by a NULL name; the first is the default, the last ("custom") any other server. */
extern const llm_provider llm_providers[];
const llm_provider *llm_provider_find(const char *name); /* NULL: none */
const llm_provider *llm_provider_of_url(const char *base_url);
const char *llm_wire_name(llm_wire w);
/* WS_EUSAGE with the list of names. NULL and "": LLM_WIRE_AUTO. */
ws_status llm_wire_parse(const char *name, llm_wire *out, ws_err *err) WS_MUST_CHECK;

/* ---- keys ---- */

/* Keys of every provider, out of the environment: no child, not even one that is only forked, shows
 * them. From the first key on until they are wiped the process cannot be dumped or traced. */
typedef struct llm_keys {
    char **value; /* by provider and variable */
} llm_keys;
void llm_keys_take(llm_keys *k);
void llm_keys_wipe(llm_keys *k);
/* The provider's key: of `file` when that is given, else of its first variable that is set. None is
 * an empty `out` and no error. */
ws_status llm_key_find(const llm_keys *k, const llm_provider *p, const char *file, ws_buf *out,
                       llm_key_kind *kind, ws_err *err) WS_MUST_CHECK;
/* The variable that holds the provider's key now, NULL: none. Taken or still in the environment. */
const char *llm_key_variable(const llm_keys *k, const llm_provider *p);

/* ---- which server, which model ---- */

typedef struct llm_target {
    const llm_provider *provider;
    const char *base_url; /* in the arena, as are the others */
    const char *model;    /* as the server calls it */
} llm_target;
/* From what the user said; each may be NULL. `model` may begin with a provider's name
 * ("anthropic/claude-..."). In this order: `provider`; `base_url`; the prefix of a provider whose
 * key is there or which needs none; OPENAI_BASE_URL and its like; any prefix; the family of the
 * name; openai. A base URL that is given is kept, whatever the provider. */
ws_status llm_provider_resolve(const char *provider, const char *base_url, const char *model,
                               const llm_keys *keys, ws_arena *a, llm_target *out,
                               ws_err *err) WS_MUST_CHECK;

/* The address of a wire's endpoint from a base URL in any usual form: with or without /v1, a final
 * slash, or the path of an endpoint, which may be another wire's. A query (Azure's api-version)
 * stays at the end. malloc'ed. `path`: for a URL that has none. */
char *llm_endpoint_address(const char *base_url, const char *path, llm_wire wire);
/* The wire of a base URL that ends in an endpoint's path; LLM_WIRE_AUTO: none. */
llm_wire llm_wire_of_url(const char *base_url);

#endif
