/* What was learned of servers, kept in the archive from one run to the next. */
#ifndef AGENT_LLM_STORE_H
#define AGENT_LLM_STORE_H

#include "agent/llm/llm.h"
#include "results/archive.h"

/* For llm_client_options.quirks; the archive outlives the client. What cannot be read or written is
 * logged and no more: it will be learned again. */
llm_quirk_store llm_quirks_in(db_archive *db);

#endif
