/* A winner as one self-contained CUDA header: kernels, a C++ launcher generated from the plan,
 * shape guards, and the evidence as a comment. Compiles without a warning under nvcc -std=c++17. */
#ifndef RESULTS_EXPORT_H
#define RESULTS_EXPORT_H

#include "results/archive.h"

typedef struct exp_input {
    const spec *spec;
    const db_candidate *candidate;
    const db_run *run;          /* NULL: not from a run */
    const char *verdict_json;
    const char *name;           /* C identifier for the entry point; NULL: from the spec's name */
    const char *packet_sha256;  /* of its evidence packet (verifier/packet.h), NULL: none */
} exp_input;
/* A candidate below level 2, or whose plan cannot be expressed, is an error that says why. */
ws_status exp_header(const exp_input *in, ws_buf *out, ws_err *err) WS_MUST_CHECK;

#endif
