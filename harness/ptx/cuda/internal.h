/* What the files of the CUDA facade share. One process has one device with one address space
 * (WARPSMITH_ENGINE_DEVICES=n shows n of them, which share it: for testing who uses which). Work is
 * an operation (op.h) that runs when it is enqueued, unless its stream waits for a value or an
 * event, or is being captured (stream.h). One lock guards all state: calls of several threads
 * follow each other. A faulting kernel leaves its error behind and every later call returns it, as
 * a GPU's driver does. */
#ifndef HARNESS_PTX_CUDA_INTERNAL_H
#define HARNESS_PTX_CUDA_INTERNAL_H

#include "base/buf.h"
#include "harness/ptx/ptx.h"

/* Every version of every function is declared under the name that it is exported by, and none is
 * renamed by a macro. */
#define __CUDA_API_VERSION_INTERNAL
#include <cuda.h>
#include <pthread.h>

#pragma GCC visibility push(hidden)

/* Limits of compute capability 9.0, which the device reports and launches are held to. */
enum {
    FAC_MAX_THREADS = 1024,
    FAC_MAX_GRID_YZ = 65535,
    FAC_MAX_BLOCK_Z = 64,
    FAC_SHARED_DEFAULT = 48 << 10,
    FAC_SHARED_OPTIN = 227 << 10,
    FAC_SHARED_PER_SM = 228 << 10,
    FAC_SHARED_RESERVED = 1 << 10, /* of each block */
    FAC_THREADS_PER_SM = 2048,
    FAC_BLOCKS_PER_SM = 32,
    FAC_SMS = 132,
    FAC_MAX_PARAM_BYTES = 4096,
    FAC_MAX_DEVICES = 16,
};

struct CUctx_st {
    CUdevice device;
    unsigned flags;
    unsigned long long id;
    CUfunc_cache cache;
    size_t limit[CU_LIMIT_MAX];
    uint32_t peers; /* a bit for each device whose memory was asked for */
};

/* A kernel of a module; also what a CUkernel points to. */
struct CUfunc_st {
    CUmodule module;
    const ptx_kernel_info *info;
    int max_dynamic_shared;
    bool non_portable_cluster;    /* more than 8 blocks are allowed */
    int cluster_policy;           /* remembered: the engine has one way to place blocks */
    uint32_t required_cluster[3]; /* as set by cuFuncSetAttribute, zeros: not */
    unsigned char *legacy_params; /* as cuParamSet* left them; NULL: never used */
    unsigned legacy_block[3], legacy_shared;
    CUfunction next;
};

/* A module; also what a CUlibrary points to. */
struct CUmod_st {
    ptx_module *ptx;
    CUfunction functions; /* those asked for so far */
    CUmodule next;
};

typedef struct fac_state {
    pthread_mutex_t lock;
    bool initialised,
        configured; /* configured: wsEngineConfigure was called, findings go to the report */
    bool exact; /* allocations end where they were asked to */
    size_t memory_bytes, used_bytes; /* of the device; what is allocated of it */
    ptx_memory *mem;
    ptx_options options;
    ptx_report report;
    ptx_coverage coverage; /* the report's, as the next */
    ptx_lines lines;
    CUresult sticky;
    CUmodule modules;
    unsigned long long ids; /* given to contexts, streams, captures and graphs so far */
    int primary_refs[FAC_MAX_DEVICES];
    struct CUctx_st primary[FAC_MAX_DEVICES];
} fac_state;
extern fac_state fac;

/* Every entry point is `CUresult r = fac_enter(); if (!r) ...; return fac_leave(r);`. Entering
 * locks the facade and fails before cuInit, without a current context and after a kernel's fault.
 */
CUresult fac_enter(void);
CUresult fac_leave(CUresult r);
CUresult fac_enter_device(void); /* needs cuInit alone */
/* Remembers one sentence about why the current call fails; returns r. */
CUresult fac_fail(CUresult r, const char *fmt, ...) WS_PRINTF(2, 3);
const char *fac_detail(void);
/* As fac_enter, for calls that a capture in global or thread-local mode forbids; the capture is
 * lost then. */
CUresult fac_enter_uncaptured(void);
CUcontext fac_current(void); /* this thread's; NULL: none */
bool fac_is_device(CUdevice dev);
/* A kernel's fault is the end of its own context alone: another one begins. Its finding stays where
 * somebody reads the report. */
void fac_forgive(void);
/* Locks and unlocks around a callback of the program's. */
void fac_unlock(void);
void fac_lock(void);

/* ---- handles.c: which pointers are objects of ours; what a program passes is looked up ---- */
typedef enum fac_kind { FAC_CONTEXT, FAC_STREAM, FAC_EVENT, FAC_GRAPH, FAC_NODE, FAC_EXEC, FAC_LINK,
                        FAC_POOL, FAC_USER_OBJECT, FAC_FUNCTION, FAC_KINDS } fac_kind;
void fac_handle_add(fac_kind kind, const void *p);
void fac_handle_drop(fac_kind kind, const void *p);
bool fac_handle_is(fac_kind kind, const void *p);
/* CUDA_SUCCESS, or CUDA_ERROR_INVALID_HANDLE with its sentence. */
CUresult fac_handle_check(fac_kind kind, const void *p);
/* Handle i of its kind; NULL: there are fewer. */
const void *fac_handle_at(fac_kind kind, int i);

/* ---- image.c ---- */
/* The PTX in an image as cuModuleLoadData takes it: text, a fat binary with PTX in it, or a cubin
 * whose debug information has the PTX. `bytes` 0: the image tells its length itself. The text is
 * appended to `out`. */
CUresult fac_image_ptx(const void *image, size_t bytes, ws_buf *out);

/* ---- cubin_lines.c ---- */

struct elf_file;
/* Adds `text`, the PTX that a cubin keeps, with the places of the source that its line tables tell. */
void fac_cubin_places(const struct elf_file *f, const char *text, ws_buf *out);

/* ---- memory.c, host.c ---- */
CUresult fac_memory_alloc(CUdeviceptr *out, size_t n, bool zero);
CUresult fac_memory_release(CUdeviceptr p);
/* What kind of memory an address is in; FAC_MEM_NONE: none of the driver's. */
typedef enum fac_mem { FAC_MEM_NONE, FAC_MEM_DEVICE, FAC_MEM_HOST, FAC_MEM_REGISTERED,
                       FAC_MEM_MANAGED } fac_mem;
fac_mem fac_memory_kind(CUdeviceptr p, unsigned *flags); /* flags: as allocated, may be NULL */
/* What was asked for of an allocation of n bytes. */
size_t fac_memory_asked(CUdeviceptr start, size_t n);
void fac_memory_note(CUdeviceptr p, fac_mem kind, unsigned flags);
void fac_memory_unnote(CUdeviceptr p);
void fac_memory_forget(void);

/* ---- module.c ---- */
/* Loads an image of PTX; NULL options: none. */
CUresult fac_module_load(CUmodule *out, const void *image, size_t bytes);
void fac_module_write_log(unsigned n, const CUjit_option *option, void **value, const char *text);
bool fac_module_is(CUmodule m);
CUresult fac_module_function(CUfunction *out, CUmodule m, const char *name);
CUresult fac_function_check(CUfunction f);
void fac_functions_free(CUfunction first); /* and those after it */

/* Whether cuMemMap put it there; what is left of such things goes with the memory. */
bool fac_is_mapped(CUdeviceptr p);
void fac_forget_mappings(void);
/* Frees modules and memory. Locked by the caller. */
void fac_reset(void);
/* The extents of a launch's clusters, zeros: it has none. Checked as libcuda does. */
CUresult fac_cluster_of(const CUlaunchConfig *c, CUfunction f, uint32_t cluster[3]);
/* Attributes of functions that are about clusters; false: it is another one. */
bool fac_cluster_attribute(int *out, int attribute, const struct CUfunc_st *f);
CUresult fac_set_cluster_attribute(CUfunction f, int attribute, int value);

void fac_tell_leaks(void);

/* ---- monitor.c: `warpsmith run`, which all of this is for and does nothing without ---- */
bool fac_monitor_is_on(void);
void fac_monitor_begin(ptx_options *options);
void fac_monitor_launch(void);
void fac_monitor_fault(const ptx_fault *f);
void fac_monitor_call(CUresult r); /* an entry point is about to return this error */
void fac_monitor_leak(uint64_t ptr, size_t bytes);

/* ---- clock.c ---- */
bool fac_clock_is_modelled(void);
double fac_clock_now(void); /* seconds */
/* What the timer says lies between two moments. */
double fac_clock_between(double start_s, double end_s);
void fac_clock_launch(const CUlaunchConfig *c, CUfunction f, const ptx_counters *counters);
void fac_clock_bytes(size_t bytes); /* that a copy or a fill on the device moves */

/* Blocks of `threads` threads and `shared_bytes` that one multiprocessor holds. */
int fac_blocks_per_sm(uint64_t threads, uint64_t shared_bytes);

#pragma GCC visibility pop

#endif
