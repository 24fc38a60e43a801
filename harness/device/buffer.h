/* Device memory of a candidate: each buffer in a mapping of its own, with nothing mapped on either
 * side, and a red zone of random bytes from its end to the end of the mapping. An access that goes
 * far is a fault; one that goes a little astray shows in the red zone. */
#ifndef HARNESS_DEVICE_BUFFER_H
#define HARNESS_DEVICE_BUFFER_H

#include "harness/device/digest.h"
#include "harness/driver.h"

enum { DEV_RED_ZONE = 4096 /* bytes, at least */ };

typedef struct dev_buffer {
    const char *name;
    uint64_t ptr;       /* of the first of `bytes`; a multiple of 256 */
    size_t bytes;
    size_t before, after; /* red zones; before: only without mappings */
    cu_mapping map;     /* ptr 0: the driver cannot map, and `base` is from cu_alloc */
    uint64_t base;
    uint64_t salt;      /* of its patterns */
} dev_buffer;

ws_status dev_buffer_new(cu_device *d, const char *name, size_t bytes, const dev_key *key,
                         uint64_t salt, dev_buffer *out, ws_err *err) WS_MUST_CHECK;
void dev_buffer_free(cu_device *d, dev_buffer *b);
/* *broken: something wrote to a red zone; *at: its first byte, relative to the buffer's. */
ws_status dev_buffer_check(cu_device *d, const dev_buffer *b, const dev_key *key, bool *broken,
                           int64_t *at, ws_err *err) WS_MUST_CHECK;
/* The digest of what it holds now. */
ws_status dev_buffer_digest(cu_device *d, const dev_buffer *b, const dev_key *key, uint64_t *out,
                            ws_err *err) WS_MUST_CHECK;

#endif
