#include "base/pool.h"

#include "base/mem.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

typedef struct job {
    atomic_size_t next;
    size_t n;
    void (*body)(void *, size_t, int);
    void *ud;
} job;

typedef struct lane {
    job *job;
    int worker;
} lane;

static void *run_lane(void *arg)
{
    lane *l = arg;
    for (size_t i; (i = atomic_fetch_add(&l->job->next, 1)) < l->job->n;)
        l->job->body(l->job->ud, i, l->worker);
    return NULL;
}

int ws_cpu_count(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set))
        return 1;
    int n = CPU_COUNT(&set);
    return n > 0 ? n : 1;
}

void ws_parallel_for(size_t n, int threads, void (*body)(void *ud, size_t i, int worker), void *ud)
{
    if (threads <= 0)
        threads = ws_cpu_count();
    if ((size_t)threads > n)
        threads = (int)n;
    job j = {.n = n, .body = body, .ud = ud};
    if (threads <= 1) {
        run_lane(&(lane){&j, 0});
        return;
    }
    lane *lanes = ws_calloc((size_t)threads, sizeof *lanes);
    pthread_t *ids = ws_calloc((size_t)threads, sizeof *ids);
    int started = 1;
    for (int t = 0; t < threads; t++)
        lanes[t] = (lane){&j, t};
    /* A thread that cannot start is no error: the others take its share. */
    while (started < threads && pthread_create(&ids[started], NULL, run_lane, &lanes[started]) == 0)
        started++;
    run_lane(&lanes[0]);
    for (int t = 1; t < started; t++)
        pthread_join(ids[t], NULL);
    free(ids);
    free(lanes);
}
