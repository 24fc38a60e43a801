/* The compiler's errors, each with its source line and a hint for the usual ones. */
#ifndef AGENT_EVIDENCE_COMPILE_LOG_H
#define AGENT_EVIDENCE_COMPILE_LOG_H

#include "agent/evidence/facts.h"

void ev_compile_write(ev_facts *f, ws_buf *out);
const char *ev_compile_advice(ev_facts *f); /* of the first error that has a hint, or "" */

#endif
