/* Runs a PTX case (harness/ptx/case.h) through the CUDA driver: on a GPU, or on the CPU driver. */
#ifndef HARNESS_CASE_DRIVER_H
#define HARNESS_CASE_DRIVER_H

#include "harness/driver.h"
#include "harness/ptx/case.h"

/* Why a case says nothing on this device, as a sentence without full stop; NULL: it can run. On a
 * GPU those are cases of findings, which only the engine has, or which end the context; and of a
 * target that it lacks. */
const char *case_driver_skips(cu_device *d, const ptx_case *c);
/* Fills what the buffers hold afterwards and, on the CPU driver, the report and what was printed.
 * `o` is released by ptx_case_outcome_release, on errors, too. */
ws_status case_driver_run(cu_device *d, const ptx_case *c, const ptx_options *options,
                          ptx_case_outcome *o, ws_err *err) WS_MUST_CHECK;

#endif
