/* The modelled clock: time that passes as the cost model says the launches take on a named GPU, with
 * the noise of a simulated machine. Timing is tried on it where there is no GPU to be timed. */
#include "harness/ptx/cuda/internal.h"
#include "harness/ptx/cuda/ws_engine.h"

#include "base/clock.h"
#include "base/philox.h"
#include "harness/timing/model.h"

#include <math.h>
#include <stdio.h>

static struct {
    const tim_gpu *gpu; /* NULL: the clock is the wall's */
    tim_sim sim;
    double now_s;
    double hz; /* during the latest launch */
    double quantum_s;
    uint64_t seed, readings;
} modelled;

int wsEngineClock(const ws_engine_clock *c)
{
    CUresult r = fac_enter_device();
    const tim_gpu *gpu = c ? tim_gpu_find(c->gpu) : NULL;
    if (!r && c && !gpu)
        r = fac_fail(CUDA_ERROR_INVALID_VALUE, "no cost model of '%s'", c->gpu);
    if (!r) {
        modelled.gpu = gpu;
        modelled.now_s = 0;
    }
    if (!r && c) {
        tim_noise noise = c->noise;
        noise.quantum_s = 0; /* of events, not of launches */
        if (!(noise.clock_hz > 0))
            noise.clock_hz = gpu->clock_hz;
        tim_sim_init(&modelled.sim, &noise, c->seed);
        modelled.hz = noise.clock_hz;
        modelled.quantum_s = c->noise.quantum_s;
        modelled.seed = c->seed;
        modelled.readings = 0;
    }
    return (int)fac_leave(r);
}

int wsEngineClockHz(double *hz)
{
    CUresult r = fac_enter_device();
    if (!r)
        *hz = modelled.gpu ? modelled.hz : 0;
    return (int)fac_leave(r);
}

bool fac_clock_is_modelled(void)
{
    return modelled.gpu != NULL;
}

double fac_clock_now(void)
{
    return modelled.gpu ? modelled.now_s : (double)ws_now_ns() * 1e-9;
}

static void pass(double seconds)
{
    double observed, hz;
    tim_sim_observe(&modelled.sim, seconds, modelled.now_s, &observed, &hz);
    modelled.now_s += observed;
    modelled.hz = hz;
}

void fac_clock_launch(const CUlaunchConfig *c, CUfunction f, const ptx_counters *counters)
{
    const tim_launch l = {
        .blocks = (uint64_t)c->gridDimX * c->gridDimY * c->gridDimZ,
        .threads_per_block = c->blockDimX * c->blockDimY * c->blockDimZ,
        .registers = -1, /* PTX has virtual ones: the model fills the SMs */
        .shared_bytes = (int)(c->sharedMemBytes + f->info->static_shared_bytes),
        .counters = *counters,
        .uneven = tim_uneven(counters),
    };
    tim_launch_estimate e;
    if (!modelled.gpu)
        return;
    tim_model_launch(modelled.gpu, &l, &e);
    pass(e.seconds + tim_constants_of(modelled.gpu).launch_s);
}

/* Copies and fills on the device write at what DRAM takes. */
void fac_clock_bytes(size_t bytes)
{
    if (modelled.gpu && bytes)
        pass((double)bytes / (tim_constants_of(modelled.gpu).dram_efficiency * modelled.gpu->dram_bytes_per_s) +
             tim_constants_of(modelled.gpu).launch_s);
}

double fac_clock_between(double start_s, double end_s)
{
    const double q = modelled.gpu ? modelled.quantum_s : 0, t = end_s - start_s;
    if (!(q > 0))
        return t;
    /* Its ticks have nothing to do with the kernels: the phase is drawn. */
    const double phase = ws_philox_uniform(modelled.seed, 0x65766e74, modelled.readings++);
    return floor(t / q + phase) * q;
}
