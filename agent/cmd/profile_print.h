/* What 'warpsmith profile' says: text, and JSON. */
#ifndef AGENT_CMD_PROFILE_PRINT_H
#define AGENT_CMD_PROFILE_PRINT_H

#include "agent/evidence/findings.h"
#include "verifier/profile_device.h"
#include "verifier/roof.h"

typedef struct profile_report {
    const spec *spec;
    const tim_gpu *gpu;
    const char *arch, *file, *source;
    const vfy_profile *p;
    const vfy_verdict *v;
    const vfy_counted *counted; /* of a kernel that passed */
    ref_cost cost;     /* at the benchmark shape */
    const ptx_lines *lines; /* as the engine counted them; none where n is 0 */
    bool explain;      /* the modelled time, term by term */
} profile_report;

void profile_print_text(const profile_report *r, ws_buf *out);
cJSON *profile_print_json(const profile_report *r);

#endif
