/* Cases that every candidate of a session meets anew in full verification: made for the first, and
 * kept for the others as far as there is room. */
#ifndef VERIFIER_KEPT_H
#define VERIFIER_KEPT_H

#include "verifier/cases.h"

typedef struct vfy_kept_case vfy_kept_case;

typedef struct vfy_kept {
    vfy_kept_case *first;
    double bytes;
    uint64_t seed;
    vfy_draw draw;   /* of the shape that was reached last */
    ws_arena arena;  /* of repeat_at */
    ws_env repeat_at;
    bool repeat_known, repeats;
} vfy_kept;

/* The case of a check shape with a kind beyond the quick list, or, where check is -1, of a quick
 * kind at `at` (reach.h). *out lasts as long as the seed stays the same, or is `own`, which the
 * caller begins with zeros and releases in any case. */
ws_status vfy_kept_get(vfy_kept *k, const ref_graph *g, int check, const ws_env *at,
                       vfy_inputs kind, uint64_t seed, vfy_case *own, const vfy_case **out,
                       ws_err *err) WS_MUST_CHECK;
/* vfy_repeat_shape() of the graph and the seed. *out lasts as long as that stays the same. */
bool vfy_kept_repeat_shape(vfy_kept *k, const ref_graph *g, uint64_t seed, ws_env *out);
void vfy_kept_release(vfy_kept *k);

#endif
