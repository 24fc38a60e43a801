/* Any graph as naive CUDA with its launch plan: one plain kernel per node, scratch between them,
 * valid at every dims (shapes are macros over DIM_<name>). Generation 0, the eager baseline, and
 * the reference on a GPU. */
#ifndef REFERENCE_EMIT_H
#define REFERENCE_EMIT_H

#include "reference/graph.h"

ws_status ref_emit(const ref_graph *g, ws_buf *out, ws_err *err) WS_MUST_CHECK;
/* The same with fewer kernels: elementwise ops are computed where their operand is made, before it
 * is stored, or where it is read by a reduction along rows. */
ws_status ref_emit_fused(const ref_graph *g, ws_buf *out, ws_err *err) WS_MUST_CHECK;

#endif
