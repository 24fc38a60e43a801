/* Tensor maps of cases:
 *
 *   // tensormap: NAME = f16 BUFFER dim 64 32 stride 128 box 64 16 step 1 2 swizzle 128 atom 32 nan
 * at 16
 *   // tensormap: NAME = f32 BUFFER dim 8 9 14 2 stride 32 288 4032 lower -1 -1 upper -1 -1
 * channels 8 pixels 64
 *
 * Types: u8 u16 u32 s32 u64 s64 f16 bf16 f32 f64 f32.ftz tf32 tf32.ftz. `at`: bytes into the
 * buffer; `flip`: atoms of 32 bytes with halves that change places. Steps left out are 1, strides
 * those of a dense tensor. A map is an argument of a launch by its name. */
#ifndef HARNESS_PTX_CASE_MAP_H
#define HARNESS_PTX_CASE_MAP_H

#include "base/err.h"
#include "harness/ptx/tensormap.h"

typedef struct ptx_case_map {
    char name[32];
    int buffer;
    ptx_tensor_map map; /* its address is the offset in the buffer */
} ptx_case_map;

/* The text after '='; `buffer_name` gets the buffer's. */
ws_status ptx_case_map_read(char *text, ptx_case_map *m, char buffer_name[32],
                            ws_err *err) WS_MUST_CHECK;

#endif
