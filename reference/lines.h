/* Lines of a tensor: the elements along some of its axes, for every choice of the other ones, each
 * handed over as an array. What reductions, softmax and normalisations have in common. */
#ifndef REFERENCE_LINES_H
#define REFERENCE_LINES_H

#include "reference/ops.h"

typedef struct ref_line {
    int64_t index; /* of the line: its place among the axes that it does not run along, row-major */
    int64_t n;
    const double *x, *e; /* n values and bounds (NULL: exact), in row-major order */
    double *y, *ey;      /* n results and bounds (NULL: not wanted), when the body writes */
} ref_line;

/* Calls body(ud, line) for every line of c->in[0] along the axes in the bit set `axes`, on all
 * cores. `writes`: y and ey are c->out's, of the same shape. `work`: elementary steps an element.
 */
ws_status ref_each_line(const ref_call *c, unsigned axes, bool writes, double work,
                        void (*body)(void *ud, const ref_line *line), void *ud);
/* Where lines lie side by side, the elements of a line far apart: calls body for element after
 * element of n neighbouring lines from `index` on, x[k] of line index + k, so that memory is read
 * in order. False, and nothing done, where lines lie otherwise. */
bool ref_across_lines(const ref_call *c, unsigned axes,
                      void (*body)(void *ud, int64_t index, int64_t n, const double *x, bool first),
                      void *ud);
/* The bit set of the axes [from, to). */
static inline unsigned ref_axes(int from, int to)
{
    return (1u << to) - (1u << from);
}

/* Sum x, sum |x| and sum (x - by)^2, in eight partial sums for every chunk. */
double ref_sum(const double *x, int64_t n);
double ref_sum_abs(const double *x, int64_t n);
double ref_sum_squares(const double *x, int64_t n, double by);
/* What rounding the partial sums of term(x[k], by) (NULL: x[k]) adds up to at most, in units of the
 * roundoff ua times `size`, the sum of magnitudes: REF_SUM sqrt(n), as errors have random signs.
 * But terms that are one number, as many are after a clamp, are rounded alike: in a running sum by
 * what that number is short of the sum's last place. Looked for at both ends of x. */
double ref_sum_factor(const double *x, int64_t n, double (*term)(double x, double by), double by,
                      double ua, double size);
/* Their bounds: 0 where e is NULL. */
double ref_sum_errors(const double *e, int64_t n);

#endif
