/* The engine's counters by name, for JSON in both directions. */
#ifndef VERIFIER_COUNTERS_H
#define VERIFIER_COUNTERS_H

#include "base/json.h"
#include "harness/ptx/report.h"

typedef struct vfy_counter {
    const char *name;
    size_t offset; /* of a uint64_t in ptx_counters */
    const char *metric, *says; /* see counters.def */
} vfy_counter;
extern const vfy_counter vfy_counters[];
extern const int vfy_n_counters;

/* The text of an object; without `zeros` only those that are not 0. */
void vfy_counters_print(const ptx_counters *c, bool zeros, ws_buf *out);
/* Members that are missing are 0, unknown ones are left out. */
void vfy_counters_read(const cJSON *o, ptx_counters *out);

#endif
