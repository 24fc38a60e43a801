/* PTX to cubin: the assembler inside nvJitLink, whose info log carries the lines of "ptxas -v". */
#include "harness/compile/api.h"
#include "harness/compile/internal.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef comp_jitlink_handle handle;

static comp_jitlink_api api;

static const ws_symbol rows[] = {
#define X(member, symbol, optional, params) WS_SYMBOL(comp_jitlink_api, member, symbol, optional),
    COMP_JITLINK_LIST(X)
#undef X
};
const ws_symbols comp_jitlink_symbols = {"nvJitLink", rows, WS_COUNT(rows)};

ws_status comp_link_load(const comp_toolkit *t, ws_err *err)
{
    if (!t->jitlink[0])
        return ws_fail(err, WS_EENV, "nvJitLink (libnvJitLink.so) was not found beside '%s'",
                       t->nvrtc);
    void *lib = dlopen(t->jitlink, RTLD_NOW | RTLD_LOCAL);
    if (!lib)
        return ws_fail(err, WS_EENV, "cannot load nvJitLink: %s", dlerror());
    const char *missing = ws_symbols_take(lib, &comp_jitlink_symbols, &api);
    if (missing)
        return ws_fail(err, WS_EENV, "'%s' is not a usable nvJitLink: it has no %s", t->jitlink,
                       missing);
    return WS_OK;
}

static void take_log(comp_jitlink_result (*size)(handle, size_t *),
                     comp_jitlink_result (*get)(handle, char *), handle h, ws_buf *out)
{
    size_t n = 0;
    if (size(h, &n) || !n)
        return;
    char *text = ws_calloc(n + 1, 1);
    if (get(h, text) == COMP_JITLINK_OK && *text) {
        ws_buf_adds(out, text);
        if (out->p[out->n - 1] != '\n')
            ws_buf_addc(out, '\n');
    }
    free(text);
}

static void take_cubin(handle h, ws_buf *out)
{
    size_t n = 0;
    if (api.cubin_size(h, &n) || !n)
        return;
    void *data = ws_malloc(n);
    if (api.cubin(h, data) == COMP_JITLINK_OK)
        ws_buf_add(out, data, n);
    free(data);
}

void comp_link_run(const char *arch, ws_str ptx, ws_buf *log, ws_buf *cubin, comp_phase *out)
{
    char arch_option[64];
    const char *options[] = {arch_option, "-Xptxas=-v"};
    char *text = ws_strndup(ptx.p, ptx.n); /* it must end in a NUL */
    handle h = NULL;
    snprintf(arch_option, sizeof arch_option, "-arch=%s", arch);
    int rc = api.create(&h, WS_COUNT(options), options);
    out->outcome = rc == COMP_JITLINK_OPTION ? COMP_BAD_ARCH : COMP_REJECTED;
    if (rc == COMP_JITLINK_OK) {
        rc = api.add(h, COMP_JITLINK_PTX, text, ptx.n + 1, "kernel.ptx");
        if (rc == COMP_JITLINK_OK)
            rc = api.complete(h);
        take_log(api.error_size, api.error, h, log);
        take_log(api.info_size, api.info, h, log);
        if (rc == COMP_JITLINK_OK)
            take_cubin(h, cubin);
    }
    if (h)
        api.destroy(&h);
    free(text);
    if (rc == COMP_JITLINK_OK && cubin->n)
        out->outcome = COMP_DONE;
    out->code = rc;
    out->log = (ws_str){ws_buf_z(log), log->n};
    out->output = (ws_str){ws_buf_z(cubin), cubin->n};
}
