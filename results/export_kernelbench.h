/* A winner as a KernelBench solution: one Python file with class ModelNew. */
#ifndef RESULTS_EXPORT_KERNELBENCH_H
#define RESULTS_EXPORT_KERNELBENCH_H

#include "results/export.h"

/* `in->compiler` must be there. WS_EINPUT names why a spec has no ModelNew: it is none of
 * KernelBench's problems, or upstream's Model draws random numbers that a kernel cannot repeat. The
 * constructor and forward() take what upstream's take (specs/kernelbench/signatures.txt). */
ws_status exp_kernelbench(const exp_input *in, ws_buf *out, ws_err *err) WS_MUST_CHECK;

#endif
