/* `warpsmith profile --explain`: the modelled time taken apart, term by term. */
#ifndef AGENT_CMD_PROFILE_EXPLAIN_H
#define AGENT_CMD_PROFILE_EXPLAIN_H

#include "agent/cmd/profile_print.h"

/* Nothing where there is no modelled time. */
void profile_explain_text(const profile_report *r, ws_buf *out);
/* {"gpu", "calibration", "launches": [{"index", "kernel", "terms": [{"term", "formula", "says",
 * "inputs": [...], "seconds"}], "norm", "overlapped_seconds", "decides", "seconds"}], ...,
 * "seconds"}; null where there is no modelled time. */
cJSON *profile_explain_json(const profile_report *r);

#endif
