/* The capture of streams into graphs. A capture begins in one stream; others join it when they wait
 * for an event that was recorded in it, and have to be waited for before it ends. */
#include "harness/ptx/cuda/graph.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

static int n_captures; /* alive, lost ones too until they end */
static _Thread_local CUstreamCaptureMode thread_mode = CU_STREAM_CAPTURE_MODE_GLOBAL;

void fac_nodes_add(fac_nodes *to, CUgraphNode node)
{
    for (int i = 0; i < to->n; i++)
        if (to->node[i] == node)
            return;
    WS_GROW(to->node, to->n, to->cap);
    to->node[to->n++] = node;
}

static void nodes_copy(fac_nodes *to, const fac_nodes *from)
{
    to->n = 0;
    for (int i = 0; i < from->n; i++)
        fac_nodes_add(to, from->node[i]);
}

/* ---- the life of a capture ---- */

static void capture_join(fac_capture **slot, fac_capture *c)
{
    if (*slot == c)
        return;
    fac_capture_leave(slot);
    c->refs++;
    *slot = c;
}

void fac_capture_leave(fac_capture **slot)
{
    fac_capture *c = *slot;
    *slot = NULL;
    if (!c || --c->refs)
        return;
    if (c->graph) {
        n_captures--;
        c->graph->captures--;
        if (c->owns_graph)
            fac_graph_free(c->graph);
    }
    free(c);
}

CUresult fac_capture_spoil(fac_capture *c, CUresult r)
{
    c->invalid = true;
    return r;
}

/* Whether any capture forbids unsafe calls to this thread, and spoils those. */
CUresult fac_capture_forbids(void)
{
    bool found = false;
    if (!n_captures || thread_mode == CU_STREAM_CAPTURE_MODE_RELAXED)
        return CUDA_SUCCESS;
    for (int i = 0; fac_handle_at(FAC_STREAM, i); i++) {
        const struct CUstream_st *s = fac_handle_at(FAC_STREAM, i);
        fac_capture *c = s->capture;
        if (!c || c->mode == CU_STREAM_CAPTURE_MODE_RELAXED)
            continue;
        if (pthread_equal(c->thread, pthread_self()) ||
            (c->mode == CU_STREAM_CAPTURE_MODE_GLOBAL &&
             thread_mode == CU_STREAM_CAPTURE_MODE_GLOBAL)) {
            fac_capture_spoil(c, CUDA_SUCCESS);
            found = true;
        }
    }
    return found ? fac_fail(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED,
                            "this call is not permitted while a stream is captured")
                 : CUDA_SUCCESS;
}

CUresult fac_capture_implicit(CUstream legacy)
{
    CUresult r = CUDA_SUCCESS;
    (void)legacy;
    for (int i = 0; n_captures && fac_handle_at(FAC_STREAM, i); i++) {
        const struct CUstream_st *s = fac_handle_at(FAC_STREAM, i);
        if (s->capture && !(s->flags & CU_STREAM_NON_BLOCKING))
            r = fac_capture_spoil(
                s->capture,
                fac_fail(CUDA_ERROR_STREAM_CAPTURE_IMPLICIT,
                         "the legacy stream would wait for a stream that is captured"));
    }
    return r;
}

/* ---- what is captured ---- */

CUresult fac_capture_add(CUstream s, const fac_op *op, CUgraphNode *out)
{
    CUgraphNode node = NULL;
    if (s->capture->invalid)
        return fac_fail(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, "the stream's capture was lost");
    CUresult r = fac_graph_add(s->capture->graph, fac_node_type(op->kind), op, s->leaves.node,
                               (size_t)s->leaves.n, &node);
    if (r)
        return fac_capture_spoil(s->capture, r);
    s->leaves.n = 0;
    fac_nodes_add(&s->leaves, node);
    if (out)
        *out = node;
    return CUDA_SUCCESS;
}

CUresult fac_capture_record(CUstream s, CUevent e, unsigned flags, bool *done)
{
    if (!s->capture) {
        fac_capture_leave(&e->capture);
        return CUDA_SUCCESS;
    }
    if (s->capture->invalid)
        return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
    if (flags & CU_EVENT_RECORD_EXTERNAL)
        return CUDA_SUCCESS; /* a node of its own */
    capture_join(&e->capture, s->capture);
    nodes_copy(&e->leaves, &s->leaves);
    *done = true;
    return CUDA_SUCCESS;
}

CUresult fac_capture_wait(CUstream s, CUevent e, unsigned flags, bool *done)
{
    if (flags & CU_EVENT_WAIT_EXTERNAL)
        return s->capture ? CUDA_SUCCESS
                          : fac_fail(CUDA_ERROR_INVALID_VALUE,
                                     "CU_EVENT_WAIT_EXTERNAL is for streams that are captured");
    if (!e->capture)
        return s->capture ? fac_capture_spoil(
                                s->capture,
                                fac_fail(CUDA_ERROR_STREAM_CAPTURE_ISOLATION,
                                         "a captured stream waits for an event of no capture"))
                          : CUDA_SUCCESS;
    if (e->capture->invalid)
        return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
    if (s->capture && s->capture != e->capture) {
        fac_capture_spoil(e->capture, CUDA_SUCCESS);
        return fac_capture_spoil(s->capture,
                                 fac_fail(CUDA_ERROR_STREAM_CAPTURE_MERGE,
                                          "the event is of another capture than the stream"));
    }
    if (!s->capture) {
        if (!s->context)
            return fac_fail(CUDA_ERROR_STREAM_CAPTURE_IMPLICIT,
                            "the legacy stream cannot be captured");
        capture_join(&s->capture, e->capture);
        s->leaves.n = 0;
    }
    for (int i = 0; i < e->leaves.n; i++)
        fac_nodes_add(&s->leaves, e->leaves.node[i]);
    *done = true;
    return CUDA_SUCCESS;
}

/* ---- begin ---- */

static CUresult begin(CUstream handle, CUgraph graph, const CUgraphNode *deps, size_t n,
                      CUstreamCaptureMode mode)
{
    CUstream s = NULL;
    CUresult r = fac_stream_of(handle, &s);
    if (!r && (unsigned)mode > CU_STREAM_CAPTURE_MODE_RELAXED)
        r = fac_fail(CUDA_ERROR_INVALID_VALUE, "capture mode %d", (int)mode);
    if (!r && (!handle || handle == CU_STREAM_LEGACY))
        r = fac_fail(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED,
                     "the legacy stream cannot be captured");
    if (!r && s->capture)
        r = fac_fail(CUDA_ERROR_ILLEGAL_STATE, "the stream is captured already");
    for (size_t i = 0; !r && i < n; i++)
        if (!fac_handle_is(FAC_NODE, deps[i]) || deps[i]->graph != graph)
            r = fac_fail(CUDA_ERROR_INVALID_VALUE, "%p is no node of the graph", (void *)deps[i]);
    if (r)
        return r;
    fac_capture *c = ws_calloc(1, sizeof *c);
    c->owns_graph = !graph;
    c->graph = graph ? graph : fac_graph_new();
    c->graph->captures++;
    c->origin = s;
    c->mode = mode;
    c->thread = pthread_self();
    c->id = ++fac.ids;
    n_captures++;
    capture_join(&s->capture, c);
    s->leaves.n = 0;
    for (size_t i = 0; i < n; i++)
        fac_nodes_add(&s->leaves, deps[i]);
    return CUDA_SUCCESS;
}

CUresult cuStreamBeginCapture_v2(CUstream s, CUstreamCaptureMode mode)
{
    CUresult r = fac_enter();
    return fac_leave(r ? r : begin(s, NULL, NULL, 0, mode));
}

CUresult cuStreamBeginCaptureToGraph(CUstream s, CUgraph g, const CUgraphNode *deps,
                                     const CUgraphEdgeData *edges, size_t n,
                                     CUstreamCaptureMode mode)
{
    (void)edges; /* whatever the edge, the node runs behind all of the other */
    CUresult r = fac_enter();
    if (!r && !(r = fac_handle_check(FAC_GRAPH, g)) && n && !deps)
        r = CUDA_ERROR_INVALID_VALUE;
    return fac_leave(r ? r : begin(s, g, deps, n, mode));
}

/* ---- end ---- */

/* Whether everything that other streams added is behind what the origin waited for. */
static bool is_joined(const fac_capture *c)
{
    for (int i = 0; fac_handle_at(FAC_STREAM, i); i++) {
        const struct CUstream_st *s = fac_handle_at(FAC_STREAM, i);
        if (s->capture != c || s == c->origin)
            continue;
        for (int k = 0; k < s->leaves.n; k++) {
            bool reached = false;
            for (int m = 0; m < c->origin->leaves.n && !reached; m++)
                reached =
                    fac_graph_reaches(c->graph, s->leaves.node[k], c->origin->leaves.node[m]);
            if (!reached)
                return false;
        }
    }
    return true;
}

static CUresult end(fac_capture *c, CUgraph *out)
{
    CUresult r = CUDA_SUCCESS;
    c->refs++;
    if (c->invalid)
        r = fac_fail(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, "the stream's capture was lost");
    else if (!is_joined(c))
        r = fac_fail(CUDA_ERROR_STREAM_CAPTURE_UNJOINED,
                     "the capture has work that its first stream did not wait for");
    c->graph->captures--;
    if (r && c->owns_graph)
        fac_graph_free(c->graph);
    *out = r ? NULL : c->graph;
    c->graph = NULL;
    c->invalid = true; /* for events that remember it */
    n_captures--;
    for (int i = 0; fac_handle_at(FAC_STREAM, i); i++) {
        CUstream s = (CUstream)(uintptr_t)fac_handle_at(FAC_STREAM, i);
        if (s->capture == c) {
            s->leaves.n = 0;
            fac_capture_leave(&s->capture);
        }
    }
    fac_capture_leave(&c);
    return r;
}

CUresult cuStreamEndCapture(CUstream handle, CUgraph *out)
{
    CUstream s = NULL;
    CUresult r = fac_enter();
    if (!r && !out)
        r = CUDA_ERROR_INVALID_VALUE;
    if (!r)
        r = fac_stream_of(handle, &s);
    if (!r && !s->capture)
        r = fac_fail(CUDA_ERROR_ILLEGAL_STATE, "the stream is not captured");
    if (!r && s->capture->origin != s)
        r = fac_capture_spoil(s->capture,
                              fac_fail(CUDA_ERROR_STREAM_CAPTURE_UNMATCHED,
                                       "the capture did not begin in this stream"));
    if (!r && s->capture->mode != CU_STREAM_CAPTURE_MODE_RELAXED &&
        !pthread_equal(s->capture->thread, pthread_self()))
        r = fac_fail(CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD,
                     "another thread began the capture");
    return fac_leave(r ? r : end(s->capture, out));
}

CUresult cuThreadExchangeStreamCaptureMode(CUstreamCaptureMode *mode)
{
    CUresult r = fac_enter_device();
    if (!r && (!mode || (unsigned)*mode > CU_STREAM_CAPTURE_MODE_RELAXED))
        r = CUDA_ERROR_INVALID_VALUE;
    if (!r) {
        const CUstreamCaptureMode old = thread_mode;
        thread_mode = *mode;
        *mode = old;
    }
    return fac_leave(r);
}

/* ---- what is known of it ---- */

static CUstreamCaptureStatus status_of(const struct CUstream_st *s)
{
    return !s->capture            ? CU_STREAM_CAPTURE_STATUS_NONE
           : s->capture->invalid ? CU_STREAM_CAPTURE_STATUS_INVALIDATED
                                  : CU_STREAM_CAPTURE_STATUS_ACTIVE;
}

CUresult cuStreamIsCapturing(CUstream handle, CUstreamCaptureStatus *out)
{
    CUstream s = NULL;
    CUresult r = fac_enter();
    if (!r && !out)
        r = CUDA_ERROR_INVALID_VALUE;
    if (!r)
        r = fac_stream_of(handle, &s);
    if (!r)
        *out = status_of(s);
    return fac_leave(r);
}

CUresult cuStreamGetCaptureInfo_v3(CUstream handle, CUstreamCaptureStatus *status, cuuint64_t *id,
                                   CUgraph *graph, const CUgraphNode **deps,
                                   const CUgraphEdgeData **edges, size_t *n)
{
    CUstream s = NULL;
    CUresult r = fac_enter();
    if (!r && !status)
        r = CUDA_ERROR_INVALID_VALUE;
    if (!r)
        r = fac_stream_of(handle, &s);
    if (!r)
        *status = status_of(s);
    if (!r && *status == CU_STREAM_CAPTURE_STATUS_ACTIVE) {
        if (id)
            *id = s->capture->id;
        if (graph)
            *graph = s->capture->graph;
        if (deps)
            *deps = s->leaves.node;
        if (edges)
            *edges = NULL; /* all of the default kind */
        if (n)
            *n = (size_t)s->leaves.n;
    }
    return fac_leave(r);
}

CUresult cuStreamUpdateCaptureDependencies_v2(CUstream handle, CUgraphNode *deps,
                                              const CUgraphEdgeData *edges, size_t n,
                                              unsigned flags)
{
    CUstream s = NULL;
    (void)edges;
    CUresult r = fac_enter();
    if (!r && ((n && !deps) || flags > CU_STREAM_SET_CAPTURE_DEPENDENCIES))
        r = CUDA_ERROR_INVALID_VALUE;
    if (!r)
        r = fac_stream_of(handle, &s);
    if (!r && (!s->capture || s->capture->invalid))
        r = fac_fail(CUDA_ERROR_ILLEGAL_STATE, "the stream is not captured");
    for (size_t i = 0; !r && i < n; i++)
        if (!fac_handle_is(FAC_NODE, deps[i]) || deps[i]->graph != s->capture->graph)
            r = fac_fail(CUDA_ERROR_INVALID_VALUE, "%p is no node of the capture's graph",
                         (void *)deps[i]);
    if (!r && flags == CU_STREAM_SET_CAPTURE_DEPENDENCIES)
        s->leaves.n = 0;
    for (size_t i = 0; !r && i < n; i++)
        fac_nodes_add(&s->leaves, deps[i]);
    return fac_leave(r);
}
