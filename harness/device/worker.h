/* The device worker: build/warpsmith-worker, a small executable that links libc alone and loads the
 * driver by dlopen. It answers requests, one JSON object a line, until its input ends or a kernel's
 * fault has taken its context. See docs/workers.md for the protocol.
 *
 * Operations are rows of a table. One writes the members of its answer into `answer` and returns
 * WS_OK; returns dev_reject() when the candidate is at fault; or a failure of the world in err. */
#ifndef HARNESS_DEVICE_WORKER_H
#define HARNESS_DEVICE_WORKER_H

#include "base/jsonl.h"
#include "harness/diag.h"
#include "harness/driver.h"

#include <stddef.h>
#include <stdint.h>

typedef struct dev_worker {
    cu_device *d;          /* open with a context */
    unsigned char *bulk;   /* what the parent shares: images, tensors; NULL: nothing */
    size_t bulk_bytes;
    ws_arena arena;        /* of the request */
    hx_reason reason;      /* of this request; HX_PASS: nothing is wrong with the candidate */
    char text[1024];       /* one line about it */
    bool spent;            /* the context is lost: the worker ends after this answer */
} dev_worker;

typedef struct dev_op {
    const char *name;
    ws_status (*run)(dev_worker *w, const jl_value *request, jl_writer *answer, ws_err *err);
} dev_op;

/* The tables of the operations; each ends with a row without a name. */
extern const dev_op dev_ops_base[];    /* hello, health, run */
extern const dev_op dev_ops_profile[]; /* profile */
extern const dev_op dev_ops_cublas[];  /* cublas */

/* Reads requests until they end. `more`: operations beside these, or NULL. Returns the exit
 * code. */
int dev_worker_main(const dev_op *more);

/* The candidate is at fault. Returns WS_OK, so that an operation can `return dev_reject(...)`. */
ws_status dev_reject(dev_worker *w, hx_reason reason, const char *fmt, ...) WS_PRINTF(3, 4);
/* After a failed driver call: the candidate's fault (as dev_reject, and the context is spent), or
 * the world's failure as it stands in err. */
ws_status dev_explain(dev_worker *w, ws_err *err);
/* Member `key` is {"at": offset, "bytes": n}: that part of the bulk memory, checked. */
ws_status dev_bulk(const dev_worker *w, const jl_value *request, const char *key,
                   unsigned char **out, size_t *bytes, ws_err *err) WS_MUST_CHECK;
/* The same of a pair that was read already. */
ws_status dev_bulk_at(const dev_worker *w, int64_t at, int64_t bytes, unsigned char **out,
                      ws_err *err) WS_MUST_CHECK;

#endif
