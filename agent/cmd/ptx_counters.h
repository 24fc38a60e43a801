/* The counters of `ptx run`, for people and as JSON. */
#ifndef AGENT_CMD_PTX_COUNTERS_H
#define AGENT_CMD_PTX_COUNTERS_H

#include "base/json.h"
#include "harness/ptx/report.h"

/* Those that are not 0, with what they are; then ratios that follow from them. */
void ptx_counters_text(const ptx_counters *c, ws_buf *out);
/* All of them. */
cJSON *ptx_counters_json(const ptx_counters *c);
/* A row for each source line, columns in which all are 0 left out. */
void ptx_lines_text(const ptx_lines *l, ws_buf *out);
cJSON *ptx_lines_json(const ptx_lines *l);

#endif
