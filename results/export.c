/* The exported header: what may be exported, and its parts in order. */
#include "results/export.h"

#include "base/json.h"
#include "results/export_parts.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- names ---- */

static bool is_keyword(const char *z)
{
    static const char *const words[] = {
        "alignas",      "alignof",  "and",       "and_eq",   "asm",       "auto",
        "bitand",       "bitor",    "bool",      "break",    "case",      "catch",
        "char",         "class",    "compl",     "const",    "constexpr", "const_cast",
        "continue",     "decltype", "default",   "delete",   "do",        "double",
        "dynamic_cast", "else",     "enum",      "explicit", "export",    "extern",
        "false",        "float",    "for",       "friend",   "goto",      "if",
        "inline",       "int",      "long",      "mutable",  "namespace", "new",
        "noexcept",     "not",      "not_eq",    "nullptr",  "operator",  "or",
        "or_eq",        "private",  "protected", "public",   "register",  "reinterpret_cast",
        "return",       "short",    "signed",    "sizeof",   "static",    "static_assert",
        "static_cast",  "struct",   "switch",    "template", "this",      "thread_local",
        "throw",        "true",     "try",       "typedef",  "typeid",    "typename",
        "union",        "unsigned", "using",     "virtual",  "void",      "volatile",
        "wchar_t",      "while",    "xor",       "xor_eq"};
    for (size_t i = 0; i < WS_COUNT(words); i++)
        if (strcmp(words[i], z) == 0)
            return true;
    return false;
}

/* The name given, or the last part of the spec's name with other characters as '_'. */
static ws_status choose_name(exp_job *j, ws_err *err)
{
    const char *z = j->in->name;
    if (!z) {
        const char *slash = strrchr(j->in->spec->name, '/');
        char *own = ws_arena_strdup(&j->arena, slash ? slash + 1 : j->in->spec->name);
        for (char *p = own; *p; p++)
            if (!isalnum((unsigned char)*p))
                *p = '_';
        z = isdigit((unsigned char)*own) || !*own || is_keyword(own)
                ? ws_arena_printf(&j->arena, "op_%s", own)
                : own;
    }
    size_t n = strlen(z);
    bool good = n > 0 && n < sizeof j->name && !isdigit((unsigned char)*z) && !strstr(z, "__");
    for (const char *p = z; *p; p++)
        good &= isalnum((unsigned char)*p) || *p == '_';
    if (!good || is_keyword(z) || (z[0] == '_' && isupper((unsigned char)z[1]))) {
        ws_fail(err, WS_EUSAGE, "'%s' is not a name that C++ leaves free", z);
        return ws_hint(err, "choose a C identifier with --name");
    }
    for (size_t i = 0; i <= n; i++) {
        j->name[i] = z[i];
        j->upper[i] = (char)toupper((unsigned char)z[i]);
    }
    return WS_OK;
}

static ws_status check_dims(const spec *s, ws_err *err)
{
    for (int i = 0; i < s->n_dims; i++)
        if (is_keyword(s->dim[i].name))
            return ws_fail(err, WS_EINPUT,
                           "the dimension '%s' is a word of C++; rename it in the spec",
                           s->dim[i].name);
    return WS_OK;
}

/* ---- tensors and plan ---- */

static bool is_mutated(const spec *s, const char *name)
{
    for (int i = 0; i < s->n_mutates; i++)
        if (strcmp(s->mutates[i], name) == 0)
            return true;
    return false;
}

/* Inputs, weights, then the outputs that are no inputs. */
static void list_tensors(exp_job *j)
{
    const spec *s = j->in->spec;
    int n_given = s->n_inputs + s->n_weights, max = n_given + s->n_outputs;
    const char **names = WS_ARENA_NEW(&j->arena, const char *, max);
    const char **dims = WS_ARENA_NEW(&j->arena, const char *, s->n_dims + 1);
    j->tensor = WS_ARENA_NEW(&j->arena, exp_tensor, max);
    for (int i = 0; i < n_given; i++) {
        const spec_tensor *t = &s->tensor[i];
        const char *role = is_mutated(s, t->name) ? "inout" : t->is_weight ? "weight" : "in";
        j->tensor[j->n_tensors++] = (exp_tensor){t->name, role, t->dtype, t->rank, t->shape};
    }
    for (int o = 0; o < s->n_outputs; o++) {
        const ref_value *v = &j->graph->value[j->graph->output[o]];
        if (!spec_find_tensor(s, s->output[o]))
            j->tensor[j->n_tensors++] =
                (exp_tensor){s->output[o], "out", v->dtype, v->rank, v->dim};
    }
    for (int i = 0; i < j->n_tensors; i++)
        names[i] = j->tensor[i].name;
    for (int i = 0; i < s->n_dims; i++)
        dims[i] = s->dim[i].name;
    j->names = (plan_names){names, j->n_tensors, dims, s->n_dims};
}

static ws_status read_plan(exp_job *j, ws_err *err)
{
    const char *source = j->in->candidate->source;
    hx_diag d = {0};
    if (!plan_parse(&j->arena, source, strlen(source), &j->names, &j->plan, &d))
        return ws_fail(err, WS_EINPUT, "the candidate's plan cannot be read: line %d: %s", d.line,
                       d.text);
    return plan_choice_parse(j->plan, j->in->candidate->tune_json, j->tune, err);
}

/* Dims whose macro the source uses are fixed when the header is compiled. */
static void find_baked(exp_job *j)
{
    const spec *s = j->in->spec;
    j->baked = WS_ARENA_NEW(&j->arena, bool, s->n_dims + 1);
    for (int i = 0; i < s->n_dims; i++)
        j->baked[i] =
            exp_source_uses(&j->source, ws_arena_printf(&j->arena, "DIM_%s", s->dim[i].name));
}

static ws_status check_candidate(const exp_input *in, ws_err *err)
{
    const db_candidate *c = in->candidate;
    if (!c->source || !c->source[0])
        return ws_fail(err, WS_EINPUT, "the candidate has no source");
    if (c->reason && strcmp(c->reason, hx_reason_name(HX_PASS)) != 0)
        return ws_fail(err, WS_EINPUT,
                       "the candidate was rejected (%s); only what passed is exported", c->reason);
    if (c->level < VFY_EMULATED) {
        ws_fail(err, WS_EINPUT,
                "the candidate stands at level %d (%s); export needs level %d (%s) or higher",
                c->level, vfy_level_name((vfy_level)c->level), VFY_EMULATED,
                vfy_level_name(VFY_EMULATED));
        return ws_hint(err, "run 'warpsmith verify' on it first");
    }
    return WS_OK;
}

/* ---- the parts ---- */

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
    for (int i = 0; i < j->source.n_includes; i++)
        if (!ws_str_eqz(j->source.include[i], "<cuda_runtime.h>"))
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
    ws_buf_addc(j->out, '\n');
    ws_buf_add(j->out, j->source.body.p, j->source.body.n);
    ws_buf_printf(
        j->out,
        "\n} // namespace\n} // namespace kernels\n} // namespace %s\n} // namespace warpsmith\n",
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

ws_status exp_header(const exp_input *in, ws_buf *out, ws_err *err)
{
    exp_job j = {.in = in, .out = out};
    ws_status st = check_candidate(in, err);
    if (!st)
        st = choose_name(&j, err);
    if (!st)
        st = check_dims(in->spec, err);
    if (!st)
        st = ref_graph_new(in->spec, &j.graph, err);
    if (!st) {
        list_tensors(&j);
        st = read_plan(&j, err);
    }
    if (!st) {
        exp_source_lift(&j.arena, in->candidate->source, strlen(in->candidate->source), &j.source);
        find_baked(&j);
        st = assemble(&j, err);
    }
    ws_buf_release(&j.source.body);
    ref_graph_free(j.graph);
    ws_arena_release(&j.arena);
    return st ? ws_wrap(err, "export '%s'", in->spec->name) : WS_OK;
}
