/* The self-test in a C header. */
#include "results/export_c_parts.h"

#include <inttypes.h>
#include <string.h>

/* {bytes, bits of the exponent, of the significand}, as the template's comment says. */
static const char *dtype_row(ws_dtype t)
{
    static const char *const rows[WS_DTYPE_COUNT] = {
        [WS_F64] = "{8, 11, 52}", [WS_F32] = "{4, 8, 23}", [WS_TF32] = "{4, 8, 10}",
        [WS_F16] = "{2, 5, 10}",  [WS_BF16] = "{2, 8, 7}", [WS_E4M3] = "{1, 4, 3}",
        [WS_E5M2] = "{1, 5, 2}",  [WS_E2M1] = "{0, 2, 1}", [WS_I64] = "{8, 0, 0}",
        [WS_I32] = "{4, 0, 0}",   [WS_I16] = "{2, 0, 0}",  [WS_I8] = "{1, 0, 0}",
        [WS_U8] = "{1, 0, 1}",    [WS_BOOL] = "{1, 0, 1}"};
    return rows[t];
}

static void put_inputs(const exp_c_header *h, ws_buf *out)
{
    static const char *const makes[] = {[EXP_UNIFORM] = "uniform",
                                        [EXP_BELL] = "bell",
                                        [EXP_WHOLE] = "whole",
                                        [EXP_FLAG] = "flag",
                                        [EXP_BYTES] = "bytes"};
    const int n = exp_given_count(h->j);
    for (int i = 0; i < n; i++) {
        const exp_recipe *r = &h->test.recipe[i];
        if (r->make != EXP_BYTES)
            continue;
        ws_buf_printf(out, "static const char *const %s_data_%d[] = {\n", h->id, i);
        exp_put_literals(r->bytes, r->n_bytes, "    ", EXP_C_PIECE, out);
        ws_buf_adds(out, "};\n");
    }
    ws_buf_printf(out, "static const %s_input %s_inputs[] = {\n", h->id, h->id);
    for (int i = 0; i < n; i++) {
        const exp_recipe *r = &h->test.recipe[i];
        ws_buf_printf(out, "    {\"%s\", %s, %s_%s, ", h->j->tensor[i].name,
                      dtype_row(h->j->tensor[i].dtype), h->id, makes[r->make]);
        exp_c_put_float(r->a, out);
        ws_buf_adds(out, ", ");
        exp_c_put_float(r->b, out);
        ws_buf_printf(out, ", %zu, ", r->n_bytes);
        ws_buf_printf(out, r->make == EXP_BYTES ? "%s_data_%d" : "NULL", h->id, i);
        ws_buf_printf(out, ", 0x%016" PRIx64 "u},\n", r->hash);
    }
    ws_buf_adds(out, n ? "};\n" : "    {NULL, {0, 0, 0}, 0, 0, 0, 0, NULL, 0}};\n");
}

static int tensor_of_output(const exp_job *j, int o)
{
    for (int i = 0; i < j->n_tensors; i++)
        if (j->tensor[i].output == o)
            return i;
    ws_bug("output %d is no tensor", o);
}

static void put_outputs(const exp_c_header *h, ws_buf *out)
{
    const exp_job *j = h->j;
    for (int o = 0; o < j->in->spec->n_outputs; o++) {
        const exp_expected *e = &h->test.output[o];
        ws_buf_printf(out, "static const %s_sample %s_samples_%d[] = {\n", h->id, h->id, o);
        for (int i = 0; i < e->n; i++)
            ws_buf_printf(out, "%s{%" PRId64 ", %.17g, %.6g},%s", i % 3 ? " " : "    ",
                          e->sample[i].at, e->sample[i].want, e->sample[i].tolerance * (1 + 1e-6),
                          i % 3 == 2 || i + 1 == e->n ? "\n" : "");
        ws_buf_adds(out, e->n ? "};\n" : "    {0, 0, 0}};\n");
    }
    ws_buf_printf(out, "static const %s_output %s_outputs[] = {\n", h->id, h->id);
    for (int o = 0; o < j->in->spec->n_outputs; o++) {
        const exp_expected *e = &h->test.output[o];
        const int t = tensor_of_output(j, o);
        ws_buf_printf(out, "    {\"%s\", %s, %d, %" PRId64 ", %zu, %d, %d, %s_samples_%d},\n",
                      j->tensor[t].name, dtype_row(j->tensor[t].dtype), t, e->count,
                      ws_dtype_size(j->tensor[t].dtype, (size_t)e->count), e->finite, e->n, h->id,
                      o);
    }
    ws_buf_adds(out, "};\n");
}

static size_t tensor_bytes(const exp_c_header *h, int i)
{
    const exp_tensor *t = &h->j->tensor[i];
    const int64_t count =
        t->output >= 0 ? h->test.output[t->output].count : h->test.recipe[i].count;
    return ws_dtype_size(t->dtype, (size_t)count);
}

void exp_c_put_test_tables(const exp_c_header *h, ws_buf *out)
{
    put_inputs(h, out);
    put_outputs(h, out);
    ws_buf_printf(out, "static const size_t %s_tensor_bytes[] = {", h->id);
    for (int i = 0; i < h->j->n_tensors; i++)
        ws_buf_printf(out, "%s%zu", i ? ", " : "", tensor_bytes(h, i));
    ws_buf_adds(out, "};\n");
}

void exp_c_put_test_dims(const exp_c_header *h, ws_buf *out)
{
    const spec *s = h->j->in->spec;
    for (int i = 0; i < s->n_dims; i++) {
        int64_t v = 0;
        (void)ws_env_find(&h->test.env, s->dim[i].name, &v);
        ws_buf_printf(out, "    a.%s = %" PRId64 ";\n", exp_c_field_of_dim(h, i), v);
    }
    out->n -= s->n_dims > 0; /* the template has the newline */
}

void exp_c_put_test_pointers(const exp_c_header *h, ws_buf *out)
{
    const int n = h->j->n_tensors;
    for (int i = 0; i < n; i++)
        ws_buf_printf(out, "    a.%s = (%s)(uintptr_t)device[%d];\n", exp_c_field_of_tensor(h, i),
                      exp_c_type_of_tensor(h, i), i);
    if (h->j->plan->n_scratch)
        ws_buf_printf(
            out,
            "    if (!code)\n        code = %s_workspace(&a, &a.workspace_bytes);\n"
            "    if (!code)\n        code = d->alloc(&device[%d], a.workspace_bytes);\n"
            "    if (!code)\n        code = d->fill(device[%d], 0xff, a.workspace_bytes);\n"
            "    a.workspace = (void *)(uintptr_t)device[%d];\n",
            h->id, n, n, n);
    out->n--; /* the template has the newline */
}

static size_t host_bytes(const exp_c_header *h)
{
    size_t most = 16;
    for (int i = 0; i < h->j->n_tensors; i++)
        if (tensor_bytes(h, i) > most)
            most = tensor_bytes(h, i);
    return most;
}

void exp_c_put_passed(exp_c_header *h, ws_buf *out)
{
    int n = 0;
    for (int o = 0; o < h->j->in->spec->n_outputs; o++)
        n += h->test.output[o].n;
    exp_c_put_string(ws_arena_printf(&h->j->arena, "%d elements are right at %s", n,
                                     exp_c_dims_text(h, &h->test.env)),
                     out);
}

void exp_c_put_host_bytes(const exp_c_header *h, ws_buf *out)
{
    ws_buf_printf(out, "%zu", host_bytes(h));
}

void exp_c_put_notest(exp_c_header *h, ws_buf *out)
{
    exp_c_put_string(ws_arena_printf(&h->j->arena, "this export has no self-test%s%s",
                                     h->test.missing ? ": " : "",
                                     h->test.missing ? h->test.missing : ""),
                     out);
}

void exp_c_put_test_shape(exp_c_header *h, ws_buf *out)
{
    ws_buf_adds(out, h->test.missing ? "a check shape" : exp_c_dims_text(h, &h->test.env));
}
