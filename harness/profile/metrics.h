/* Which hardware counters are asked for: three tiers, each with those before it, by how often a
 * kernel has to run again. Names and passes are checked in a test by CUPTI's host API, which needs
 * no GPU. */
#ifndef HARNESS_PROFILE_METRICS_H
#define HARNESS_PROFILE_METRICS_H

#include <stdbool.h>

enum { PROF_TIERS = 3, PROF_MAX_METRICS = 32 };

typedef struct prof_metric {
    int tier;         /* 1, 2 or 3 */
    const char *key;  /* our name, in JSON and in rules: "dram_read_bytes" */
    const char *name; /* CUPTI's */
    const char *unit; /* "s", "bytes", "%", "" */
    double factor;    /* CUPTI's value times this is in `unit` */
    const char *says; /* for people */
    const char
        *not_on; /* chips that lack it, names with spaces around; NULL: none of those known */
} prof_metric;

extern const prof_metric prof_metrics[]; /* the name of the last row is NULL */

/* The metrics of a tier on a chip ("GH100"; NULL: any), at most PROF_MAX_METRICS: returns how many.
 */
int prof_metrics_of(int tier, const char *chip, const prof_metric *out[PROF_MAX_METRICS]);

#endif
