/* The PTX in images of code. A fat binary is a header of 16 bytes and entries behind it, each with
 * a header of its own; as `fatbinary` of the CUDA toolkit writes them:
 *
 *     u16 kind (1 PTX, 2 ELF)   u16 version   u32 bytes of this header   u64 bytes of the payload
 *     u32 bytes when compressed ... +28 u32 architecture ... +40 u64 flags ... +56 u64 bytes after
 *
 * A cubin has its PTX when it was made with line information: section .nv_debug_ptx_txt, the lines
 * one after the other, each with a NUL. */
#include "harness/ptx/cuda/internal.h"

#include "base/dynlib.h"
#include "base/mem.h"
#include "harness/profile/elf.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

enum {
    WRAPPER_MAGIC = 0x466243b1, /* of what nvcc's host code registers: a pointer is at byte 8 */
    ELF_MAGIC = 0x464c457f,
    FATBIN_HEADER = 16,
    ENTRY_HEADER = 64, /* at least */
    ENTRY_PTX = 1,
    ENTRY_ELF = 2,
    FLAG_LZ4 = 0x2000,
    FLAG_ZSTD = 0x8000,
    DEVICE_ARCH = 90,
    MAX_PTX_BYTES = 512 << 20,
};

static const uint32_t fatbin_magic = 0xba55ed50;

static uint32_t magic_of(const void *image)
{
    const unsigned char *p = image;
    uint32_t m = 0;
    for (int i = 0; i < 4 && (i == 0 || p[i - 1]); i++) /* a text may end before */
        m |= (uint32_t)p[i] << (8 * i);
    return m;
}

/* ---- compression ---- */

/* A length of LZ4: 15 in the token means that bytes follow, up to one that is not 255. */
static bool lz4_length(const unsigned char **p, const unsigned char *end, size_t *n)
{
    if (*n != 15)
        return true;
    for (;;) {
        if (*p == end)
            return false;
        *n += **p;
        if (*(*p)++ != 255)
            return true;
    }
}

/* One block of LZ4 into exactly n bytes. */
static bool lz4_expand(const unsigned char *p, size_t bytes, unsigned char *out, size_t n)
{
    const unsigned char *end = p + bytes;
    size_t at = 0;
    while (p < end) {
        const unsigned token = *p++;
        size_t literal = token >> 4, match = token & 15;
        if (!lz4_length(&p, end, &literal) || literal > (size_t)(end - p) || literal > n - at)
            return false;
        memcpy(out + at, p, literal);
        p += literal;
        at += literal;
        if (p == end || at == n)
            break; /* the last sequence is literals alone */
        if (end - p < 2)
            return false;
        const size_t back = (size_t)p[0] | (size_t)p[1] << 8;
        p += 2;
        if (!lz4_length(&p, end, &match) || !back || back > at || match + 4 > n - at)
            return false;
        for (match += 4; match; match--, at++)
            out[at] = out[at - back];
    }
    return at == n;
}

typedef struct zstd_api {
    size_t (*decompress)(void *out, size_t n, const void *p, size_t bytes);
} zstd_api;
static const ws_symbol zstd_rows[] = {WS_SYMBOL(zstd_api, decompress, ZSTD_decompress, false)};
static const ws_symbols zstd_symbols = {"libzstd", zstd_rows, WS_COUNT(zstd_rows)};

/* By the system's library, which dpkg and rpm need as well. */
static CUresult zstd_expand(const unsigned char *p, size_t bytes, unsigned char *out, size_t n)
{
    zstd_api api;
    void *lib = dlopen("libzstd.so.1", RTLD_NOW | RTLD_LOCAL); /* kept */
    if (!lib || ws_symbols_take(lib, &zstd_symbols, &api))
        return fac_fail(CUDA_ERROR_SHARED_OBJECT_INIT_FAILED,
                        "the fat binary is compressed with Zstandard, and there is no "
                        "libzstd.so.1: install libzstd1, or build with nvcc --compress-mode=speed");
    return api.decompress(out, n, p, bytes) == n
               ? CUDA_SUCCESS
               : fac_fail(CUDA_ERROR_INVALID_IMAGE, "the fat binary's compressed PTX is damaged");
}

/* ---- cubins ---- */

/* Bytes of an ELF file in memory, as its header has them. */
static size_t elf_bytes(const unsigned char *p)
{
    const uint64_t sections = elf_u64(p + 40) + (uint64_t)elf_u16(p + 58) * elf_u16(p + 60);
    const uint64_t segments = elf_u64(p + 32) + (uint64_t)elf_u16(p + 54) * elf_u16(p + 56);
    return (size_t)(sections > segments ? sections : segments);
}

static CUresult cubin_ptx(const unsigned char *p, size_t bytes, ws_buf *out)
{
    elf_file f;
    elf_section s;
    const char *wrong = elf_open(p, bytes ? bytes : elf_bytes(p), &f);
    if (wrong)
        return fac_fail(CUDA_ERROR_INVALID_IMAGE, "the image is %s", wrong);
    if (!elf_section_named(&f, ".nv_debug_ptx_txt", &s) || !s.data)
        return fac_fail(CUDA_ERROR_NO_BINARY_FOR_GPU,
                        "the cubin holds machine code alone and the CPU engine runs PTX: load PTX, "
                        "or compile with -lineinfo, which keeps the PTX in the cubin");
    ws_buf text = {0};
    ws_buf_add(&text, s.data, s.bytes);
    for (size_t i = 0; i < text.n; i++)
        if (!text.p[i])
            text.p[i] = '\n';
    fac_cubin_places(&f, ws_buf_z(&text), out);
    ws_buf_release(&text);
    return CUDA_SUCCESS;
}

/* ---- fat binaries ---- */

typedef struct entry {
    const unsigned char *payload;
    size_t bytes, expanded;
    uint64_t flags;
    unsigned arch;
    uint16_t kind;
} entry;

/* What runs on the device before what does not, and then the newest. */
static bool is_better(const entry *e, const entry *best)
{
    if (!best->payload || (e->arch <= DEVICE_ARCH) != (best->arch <= DEVICE_ARCH))
        return !best->payload || e->arch <= DEVICE_ARCH;
    return e->arch <= DEVICE_ARCH ? e->arch > best->arch : e->arch < best->arch;
}

/* The best entry of each kind that matters. */
static bool find_entries(const unsigned char *p, size_t bytes, entry *ptx, entry *elf)
{
    const unsigned char *end = p + bytes;
    for (p += elf_u16(p + 6); (size_t)(end - p) >= ENTRY_HEADER;) {
        const uint32_t header = elf_u32(p + 4), packed = elf_u32(p + 16);
        const uint64_t payload = elf_u64(p + 8);
        if (header < ENTRY_HEADER || header > (size_t)(end - p) ||
            payload > (size_t)(end - p) - header)
            return false;
        entry e = {p + header, (size_t)payload, (size_t)elf_u64(p + 56), elf_u64(p + 40),
                   elf_u32(p + 28), elf_u16(p)};
        if (e.flags & (FLAG_LZ4 | FLAG_ZSTD)) {
            if (packed > e.bytes || e.expanded > MAX_PTX_BYTES)
                return false;
            e.bytes = packed;
        }
        entry *best = e.kind == ENTRY_PTX ? ptx : e.kind == ENTRY_ELF ? elf : NULL;
        if (best && is_better(&e, best))
            *best = e;
        p += header + payload;
    }
    return true;
}

static CUresult expand(const entry *e, unsigned char **out, size_t *n)
{
    CUresult r = CUDA_SUCCESS;
    const bool packed = e->flags & (FLAG_LZ4 | FLAG_ZSTD);
    *n = packed ? e->expanded : e->bytes;
    *out = ws_calloc(*n + 1, 1);
    if (!packed)
        memcpy(*out, e->payload, *n);
    else if (e->flags & FLAG_ZSTD)
        r = zstd_expand(e->payload, e->bytes, *out, *n);
    else if (!lz4_expand(e->payload, e->bytes, *out, *n))
        r = fac_fail(CUDA_ERROR_INVALID_IMAGE, "the fat binary's compressed PTX is damaged");
    return r;
}

static CUresult fatbin_ptx(const unsigned char *p, size_t bytes, ws_buf *out)
{
    entry ptx = {0}, elf = {0};
    unsigned char *text = NULL;
    size_t n = 0;
    const size_t own = (size_t)elf_u64(p + 8) + elf_u16(p + 6);
    if (elf_u16(p + 6) < FATBIN_HEADER || (bytes && own > bytes) ||
        !find_entries(p, own, &ptx, &elf))
        return fac_fail(CUDA_ERROR_INVALID_IMAGE, "the fat binary is damaged");
    if (!ptx.payload && !elf.payload)
        return fac_fail(CUDA_ERROR_NO_BINARY_FOR_GPU, "the fat binary has no code");
    CUresult r = expand(ptx.payload ? &ptx : &elf, &text, &n);
    if (!r && ptx.payload)
        ws_buf_add(out, text, strlen((char *)text)); /* NULs pad it */
    else if (!r && n >= 64 && magic_of(text) == ELF_MAGIC)
        r = cubin_ptx(text, n, out);
    else if (!r)
        r = fac_fail(CUDA_ERROR_INVALID_IMAGE, "the fat binary is damaged");
    free(text);
    return r;
}

CUresult fac_image_ptx(const void *image, size_t bytes, ws_buf *out)
{
    const unsigned char *p = image;
    if (bytes && bytes < 64) { /* text, or nothing */
        ws_buf_add(out, p, strnlen((const char *)p, bytes));
        return CUDA_SUCCESS;
    }
    if (magic_of(p) == fatbin_magic)
        return fatbin_ptx(p, bytes, out);
    switch (magic_of(p)) {
    case WRAPPER_MAGIC:
        memcpy(&p, p + 8, sizeof p);
        return p && magic_of(p) == fatbin_magic
                   ? fatbin_ptx(p, 0, out)
                   : fac_fail(CUDA_ERROR_INVALID_IMAGE, "the fat binary's wrapper leads nowhere");
    case ELF_MAGIC:
        return cubin_ptx(p, bytes, out);
    default:
        ws_buf_add(out, p, bytes ? strnlen((const char *)p, bytes) : strlen((const char *)p));
        return CUDA_SUCCESS;
    }
}
