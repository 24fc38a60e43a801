/* What a kernel that was rejected is told: the finding, the place with its source, the numbers,
 * what the wrong elements have in common, and what usually helps. */
#ifndef AGENT_EVIDENCE_FAILURE_H
#define AGENT_EVIDENCE_FAILURE_H

#include "agent/evidence/facts.h"

void ev_failure_write(ev_facts *f, ws_buf *out);
/* One step that usually repairs this, "" when there is none to name. In the facts' arena or
 * static. */
const char *ev_failure_advice(ev_facts *f);
/* The check shapes up to the one that failed: "right at N=1; wrong at N=257; not run: N=4096". */
void ev_failure_shapes(ev_facts *f, ws_buf *out);

#endif
