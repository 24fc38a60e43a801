/* Findings from performance counters of a GPU: thresholds over what was measured. They say what the
 * counters show, with a change to make; what a change would save is the model's to say (rules.h),
 * whose rules have the same names. */
#ifndef AGENT_EVIDENCE_MEASURED_H
#define AGENT_EVIDENCE_MEASURED_H

#include "base/buf.h"
#include "harness/profile/metrics.h"

#include <cjson/cJSON.h>

/* Values by the keys of prof_metrics; NaN: not measured. */
typedef struct ev_values {
    const char *key[PROF_MAX_METRICS];
    double value[PROF_MAX_METRICS];
    int n;
    double min_bytes; /* that the operation must move; 0: unknown */
    bool products;    /* it has products of matrices in 16 bits and fewer */
} ev_values;

enum { EV_MAX_MEASURED = 16 };
typedef struct ev_measured {
    const char *rule, *action;
    double weight; /* share of the fault by its counter, for the order: 0 to 1 */
    char evidence[160];
} ev_measured;

double ev_value(const ev_values *v, const char *key);
/* The heaviest first; returns how many. */
int ev_measured_findings(const ev_values *v, ev_measured out[EV_MAX_MEASURED]);

#endif
