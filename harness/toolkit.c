#include "harness/toolkit.h"

#include "base/file.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>

static const char *const lib_dirs[] = {"lib64", "lib", "targets/x86_64-linux/lib",
                                       "targets/sbsa-linux/lib", "lib/x86_64-linux-gnu"};

void hx_toolkit_roots_get(hx_toolkit_roots *out)
{
    ws_buf own = {0};
    const char *env = getenv("CUDA_HOME");
    ws_home_path(&own, "build/cuda");
    const char *const root[HX_TOOLKIT_ROOTS] = {env ? env : "", WS_CUDA_HOME, ws_buf_z(&own),
                                                "/usr/local/cuda"};
    for (int i = 0; i < HX_TOOLKIT_ROOTS; i++)
        if (snprintf(out->path[i], PATH_MAX, "%s", root[i]) >= PATH_MAX)
            out->path[i][0] = '\0';
    ws_buf_release(&own);
}

bool hx_toolkit_find_in(const char *root, const char *const names[], char out[PATH_MAX])
{
    for (size_t d = 0; *root && d < WS_COUNT(lib_dirs); d++)
        for (const char *const *name = names; *name; name++)
            if (snprintf(out, PATH_MAX, "%s/%s/%s", root, lib_dirs[d], *name) < PATH_MAX &&
                ws_file_exists(out))
                return true;
    out[0] = '\0';
    return false;
}

bool hx_toolkit_find(const char *const names[], char out[PATH_MAX])
{
    hx_toolkit_roots roots;
    hx_toolkit_roots_get(&roots);
    for (int i = 0; i < HX_TOOLKIT_ROOTS; i++)
        if (hx_toolkit_find_in(roots.path[i], names, out))
            return true;
    return false;
}
