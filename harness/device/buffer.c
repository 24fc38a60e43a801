#include "harness/device/buffer.h"

#include "base/mem.h"

#include <stdlib.h>

enum { CHUNK = 4 << 20 /* bytes that are copied back at once; a multiple of 8 */ };

static ws_status fill_zone(cu_device *d, const dev_key *key, uint64_t salt, uint64_t at, size_t n,
                           ws_err *err)
{
    unsigned char *pattern = ws_malloc(n ? n : 1);
    dev_pattern(key, salt, pattern, n);
    const ws_status st = cu_upload(d, at, pattern, n, err);
    free(pattern);
    return st;
}

static ws_status place(cu_device *d, size_t bytes, dev_buffer *b, ws_err *err)
{
    if (cu_can_map(d)) {
        if (cu_map(d, bytes + DEV_RED_ZONE, b->name, &b->map, err))
            return err->status;
        b->ptr = b->map.ptr;
        b->after = b->map.bytes - bytes;
        return WS_OK;
    }
    if (cu_alloc(d, bytes + 2 * DEV_RED_ZONE, b->name, &b->base, err))
        return err->status;
    b->ptr = b->base + DEV_RED_ZONE;
    b->before = b->after = DEV_RED_ZONE;
    return WS_OK;
}

ws_status dev_buffer_new(cu_device *d, const char *name, size_t bytes, const dev_key *key,
                         uint64_t salt, dev_buffer *out, ws_err *err)
{
    *out = (dev_buffer){.name = name, .bytes = bytes, .salt = 2 * salt};
    if (bytes > SIZE_MAX / 2)
        return ws_fail(err, WS_ELIMIT, "buffer '%s': %zu bytes are too many", name, bytes);
    if (place(d, bytes, out, err) ||
        fill_zone(d, key, out->salt, out->ptr - out->before, out->before, err) ||
        fill_zone(d, key, out->salt + 1, out->ptr + bytes, out->after, err))
        dev_buffer_free(d, out);
    return err->status;
}

void dev_buffer_free(cu_device *d, dev_buffer *b)
{
    if (b->map.ptr)
        cu_unmap(d, &b->map);
    else
        cu_free(d, b->base);
    *b = (dev_buffer){0};
}

/* The first byte of a zone that is not as it was; n: none. */
static ws_status first_change(cu_device *d, const dev_key *key, uint64_t salt, uint64_t at,
                              size_t n, size_t *out, ws_err *err)
{
    unsigned char *now = ws_malloc(n ? 2 * n : 1), *was = now + n;
    const ws_status st = cu_download(d, now, at, n, err);
    dev_pattern(key, salt, was, n);
    for (*out = 0; !st && *out < n && now[*out] == was[*out];)
        ++*out;
    free(now);
    return st;
}

ws_status dev_buffer_check(cu_device *d, const dev_buffer *b, const dev_key *key, bool *broken,
                           int64_t *at, ws_err *err)
{
    size_t before, after;
    if (first_change(d, key, b->salt, b->ptr - b->before, b->before, &before, err) ||
        first_change(d, key, b->salt + 1, b->ptr + b->bytes, b->after, &after, err))
        return err->status;
    *broken = before < b->before || after < b->after;
    *at = before < b->before ? (int64_t)before - (int64_t)b->before : (int64_t)(b->bytes + after);
    return WS_OK;
}

ws_status dev_buffer_digest(cu_device *d, const dev_buffer *b, const dev_key *key, uint64_t *out,
                            ws_err *err)
{
    unsigned char *chunk = ws_malloc(b->bytes < CHUNK ? b->bytes + 1 : CHUNK);
    ws_status st = WS_OK;
    *out = 0;
    for (size_t i = 0; !st && i < b->bytes; i += CHUNK) {
        const size_t n = b->bytes - i < CHUNK ? b->bytes - i : CHUNK;
        st = cu_download(d, chunk, b->ptr + i, n, err);
        *out = dev_digest(key, *out, chunk, n);
    }
    free(chunk);
    return st;
}
