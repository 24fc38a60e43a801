/* Tensor maps in exported launchers, which encode them at every call. */
#ifndef RESULTS_EXPORT_MAPS_H
#define RESULTS_EXPORT_MAPS_H

#include "results/export_parts.h"

/* One field of a map: `n` expressions, an array where `is_array`. */
typedef struct exp_map_field {
    const char *name;
    int n;
    bool is_array;
    const ws_expr *const *e;
} exp_map_field;
enum { EXP_MAP_FIELDS = 12 };
/* offset, dim, stride, step, then box or lower, upper, channels, pixels, then swizzle, promotion and
 * available: bytes of the tensor or scratch buffer. Sizes are in elements. Returns how many. */
int exp_map_fields(exp_job *j, const plan_map *m, exp_map_field out[EXP_MAP_FIELDS]);
/* The type as the driver numbers it (CUtensorMapDataType), and bytes of an element. */
int exp_map_type(const plan_map *m);
int exp_map_bytes(const plan_map *m);
/* Of all launches. */
int exp_map_count(const exp_job *j);

/* For the C header: the fields of every map in its plan, and map `number` of the plan as argument
 * `arg` of its launch; `base` is C for where its tensor or scratch buffer begins. */
void exp_c_put_maps(exp_job *j, const ws_expr_style *style, const char *id, ws_buf *out);
void exp_c_put_map_value(const plan_map *m, int number, int arg, const char *id, const char *base,
                         ws_buf *out);

#endif
