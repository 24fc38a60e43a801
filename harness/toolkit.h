/* Where the libraries of a CUDA toolkit lie: $CUDA_HOME, the toolkit that the build saw,
 * <home>/build/cuda, /usr/local/cuda, in this order; in lib64/ (a toolkit) or lib/ (NVIDIA's wheels
 * unpacked to one root). */
#ifndef HARNESS_TOOLKIT_H
#define HARNESS_TOOLKIT_H

#include <limits.h>
#include <stdbool.h>

enum { HX_TOOLKIT_ROOTS = 4 };
/* Directories that may be toolkits; a row that does not apply is "". */
typedef struct hx_toolkit_roots {
    char path[HX_TOOLKIT_ROOTS][PATH_MAX];
} hx_toolkit_roots;
void hx_toolkit_roots_get(hx_toolkit_roots *out);

/* The first of the NULL-terminated `names` that exists in a library directory of `root`; false, and
 * "", when there is none. */
bool hx_toolkit_find_in(const char *root, const char *const names[], char out[PATH_MAX]);
/* The same of all roots. */
bool hx_toolkit_find(const char *const names[], char out[PATH_MAX]);

#endif
