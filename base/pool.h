/* A parallel for over cores. */
#ifndef BASE_POOL_H
#define BASE_POOL_H

#include <stddef.h>

/* Calls body(ud, i, worker) for every i in [0,n), each once, on up to `threads` threads (0: one a
 * core); worker is in [0, threads). Returns when all are done. Runs inline when n or threads is
 * 1. */
void ws_parallel_for(size_t n, int threads, void (*body)(void *ud, size_t i, int worker), void *ud);
int ws_cpu_count(void); /* cores that this process may use */

#endif
