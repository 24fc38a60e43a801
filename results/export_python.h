/* The parts of the Python formats. */
#ifndef RESULTS_EXPORT_PYTHON_H
#define RESULTS_EXPORT_PYTHON_H

#include "results/export_parts.h"

/* The comment on top: what the module is, `usage` (lines behind "# "), tensors, evidence. */
ws_status exp_py_head(exp_job *j, const char *file, const char *usage, ws_buf *out,
                      ws_err *err) WS_MUST_CHECK;
/* results/templates/launcher.py for this job, whose binaries are compiled. */
ws_status exp_py_launcher(exp_job *j, ws_buf *out, ws_err *err) WS_MUST_CHECK;
/* A name that Python and the launcher leave free: `z`, or `z` with '_' behind it. */
const char *exp_py_name(exp_job *j, const char *z);
/* The given tensor and axis whose extent is the dim itself; false: no tensor tells. */
bool exp_axis_of_dim(const exp_job *j, int dim, int *tensor, int *axis);
/* A Python string literal. */
void exp_py_string(const char *z, ws_buf *out);

#endif
