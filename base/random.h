/* Random bytes of the system, for seeds and names that nobody can foresee. */
#ifndef BASE_RANDOM_H
#define BASE_RANDOM_H

#include "base/err.h"

#include <stddef.h>

/* At most 256 bytes, which getrandom(2) gives whole once the system is up. WS_EENV: none. */
ws_status ws_random(void *out, size_t bytes, ws_err *err) WS_MUST_CHECK;

#endif
