#include "base/random.h"

#include <sys/random.h>

ws_status ws_random(void *out, size_t bytes, ws_err *err)
{
    if (getrandom(out, bytes, 0) != (ssize_t)bytes)
        return ws_fail_errno(err, WS_EENV, "no random bytes");
    return WS_OK;
}
