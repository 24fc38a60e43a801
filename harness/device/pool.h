/* The devices of this machine, each behind workers of its own: a process per batch of requests, a
 * health check after every fault, and no more work for a device that fails it twice. A device that
 * an earlier program set aside has to pass one before its first work. */
#ifndef HARNESS_DEVICE_POOL_H
#define HARNESS_DEVICE_POOL_H

#include "harness/device/client.h"

typedef struct dev_pool dev_pool;

typedef struct dev_device {
    char uuid[64];        /* "GPU-8f3c...", "MIG-...", "CPU-..." */
    char name[128];
    int ordinal;          /* as the driver counts, under this process's CUDA_VISIBLE_DEVICES */
    int capability;       /* 90 for 9.0 */
    int driver;           /* 13000 */
    int sms;
    int64_t l2_bytes, memory_bytes;
    bool mig, engine;     /* a slice of a GPU; the CPU driver */
    bool aside;           /* it gets no more work */
    char why[256];        /* that is so */
    char note[256];       /* that an earlier program set it aside, when and why; "": none did */
    int faults;           /* workers lost so far */
} dev_device;

typedef struct dev_pool_options {
    const char *device;     /* "cpu", "gpu", NULL: as cu_open */
    const char *worker;     /* as in dev_client_options */
    double start_seconds;   /* 0: 60 */
    double health_seconds;  /* deadline of a health check, 0: 30 */
} dev_pool_options;

/* Finds the devices. Every entry of CUDA_VISIBLE_DEVICES is looked at by a worker of its own, since
 * a process sees at most one slice of a partitioned GPU. WS_EENV: there is none. */
ws_status dev_pool_open(const dev_pool_options *o, dev_pool **out, ws_err *err) WS_MUST_CHECK;
void dev_pool_close(dev_pool *p);
int dev_pool_count(const dev_pool *p);
const dev_device *dev_pool_device(const dev_pool *p, int i);

/* What a batch asks, one after the other, and what came of it. */
typedef struct dev_request {
    const char *members;     /* as in dev_client_ask */
    double deadline_seconds; /* 0: 60 */
    dev_answer answer;
} dev_request;

typedef struct dev_batch {
    dev_request *request;
    int n;
    const dev_bulk_memory *bulk; /* NULL: none */
    ws_arena *arena;             /* of the answers; a batch's own */
    int device;                  /* out: that answered last; -1: none */
} dev_batch;

/* One batch on one device. After a fault the rest goes on in a fresh worker, once that passed the
 * health check; a device that fails it twice is set aside and what is left is DEV_NOT_RUN. */
void dev_pool_run(dev_pool *p, int device, dev_batch *b);
/* Many batches on all devices at once, a thread a device; what a device that was set aside leaves
 * goes to the others. */
void dev_pool_run_all(dev_pool *p, dev_batch *batch, int n);
/* Health check in a fresh worker, twice when it fails; false: the device is set aside. */
bool dev_pool_check(dev_pool *p, int device);

/* A worker that the caller keeps, for sittings: as dev_client_start on that device. */
ws_status dev_pool_start(dev_pool *p, int device, const dev_bulk_memory *bulk, ws_arena *a,
                         dev_client **out, ws_err *err) WS_MUST_CHECK;

/* The timing lane of a device: one process of this machine at a time has it, by a lock on device-
 * UUID.lock in the cache directory. WS_ELIMIT after `seconds`: the message names the holder. */
typedef struct dev_lock {
    int fd;
} dev_lock;
ws_status dev_lock_take(const char *uuid, double seconds, dev_lock *out, ws_err *err) WS_MUST_CHECK;
void dev_lock_give(dev_lock *l);

#endif
