/* A run of a bound plan as a request of the worker's operation `run`: the parent's side of
 * harness/device/program.h. */
#ifndef HARNESS_DEVICE_REQUEST_H
#define HARNESS_DEVICE_REQUEST_H

#include "harness/device/client.h"
#include "harness/worker/run.h"

/* Where the tensors lie in the shared memory; of the parent's own making, so that nothing that a
 * worker says or writes moves them. */
typedef struct dev_places {
    size_t in, out, written; /* SIZE_MAX: none */
} dev_places;

/* Shared memory that dev_run_encode takes, at most. */
size_t dev_run_bytes(const run_request *r);
/* The plan, its kernels and tensors as members of a request: "image", "tensors", "scratch",
 * "kernels", "launches"; image and inputs go to `bulk`. Expected values are no part of it.
 * `places`: one a tensor. An argument that no kernel parameter can take is WS_EINPUT. */
ws_status dev_plan_encode(const run_request *r, dev_bulk_memory *bulk, jl_writer *members,
                          dev_places *places, ws_err *err) WS_MUST_CHECK;
/* All members of a request `run`, once for each poison. */
ws_status dev_run_encode(const run_request *r, const unsigned char *poison, int n_poisons,
                         dev_bulk_memory *bulk, ws_buf *members, dev_places *places,
                         ws_err *err) WS_MUST_CHECK;
/* All members of a request `profile`: the plan on given tensors, counted by the metrics of a tier
 * (harness/profile/metrics.h). */
ws_status dev_profile_encode(const run_request *r, int tier, dev_bulk_memory *bulk, ws_buf *members,
                             dev_places *places, ws_err *err) WS_MUST_CHECK;
/* Copies outputs and `written` flags to the tensors of the request. */
void dev_run_collect(const run_request *r, const dev_bulk_memory *bulk, const dev_places *places);

#endif
