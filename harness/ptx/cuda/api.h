/* Every exported function of the driver API, for cuGetProcAddress. */
#ifndef HARNESS_PTX_CUDA_API_H
#define HARNESS_PTX_CUDA_API_H

#include <stdbool.h>
#include <stddef.h>

#pragma GCC visibility push(hidden)

typedef void (*fac_entry)(void);
typedef struct fac_api {
    const char *name, *symbol; /* "cuMemAlloc", "cuMemAlloc_v2" */
    int since;                 /* version of CUDA: 12000 */
    fac_entry fn;
} fac_api;
extern const fac_api fac_apis[];
extern const size_t fac_n_apis;

#pragma GCC visibility pop

#endif
