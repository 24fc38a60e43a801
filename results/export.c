/* The formats of an export, and how one is written. */
#include "results/export_parts.h"

#include "base/file.h"

#include <string.h>

/* name, suffix, has binaries, is a folder, writer */
const exp_format exp_formats[] = {{"header", ".h", true, false, exp_write_c, NULL},
                                  {"cuh", ".cuh", false, false, exp_write_cuh, NULL},
                                  {"torch", ".py", true, false, exp_write_torch, NULL},
                                  {"kernelbench", NULL, true, false, exp_write_kernelbench, NULL},
                                  {"flashinfer", ".json", true, false, exp_write_flashinfer, NULL},
                                  {"raw", NULL, true, true, exp_write_manifest, exp_save_raw},
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

ws_status exp_header(const exp_input *in, ws_buf *out, ws_err *err)
{
    return exp_text(exp_format_named("cuh"), in, out, err);
}
