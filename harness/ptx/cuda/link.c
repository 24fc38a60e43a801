/* cuLink*: PTX of several inputs. The engine links nothing: what comes out is the PTX of one input,
 * or of several that do not refer to each other, as one text. */
#include "harness/ptx/cuda/internal.h"

#include "base/file.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_FILE_BYTES = 256 << 20 };

struct CUlinkState_st {
    ws_buf text;
    int inputs;
    unsigned n_options;
    CUjit_option *option; /* the program's; they are read when the link is made */
    void **value;
    bool complete;
};

/* Directives that stand once in a PTX text. */
static bool is_head(const char *line, size_t n)
{
    static const char *const heads[] = {".version", ".target", ".address_size"};
    while (n && (*line == ' ' || *line == '\t'))
        line++, n--;
    for (size_t i = 0; i < WS_COUNT(heads); i++)
        if (n > strlen(heads[i]) && strncmp(line, heads[i], strlen(heads[i])) == 0)
            return true;
    return false;
}

/* Adds a text without its head, line by line. */
static void add_body(ws_buf *to, const char *text)
{
    while (*text) {
        const size_t n = strcspn(text, "\n");
        if (!is_head(text, n))
            ws_buf_add(to, text, n);
        ws_buf_addc(to, '\n');
        text += n + (text[n] == '\n');
    }
}

CUresult cuLinkCreate_v2(unsigned n, CUjit_option *option, void **value, CUlinkState *out)
{
    CUresult r = fac_enter();
    if (!r && (!out || (n && (!option || !value))))
        r = CUDA_ERROR_INVALID_VALUE;
    if (!r) {
        CUlinkState s = ws_calloc(1, sizeof *s);
        s->text.max = MAX_FILE_BYTES;
        s->n_options = n;
        s->option = option;
        s->value = value;
        fac_handle_add(FAC_LINK, s);
        *out = s;
    }
    return fac_leave(r);
}

/* The device runtime's functions are the engine's own, or are named when a kernel that calls them
 * is launched. */
static bool is_device_runtime(CUjitInputType type, const char *name)
{
    return type == CU_JIT_INPUT_LIBRARY && name && strstr(name, "cudadevrt");
}

static CUresult add(CUlinkState s, CUjitInputType type, const void *data, size_t size,
                    const char *name)
{
    ws_buf ptx = {.max = MAX_FILE_BYTES};
    CUresult r = CUDA_SUCCESS;
    if (is_device_runtime(type, name))
        return r;
    if (type != CU_JIT_INPUT_PTX && type != CU_JIT_INPUT_FATBINARY && type != CU_JIT_INPUT_CUBIN)
        r = fac_fail(CUDA_ERROR_NOT_SUPPORTED,
                     "'%s': the CPU engine links PTX, and neither objects, libraries nor LTO-IR",
                     name ? name : "input");
    if (!r)
        r = fac_image_ptx(data, size, &ptx);
    if (!r && s->inputs++)
        add_body(&s->text, ws_buf_z(&ptx));
    else if (!r)
        ws_buf_adds(&s->text, ws_buf_z(&ptx));
    ws_buf_release(&ptx);
    return r;
}

static CUresult enter_link(CUlinkState s)
{
    CUresult r = fac_enter();
    if (!r)
        r = fac_handle_check(FAC_LINK, s);
    if (!r && s->complete)
        r = fac_fail(CUDA_ERROR_INVALID_VALUE, "the link is complete");
    return r;
}

CUresult cuLinkAddData_v2(CUlinkState s, CUjitInputType type, void *data, size_t size,
                          const char *name, unsigned n, CUjit_option *option, void **value)
{
    (void)n, (void)option, (void)value;
    CUresult r = enter_link(s);
    if (!r && (!data || !size))
        r = CUDA_ERROR_INVALID_VALUE;
    if (!r && (r = add(s, type, data, size, name)))
        fac_module_write_log(s->n_options, s->option, s->value, fac_detail());
    return fac_leave(r);
}

CUresult cuLinkAddFile_v2(CUlinkState s, CUjitInputType type, const char *path, unsigned n,
                          CUjit_option *option, void **value)
{
    ws_err err = {0};
    ws_buf data = {.max = MAX_FILE_BYTES};
    if (!path)
        return CUDA_ERROR_INVALID_VALUE;
    CUresult r = CUDA_ERROR_FILE_NOT_FOUND;
    if (!ws_read_file(path, MAX_FILE_BYTES, &data, &err) && data.n) {
        (void)ws_buf_z(&data);
        r = cuLinkAddData_v2(s, type, data.p, data.n, path, n, option, value);
    }
    ws_buf_release(&data);
    return r;
}

/* The text is checked, as a link would. */
CUresult cuLinkComplete(CUlinkState s, void **image, size_t *size)
{
    ptx_module *m = NULL;
    ws_err err = {0};
    CUresult r = enter_link(s);
    if (!r && (!image || !s->inputs))
        r = fac_fail(CUDA_ERROR_INVALID_VALUE, "there is nothing to link");
    if (!r && ptx_module_load(ws_buf_z(&s->text), s->text.n, NULL, &m, &err)) {
        r = fac_fail(CUDA_ERROR_INVALID_PTX, "%s", err.msg);
        fac_module_write_log(s->n_options, s->option, s->value, fac_detail());
    }
    ptx_module_free(m);
    if (!r) {
        s->complete = true;
        ws_buf_addc(&s->text, '\0');
        *image = s->text.p;
        if (size)
            *size = s->text.n;
    }
    return fac_leave(r);
}

CUresult cuLinkDestroy(CUlinkState s)
{
    CUresult r = fac_enter_device();
    if (!r)
        r = fac_handle_check(FAC_LINK, s);
    if (!r) {
        fac_handle_drop(FAC_LINK, s);
        ws_buf_release(&s->text);
        free(s);
    }
    return fac_leave(r);
}
