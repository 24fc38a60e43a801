/* SHA-256 (FIPS 180-4). Content addresses of sources, prompts, binaries and cache keys. */
#ifndef BASE_SHA256_H
#define BASE_SHA256_H

#include <stddef.h>
#include <stdint.h>

enum { WS_SHA256_SIZE = 32, WS_SHA256_HEX = 65 };

typedef struct ws_sha256 {
    uint32_t h[8];
    uint64_t bytes;
    uint8_t block[64];
} ws_sha256;

void ws_sha256_init(ws_sha256 *s);
void ws_sha256_add(ws_sha256 *s, const void *data, size_t n);
/* Length first, so that ("ab","c") and ("a","bc") differ. */
void ws_sha256_add_field(ws_sha256 *s, const void *data, size_t n);
void ws_sha256_hex(ws_sha256 *s, char out[WS_SHA256_HEX]); /* finishes s */
void ws_sha256_of(const void *data, size_t n, char out[WS_SHA256_HEX]);

#endif
