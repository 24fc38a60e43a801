/* The entry points that libwarpsmith-cuda.so has beside those of the CUDA driver API. A real
 * libcuda lacks them; harness/driver.c looks them up with dlsym and knows from their absence that
 * it talks to a GPU. All return 0 on success. Pointers are CUdeviceptr values. */
#ifndef HARNESS_PTX_CUDA_WS_ENGINE_H
#define HARNESS_PTX_CUDA_WS_ENGINE_H

#include "harness/ptx/report.h"
#include "harness/timing/sim.h"

#include <stddef.h>

int wsEngineConfigure(const ptx_options *options);       /* and resets the report */
int wsEngineNameBuffer(uint64_t ptr, const char *name);  /* ptr: start of an allocation */
/* Poisoned bytes count as never written: for reads (check_init) and for wsEngineWritten. */
int wsEngineMarkUninitialized(uint64_t ptr, size_t bytes);
/* For runs over a field (ptx_options.field_prime): what lies there. */
int wsEngineProtect(uint64_t ptr);
int wsEngineHold(uint64_t ptr, size_t bytes, int floats);
/* ptx_memory_carve. */
int wsEngineCarve(uint64_t ptr, size_t bytes);
/* written[i] = 1 when a kernel wrote byte i since the mark (or alloc), else 0. */
int wsEngineWritten(uint64_t ptr, size_t bytes, uint8_t *written);
/* Variable i of the module (a CUmodule) that kernels may write; 1: there are fewer. */
int wsEngineVariable(void *module, int i, char *name, size_t size, uint64_t *ptr, size_t *bytes);
/* The module's variables as they were when it was loaded. 1: kernels left device memory that they
 * did not free, and nothing is done. */
int wsEngineRestart(void *module);
/* Coverage and the table of source lines are reached through it, where the options ask for them. */
int wsEngineReport(ptx_report *out);
/* Text that printf calls of kernels produced, NUL-terminated, cut at `size`. */
int wsEnginePrintf(char *out, size_t size);
/* The modelled clock. From now on events are recorded in time that passes as the cost model says that
 * launches take on this GPU, from 0, through a machine with this noise (quantum_s is the events'); the
 * same calls with the same seed give the same times. NULL: the wall's time again. */
typedef struct ws_engine_clock {
    char gpu[32]; /* a name of harness/timing's table */
    tim_noise noise;
    uint64_t seed;
} ws_engine_clock;
int wsEngineClock(const ws_engine_clock *c);
/* What a clock probe would read of the SMs' clock during the latest launch; 0: the clock is not
 * modelled. */
int wsEngineClockHz(double *hz);
/* One sentence about why this thread's last failed call failed, or "". */
int wsEngineErrorDetail(char *out, size_t size);

#endif
