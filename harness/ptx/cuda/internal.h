/* What the files of the CUDA facade share. One process has one device with one address space
 * (WARPSMITH_ENGINE_DEVICES=n shows n of them, which share it: for testing who uses which);
 * contexts, streams and events are handles with little behind them, because everything runs when it
 * is enqueued. A faulting kernel leaves its error behind and every later call returns it, as a
 * GPU's driver does. */
#ifndef HARNESS_PTX_CUDA_INTERNAL_H
#define HARNESS_PTX_CUDA_INTERNAL_H

#include "harness/ptx/ptx.h"

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
    size_t limit[CU_LIMIT_MAX];
};

/* A kernel of a module; also what a CUkernel points to. */
struct CUfunc_st {
    CUmodule module;
    const ptx_kernel_info *info;
    int max_dynamic_shared;
    bool non_portable_cluster;    /* more than 8 blocks are allowed */
    int cluster_policy;           /* remembered: the engine has one way to place blocks */
    uint32_t required_cluster[3]; /* as set by cuFuncSetAttribute, zeros: not */
    CUfunction next;
};

/* A module; also what a CUlibrary points to. */
struct CUmod_st {
    ptx_module *ptx;
    CUfunction functions; /* those asked for so far */
    CUmodule next;
};

struct CUstream_st {
    unsigned flags;
    int priority;
};

struct CUevent_st {
    unsigned flags;
    bool recorded;
    double recorded_s;
};

typedef struct fac_state {
    pthread_mutex_t lock;
    bool initialised,
        configured; /* configured: wsEngineConfigure was called, findings go to the report */
    ptx_memory *mem;
    ptx_options options;
    ptx_report report;
    ptx_coverage coverage; /* the report's */
    CUresult sticky;
    CUmodule modules;
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
