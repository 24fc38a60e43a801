/* The CUDA driver API through dlopen: libcuda.so.1 where there is a GPU, our libwarpsmith-cuda.so
 * where there is none. One table of symbols, cu_symbols; nobody else sees <cuda.h>. */
#ifndef HARNESS_DRIVER_H
#define HARNESS_DRIVER_H

#include "base/buf.h"
#include "base/dynlib.h"
#include "base/err.h"
#include "harness/diag.h"
#include "harness/ptx/report.h"
#include "harness/ptx/tensormap.h"
#include "harness/timing/sim.h"

#include <stddef.h>
#include <stdint.h>

typedef struct cu_device cu_device; /* an open driver with a context on one device */

/* What is used of the driver. Names that begin with "ws" are our own driver's alone. */
extern const ws_symbols cu_symbols;

/* Which driver: WARPSMITH_DEVICE=cpu|gpu|auto decides when `which` is NULL. auto: the GPU when
 * libcuda loads and has a device. The CPU driver is $WARPSMITH_CUDA_DRIVER or stands beside the
 * program. */
ws_status cu_open(const char *which, cu_device **out, ws_err *err) WS_MUST_CHECK;
void cu_close(cu_device *d);
/* Where the CPU driver is: $WARPSMITH_CUDA_DRIVER, or built or installed beside this program. */
ws_status cu_engine_path(ws_buf *out, ws_err *err) WS_MUST_CHECK;
/* Loads the CPU driver's code without opening it, so that processes forked later find it mapped. */
void cu_preload_engine(void);
bool cu_is_engine(const cu_device *d);
const char *cu_name(const cu_device *d);    /* "NVIDIA H200", or "CPU engine" */
int cu_compute_capability(const cu_device *d); /* 90 for 9.0 */
int cu_driver_version(const cu_device *d);     /* 13000 for CUDA 13.0 */
void *cu_context(const cu_device *d);          /* the CUcontext, for CUPTI */

/* Device i of those that the driver shows (CUDA_VISIBLE_DEVICES is its affair); this one is 0. */
typedef struct cu_identity {
    char uuid[48];                /* "GPU-8f3c...", "MIG-...", on the engine "CPU-..." */
    char name[128];
    int capability, sms;
    int64_t l2_bytes, memory_bytes;
    bool mig;                     /* a slice of a GPU */
} cu_identity;
int cu_device_count(cu_device *d);
ws_status cu_identify(cu_device *d, int i, cu_identity *out, ws_err *err) WS_MUST_CHECK;
/* What kernels may have of memory for printf, and of heap for malloc. Before the first module. */
ws_status cu_limit(cu_device *d, size_t printf_bytes, size_t heap_bytes, ws_err *err) WS_MUST_CHECK;

/* What the last failed call says about the candidate: INVALID_LAUNCH, OUT_OF_BOUNDS, ..., or
 * HX_PASS when the failure is not the candidate's. On a GPU the context is lost after a kernel's
 * fault. */
hx_reason cu_last_reason(const cu_device *d);

typedef struct cu_module cu_module;
/* `image` is PTX text (NUL-terminated) or a cubin. */
ws_status cu_module_load(cu_device *d, const void *image, size_t n, cu_module **out,
                         ws_err *err) WS_MUST_CHECK;
void cu_module_unload(cu_device *d, cu_module *m);

ws_status cu_alloc(cu_device *d, size_t bytes, const char *name, uint64_t *out,
                   ws_err *err) WS_MUST_CHECK;
void cu_free(cu_device *d, uint64_t ptr);
ws_status cu_upload(cu_device *d, uint64_t dst, const void *src, size_t n,
                    ws_err *err) WS_MUST_CHECK;
ws_status cu_download(cu_device *d, void *dst, uint64_t src, size_t n, ws_err *err) WS_MUST_CHECK;
ws_status cu_fill(cu_device *d, uint64_t dst, unsigned char byte, size_t n,
                  ws_err *err) WS_MUST_CHECK;

/* Memory in a mapping of its own: whole granules, with a granule on either side that is nobody's,
 * so that an access there is a fault and no corruption. */
typedef struct cu_mapping {
    uint64_t ptr;            /* where the mapped memory begins */
    size_t bytes, granule;   /* of the memory; of a granule */
    uint64_t handle;
} cu_mapping;
bool cu_can_map(cu_device *d); /* or there is cu_alloc alone */
ws_status cu_map(cu_device *d, size_t bytes, const char *name, cu_mapping *out,
                 ws_err *err) WS_MUST_CHECK;
void cu_unmap(cu_device *d, const cu_mapping *m);

typedef struct cu_launch_args {
    const char *kernel;
    uint32_t grid[3], block[3], shared_bytes;
    uint32_t max_shared_bytes; /* of dynamic shared memory to allow; 0: shared_bytes */
    bool cooperative;
    uint32_t cluster[3];      /* 0: none */
    const void *params;
    size_t params_bytes;
    /* Where each parameter lies in `params`; NULL: the block is passed as it is. ptxas begins the parameters of a
     * kernel that takes a tensor map behind a gap of its own, which the driver knows for single ones. */
    const uint32_t *param_at;
    int n_params; /* CU_MAX_PARAMS at most */
} cu_launch_args;
enum { CU_MAX_PARAMS = 64 };
ws_status cu_launch(cu_device *d, cu_module *m, const cu_launch_args *l, ws_err *err) WS_MUST_CHECK;
/* cuTensorMapEncodeTiled or ...Im2col with the fields of `m`, into the 128 bytes of `out`, which is
 * a multiple of 64. INVALID_LAUNCH below compute capability 9.0. */
ws_status cu_tensor_map(cu_device *d, const ptx_tensor_map *m, void *out,
                        ws_err *err) WS_MUST_CHECK;
ws_status cu_synchronize(cu_device *d, ws_err *err) WS_MUST_CHECK;

/* Engine only; ws_bug() on a GPU. */
void cu_engine_configure(cu_device *d, const ptx_options *o);
/* Kernels may only read the allocation that begins at ptr: a store is a finding INPUT_MODIFIED. */
void cu_engine_protect(cu_device *d, uint64_t ptr);
void cu_engine_hold(cu_device *d, uint64_t ptr, size_t bytes, bool floats);
void cu_engine_mark_uninitialized(cu_device *d, uint64_t ptr, size_t bytes);
/* What touches these bytes of an allocation from now on is a finding; the run is the process's
 * last. */
void cu_engine_carve(cu_device *d, uint64_t ptr, size_t bytes);
void cu_engine_written(cu_device *d, uint64_t ptr, size_t bytes, uint8_t *written);
/* Variable i of the module that kernels may write; false: there are fewer. */
typedef struct cu_variable {
    char name[PTX_NAME_MAX];
    uint64_t ptr;
    size_t bytes;
} cu_variable;
bool cu_engine_variable(cu_device *d, cu_module *m, int i, cu_variable *out);
/* The module's variables as they were when it was loaded; false: kernels left memory of their own. */
bool cu_engine_restart(cu_device *d, cu_module *m);
/* From now on events and cu_time_ms tell modelled times of this GPU (a name of harness/timing's table),
 * as a machine with this noise would; NULL: wall times again. */
ws_status cu_engine_clock(cu_device *d, const char *gpu, const tim_noise *noise, uint64_t seed,
                          ws_err *err) WS_MUST_CHECK;
double cu_engine_clock_hz(cu_device *d); /* of the SMs in the latest launch; 0: not modelled */
void cu_engine_report(cu_device *d, ptx_report *out);
void cu_engine_printf(cu_device *d, char *out, size_t size);

/* ---- time ---- */

/* A word of the host's memory that kernels see while they run. */
typedef struct cu_flag {
    volatile uint32_t *host;
    uint64_t device; /* its address there */
} cu_flag;
ws_status cu_flag_new(cu_device *d, cu_flag *out, ws_err *err) WS_MUST_CHECK;
void cu_flag_set(cu_flag *f, uint32_t value);
void cu_flag_free(cu_device *d, cu_flag *f);

/* What kernels made the L2 cache hold on to, it need not hold any more. */
ws_status cu_reset_persisting(cu_device *d, ws_err *err) WS_MUST_CHECK;

/* A moment in the order of what was enqueued. */
typedef struct cu_event cu_event;
ws_status cu_event_new(cu_device *d, cu_event **out, ws_err *err) WS_MUST_CHECK;
void cu_event_free(cu_device *d, cu_event *e);
ws_status cu_event_record(cu_device *d, cu_event *e, ws_err *err) WS_MUST_CHECK;
/* Waits for `to`. On the engine: by cu_engine_clock's clock, else wall time. */
ws_status cu_event_seconds(cu_device *d, const cu_event *from, const cu_event *to, double *out,
                           ws_err *err) WS_MUST_CHECK;

/* Milliseconds between two events around what `body` enqueues; on the engine, wall time. */
ws_status cu_time_ms(cu_device *d, ws_status (*body)(void *ud, ws_err *err), void *ud, double *out,
                     ws_err *err) WS_MUST_CHECK;

#endif
