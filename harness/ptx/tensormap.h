/* Tensor maps: what cuTensorMapEncode* makes and cp.async.bulk.tensor reads.
 *
 * The API keeps the 128 bytes opaque, so the layout here is our own. Fields are numbered as
 * tensormap.replace numbers them (PTX ISA 9.7.9.28, table 33); the driver's enums differ and are
 * translated by the facade. Dimension 0 is the innermost one. */
#ifndef HARNESS_PTX_TENSORMAP_H
#define HARNESS_PTX_TENSORMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PTX_TM_RANK = 5, PTX_TM_BYTES = 128, PTX_TM_ALIGN = 64, PTX_TM_SHARED_ALIGN = 128 };
#define PTX_TM_MAGIC 0x70616d74u /* "tmap" */

typedef enum ptx_tm_type {
    PTX_TM_U8, PTX_TM_U16, PTX_TM_U32, PTX_TM_S32, PTX_TM_U64, PTX_TM_S64, PTX_TM_F16, PTX_TM_F32,
    PTX_TM_F32_FTZ, PTX_TM_F64, PTX_TM_BF16, PTX_TM_TF32, PTX_TM_TF32_FTZ, PTX_TM_B4X16,
    PTX_TM_B4X16_P64, PTX_TM_B6X16_P32, PTX_TM_TYPES
} ptx_tm_type;
enum { PTX_TM_TILED, PTX_TM_IM2COL };
enum { PTX_TM_SWIZZLE_NONE, PTX_TM_SWIZZLE_32, PTX_TM_SWIZZLE_64, PTX_TM_SWIZZLE_128,
       PTX_TM_SWIZZLE_96, PTX_TM_SWIZZLES };
/* How many bytes stay together when 128 are swizzled. FLIP: in odd lines of 128 bytes the halves of
 * every 16 bytes change places, too. */
enum { PTX_TM_ATOM_16, PTX_TM_ATOM_32, PTX_TM_ATOM_32_FLIP, PTX_TM_ATOM_64, PTX_TM_ATOMS };
enum { PTX_TM_FILL_ZERO, PTX_TM_FILL_NAN };

typedef struct ptx_tensor_map {
    uint32_t magic;
    uint8_t mode, rank, type, interleave, swizzle, atom, fill, promotion;
    uint8_t step[PTX_TM_RANK];       /* elements from one visited to the next */
    uint8_t unused[7];
    uint64_t address;
    uint64_t stride[PTX_TM_RANK - 1]; /* bytes, of dimensions 1 on */
    uint32_t last[PTX_TM_RANK];      /* elements - 1: a dimension has up to 2^32 */
    uint16_t box[PTX_TM_RANK];       /* tiled: elements that the box spans */
    int16_t lower[3], upper[3];      /* im2col: corners of the pixel box, W first */
    uint16_t channels, pixels;       /* im2col: elements of dimension 0, and how many pixels */
    uint8_t reserved[14];
} ptx_tensor_map;
_Static_assert(sizeof(ptx_tensor_map) == PTX_TM_BYTES, "a CUtensorMap has 128 bytes");

/* Bytes an element; 0 for the packed types of 4 and 6 bits. */
uint32_t ptx_tm_element_bytes(const ptx_tensor_map *m);
/* Elements of dimension d that a copy visits, in tiled mode. */
uint32_t ptx_tm_visited(const ptx_tensor_map *m, int d);
/* Bytes of a row in shared memory, and from one row to the next: rows narrower than the swizzle
 * take its width. */
uint32_t ptx_tm_row_bytes(const ptx_tensor_map *m);
uint32_t ptx_tm_row_pitch(const ptx_tensor_map *m);
/* Where 8 bytes at an address of shared memory go. */
uint32_t ptx_tm_swizzled(const ptx_tensor_map *m, uint32_t at);
/* Writes the rule that the map breaks; false when it breaks none. The rules are those of
 * cuTensorMapEncodeTiled and cuTensorMapEncodeIm2col in the driver API's manual. */
bool ptx_tm_invalid(const ptx_tensor_map *m, char *why, size_t size);
/* What the engine does not do although the map is valid, NULL: nothing. */
const char *ptx_tm_unsupported(const ptx_tensor_map *m);

#endif
