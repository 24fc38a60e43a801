/* A bound plan in the worker: read from a request, put on the device, launched, examined. The
 * pieces of a run, for every operation that runs candidates. */
#ifndef HARNESS_DEVICE_PROGRAM_H
#define HARNESS_DEVICE_PROGRAM_H

#include "harness/device/buffer.h"
#include "harness/device/worker.h"
#include "harness/plan/plan.h"
#include "harness/worker/run.h"

typedef struct dev_tensor {
    const char *name;
    run_tensor_role role;
    size_t bytes;
    unsigned char *in, *out, *written; /* in the bulk memory; NULL: none */
    dev_buffer buffer;
    uint64_t digest;                   /* of an input as it was uploaded */
} dev_tensor;

typedef struct dev_program {
    const unsigned char *image;
    size_t image_bytes;
    comp_kernel *kernel;
    int n_kernels;
    plan_bound plan;
    const comp_kernel **of_launch;     /* the kernel of each launch */
    const char **scratch_name;
    dev_tensor *tensor;
    int n_tensors;
    dev_buffer *scratch;
    uint64_t *tensor_at, *scratch_at;
    cu_module *module;
    dev_key key;                       /* of this run */
} dev_program;

/* Members image, tensors, scratch, kernels, launches of `request` (docs/workers.md), all checked:
 * every later step relies on it. In the worker's arena. */
ws_status dev_program_read(dev_worker *w, const jl_value *request, dev_program *out,
                           ws_err *err) WS_MUST_CHECK;
/* The tensor maps of a launch, member `maps`, which may be missing. */
ws_status dev_maps_read(dev_worker *w, const dev_program *p, const jl_value *launch,
                        plan_bound_launch *out, ws_err *err) WS_MUST_CHECK;
/* Loads the module, makes the buffers, uploads the inputs. A module that the driver refuses is the
 * candidate's fault: WS_OK, and w->reason says so, as after each of the following. */
ws_status dev_program_load(dev_worker *w, dev_program *p, ws_err *err) WS_MUST_CHECK;
/* Outputs and scratch become `poison`, in-out tensors what they were. */
ws_status dev_program_prepare(dev_worker *w, dev_program *p, unsigned char poison,
                              ws_err *err) WS_MUST_CHECK;
/* Every launch once, and waits for the end. */
ws_status dev_program_launch(dev_worker *w, dev_program *p, ws_err *err) WS_MUST_CHECK;
/* The launches alone, without waiting and without words: for timing. A failure is dev_explain's. */
ws_status dev_program_enqueue(dev_worker *w, dev_program *p, int *at, ws_err *err) WS_MUST_CHECK;
/* Red zones and inputs are as they were, or the candidate is at fault. */
ws_status dev_program_examine(dev_worker *w, dev_program *p, ws_err *err) WS_MUST_CHECK;
void dev_program_unload(dev_worker *w, dev_program *p);

#endif
