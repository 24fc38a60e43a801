/* Findings in the words of NVIDIA's compute-sanitizer, so that who knows its reports can read
 * ours. */
#ifndef HARNESS_PTX_SANITIZER_H
#define HARNESS_PTX_SANITIZER_H

#include "base/buf.h"
#include "harness/ptx/report.h"

#include <stddef.h>

typedef enum ptx_tool {
    PTX_TOOL_NONE = 0, /* the launch itself, trap, budgets: told whichever tool is asked for */
    PTX_TOOL_MEMCHECK = 1,
    PTX_TOOL_RACECHECK = 2,
    PTX_TOOL_INITCHECK = 4,
    PTX_TOOL_SYNCCHECK = 8,
    PTX_TOOL_ALL = 15
} ptx_tool;

/* The tool that finds such a thing, and its name. */
ptx_tool ptx_tool_of(const ptx_fault *f);
const char *ptx_tool_name(ptx_tool t);
/* PTX_TOOL_NONE: no tool is called so. */
ptx_tool ptx_tool_named(const char *name, size_t n);

/* One finding, each line behind "========= ". */
void ptx_sanitizer_fault(const ptx_fault *f, ws_buf *out);
/* What is still allocated at the end, and bytes [offset, offset + unwritten) of an allocation that
 * nobody wrote. */
void ptx_sanitizer_leak(uint64_t ptr, size_t bytes, ws_buf *out);
void ptx_sanitizer_unused(uint64_t ptr, size_t bytes, size_t offset, size_t unwritten, ws_buf *out);
/* All findings of the tools in the set `tools`, and the summary. Returns the errors among them. */
uint64_t ptx_sanitizer_report(const ptx_report *r, int tools, ws_buf *out);

#endif
