/* The table of all functions. Without cuda.h: their prototypes are of no use here, and those that
 * are not served have none. */
#include "harness/ptx/cuda/api.h"

#define FAC_API(name, since, symbol) int symbol(void);
#include "harness/ptx/cuda/served.def"
#include "harness/ptx/cuda/unsupported.def"
#undef FAC_API

const fac_api fac_apis[] = {
#define FAC_API(name, since, symbol) {#name, #symbol, since, (fac_entry)symbol},
#include "harness/ptx/cuda/served.def"
#include "harness/ptx/cuda/unsupported.def"
#undef FAC_API
};
const size_t fac_n_apis = sizeof fac_apis / sizeof fac_apis[0];
