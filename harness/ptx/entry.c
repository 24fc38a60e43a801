/* What a variant of the engine shows to the files that are compiled once. */
#include "harness/ptx/variant.h"

extern const ptx_variant PTX_VARIANT;
const ptx_variant PTX_VARIANT = {
    .program_new = ptx_program_new,
    .program_free = ptx_program_free,
    .visit_unsupported = ptx_program_visit_unsupported,
    .launch = ptx_launch,
    .forms = ptx_forms,
    .mma_multiply = mma_multiply,
};
