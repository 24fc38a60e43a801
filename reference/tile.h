/* Tiles: small products of matrices whose sums stay in registers, from operands laid out for them.
 * What convolutions are made of. */
#ifndef REFERENCE_TILE_H
#define REFERENCE_TILE_H

#include <stdint.h>

enum { REF_TILE_ROWS = 8, REF_TILE_LANES = 24 };

/* tile[r][i] += sum over l < k of w[l][r] x[l][i], for r < rows and i < lanes at least: rows and
 * lanes beyond them may be added up too, in vectors. All three arrays have REF_TILE_ROWS and
 * REF_TILE_LANES elements a line, also where fewer are asked for. */
typedef void ref_tile_fn(int64_t k, int rows, int lanes, const double *x, const double *w,
                         double *tile);

/* The kinds that this CPU has, the best first; NULL behind the last one. */
ref_tile_fn *ref_tile_kind(int i);
const char *ref_tile_name(int i);
/* Convolutions use kind i from now on; at the start it is 0. */
void ref_tile_use(int i);
/* The one in use; in f32, in the order of ref_order_now, where there is one. */
ref_tile_fn *ref_tile_now(void);

#endif
