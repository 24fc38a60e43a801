/* libcurl, loaded when the first connection is made: it brings some thirty libraries, and each
 * process of a verdict (the program and its workers) would spend 8 ms on loading what it never
 * uses. The functions keep their names; after curl_load they are called as ever. */
#ifndef AGENT_LLM_CURL_H
#define AGENT_LLM_CURL_H

#include "base/err.h"

#define CURL_DISABLE_TYPECHECK
#include <curl/curl.h>
#undef curl_easy_setopt
#undef curl_easy_getinfo
#undef curl_multi_setopt

#define CURL_FUNCTIONS(X)                                                                          \
    X(curl_global_init)                                                                            \
    X(curl_free) X(curl_getdate) X(curl_slist_append) X(curl_slist_free_all) X(curl_url)           \
        X(curl_url_set) X(curl_url_get) X(curl_url_cleanup) X(curl_easy_init) X(curl_easy_setopt)  \
            X(curl_easy_getinfo) X(curl_easy_cleanup) X(curl_easy_strerror) X(curl_multi_init)     \
                X(curl_multi_setopt) X(curl_multi_add_handle) X(curl_multi_remove_handle)          \
                    X(curl_multi_perform) X(curl_multi_poll) X(curl_multi_info_read)               \
                        X(curl_multi_strerror) X(curl_multi_cleanup)

typedef struct curl_library {
#define X(name) __typeof__(&name) name;
    CURL_FUNCTIONS(X)
#undef X
} curl_library;
extern curl_library curl_lib;

/* Before any of them; again does nothing. */
ws_status curl_load(ws_err *err) WS_MUST_CHECK;

#define curl_global_init (curl_lib.curl_global_init)
#define curl_free (curl_lib.curl_free)
#define curl_getdate (curl_lib.curl_getdate)
#define curl_slist_append (curl_lib.curl_slist_append)
#define curl_slist_free_all (curl_lib.curl_slist_free_all)
#define curl_url (curl_lib.curl_url)
#define curl_url_set (curl_lib.curl_url_set)
#define curl_url_get (curl_lib.curl_url_get)
#define curl_url_cleanup (curl_lib.curl_url_cleanup)
#define curl_easy_init (curl_lib.curl_easy_init)
#define curl_easy_setopt (curl_lib.curl_easy_setopt)
#define curl_easy_getinfo (curl_lib.curl_easy_getinfo)
#define curl_easy_cleanup (curl_lib.curl_easy_cleanup)
#define curl_easy_strerror (curl_lib.curl_easy_strerror)
#define curl_multi_init (curl_lib.curl_multi_init)
#define curl_multi_setopt (curl_lib.curl_multi_setopt)
#define curl_multi_add_handle (curl_lib.curl_multi_add_handle)
#define curl_multi_remove_handle (curl_lib.curl_multi_remove_handle)
#define curl_multi_perform (curl_lib.curl_multi_perform)
#define curl_multi_poll (curl_lib.curl_multi_poll)
#define curl_multi_info_read (curl_lib.curl_multi_info_read)
#define curl_multi_strerror (curl_lib.curl_multi_strerror)
#define curl_multi_cleanup (curl_lib.curl_multi_cleanup)

#endif
