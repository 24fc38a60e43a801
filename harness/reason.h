/* Reasons by their names in JSON. */
#ifndef HARNESS_REASON_H
#define HARNESS_REASON_H

#include "harness/diag.h"

#include <stdbool.h>

bool hx_reason_named(const char *name, hx_reason *out); /* false: there is none of that name */

#endif
