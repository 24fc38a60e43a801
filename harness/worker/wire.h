/* A run request and its result in memory that parent and child share (a memfd), so that tensors are
 * copied once each way. The parent lays it out and afterwards trusts its own record of the layout
 * alone: the child, which ran untrusted code, may have written anything. */
#ifndef HARNESS_WORKER_WIRE_H
#define HARNESS_WORKER_WIRE_H

#include "base/mem.h"
#include "harness/worker/run.h"

enum { WIRE_DONE = 0x646f6e65 };

/* Written by the child; `state` last. */
typedef struct wire_result {
    uint32_t state;          /* WIRE_DONE when the rest stands */
    ws_status status;        /* a failure of the world: err.msg and err.hint say which */
    ws_err err;
    hx_reason reason;
    char text[1024];
    ptx_report engine;
    bool on_engine;
    char device[64];
    char printed[4096];
    int n_ms;
    int n_launches;          /* whose counters are there */
    double seconds;          /* wall time of the run */
} wire_result;

typedef struct wire {
    int fd;                  /* -1: none */
    unsigned char *map;
    size_t bytes;
    wire_result *result;
    double *ms;
    ptx_counters *launch;    /* one a launch when counting */
    ptx_coverage *coverage;  /* NULL: not asked for */
    ptx_lines *lines;        /* the same */
    run_request request;     /* child: decoded, tensors point into the map */
    size_t *at;              /* offsets a tensor (in, out, after, written, probes, note), 0: none */
    ws_arena arena;
} wire;

/* Parent: lays out and fills the memory. */
ws_status wire_new(const run_request *r, wire *out, ws_err *err) WS_MUST_CHECK;
/* Parent: copies outputs, `after`, `written` and probes to the tensors of the request. */
void wire_collect(const wire *w, const run_request *r);
/* Child: the parent is to have `unchanged` and `whole` of all tensors. */
void wire_put_notes(wire *w);
/* Child: the parent is to have the tensor's probes. */
void wire_put_probes(run_tensor *t);
/* Child: maps fd (kept open by the caller) and decodes the request. */
ws_status wire_open(int fd, wire *out, ws_err *err) WS_MUST_CHECK;
void wire_release(wire *w);

#endif
