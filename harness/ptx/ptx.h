/* The PTX engine: executes PTX text on the CPU, warp by warp, and watches every access.
 *
 * A ptx_module is parsed and decoded PTX, immutable after loading except for its .global variables.
 * A ptx_memory is one address space with its allocations and shadow state. A launch runs one kernel
 * over its grid; findings go to the report and end the launch. Nothing here trusts the module's
 * text. */
#ifndef HARNESS_PTX_PTX_H
#define HARNESS_PTX_PTX_H

#include "base/err.h"
#include "harness/ptx/report.h"

#include <stddef.h>

typedef struct ptx_module ptx_module;
typedef struct ptx_memory ptx_memory;

/* One .param of a kernel. */
typedef struct ptx_param {
    const char *name;
    uint32_t offset, size, align; /* bytes */
    bool is_pointer;              /* .ptr in the text */
    bool is_float;                /* .f32 / .f64 */
    bool is_signed;
    bool is_aggregate;            /* .b8 name[n] */
} ptx_param;

typedef struct ptx_kernel_info {
    const char *name;
    const ptx_param *param;
    int n_params;
    uint32_t param_bytes, static_shared_bytes, local_bytes;
    int max_ntid[3]; /* .maxntid, 0 when absent */
    int max_threads; /* product of .maxntid, else 1024 */
    uint32_t cluster[3];     /* .reqnctapercluster, 0 when absent */
    uint32_t max_cluster;    /* .maxclusterrank, 0 when absent */
    bool explicit_cluster, blocks_are_clusters;
    int insns;     /* in the text, of all functions that it reaches */
    int registers; /* of 32 bits a thread, in the largest function; 0 until ptx_module_registers or
                      a launch */
} ptx_kernel_info;

/* ---- memory ---- */
ptx_memory *ptx_memory_new(void);
void ptx_memory_free(ptx_memory *m);
/* Device address of a fresh, uninitialised, 256-byte aligned allocation with guard zones; 0: no
 * memory. */
uint64_t ptx_memory_alloc(ptx_memory *m, size_t bytes, const char *name);
/* The address range stays reserved for a while, so that accesses to it are known as uses after
 * free. false: ptr is not the start of an allocation, or of one that was released before. */
bool ptx_memory_release(ptx_memory *m, uint64_t ptr);
bool ptx_memory_was_released(const ptx_memory *m, uint64_t ptr);
/* Calls `visit` for what is still allocated: by the host, and by the kernels' malloc. */
void ptx_memory_leaks(const ptx_memory *m,
                      void (*visit)(void *ud, uint64_t ptr, size_t bytes, bool by_kernel),
                      void *ud);
bool ptx_memory_name(ptx_memory *m, uint64_t ptr, const char *name);
/* Host copies; false: the range is not inside one allocation. Writing marks initialised. */
bool ptx_memory_write(ptx_memory *m, uint64_t dst, const void *src, size_t n);
bool ptx_memory_read(const ptx_memory *m, void *dst, uint64_t src, size_t n);
bool ptx_memory_fill(ptx_memory *m, uint64_t dst, int byte, size_t n); /* marks initialised */
bool ptx_memory_mark_uninitialized(ptx_memory *m, uint64_t ptr, size_t n);
bool ptx_memory_written(const ptx_memory *m, uint64_t ptr, size_t n, uint8_t *written);
/* For launches in field mode (field.h): whether floating-point numbers or integers lie there. */
bool ptx_memory_hold(ptx_memory *m, uint64_t ptr, size_t n, bool floats);
/* Takes [ptr, ptr + n) out of its allocation, which falls into two: whatever touches it from now on is
 * a finding that names who. For looking for the writer of an element, in a process that ends after it.
 * false: the bytes are not inside one allocation. */
bool ptx_memory_carve(ptx_memory *m, uint64_t ptr, size_t n);
/* Bytes that kernels took with malloc and did not free. */
uint64_t ptx_memory_heap_used(const ptx_memory *m);
/* The allocation that holds ptr: start and size; false: none. */
bool ptx_memory_range(const ptx_memory *m, uint64_t ptr, uint64_t *start, size_t *bytes);

/* ---- modules ---- */
/* Parses, checks and decodes `text`. Bad PTX is WS_EINPUT with line, column and caret; an
 * instruction that the engine lacks is found when a kernel that has it is launched, and is a fault
 * (UNSUPPORTED) that names it. Module variables are allocated in `mem` (NULL: parse only, for
 * inspection). */
ws_status ptx_module_load(const char *text, size_t n, ptx_memory *mem, ptx_module **out,
                          ws_err *err) WS_MUST_CHECK;
/* Variables as they were when it was loaded. */
ws_status ptx_module_restart(ptx_module *m, ws_err *err) WS_MUST_CHECK;
void ptx_module_free(ptx_module *m);
int ptx_module_kernels(const ptx_module *m);
const ptx_kernel_info *ptx_module_kernel(const ptx_module *m, int i);
const ptx_kernel_info *ptx_module_find(const ptx_module *m, const char *kernel); /* NULL: none */
/* As in ptx_kernel_info; decodes the kernel. 0: no such kernel. Virtual registers that are never in
 * use together count as one. */
int ptx_module_registers(ptx_module *m, const char *kernel);
/* Address and size of a module variable; false: none of that name. */
bool ptx_module_global(const ptx_module *m, const char *name, uint64_t *ptr, size_t *bytes);
/* Variable i of those that kernels may write, in the order of the text; false: there are fewer. */
bool ptx_module_variable(const ptx_module *m, int i, const char **name, uint64_t *ptr,
                         size_t *bytes);

enum { PTX_SHOWN_COLUMNS = 100, PTX_EXCERPT = 2 * PTX_SHOWN_COLUMNS + 4 };
/* The line that has `at`, cut to what a terminal shows, and a caret under it on a second one. */
void ptx_excerpt(const char *text, const char *end, const char *at, char out[PTX_EXCERPT]);

/* An instruction that the engine cannot execute. */
typedef struct ptx_lack {
    const char *name;     /* mnemonic, or the function of a call */
    bool is_call;
    const char *why;      /* what does not fit */
    const char *function; /* where it stands: the kernel, or a function that one calls */
    int line, column;     /* in the PTX */
} ptx_lack;
typedef void (*ptx_lack_fn)(void *ud, const ptx_lack *lack);
/* Decodes every kernel and every function, whether a kernel reaches it or not, and visits what the
 * engine lacks. The strings of a ptx_lack end with the visit. */
void ptx_module_check(ptx_module *m, ptx_lack_fn visit, void *ud);

/* ---- launches ---- */
typedef struct ptx_launch_args {
    const char *kernel;
    uint32_t grid[3], block[3];
    uint32_t cluster[3]; /* blocks of a cluster; 0: what the kernel says, or no clusters */
    uint32_t dynamic_shared_bytes;
    const void *params; /* the parameter block, laid out as ptx_param offsets say */
    bool cooperative;   /* all blocks co-resident */
} ptx_launch_args;

/* Adds counters of `scale` times as much work (<= 1: of as much), but for the extremes, of which the
 * largest stay and the least of those that are there, and for what was run. */
void ptx_counters_add(ptx_counters *sum, const ptx_counters *c, double scale);
/* Adds to `report` (counters sum up, faults append). Returns false when the report has a fault. */
bool ptx_launch(ptx_module *m, ptx_memory *mem, const ptx_launch_args *args,
                const ptx_options *options, ptx_report *report);
/* What kernels printed since the last call, appended to out, cut at max bytes. */
size_t ptx_take_printf(ptx_memory *mem, char *out, size_t max);

#endif
