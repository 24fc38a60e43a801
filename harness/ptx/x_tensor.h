/* Where instructions find tensor maps. */
#ifndef HARNESS_PTX_X_TENSOR_H
#define HARNESS_PTX_X_TENSOR_H

#include "harness/ptx/lanes.h"
#include "harness/ptx/tensormap.h"

/* The map at a generic address, or at one in the space of `at`, as the tensormap proxy reads it: in
 * .param, .const or .global memory, and valid. false: a fault of the lane was reported. */
bool ptx_tensor_map_read(ptx_warp *w, const ptx_insn *i, const ptx_insn *at, u32 lane, u64 addr,
                         ptx_tensor_map *m);

#endif
