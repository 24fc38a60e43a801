/* The CUDA source inside a model's reply. */
#ifndef AGENT_LLM_EXTRACT_H
#define AGENT_LLM_EXTRACT_H

#include "base/buf.h"

/* OK: one closed block chosen. BARE: no fence, but the reply is code. TRUNCATED: the chosen block
 * never closes. NONE: nothing that could be a kernel (also when a <think> never ends). */
typedef enum llm_extract_status {
    LLM_EXTRACT_OK,
    LLM_EXTRACT_BARE,
    LLM_EXTRACT_TRUNCATED,
    LLM_EXTRACT_NONE
} llm_extract_status;

/* `code` receives the source with CRLF made LF and list indentation removed. */
llm_extract_status llm_extract_cuda(const char *reply, size_t n, ws_buf *code);
const char *llm_extract_status_name(llm_extract_status s);

#endif
