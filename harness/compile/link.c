/* PTX to cubin: the assembler inside nvJitLink, whose info log carries the lines of "ptxas -v". */
#include "harness/compile/internal.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct nvjitlink *handle;
enum {
    INPUT_PTX = 2,
    RC_OK = 0,
    RC_OPTION = 1
}; /* nvJitLink.h: nvJitLinkInputType, nvJitLinkResult */

static struct {
    int (*create)(handle *, uint32_t n, const char **options);
    int (*destroy)(handle *);
    int (*add)(handle, int type, const void *data, size_t n, const char *name);
    int (*complete)(handle);
    int (*cubin_size)(handle, size_t *);
    int (*cubin)(handle, void *);
    int (*error_size)(handle, size_t *);
    int (*error)(handle, char *);
    int (*info_size)(handle, size_t *);
    int (*info)(handle, char *);
} api;

static bool symbol(void *lib, const char *name, void *slot)
{
    void *p = dlsym(lib, name);
    memcpy(slot, &p, sizeof p);
    return p != NULL;
}

ws_status comp_link_load(const comp_toolkit *t, ws_err *err)
{
    if (!t->jitlink[0])
        return ws_fail(err, WS_EENV, "nvJitLink (libnvJitLink.so) was not found beside '%s'",
                       t->nvrtc);
    void *lib = dlopen(t->jitlink, RTLD_NOW | RTLD_LOCAL);
    if (!lib)
        return ws_fail(err, WS_EENV, "cannot load nvJitLink: %s", dlerror());
    if (!symbol(lib, "nvJitLinkCreate", &api.create) ||
        !symbol(lib, "nvJitLinkDestroy", &api.destroy) ||
        !symbol(lib, "nvJitLinkAddData", &api.add) ||
        !symbol(lib, "nvJitLinkComplete", &api.complete) ||
        !symbol(lib, "nvJitLinkGetLinkedCubinSize", &api.cubin_size) ||
        !symbol(lib, "nvJitLinkGetLinkedCubin", &api.cubin) ||
        !symbol(lib, "nvJitLinkGetErrorLogSize", &api.error_size) ||
        !symbol(lib, "nvJitLinkGetErrorLog", &api.error) ||
        !symbol(lib, "nvJitLinkGetInfoLogSize", &api.info_size) ||
        !symbol(lib, "nvJitLinkGetInfoLog", &api.info))
        return ws_fail(err, WS_EENV, "'%s' is not a usable nvJitLink: %s", t->jitlink, dlerror());
    return WS_OK;
}

static void take_log(int (*size)(handle, size_t *), int (*get)(handle, char *), handle h,
                     ws_buf *out)
{
    size_t n = 0;
    if (size(h, &n) || !n)
        return;
    char *text = ws_calloc(n + 1, 1);
    if (get(h, text) == RC_OK && *text) {
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
    if (api.cubin(h, data) == RC_OK)
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
    out->outcome = rc == RC_OPTION ? COMP_BAD_ARCH : COMP_REJECTED;
    if (rc == RC_OK) {
        rc = api.add(h, INPUT_PTX, text, ptx.n + 1, "kernel.ptx");
        if (rc == RC_OK)
            rc = api.complete(h);
        take_log(api.error_size, api.error, h, log);
        take_log(api.info_size, api.info, h, log);
        if (rc == RC_OK)
            take_cubin(h, cubin);
    }
    if (h)
        api.destroy(&h);
    free(text);
    if (rc == RC_OK && cubin->n)
        out->outcome = COMP_DONE;
    out->code = rc;
    out->log = (ws_str){ws_buf_z(log), log->n};
    out->output = (ws_str){ws_buf_z(cubin), cubin->n};
}
