/* Whose replies a run gets: configured models with their servers and keys, a recording, or the
 * bundled script. */
#ifndef AGENT_CMD_MODEL_ACCESS_H
#define AGENT_CMD_MODEL_ACCESS_H

#include "agent/llm/provider.h"
#include "agent/llm/replay.h"
#include "agent/loop/loop.h"

typedef struct model_access {
    llm_keys keys;
    ws_buf key[LOOP_MAX_MODELS], url;
    replay_server *server; /* of the bundled script */
    ws_arena arena;
} model_access;

typedef struct model_wish { /* each may be NULL */
    const char *models;     /* "a,b,provider/c" */
    const char *provider, *base_url, *wire, *key_file;
} model_wish;

/* Takes every key out of the environment: to be called before anything else. */
void model_access_init(model_access *m);
/* Whether the user has configured any model: a name, a server, or a key. */
bool model_access_configured(const model_access *m, const model_wish *w);
/* Fills the models of `l`, each with its server and key. WS_EENV names the variable of a key that
 * is missing. */
ws_status model_access_resolve(model_access *m, const model_wish *w, loop_options *l,
                               ws_err *err) WS_MUST_CHECK;
/* The models of a recording, from its header, in arena memory. */
ws_status model_access_recorded(model_access *m, const cJSON *run, loop_options *l,
                                ws_err *err) WS_MUST_CHECK;
/* Starts the replay server with the spec's bundled script. */
ws_status model_access_script(model_access *m, const char *spec_name, loop_options *l,
                              ws_err *err) WS_MUST_CHECK;
void model_access_release(model_access *m);

#endif
