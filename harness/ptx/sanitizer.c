/* See sanitizer.h. Source of the forms: the Compute Sanitizer manual. */
#include "harness/ptx/sanitizer.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define LINE "========= "
#define MORE "=========     "

ptx_tool ptx_tool_of(const ptx_fault *f)
{
    switch (f->reason) {
    case HX_OUT_OF_BOUNDS:
    case HX_MISALIGNED:
        return PTX_TOOL_MEMCHECK;
    case HX_UNINITIALIZED_READ:
        return PTX_TOOL_INITCHECK;
    case HX_SHARED_RACE:
    case HX_GLOBAL_RACE:
        return PTX_TOOL_RACECHECK;
    case HX_DIVERGENT_BARRIER:
    case HX_DEADLOCK:
        return PTX_TOOL_SYNCCHECK;
    default:
        return f->sync[0] ? PTX_TOOL_SYNCCHECK : f->space[0] ? PTX_TOOL_MEMCHECK : PTX_TOOL_NONE;
    }
}

const char *ptx_tool_name(ptx_tool t)
{
    switch (t) {
    case PTX_TOOL_MEMCHECK:
        return "memcheck";
    case PTX_TOOL_RACECHECK:
        return "racecheck";
    case PTX_TOOL_INITCHECK:
        return "initcheck";
    case PTX_TOOL_SYNCCHECK:
        return "synccheck";
    default:
        return "launch";
    }
}

ptx_tool ptx_tool_named(const char *name, size_t n)
{
    for (int t = 1; t < PTX_TOOL_ALL; t *= 2)
        if (strlen(ptx_tool_name((ptx_tool)t)) == n && !memcmp(ptx_tool_name((ptx_tool)t), name, n))
            return (ptx_tool)t;
    return PTX_TOOL_NONE;
}

/* ---- parts ---- */

static void add_place(ws_buf *out, const ptx_fault *f, int line, uint32_t offset)
{
    ws_buf_printf(out, " at %s()+0x%x", f->kernel, offset);
    if (line)
        ws_buf_printf(out, " in %s:%d", f->file[0] ? f->file : "<unknown>", line);
}

static void add_where(ws_buf *out, const ptx_fault *f)
{
    ws_buf_adds(out, "=========    ");
    add_place(out, f, f->line, f->offset);
    ws_buf_printf(out, "\n" MORE "by thread (%u,%u,%u) in block (%u,%u,%u)\n", f->thread[0],
                  f->thread[1], f->thread[2], f->block[0], f->block[1], f->block[2]);
}

/* "is 4 bytes after the nearest allocation at 0x7f00 of size 128 bytes" */
static void add_nearest(ws_buf *out, const ptx_fault *f)
{
    int64_t off = f->buffer_offset, bytes = (int64_t)f->buffer_bytes;
    uint64_t start = f->address - (uint64_t)off;
    if (strcmp(f->space, "global") != 0 || (!f->buffer_bytes && !f->buffer[0]))
        return;
    ws_buf_adds(out, MORE "and is ");
    if (off < 0)
        ws_buf_printf(out, "%" PRIu64 " bytes before", (uint64_t)-off);
    else if (off >= bytes)
        ws_buf_printf(out, "%" PRIu64 " bytes after", (uint64_t)(off - bytes) + 1);
    else
        ws_buf_adds(out, "inside");
    ws_buf_printf(out, " the nearest allocation at 0x%" PRIx64 " of size %" PRIu64 " bytes", start,
                  f->buffer_bytes);
    if (f->buffer[0])
        ws_buf_printf(out, " ('%s')", f->buffer);
    ws_buf_adds(out, "\n");
}

/* ---- findings ---- */

static const char *access_of(const ptx_fault *f)
{
    return f->atomic ? "atomic" : f->write ? "write" : "read";
}

static void memory_error(ws_buf *out, const ptx_fault *f)
{
    const char *how = f->reason == HX_MISALIGNED      ? "misaligned"
                      : f->reason == HX_OUT_OF_BOUNDS ? "out of bounds"
                                                      : "not allowed";
    ws_buf_printf(out, LINE "Invalid __%s__ %s of size %u bytes\n", f->space, access_of(f),
                  f->size);
    add_where(out, f);
    ws_buf_printf(out, MORE "Address 0x%" PRIx64 " is %s\n", f->address, how);
    add_nearest(out, f);
}

static void uninitialized(ws_buf *out, const ptx_fault *f)
{
    ws_buf_printf(out, LINE "Uninitialized __%s__ memory read of size %u bytes\n", f->space,
                  f->size);
    add_where(out, f);
    ws_buf_printf(out, MORE "Address 0x%" PRIx64 "\n", f->address);
    add_nearest(out, f);
}

static void add_side(ws_buf *out, const ptx_fault *f, bool is_other)
{
    const uint32_t *t = is_other ? f->other_thread : f->thread;
    const uint32_t *b = is_other ? f->other_block : f->block;
    bool write = is_other ? f->other_write : f->write;
    ws_buf_printf(out, MORE "%s Thread (%u,%u,%u)", write ? "Write" : "Read", t[0], t[1], t[2]);
    if (memcmp(f->block, f->other_block, sizeof f->block) != 0)
        ws_buf_printf(out, " in block (%u,%u,%u)", b[0], b[1], b[2]);
    add_place(out, f, is_other ? f->other_line : f->line, is_other ? f->other_offset : f->offset);
    ws_buf_adds(out, "\n");
}

static void race(ws_buf *out, const ptx_fault *f)
{
    const char *hazard = !f->write ? "RAW" : f->other_write ? "WAW" : "WAR";
    ws_buf_printf(out,
                  LINE "%s: Potential %s hazard detected at __%s__ 0x%" PRIx64
                       " in block (%u,%u,%u)%s :\n",
                  f->severity == PTX_SEV_WARNING ? "Warning (Warp Level Programming)" : "Error",
                  hazard, f->space, f->address, f->block[0], f->block[1], f->block[2],
                  f->async ? " (invalid memcpy_async synchronization)" : "");
    add_side(out, f, true);
    add_side(out, f, false);
    if (f->has_values)
        ws_buf_printf(out, MORE "Current Value : %" PRIu64 ", Incoming Value : %" PRIu64 "\n",
                      f->current_value, f->incoming_value);
}

static void barrier_error(ws_buf *out, const ptx_fault *f)
{
    const char *what = f->sync[0] ? f->sync : "Divergent thread(s) in block";
    ws_buf_printf(out, LINE "%s%s.\n",
                  strncmp(what, "Warpgroup", 9) ? "Barrier error detected. " : "", what);
    add_where(out, f);
    ws_buf_printf(out, MORE "%s\n", f->text);
}

static void other_error(ws_buf *out, const ptx_fault *f)
{
    ws_buf_printf(out, LINE "Error: %s\n", f->text);
    if (f->ptx_line)
        add_where(out, f);
}

void ptx_sanitizer_fault(const ptx_fault *f, ws_buf *out)
{
    switch (ptx_tool_of(f)) {
    case PTX_TOOL_MEMCHECK:
        memory_error(out, f);
        break;
    case PTX_TOOL_INITCHECK:
        uninitialized(out, f);
        break;
    case PTX_TOOL_RACECHECK:
        race(out, f);
        break;
    case PTX_TOOL_SYNCCHECK:
        barrier_error(out, f);
        break;
    default:
        other_error(out, f);
    }
}

void ptx_sanitizer_leak(uint64_t ptr, size_t bytes, ws_buf *out)
{
    ws_buf_printf(out, LINE "Leaked %zu bytes at 0x%" PRIx64 "\n", bytes, ptr);
}

void ptx_sanitizer_unused(uint64_t ptr, size_t bytes, size_t offset, size_t unwritten, ws_buf *out)
{
    ws_buf_printf(out,
                  LINE "Unused __global__ memory in allocation 0x%" PRIx64
                       " of size %zu bytes\n" MORE "Not written %zu bytes at offset 0x%zx\n",
                  ptr, bytes, unwritten, offset);
}

uint64_t ptx_sanitizer_report(const ptx_report *r, int tools, ws_buf *out)
{
    uint64_t errors = 0, warnings = 0, hazards = 0;
    ws_buf_adds(out, LINE "COMPUTE-SANITIZER (PTX engine)\n");
    for (int n = 0; n < r->n_faults; n++) {
        const ptx_fault *f = &r->fault[n];
        ptx_tool tool = ptx_tool_of(f);
        if (tool && !(tools & (int)tool))
            continue;
        ptx_sanitizer_fault(f, out);
        ws_buf_adds(out, LINE "\n");
        *(f->severity == PTX_SEV_WARNING ? &warnings : &errors) += 1 + f->count;
        hazards += tool == PTX_TOOL_RACECHECK;
    }
    if (tools == PTX_TOOL_RACECHECK)
        ws_buf_printf(out,
                      LINE "RACECHECK SUMMARY: %" PRIu64 " hazard%s displayed (%" PRIu64
                           " error%s, %" PRIu64 " warning%s)\n",
                      hazards, hazards == 1 ? "" : "s", errors, errors == 1 ? "" : "s", warnings,
                      warnings == 1 ? "" : "s");
    else
        ws_buf_printf(out, LINE "ERROR SUMMARY: %" PRIu64 " error%s\n", errors + warnings,
                      errors + warnings == 1 ? "" : "s");
    return errors + warnings;
}
