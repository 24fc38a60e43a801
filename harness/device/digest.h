/* Patterns and digests under a key that is drawn for each run, so that a kernel can neither know
 * the one nor leave the other as it was. */
#ifndef HARNESS_DEVICE_DIGEST_H
#define HARNESS_DEVICE_DIGEST_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct dev_key {
    uint64_t k[2];
} dev_key;

/* The finaliser of SplitMix64 (Steele, Lea, Flood, OOPSLA'14). */
static inline uint64_t dev_mix(uint64_t x)
{
    x = (x ^ x >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    x = (x ^ x >> 27) * UINT64_C(0x94D049BB133111EB);
    return x ^ x >> 31;
}

/* n bytes of the key's pattern `salt`. */
static inline void dev_pattern(const dev_key *key, uint64_t salt, unsigned char *out, size_t n)
{
    const uint64_t from = dev_mix(key->k[0] ^ dev_mix(salt + key->k[1]));
    for (size_t i = 0; i < n; i += 8) {
        const uint64_t w = dev_mix(from + (i / 8 + 1) * UINT64_C(0x9E3779B97F4A7C15));
        memcpy(out + i, &w, n - i < 8 ? n - i : 8);
    }
}

/* Adds n bytes, a multiple of 8 but at the end; begin with 0. */
static inline uint64_t dev_digest(const dev_key *key, uint64_t h, const unsigned char *p, size_t n)
{
    for (size_t i = 0; i < n; i += 8) {
        uint64_t w = 0;
        memcpy(&w, p + i, n - i < 8 ? n - i : 8);
        h = dev_mix(h ^ w ^ key->k[0]) + key->k[1];
    }
    return h;
}

#endif
