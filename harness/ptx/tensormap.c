#include "harness/ptx/tensormap.h"

#include <stdarg.h>
#include <stdio.h>

enum { MAX_BOX = 256, MAX_STEP = 8, MAX_PIXELS = 1024, UNIT = 16, LINE_SHIFT = 7 };
static const uint64_t STRIDE_LIMIT = 1ull << 40;

uint32_t ptx_tm_element_bytes(const ptx_tensor_map *m)
{
    static const uint8_t bytes[PTX_TM_TYPES] = {1, 2, 4, 4, 8, 8, 2, 4, 4, 8, 2, 4, 4, 0, 0, 0};
    return m->type < PTX_TM_TYPES ? bytes[m->type] : 0;
}

uint32_t ptx_tm_visited(const ptx_tensor_map *m, int d)
{
    uint32_t step = d ? m->step[d] : 1;
    return (m->box[d] + step - 1) / step;
}

uint32_t ptx_tm_row_bytes(const ptx_tensor_map *m)
{
    return (m->mode == PTX_TM_IM2COL ? m->channels : m->box[0]) * ptx_tm_element_bytes(m);
}

static uint32_t swizzle_bytes(const ptx_tensor_map *m)
{
    static const uint8_t span[PTX_TM_SWIZZLES] = {0, 32, 64, 128, 96};
    return span[m->swizzle];
}

uint32_t ptx_tm_row_pitch(const ptx_tensor_map *m)
{
    uint32_t row = ptx_tm_row_bytes(m), span = swizzle_bytes(m);
    return row < span ? span : row;
}

/* Bits of the number of a line of 128 bytes are added to those of the atom inside it (PTX
 * ISA 5.5.7). */
uint32_t ptx_tm_swizzled(const ptx_tensor_map *m, uint32_t at)
{
    static const uint8_t lines[PTX_TM_SWIZZLES] = {0, 1, 3, 7, 1};
    static const uint8_t shift[PTX_TM_ATOMS] = {4, 5, 5, 6}, mask[PTX_TM_ATOMS] = {7, 3, 3, 1};
    uint32_t line = at >> LINE_SHIFT;
    if (m->atom == PTX_TM_ATOM_32_FLIP && line & 1)
        at ^= 8;
    return at ^ (line & lines[m->swizzle] & mask[m->atom]) << shift[m->atom];
}

static bool broken(char *why, size_t size, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
static bool broken(char *why, size_t size, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(why, size, fmt, ap);
    va_end(ap);
    return true;
}

static bool is_float(const ptx_tensor_map *m)
{
    return m->type >= PTX_TM_F16 && m->type <= PTX_TM_TF32_FTZ;
}

/* Of types 16U4_ALIGN16B and 16U6_ALIGN16B. */
static bool is_padded(const ptx_tensor_map *m)
{
    return m->type == PTX_TM_B4X16_P64 || m->type == PTX_TM_B6X16_P32;
}

static bool bad_form(const ptx_tensor_map *m, char *why, size_t n)
{
    if (m->mode > PTX_TM_IM2COL || m->type >= PTX_TM_TYPES || m->interleave > 2 ||
        m->swizzle >= PTX_TM_SWIZZLES || m->atom >= PTX_TM_ATOMS || m->fill > PTX_TM_FILL_NAN ||
        m->promotion > 3)
        return broken(why, n, "a field has a value outside its enumeration");
    int least = m->mode == PTX_TM_IM2COL || m->interleave ? 3 : 1;
    if (m->rank < least || m->rank > PTX_TM_RANK)
        return broken(why, n, "the rank is %d, allowed are %d to %d", m->rank, least, PTX_TM_RANK);
    if (m->atom && m->swizzle != PTX_TM_SWIZZLE_128)
        return broken(why, n, "only the swizzle of 128 bytes has atoms of more than 16");
    if (m->interleave == 2 && m->swizzle != PTX_TM_SWIZZLE_32)
        return broken(why, n, "the interleave of 32 bytes needs the swizzle of 32 bytes");
    if (m->fill && !is_float(m))
        return broken(why, n, "only floating-point types can be filled with NaN");
    return false;
}

static bool bad_memory(const ptx_tensor_map *m, char *why, size_t n)
{
    uint64_t align = m->interleave == 2 || is_padded(m) ? 32 : UNIT;
    if (m->address % align)
        return broken(why, n, "the global address 0x%llx is not a multiple of %llu",
                      (unsigned long long)m->address, (unsigned long long)align);
    for (int d = 0; d + 1 < m->rank; d++) {
        if (m->stride[d] % align)
            return broken(why, n, "globalStrides[%d] is %llu, not a multiple of %llu", d,
                          (unsigned long long)m->stride[d], (unsigned long long)align);
        if (m->stride[d] >= STRIDE_LIMIT)
            return broken(why, n, "globalStrides[%d] is %llu, the limit is 2^40", d,
                          (unsigned long long)m->stride[d]);
    }
    uint32_t multiple = is_padded(m) ? 128 : m->type == PTX_TM_B4X16 ? 2 : 1;
    if ((m->last[0] + 1ull) % multiple)
        return broken(why, n, "globalDim[0] is %llu, not a multiple of %u", m->last[0] + 1ull,
                      multiple);
    for (int d = 0; d < m->rank; d++)
        if (m->step[d] < 1 || m->step[d] > MAX_STEP)
            return broken(why, n, "elementStrides[%d] is %d, allowed are 1 to %d", d, m->step[d],
                          MAX_STEP);
    return false;
}

/* Of dimension 0, which has `elements` of the box. */
static bool bad_row(const ptx_tensor_map *m, uint32_t elements, const char *what, char *why,
                    size_t n)
{
    uint32_t bytes = elements * ptx_tm_element_bytes(m), span = swizzle_bytes(m);
    if (is_padded(m) && elements != 128)
        return broken(why, n, "%s is %u, it must be 128 for this type", what, elements);
    if (m->type >= PTX_TM_B4X16)
        bytes = elements / 2;
    if (!m->interleave && bytes % UNIT)
        return broken(why, n, "%s is %u elements of %u bytes, no multiple of %d bytes", what,
                      elements, ptx_tm_element_bytes(m), UNIT);
    if (!m->interleave && span && bytes > span)
        return broken(why, n, "%s is %u bytes, more than the swizzle's %u", what, bytes, span);
    return false;
}

static bool bad_box(const ptx_tensor_map *m, char *why, size_t n)
{
    for (int d = 0; d < m->rank; d++)
        if (m->box[d] < 1 || m->box[d] > MAX_BOX)
            return broken(why, n, "boxDim[%d] is %d, allowed are 1 to %d", d, m->box[d], MAX_BOX);
    return bad_row(m, m->box[0], "boxDim[0]", why, n);
}

static bool bad_pixels(const ptx_tensor_map *m, char *why, size_t n)
{
    int limit = m->rank == 3 ? 1 << 15 : m->rank == 4 ? 1 << 7 : 1 << 4;
    for (int d = 0; d < m->rank - 2; d++) {
        int lower = m->lower[d], upper = m->upper[d];
        if (lower < -limit || lower >= limit || upper < -limit || upper >= limit)
            return broken(why, n, "a corner of the pixel box is outside %d to %d", -limit,
                          limit - 1);
        if ((int64_t)m->last[d + 1] + upper < lower)
            return broken(why, n, "the pixel box is empty in dimension %d", d + 1);
    }
    if (m->channels < 1 || m->channels > MAX_BOX)
        return broken(why, n, "channelsPerPixel is %d, allowed are 1 to %d", m->channels, MAX_BOX);
    if (m->pixels < 1 || m->pixels > MAX_PIXELS)
        return broken(why, n, "pixelsPerColumn is %d, allowed are 1 to %d", m->pixels, MAX_PIXELS);
    return bad_row(m, m->channels, "channelsPerPixel", why, n);
}

bool ptx_tm_invalid(const ptx_tensor_map *m, char *why, size_t size)
{
    if (bad_form(m, why, size) || bad_memory(m, why, size))
        return true;
    return m->mode == PTX_TM_IM2COL ? bad_pixels(m, why, size) : bad_box(m, why, size);
}

const char *ptx_tm_unsupported(const ptx_tensor_map *m)
{
    if (m->interleave)
        return "interleaved tensor maps (NC/8HWC8, NC/16HWC16)";
    if (m->type >= PTX_TM_B4X16)
        return "tensor maps of packed 4-bit and 6-bit types";
    return NULL;
}
