/* Removes variables of the module that nothing refers to. Headers such as cooperative_groups leave
 * more than a thousand of them in NVRTC's PTX; without them the PTX and the cubin shrink by a
 * factor of up to 50, and every later step is that much faster. */
#ifndef HARNESS_PTX_STRIP_H
#define HARNESS_PTX_STRIP_H

#include "base/buf.h"

/* Appends `text` to `out` without the .global and .const statements of module scope whose names
 * occur nowhere but in themselves and in other removed ones. What stays is kept byte for byte; a
 * removed statement that had its line to itself takes the line with it. Fails only on text that has
 * no PTX tokens, or when out is full. */
ws_status ptx_strip_globals(const char *text, size_t n, ws_buf *out, ws_err *err) WS_MUST_CHECK;

#endif
