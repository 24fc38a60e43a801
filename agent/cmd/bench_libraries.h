/* Times of libraries for 'warpsmith bench --vs cublas,torch'. Both need a GPU; where there is none
 * the row is an absent one that says what would be measured. */
#ifndef AGENT_CMD_BENCH_LIBRARIES_H
#define AGENT_CMD_BENCH_LIBRARIES_H

#include "verifier/baseline.h"
#include "verifier/verify.h"

/* cuBLASLt, for specs that are one product of matrices: heuristic 0, and the best of 16. */
ws_status bench_cublas(vfy_session *s, int shape, vfy_baseline *out, int *n,
                       ws_err *err) WS_MUST_CHECK;
/* PyTorch eager and torch.compile, by harness/baseline/torch_baseline.py with $WARPSMITH_PYTHON or
 * python3. */
ws_status bench_torch(const spec *s, int shape, const tim_gpu *gpu, vfy_baseline *out, int *n,
                      ws_err *err) WS_MUST_CHECK;

#endif
