/* NumPy's .npy format, version 1.0: little-endian, C order. f16 as '<f2', bf16 and fp8 widen to
 * '<f4'. */
#ifndef REFERENCE_NPY_H
#define REFERENCE_NPY_H

#include "reference/graph.h"

/* Reads f2 f4 f8 i1 i2 i4 i8 u1 b1 into double; other descriptors, Fortran order and short files
 * are errors that say so. */
ws_status ref_npy_read(const char *path, ref_tensor *out, ws_err *err) WS_MUST_CHECK;
/* Writes float64 ('<f8') when dtype is WS_F64, else the nearest NumPy type of `dtype`. */
ws_status ref_npy_write(const char *path, const ref_tensor *t, ws_dtype dtype,
                        ws_err *err) WS_MUST_CHECK;

#endif
