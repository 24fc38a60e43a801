#include "agent/serve/mhd.h"

#include "base/dynlib.h"
#include "base/mem.h"

#include <dlfcn.h>

mhd_library mhd_lib;

#undef MHD_start_daemon
#undef MHD_stop_daemon
#undef MHD_quiesce_daemon
#undef MHD_run
#undef MHD_get_timeout
#undef MHD_get_daemon_info
#undef MHD_create_response_from_buffer
#undef MHD_add_response_header
#undef MHD_queue_response
#undef MHD_destroy_response
#undef MHD_lookup_connection_value
#undef MHD_get_connection_info
#undef MHD_suspend_connection
#undef MHD_resume_connection

static const ws_symbol rows[] = {
#define X(name) WS_SYMBOL(mhd_library, name, name, false),
    MHD_FUNCTIONS(X)
#undef X
};
static const ws_symbols symbols = {"libmicrohttpd", rows, WS_COUNT(rows)};

ws_status mhd_load(ws_err *err)
{
    static void *so;
    if (so)
        return WS_OK;
    void *found = dlopen("libmicrohttpd.so.12", RTLD_NOW | RTLD_LOCAL);
    if (!found) {
        ws_fail(err, WS_EENV, "cannot load libmicrohttpd: %s", dlerror());
        return ws_hint(err, "run 'make deps', or install libmicrohttpd12");
    }
    const char *missing = ws_symbols_take(found, &symbols, &mhd_lib);
    if (missing) {
        dlclose(found);
        return ws_fail(err, WS_EENV, "libmicrohttpd is too old: it has no %s", missing);
    }
    so = found;
    return WS_OK;
}
