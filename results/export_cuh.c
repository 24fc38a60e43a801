/* A winner as a CUDA header for nvcc: the kernels in a namespace, their launcher in C++. */
#include "results/export_maps.h"

#include "base/sha256.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static ws_status check_dims(const spec *s, ws_err *err)
{
    for (int i = 0; i < s->n_dims; i++)
        if (exp_is_keyword(s->dim[i].name))
            return ws_fail(err, WS_EINPUT,
                           "the dimension '%s' is a word of C++; rename it in the spec",
                           s->dim[i].name);
    return WS_OK;
}

static void put_includes(exp_job *j)
{
    static const struct {
        const char *word, *header;
    } implied[] = {
        {"half", "<cuda_fp16.h>"},
        {"__half", "<cuda_fp16.h>"},
        {"half2", "<cuda_fp16.h>"},
        {"__half2", "<cuda_fp16.h>"},
        {"__nv_bfloat16", "<cuda_bf16.h>"},
        {"__nv_bfloat162", "<cuda_bf16.h>"},
        {"__nv_fp8_e4m3", "<cuda_fp8.h>"},
        {"__nv_fp8_e5m2", "<cuda_fp8.h>"},
        {"cooperative_groups", "<cooperative_groups.h>"},
        {"wmma", "<mma.h>"},
        {"CUDART_INF_F", "<math_constants.h>"},
        {"CUDART_NAN_F", "<math_constants.h>"},
        {"CUDART_PI_F", "<math_constants.h>"},
        {"std", "<cuda/std/array>"},
        {"std", "<cuda/std/cmath>"},
        {"std", "<cuda/std/cstdint>"},
        {"std", "<cuda/std/functional>"},
        {"std", "<cuda/std/limits>"},
        {"std", "<cuda/std/tuple>"},
        {"std", "<cuda/std/type_traits>"},
        {"std", "<cuda/std/utility>"},
    };
    static const char *const always[] = {"cuda_runtime.h", "cassert", "cfloat",
                                         "climits",        "cmath",   "cstddef",
                                         "cstdint",        "cstdio",  "initializer_list"};
    for (size_t i = 0; i < WS_COUNT(always); i++)
        ws_buf_printf(j->out, "#include <%s>\n", always[i]);
    if (exp_map_count(j))
        ws_buf_adds(j->out, "#include <cuda.h>\n#include <cstring>\n");
    for (int i = 0; i < j->source.n_includes; i++)
        if (!ws_str_eqz(j->source.include[i], "<cuda_runtime.h>") &&
            !(exp_map_count(j) && ws_str_eqz(j->source.include[i], "<cuda.h>")))
            ws_buf_printf(j->out, "#include %.*s\n", WS_STR_ARG(j->source.include[i]));
    for (size_t i = 0; i < WS_COUNT(implied); i++) {
        bool used = exp_source_uses(&j->source, implied[i].word);
        for (int t = 0; t < j->n_tensors; t++)
            used |= strcmp(ws_dtype_cuda(j->tensor[t].dtype), implied[i].word) == 0;
        for (int k = 0; k < j->source.n_includes; k++)
            used &= !ws_str_eqz(j->source.include[k], implied[i].header);
        for (size_t k = 0; k < i; k++) /* once */
            used &= strcmp(implied[k].header, implied[i].header) != 0 ||
                    !exp_source_uses(&j->source, implied[k].word);
        if (used)
            ws_buf_printf(j->out, "#include %s\n", implied[i].header);
    }
    /* Older toolkits have clamp and swap in parts only. */
    if (exp_source_uses(&j->source, "std"))
        ws_buf_adds(j->out,
                    "#if __has_include(<cuda/std/algorithm>)\n#include <cuda/std/algorithm>\n"
                    "#elif __has_include(<cuda/std/__algorithm/clamp.h>)\n"
                    "#include <cuda/std/__algorithm/clamp.h>\n#endif\n");
}

static void put_macro_on(exp_job *j, const char *name, const char *value)
{
    ws_buf_printf(j->out, "#pragma push_macro(\"%s\")\n#undef %s\n", name, name);
    if (value)
        ws_buf_printf(j->out, "#define %s %s\n", name, value);
}

static void put_macro_off(exp_job *j, const char *name, const char *value)
{
    (void)value;
    ws_buf_printf(j->out, "#undef %s\n#pragma pop_macro(\"%s\")\n", name, name);
}

static void put_guard_head(exp_job *j)
{
    const char *sha = j->in->candidate->source_sha256 ? j->in->candidate->source_sha256 : "";
    char tag[9];
    snprintf(tag, sizeof tag, "%.7s", *sha ? sha : "0000000");
    ws_buf_printf(j->out,
                  "#ifndef WARPSMITH_%s_CUH\n#define WARPSMITH_%s_CUH 0x%s\n\n"
                  "#ifndef __CUDACC__\n#error \"this header holds CUDA kernels: compile it with "
                  "nvcc\"\n#endif\n\n",
                  j->upper, j->upper, tag);
    put_includes(j);
    ws_buf_addc(j->out, '\n');
    bool any = false;
    for (int i = 0; i < j->in->spec->n_dims; i++)
        any |= j->baked[i];
    if (any)
        ws_buf_adds(
            j->out,
            "/* The kernels are compiled for these extents; define them before including for "
            "others. */\n");
    for (int i = 0; i < j->in->spec->n_dims; i++) {
        const ws_binding *d = &j->in->spec->dim[i];
        if (j->baked[i])
            ws_buf_printf(j->out,
                          "#ifndef WARPSMITH_%s_DIM_%s\n#define WARPSMITH_%s_DIM_%s %" PRId64
                          "\n#endif\n",
                          j->upper, d->name, j->upper, d->name, d->value);
    }
}

static void put_guard_tail(exp_job *j)
{
    const char *sha = j->in->candidate->source_sha256;
    ws_buf_printf(
        j->out,
        "#elif WARPSMITH_%s_CUH != 0x%.7s\n"
        "#error \"two different exports are named '%s': export one of them with --name\"\n"
        "#endif\n",
        j->upper, sha && *sha ? sha : "0000000", j->name);
}

/* Calls put for every macro of the source: those that it defines, the dims, the tunables. */
static void each_macro(exp_job *j, void (*put)(exp_job *j, const char *name, const char *value))
{
    for (int i = 0; i < j->in->spec->n_dims; i++) {
        const char *d = j->in->spec->dim[i].name;
        if (j->baked[i])
            put(j, ws_arena_printf(&j->arena, "DIM_%s", d),
                ws_arena_printf(&j->arena, "WARPSMITH_%s_DIM_%s", j->upper, d));
    }
    for (int i = 0; i < j->plan->n_tune; i++)
        put(j, j->plan->tune[i].name, ws_arena_printf(&j->arena, "%" PRId64, j->tune[i]));
    for (int i = 0; i < j->source.n_macros; i++)
        put(j, ws_arena_strndup(&j->arena, j->source.macro[i].p, j->source.macro[i].n), NULL);
}

static void put_kernels(exp_job *j)
{
    ws_buf_adds(
        j->out,
        "\n/* ---- the kernels, as they were verified; their macros end with them ---- */\n\n");
    each_macro(j, put_macro_on);
    ws_buf_adds(j->out, "#pragma nv_diagnostic push\n"
                        "#pragma nv_diag_suppress 111, 128, 177, 179, 186, 550, 20054\n"
                        "#ifdef __GNUC__\n#pragma GCC diagnostic push\n"
                        "#pragma GCC diagnostic ignored \"-Wunused-function\"\n"
                        "#pragma GCC diagnostic ignored \"-Wunused-variable\"\n"
                        "#pragma GCC diagnostic ignored \"-Wunused-parameter\"\n"
                        "#pragma GCC diagnostic ignored \"-Wunused-but-set-variable\"\n"
                        "#pragma GCC diagnostic ignored \"-Wsign-compare\"\n"
                        "#pragma GCC diagnostic ignored \"-Wcomment\"\n#endif\n");
    ws_buf_printf(j->out,
                  "namespace warpsmith {\nnamespace %s {\nnamespace kernels {\nnamespace {\n",
                  j->name);
    if (exp_source_uses(&j->source, "std"))
        ws_buf_adds(j->out,
                    "namespace std = ::cuda::std; /* the host's has no device functions */\n");
    ws_buf_adds(j->out, "\n// warpsmith-kernels:begin\n");
    ws_buf_add(j->out, j->source.body.p, j->source.body.n);
    ws_buf_printf(
        j->out,
        "\n// warpsmith-kernels:end\n"
        "} // namespace\n} // namespace kernels\n} // namespace %s\n} // namespace warpsmith\n",
        j->name);
    ws_buf_adds(j->out,
                "#ifdef __GNUC__\n#pragma GCC diagnostic pop\n#endif\n#pragma nv_diagnostic pop\n");
    each_macro(j, put_macro_off);
}

static ws_status assemble(exp_job *j, ws_err *err)
{
    if (exp_put_evidence(j, err))
        return err->status;
    put_guard_head(j);
    /* A program that defines N or K is usual: not in here. */
    for (int i = 0; i < j->in->spec->n_dims; i++)
        put_macro_on(j, j->in->spec->dim[i].name, NULL);
    put_kernels(j);
    ws_buf_printf(j->out,
                  "\n/* ---- the launcher ---- */\n\nnamespace warpsmith {\nnamespace %s {\n\n",
                  j->name);
    exp_put_launcher(j);
    ws_buf_printf(j->out, "} // namespace %s\n} // namespace warpsmith\n\n", j->name);
    for (int i = 0; i < j->in->spec->n_dims; i++)
        put_macro_off(j, j->in->spec->dim[i].name, NULL);
    put_guard_tail(j);
    return j->out->overflow ? ws_fail(err, WS_ELIMIT, "the header is too large") : WS_OK;
}

ws_status exp_write_cuh(exp_job *j, ws_buf *out, ws_err *err)
{
    j->out = out;
    ws_sha256_of(j->source.body.n ? j->source.body.p : "", j->source.body.n, j->kernels_sha256);
    return check_dims(j->in->spec, err) ? err->status : assemble(j, err);
}
