/* Unified diffs of texts by lines: the shortest script of Myers ("An O(ND) difference algorithm and
 * its variations", Algorithmica 1, 1986) between what the two have in common at either end. */
#ifndef BASE_DIFF_H
#define BASE_DIFF_H

#include "base/buf.h"

/* Appends the diff with `context` lines around each change, as diff -u writes it. The names stand in
 * its first two lines. False: the texts are equal, nothing is appended. Texts that share so little
 * that a shortest script would need over 2,000 changes are compared as one removed and one added
 * block. */
bool ws_diff_unified(const char *a, const char *b, const char *name_a, const char *name_b,
                     int context, ws_buf *out);

#endif
