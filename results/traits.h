/* What a CUDA source makes use of, as words: for full-text search, and to say what changed between
 * two attempts. */
#ifndef RESULTS_TRAITS_H
#define RESULTS_TRAITS_H

#include "base/buf.h"

/* "float4 shared shuffle unroll", in the table's order; comments do not count. */
void db_traits(const char *source, ws_buf *out);
/* Words of `after` that `before` lacks, as "+float4", then those that it lost, as "-unroll"; but for
 * habits such as __restrict__. */
void db_traits_changed(const char *before, const char *after, ws_buf *out);

#endif
