/* What response headers say of waiting and of limits. No network here. */
#ifndef AGENT_LLM_HEADER_H
#define AGENT_LLM_HEADER_H

#include "base/buf.h"

enum { HEADER_BUCKETS = 8 };

/* One limit of several: requests, tokens, input-tokens, ... */
typedef struct header_bucket {
    char name[64];
    double remaining, reset_s; /* NaN: not told */
} header_bucket;

typedef struct header_limits {
    double retry_after_s; /* Retry-After-Ms, or Retry-After as seconds or date; NaN: none */
    bool exact;           /* it was in milliseconds */
    int should_retry;     /* X-Should-Retry: 1 true, 0 false, -1 absent */
    header_bucket bucket[HEADER_BUCKETS];
    int n_buckets;
} header_limits;

void header_limits_init(header_limits *l);
/* One header line; false: it says nothing of this. */
bool header_limits_read(header_limits *l, ws_str line);
/* Seconds until every limit of which nothing remains is reset, 0: none is used up. `refused`: of a
 * response that says that one is; then those count too that do not tell what remains. */
double header_limits_wait(const header_limits *l, bool refused);

/* The value when the line is the header `name`, into `out`. */
bool header_value(ws_str line, const char *name, char *out, size_t size);
/* Seconds from now of a limit's reset: a Go duration ("6m0s", "120ms"), seconds, a point in time
 * (RFC 3339, or seconds or milliseconds since 1970); NaN: none of them. */
double header_reset_seconds(const char *text);

#endif
