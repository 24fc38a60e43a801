/* Inside the loader: what the parts of a spec file share. Each error begins with the place, such
 * as "inputs[0].init: ...". */
#ifndef SPECS_LOAD_H
#define SPECS_LOAD_H

#include "specs/spec.h"

typedef struct spec_loader {
    spec *s;
    ws_err *err;
} spec_loader;

ws_status spec_load_fail(spec_loader *l, const char *where, const char *what);
/* "array[i]", in the spec's arena. */
char *spec_load_place(spec_loader *l, const char *array, int i);
bool spec_load_identifier(const char *s);
/* An optional number of object `o`. */
ws_status spec_load_number(spec_loader *l, const cJSON *o, const char *where, const char *key,
                           double fallback, double *out);
ws_status spec_load_dtype(spec_loader *l, const char *where, const char *key, const char *name,
                          ws_dtype *out);
/* An expression over the dims, and over coordinates i0, ... of a tensor of rank `coordinates`. */
ws_status spec_load_expr(spec_loader *l, const cJSON *v, const char *where, int coordinates,
                         const ws_expr **out);
/* The member "economics", when there is one; dims are read already. */
ws_status spec_load_economics(spec_loader *l);
/* A tensor or a node that is read already. */
bool spec_load_defined(const spec *s, const char *name);

/* The members "inputs" and "weights". */
ws_status spec_load_tensors(spec_loader *l);
/* The list of tensors at `where`, appended as inputs to an empty spec with room for them. */
ws_status spec_load_tensor_list(spec_loader *l, const cJSON *list, const char *where,
                                bool is_weight);
/* The list of nodes at `where`. */
ws_status spec_load_graph(spec_loader *l, const cJSON *graph, const char *where);

#endif
