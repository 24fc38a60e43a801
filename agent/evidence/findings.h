/* What the next prompt says about a kernel: the verdict and ranked findings, each with its
 * evidence, the rule behind it and one concrete action. Speed is always relative to generation 0
 * and to the best so far. */
#ifndef AGENT_EVIDENCE_FINDINGS_H
#define AGENT_EVIDENCE_FINDINGS_H

#include "base/buf.h"
#include "results/archive.h"
#include "specs/spec.h"

enum { FINDINGS_MAX_LINES = 150 };

typedef struct findings_subject {
    const spec *spec;
    const char *gpu; /* name in the timing table */
    const db_candidate *candidate;
    const char *verdict_json;         /* as the archive holds it */
    const db_candidate *first, *best; /* generation 0, the fastest that passes; NULL: none */
    const char *tuning;               /* the tuner's report, NULL: none */
    /* Where instructions stand, and launch i + 1 of the plan; findings then name lines (where.h). */
    const struct prof_lines *lines;   /* NULL: not known */
    const int *launch_line;
    int n_launch_lines;
} findings_subject;

/* At most `max_lines` lines (0: FINDINGS_MAX_LINES). */
void findings_write(const findings_subject *s, int max_lines, ws_buf *out);
/* The same as JSON: {"verdict":..., "time":...,
 * "findings":[{"rule","rule_says","severity","kernel", "evidence","action","gain_seconds","gain"}],
 * ...}; `gain` is a fraction of the modelled time. The caller frees. */
cJSON *findings_json(const findings_subject *s);

#endif
