/* Initialisation of local memory: see local.c. */
#ifndef HARNESS_PTX_LOCAL_H
#define HARNESS_PTX_LOCAL_H

#include "harness/ptx/lanes.h"

/* The warp's local memory grows from old_bytes to bytes a lane. */
void ptx_local_grow(ptx_warp *w, u32 old_bytes, u32 bytes);
/* Lanes `mask` enter a call whose variables are at [base, base + bytes). */
void ptx_local_enter(ptx_warp *w, u32 base, u32 bytes, u32 mask);
void ptx_local_written(ptx_warp *w, const ptx_access *x);
/* A lane that reads a byte that it never wrote, -1: none. */
int ptx_local_unwritten(const ptx_warp *w, const ptx_access *x);

#endif
