/* An export that is read again: does what is in it still have the hashes that its evidence names?
 */
#ifndef RESULTS_EXPORT_CHECK_H
#define RESULTS_EXPORT_CHECK_H

#include "base/buf.h"

#include <cjson/cJSON.h>

/* `path`: a C or CUDA header, a Python module, a flashinfer solution, or a raw folder or its
 * manifest. `out`:
 * {"schema", "file", "evidence": {...}, "parts": [{"what", "holds", "want", "got"}], "holds"};
 * caller frees. A file without evidence is an error. */
ws_status exp_check(const char *path, cJSON **out, ws_err *err) WS_MUST_CHECK;

#endif
