#include "agent/llm/curl.h"

#include "base/mem.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>

curl_library curl_lib;

/* In the order of the library's members. */
static const char *const names[] = {
#define X(name) #name,
    CURL_FUNCTIONS(X)
#undef X
};

static ws_status load(ws_err *err)
{
    static const char *const file[] = {"libcurl.so.4", "libcurl-gnutls.so.4", "libcurl-nss.so.4",
                                       "libcurl.so"};
    void *so = NULL;
    for (size_t i = 0; !so && i < WS_COUNT(file); i++)
        so = dlopen(file[i], RTLD_NOW | RTLD_LOCAL);
    if (!so) {
        ws_fail(err, WS_EENV, "cannot load libcurl: %s", dlerror());
        return ws_hint(err, "run 'make deps', or install libcurl4");
    }
    for (size_t i = 0; i < WS_COUNT(names); i++) {
        void *p = dlsym(so, names[i]); /* POSIX: an object pointer that converts */
        if (!p)
            return ws_fail(err, WS_EENV, "libcurl is too old: it has no %s", names[i]);
        memcpy((char *)&curl_lib + i * sizeof p, &p, sizeof p);
    }
    return WS_OK;
}

ws_status curl_load(ws_err *err)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static bool loaded;
    pthread_mutex_lock(&lock);
    ws_status st = loaded ? WS_OK : load(err);
    loaded = !st;
    pthread_mutex_unlock(&lock);
    return st;
}
