/* libmicrohttpd, loaded by the one command that serves: it brings a TLS library, on which each
 * process of a verdict would spend its time. The functions keep their names; after mhd_load they
 * are called as ever. */
#ifndef AGENT_SERVE_MHD_H
#define AGENT_SERVE_MHD_H

#include "base/err.h"

#include <microhttpd.h>

#define MHD_FUNCTIONS(X)                                                                           \
    X(MHD_start_daemon) X(MHD_stop_daemon)                                                         \
    X(MHD_quiesce_daemon) X(MHD_run)                                                               \
    X(MHD_get_timeout) X(MHD_get_daemon_info)                                                      \
    X(MHD_create_response_from_buffer) X(MHD_add_response_header)                                  \
    X(MHD_queue_response) X(MHD_destroy_response)                                                  \
    X(MHD_lookup_connection_value) X(MHD_get_connection_info)                                      \
    X(MHD_suspend_connection) X(MHD_resume_connection)

typedef struct mhd_library {
#define X(name) __typeof__(&name) name;
    MHD_FUNCTIONS(X)
#undef X
} mhd_library;
extern mhd_library mhd_lib;

/* Before any of them; again does nothing. */
ws_status mhd_load(ws_err *err) WS_MUST_CHECK;

#define MHD_start_daemon (mhd_lib.MHD_start_daemon)
#define MHD_stop_daemon (mhd_lib.MHD_stop_daemon)
#define MHD_quiesce_daemon (mhd_lib.MHD_quiesce_daemon)
#define MHD_run (mhd_lib.MHD_run)
#define MHD_get_timeout (mhd_lib.MHD_get_timeout)
#define MHD_get_daemon_info (mhd_lib.MHD_get_daemon_info)
#define MHD_create_response_from_buffer (mhd_lib.MHD_create_response_from_buffer)
#define MHD_add_response_header (mhd_lib.MHD_add_response_header)
#define MHD_queue_response (mhd_lib.MHD_queue_response)
#define MHD_destroy_response (mhd_lib.MHD_destroy_response)
#define MHD_lookup_connection_value (mhd_lib.MHD_lookup_connection_value)
#define MHD_get_connection_info (mhd_lib.MHD_get_connection_info)
#define MHD_suspend_connection (mhd_lib.MHD_suspend_connection)
#define MHD_resume_connection (mhd_lib.MHD_resume_connection)

#endif
