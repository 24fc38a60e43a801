#include "harness/ptx/ast.h"

#include <string.h>

static const struct {
    const char *name;
    uint32_t bytes;
} type_table[] = {
#define X(name, bytes) {#name, bytes},
    PTX_TYPE_LIST(X)
#undef X
};

uint32_t ptx_type_bytes(ptx_type t)
{
    return (unsigned)t < PTX_TYPE_NONE ? type_table[t].bytes : 0;
}

const char *ptx_type_name(ptx_type t)
{
    return (unsigned)t < PTX_TYPE_NONE ? type_table[t].name : "none";
}

ptx_type ptx_type_find(ws_str name)
{
    for (int i = 0; i < PTX_TYPE_NONE; i++)
        if (ws_str_eqz(name, type_table[i].name))
            return (ptx_type)i;
    return PTX_TYPE_NONE;
}
