/* Streams, events and the capture of streams.
 *
 * An operation runs when it is enqueued. Where it has to wait (for a value that another thread or
 * another stream writes, or for an event behind such a wait), it and all after it stay in the
 * stream's queue, and every call that waits or asks looks whether the queues can go on. A stream
 * that is captured runs nothing: its operations become nodes of a graph. */
#ifndef HARNESS_PTX_CUDA_STREAM_H
#define HARNESS_PTX_CUDA_STREAM_H

#include "harness/ptx/cuda/op.h"

#pragma GCC visibility push(hidden)

typedef struct fac_capture { /* lives while a stream or an event refers to it */
    CUgraph graph;
    bool owns_graph; /* false: the program gave it */
    CUstream origin;
    CUstreamCaptureMode mode;
    pthread_t thread;
    unsigned long long id;
    bool invalid;
    int refs;
} fac_capture;

typedef struct fac_nodes { /* what comes next depends on these */
    CUgraphNode *node;
    int n, cap;
} fac_nodes;

struct CUstream_st {
    unsigned flags;
    int priority;
    CUcontext context;
    unsigned long long id;
    fac_attributes attributes;
    fac_op *queue; /* what waits, in order */
    int n_queue, cap_queue;
    bool busy;     /* a thread runs the head of the queue */
    fac_capture *capture;
    fac_nodes leaves; /* of the capture */
};

struct CUevent_st {
    unsigned flags;
    bool recorded;
    int pending; /* records that are in a queue */
    double recorded_s;
    CUcontext context;
    fac_capture *capture; /* recorded there last; NULL: not in a capture */
    fac_nodes leaves;
};

/* The stream behind a handle: NULL and the two special values have one too. */
CUresult fac_stream_of(CUstream handle, CUstream *out);
/* Checks the operation, then captures, runs or enqueues it. `op` keeps what it has: the caller
 * releases it. */
CUresult fac_submit(CUstream handle, fac_op *op);
/* fac_submit, between fac_enter and fac_leave, with the operation released. */
CUresult fac_submit_alone(CUstream handle, fac_op *op);
/* Lets queues go on as far as they can. */
void fac_progress(void);
void fac_event_happen(CUevent e);
/* Until everything in the stream has run (NULL: in all streams). Unlocks while it waits. */
void fac_wait_stream(CUstream s);
void fac_pause(void); /* a moment, unlocked */
/* Device printf of a program that did not configure the engine goes to its stdout, as on a GPU. */
void fac_flush_printf(void);
void fac_streams_forget(CUcontext c); /* those of a context that ends */

/* ---- capture.c ---- */
CUresult fac_capture_add(CUstream s, const fac_op *op, CUgraphNode *out);
/* The capture is lost; returns r. */
CUresult fac_capture_spoil(fac_capture *c, CUresult r);
void fac_capture_leave(fac_capture **c); /* refers to it no longer */
/* For calls that captures forbid: CUDA_SUCCESS, or the error that they end with. */
CUresult fac_capture_forbids(void);
/* An operation on the legacy stream while a blocking stream is captured. */
CUresult fac_capture_implicit(CUstream s);
/* The event as recorded in, or waited for by, a stream that is captured; *done: nothing more is to
 * do. */
CUresult fac_capture_record(CUstream s, CUevent e, unsigned flags, bool *done);
CUresult fac_capture_wait(CUstream s, CUevent e, unsigned flags, bool *done);
void fac_nodes_add(fac_nodes *to, CUgraphNode node); /* once */

#pragma GCC visibility pop

#endif
