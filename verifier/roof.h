/* The roofline of an operation on a GPU of the cost model's table. */
#ifndef VERIFIER_ROOF_H
#define VERIFIER_ROOF_H

#include "harness/timing/model.h"
#include "reference/graph.h"

/* Operations a second, the most that any way of doing such work reaches: products of f32 also as
 * three of tf32, products of 32-bit whole numbers as ten of 8 bits; formats without a unit take the
 * next wider one. `half`: vector work of a 16-bit spec may go two to a lane. */
double vfy_peak(const tim_gpu *g, ref_unit unit, bool half);
/* Vector work of the spec may be done in 16 bits. */
bool vfy_is_half(const spec *s);

typedef struct vfy_floor {
    double seconds;
    const char *bound; /* "dram", or the unit's name */
    ref_unit unit; /* of those that work, the one that takes longest; REF_UNIT_COUNT: none works */
} vfy_floor;
/* Everything overlaps perfectly. Special functions are no bound: polynomials can take their place.
 */
vfy_floor vfy_floor_of(const tim_gpu *g, const ref_cost *c, bool half);

#endif
