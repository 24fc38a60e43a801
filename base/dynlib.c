#include "base/dynlib.h"

#include <dlfcn.h>
#include <string.h>

const char *ws_symbols_take(void *library, const ws_symbols *t, void *api)
{
    for (size_t i = 0; i < t->n; i++) {
        void *p = dlsym(library, t->row[i].name); /* POSIX: an object pointer that converts */
        if (!p && !t->row[i].optional)
            return t->row[i].name;
        memcpy((char *)api + t->row[i].offset, &p, sizeof p);
    }
    return NULL;
}
