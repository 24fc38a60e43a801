/* One device worker from the parent's side: starts it, asks, and holds it to its deadlines. All
 * that comes back is untrusted: a line that is too long, is no JSON, or answers another request
 * ends the worker and is the request's outcome. */
#ifndef HARNESS_DEVICE_CLIENT_H
#define HARNESS_DEVICE_CLIENT_H

#include "base/jsonl.h"
#include "base/proc.h"
#include "harness/diag.h"

#include <stdint.h>

/* Memory that parent and worker share: a memfd, mapped; {0}: none. */
typedef struct dev_bulk_memory {
    int fd;
    unsigned char *map;
    size_t bytes, used;
} dev_bulk_memory;
ws_status dev_bulk_new(size_t bytes, dev_bulk_memory *out, ws_err *err) WS_MUST_CHECK;
void dev_bulk_release(dev_bulk_memory *m);
/* Copies `n` bytes in (NULL: leaves zeros) at a multiple of 64; *at: where. */
ws_status dev_bulk_add(dev_bulk_memory *m, const void *data, size_t n, size_t *at,
                       ws_err *err) WS_MUST_CHECK;

typedef enum dev_end {
    DEV_OK,       /* it says ok; `json` has the answer */
    DEV_REJECTED, /* the candidate is at fault, says the worker: `reason` and `text` */
    DEV_FAILED,   /* the world is, says the worker: `status` and `text` */
    DEV_DEADLINE, /* no answer in time; the worker was killed. reason ENDLESS */
    DEV_CRASHED,  /* the worker died. reason CRASH */
    DEV_GARBAGE,  /* what came is no answer; the worker was killed. reason CRASH */
    DEV_NOT_RUN,  /* no device was left to ask; `text` says why */
} dev_end;
const char *dev_end_name(dev_end e); /* "ok", "rejected", ... */

typedef struct dev_answer {
    dev_end end;
    hx_reason reason;
    ws_status status;      /* FAILED: as the worker says it */
    char text[1024];       /* one line */
    const jl_value *json;  /* in the caller's arena; NULL: there is none */
    bool spent;            /* the worker is gone, or ends by itself */
    double seconds;
} dev_answer;

typedef struct dev_client_options {
    const char *worker;      /* NULL: $WARPSMITH_WORKER, or warpsmith-worker beside the program */
    const char *device;      /* "cpu", "gpu", NULL: as cu_open */
    const char *visible;     /* CUDA_VISIBLE_DEVICES of the worker; NULL: the parent's */
    const dev_bulk_memory *bulk; /* NULL: none */
    double start_seconds;    /* until it says hello, 0: 60 */
} dev_client_options;

typedef struct dev_client dev_client;

/* Starts a worker, which ends with the thread that started it at the latest, and asks `hello`. A
 * worker that does not say it is WS_EENV. `hello`, when it is not NULL, receives the answer, in
 * `a`. */
ws_status dev_client_start(const dev_client_options *o, ws_arena *a, dev_client **out,
                           const jl_value **hello, ws_err *err) WS_MUST_CHECK;
/* `members` are the members of the request after its id, as `"op":"health"`. Never fails: the
 * answer says what came of it. */
void dev_client_ask(dev_client *c, const char *members, double deadline_seconds, ws_arena *a,
                    dev_answer *out);
/* Whether it can be asked again. */
bool dev_client_alive(const dev_client *c);
/* Ends the worker: it may leave by itself for a moment, then it is killed. false: it cannot be
 * killed (a process that hangs in the driver), and is left behind. */
bool dev_client_stop(dev_client *c);

#endif
