/* The formats of an export, and how one is written. */
#include "results/export_parts.h"

#include "base/file.h"

#include <stdio.h>
#include <string.h>

const exp_format exp_formats[] = {
    {"header", ".h", ".h", "a C and C++ header with the binaries, that needs a CUDA driver alone", true,
     false, exp_write_c, NULL},
    {"cuh", ".cuh", ".cuh", "a CUDA C++ header with the kernels as source, for nvcc", false, false,
     exp_write_cuh, NULL},
    {"torch", ".py", ".py", "a Python module with a PyTorch operator, by ctypes", true, false,
     exp_write_torch, NULL},
    {"kernelbench", NULL, "_kernelbench.py", "a KernelBench solution: class ModelNew", true, false,
     exp_write_kernelbench, NULL},
    {"flashinfer", ".json", ".json", "a flashinfer-bench solution", true, false, exp_write_flashinfer,
     NULL},
    {"raw", NULL, "", "a folder: source, PTX, cubins and a manifest", true, true, exp_write_manifest,
     exp_save_raw},
    {0}};

const exp_format *exp_format_named(const char *name)
{
    for (const exp_format *f = exp_formats; f->name; f++)
        if (strcmp(f->name, name) == 0)
            return f;
    return NULL;
}

const exp_format *exp_format_of_file(const char *path)
{
    const char *slash = strrchr(path, '/'), *dot = strrchr(slash ? slash : path, '.');
    for (const exp_format *f = exp_formats; dot && f->name; f++)
        if (f->suffix && strcmp(f->suffix, dot) == 0)
            return f;
    return NULL;
}

static ws_status with_context(const exp_input *in, ws_status st, ws_err *err)
{
    return st ? ws_wrap(err, "export '%s'", in->spec->name) : WS_OK;
}

ws_status exp_text(const exp_format *f, const exp_input *in, ws_buf *out, ws_err *err)
{
    exp_job j;
    ws_status st = exp_job_open(&j, in, err);
    if (!st)
        st = f->write(&j, out, err);
    if (!st && out->overflow)
        st = ws_fail(err, WS_ELIMIT, "the text is too large");
    exp_job_close(&j);
    return with_context(in, st, err);
}

ws_status exp_save(const exp_format *f, const exp_input *in, const char *path, ws_err *err)
{
    if (f->is_folder) {
        exp_job j;
        ws_status st = exp_job_open(&j, in, err);
        if (!st)
            st = f->save(&j, path, err);
        exp_job_close(&j);
        return with_context(in, st, err);
    }
    ws_buf text = {.max = EXP_MAX_BYTES};
    ws_status st = exp_text(f, in, &text, err);
    if (!st)
        st = ws_write_file(path, text.p, text.n, err);
    ws_buf_release(&text);
    return st;
}

ws_status exp_name(const exp_input *in, char out[128], ws_err *err)
{
    exp_job j;
    ws_status st = exp_job_open(&j, in, err);
    if (!st)
        snprintf(out, 128, "%s", j.name);
    exp_job_close(&j);
    return with_context(in, st, err);
}

ws_status exp_header(const exp_input *in, ws_buf *out, ws_err *err)
{
    return exp_text(exp_format_named("cuh"), in, out, err);
}
