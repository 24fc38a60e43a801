/* Time. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>
#include <sys/types.h>

enum { WS_UTC_SIZE = 25 }; /* "2026-01-02T03:04:05.678Z" and NUL */

int64_t ws_now_ns(void); /* monotonic */
static inline double ws_seconds_since(int64_t start_ns)
{
    return (double)(ws_now_ns() - start_ns) * 1e-9;
}
/* Processor time that all threads of this process took. */
double ws_cpu_seconds(void);
/* The same of another process of this user; 0: it has gone. */
double ws_cpu_seconds_of(pid_t pid);
/* Wall clock as ISO 8601 UTC with milliseconds. */
void ws_utc_now(char out[WS_UTC_SIZE]);
void ws_sleep_ms(int64_t ms);

#endif
