/* The C header: what results/templates/header.in leaves open. */
#include "results/export_c.h"

#include "results/export_c_parts.h"
#include "results/export_maps.h"

#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_SHAPE_TEXT = 900 };

/* ---- names ---- */

const char *exp_c_field_of_tensor(const exp_c_header *h, int i)
{
    static const char *const own[] = {"stream", "workspace", "workspace_bytes"};
    const char *z = h->j->tensor[i].name;
    bool taken = exp_is_keyword(z);
    for (size_t k = 0; k < WS_COUNT(own); k++)
        taken |= strcmp(z, own[k]) == 0;
    return taken ? ws_arena_printf(&h->j->arena, "%s_", z) : z;
}

const char *exp_c_field_of_dim(const exp_c_header *h, int i)
{
    const char *z = h->j->in->spec->dim[i].name;
    bool taken = exp_is_keyword(z) || strcmp(z, "stream") == 0 || strncmp(z, "workspace", 9) == 0;
    for (int t = 0; t < h->j->n_tensors; t++)
        taken |= strcmp(z, exp_c_field_of_tensor(h, t)) == 0;
    return taken ? ws_arena_printf(&h->j->arena, "dim_%s", z) : z;
}

static const char *c_type(ws_dtype t)
{
    static const char *const types[WS_DTYPE_COUNT] = {
        [WS_F64] = "double",  [WS_F32] = "float",   [WS_TF32] = "float",
        [WS_I64] = "int64_t", [WS_I32] = "int32_t", [WS_I16] = "int16_t",
        [WS_I8] = "int8_t",   [WS_U8] = "uint8_t",  [WS_BOOL] = "unsigned char"};
    return types[t] ? types[t] : "void"; /* C has no such floats */
}

static bool is_read_only(const exp_tensor *t)
{
    return strcmp(t->role, "in") == 0 || strcmp(t->role, "weight") == 0;
}

const char *exp_c_type_of_tensor(const exp_c_header *h, int i)
{
    const exp_tensor *t = &h->j->tensor[i];
    return ws_arena_printf(&h->j->arena, "%s%s *", is_read_only(t) ? "const " : "",
                           c_type(t->dtype));
}

void exp_c_put_string(const char *z, ws_buf *out)
{
    ws_buf_addc(out, '"');
    for (; *z; z++) {
        if (*z == '"' || *z == '\\' || *z == '?')
            ws_buf_addc(out, '\\');
        ws_buf_addc(out, isprint((unsigned char)*z) ? *z : ' ');
    }
    ws_buf_addc(out, '"');
}

static void put_expr(const exp_c_header *h, const ws_expr *e, ws_buf *out)
{
    ws_expr_to_calls(e, &h->style, out);
}

const char *exp_c_dims_text(exp_c_header *h, const ws_env *env)
{
    ws_buf text = {0};
    spec_env_print(env, &text);
    const char *out = ws_arena_strdup(&h->j->arena, text.n ? ws_buf_z(&text) : "its only shape");
    ws_buf_release(&text);
    return out;
}

/* ---- declarations ---- */

static void put_fields(const exp_c_header *h, ws_buf *out)
{
    const exp_job *j = h->j;
    for (int i = 0; i < j->n_tensors; i++) {
        ws_buf text = {0};
        ws_buf_printf(&text, "    %s%s;", exp_c_type_of_tensor(h, i), exp_c_field_of_tensor(h, i));
        ws_buf_printf(out, "%-24s /* %s %s ", ws_buf_z(&text), j->tensor[i].role,
                      ws_dtype_name(j->tensor[i].dtype));
        exp_put_tensor_shape(&j->tensor[i], out);
        ws_buf_adds(out, " */\n");
        ws_buf_release(&text);
    }
    for (int i = 0; i < j->in->spec->n_dims; i++)
        ws_buf_printf(out, "    int64_t %s;\n", exp_c_field_of_dim(h, i));
    if (j->plan->n_scratch)
        ws_buf_printf(out,
                      "    void *workspace; /* device memory, aligned to 256 bytes */\n"
                      "    size_t workspace_bytes; /* at least what %s_workspace says */\n",
                      h->id);
    out->n--; /* the template has the newline */
}

/* A program that defines N or K is usual. */
static void put_macros(const exp_c_header *h, bool on, ws_buf *out)
{
    const exp_job *j = h->j;
    for (int i = 0; i < j->n_tensors + j->in->spec->n_dims; i++) {
        const char *z = i < j->n_tensors ? exp_c_field_of_tensor(h, i)
                                         : exp_c_field_of_dim(h, i - j->n_tensors);
        if (on)
            ws_buf_printf(out, "#pragma push_macro(\"%s\")\n#undef %s\n", z, z);
        else
            ws_buf_printf(out, "#pragma pop_macro(\"%s\")\n", z);
    }
    out->n -= out->n > 0; /* the template has the newline */
}

static void put_hashes(const exp_c_header *h, ws_buf *out)
{
    const exp_input *in = h->j->in;
    ws_buf_printf(out, "#define %s_SPEC_SHA256   \"%s\"\n#define %s_SOURCE_SHA256 \"%s\"\n",
                  h->upper, in->spec->sha256, h->upper, h->j->source_sha256);
    if (in->packet_sha256)
        ws_buf_printf(out, "#define %s_PACKET_SHA256 \"%s\"\n", h->upper, in->packet_sha256);
}

static void put_aliases(const exp_c_header *h, ws_buf *out)
{
    static const char *const names[] = {"args",      "launch",   "check",
                                        "workspace", "selftest", "selftest_report",
                                        "error",     "unload",   "fits"};
    ws_buf_printf(
        out,
        "/* Names without the hash; of several exports with one name, the first one has them. "
        "*/\n#if !defined %s_launch && !defined WARPSMITH_NO_ALIASES\n",
        h->j->name);
    for (size_t i = 0; i < WS_COUNT(names); i++)
        ws_buf_printf(out, "#define %s_%s %s_%s\n", h->j->name, names[i], h->id, names[i]);
    ws_buf_adds(out, "#endif\n");
}

/* ---- the plan ---- */

static void put_three(const exp_c_header *h, const char *name, const ws_expr *const e[3],
                      ws_buf *out)
{
    ws_buf_printf(out, "        const int64_t %s[3] = {", name);
    for (int i = 0; i < 3; i++) {
        ws_buf_adds(out, i ? ", " : "");
        put_expr(h, e[i], out);
    }
    ws_buf_adds(out, "};\n");
}

static void put_guards(exp_c_header *h, ws_buf *out)
{
    const exp_job *j = h->j;
    const spec *s = j->in->spec;
    ws_buf_adds(out, "    int bad = 0, code = 0;\n    memset(p, 0, sizeof *p);\n    (void)a;\n");
    for (int i = 0; i < s->n_dims; i++)
        ws_buf_printf(out, "    const int64_t d_%s = a->%s;\n", s->dim[i].name,
                      exp_c_field_of_dim(h, i));
    for (int i = 0; i < j->plan->n_tune; i++)
        ws_buf_printf(out, "    const int64_t d_%s = %" PRId64 ";\n    (void)d_%s;\n",
                      j->plan->tune[i].name, j->tune[i], j->plan->tune[i].name);
    for (int i = 0; i < s->n_dims; i++)
        ws_buf_printf(out, "    if (d_%s < %" PRId64 ")\n        return WARPSMITH_E_DIM - %d;\n",
                      s->dim[i].name, exp_least_extent(s, i), i);
    for (int i = 0; i < j->plan->n_require; i++) {
        ws_buf_adds(out, "    code = ");
        put_expr(h, j->plan->require[i].condition, out);
        ws_buf_printf(out,
                      " != 0 ? 0 : WARPSMITH_E_REQUIRE - %d;\n"
                      "    if (bad || code)\n        return bad ? WARPSMITH_E_OVERFLOW : code;\n",
                      i);
    }
}

static void put_scratch(const exp_c_header *h, ws_buf *out)
{
    const plan *p = h->j->plan;
    if (!p->n_scratch)
        return;
    ws_buf_adds(out, "    int64_t end = 0, count = 0;\n");
    for (int i = 0; i < p->n_scratch; i++) {
        ws_buf_adds(out, "    count = ");
        put_expr(h, p->scratch[i].count, out);
        ws_buf_printf(
            out,
            "; /* %s */\n    if (!bad && count < 1)\n        return WARPSMITH_E_SCRATCH;\n"
            "    p->scratch[%d] = (size_t)end;\n"
            "    count = %s_align(%s_mul(count, %zu, &bad), 256, &bad);\n"
            "    end = %s_add(end, count, &bad);\n",
            p->scratch[i].name, i, h->id, h->id, ws_dtype_bytes(p->scratch[i].dtype), h->id);
    }
    ws_buf_adds(out, "    p->workspace = (size_t)end;\n");
}

static void put_geometry(const exp_c_header *h, int i, ws_buf *out)
{
    const plan_launch *l = &h->j->plan->launch[i];
    ws_buf_printf(out, "    { /* %s */\n", l->kernel);
    put_three(h, "grid", l->grid, out);
    put_three(h, "block", l->block, out);
    if (l->cluster[0])
        put_three(h, "cluster", l->cluster, out);
    ws_buf_adds(out, "        const int64_t shared = ");
    put_expr(h, l->shared, out);
    ws_buf_printf(out,
                  ";\n        code = %s_geometry_of(&p->launch[%d], grid, block, %s, shared);\n",
                  h->id, i, l->cluster[0] ? "cluster" : "NULL");
    ws_buf_adds(out,
                "        if (bad || code)\n            return bad ? WARPSMITH_E_OVERFLOW : code;\n"
                "    }\n");
}

static const comp_kernel *kernel_of(const exp_job *j, const char *name)
{
    for (int k = 0; k < j->n_kernels; k++)
        if (strcmp(j->kernel[k].name, name) == 0)
            return &j->kernel[k];
    ws_bug("kernel '%s' was checked and is not there", name);
}

static void put_numbers(const exp_c_header *h, ws_buf *out)
{
    const exp_job *j = h->j;
    for (int l = 0, n = 0; l < j->plan->n_launches; l++)
        for (int i = 0; i < j->plan->launch[l].n_args; i++) {
            const plan_arg *arg = &j->plan->launch[l].arg[i];
            const unsigned size = kernel_of(j, j->plan->launch[l].kernel)->param[i].size;
            if (arg->kind != PLAN_ARG_INT)
                continue;
            ws_buf_printf(out, "    p->number[%d] = ", n);
            put_expr(h, arg->value, out);
            ws_buf_adds(out, ";\n");
            if (size < 8)
                ws_buf_printf(out,
                              "    if (!%s_within(p->number[%d], %u))\n"
                              "        return WARPSMITH_E_NUMBER;\n",
                              h->id, n, size);
            n++;
        }
}

static void put_plan(exp_c_header *h, ws_buf *out)
{
    put_guards(h, out);
    put_scratch(h, out);
    for (int i = 0; i < h->j->plan->n_launches; i++)
        put_geometry(h, i, out);
    put_numbers(h, out);
    exp_c_put_maps(h->j, &h->style, h->id, out);
    ws_buf_adds(out, "    return bad ? WARPSMITH_E_OVERFLOW : 0;");
}

static void put_variant_of(const exp_c_header *h, ws_buf *out)
{
    const exp_job *j = h->j;
    const spec *s = j->in->spec;
    int baked = 0;
    for (int i = 0; i < s->n_dims; i++)
        baked += j->baked[i];
    if (!baked) {
        ws_buf_adds(out, "    (void)a; /* they serve all extents */\n    return 0;");
        return;
    }
    ws_buf_printf(out, "    static const int64_t extents[%d][%d] = {", j->n_variants, baked);
    for (int v = 0; v < j->n_variants; v++) {
        ws_buf_adds(out, v ? ", {" : "{");
        for (int i = 0, n = 0; i < s->n_dims; i++)
            if (j->baked[i])
                ws_buf_printf(out, n++ ? ", %" PRId64 : "%" PRId64, j->variant[v].dim[i]);
        ws_buf_addc(out, '}');
    }
    ws_buf_printf(out, "};\n    for (int i = 0; i < %d; i++)\n        if (", j->n_variants);
    for (int i = 0, n = 0; i < s->n_dims; i++)
        if (j->baked[i]) {
            ws_buf_printf(out, "%sa->%s == extents[i][%d]", n ? " && " : "",
                          exp_c_field_of_dim(h, i), n);
            n++;
        }
    ws_buf_adds(out, ")\n            return i;\n    return -1;");
}

/* ---- binaries ---- */

static void put_images(const exp_c_header *h, ws_buf *out)
{
    const exp_job *j = h->j;
    for (int i = 0; i < j->n_images; i++) {
        ws_buf_printf(out,
                      "static const char *const %s_image_%d[] = {\n    /* warpsmith-image %d */\n",
                      h->id, i, i);
        exp_put_literals(j->image[i].data, j->image[i].n, "    ", EXP_C_PIECE, out);
        ws_buf_adds(out, "};\n");
    }
    ws_buf_printf(out, "static const %s_image %s_images[] = {\n", h->id, h->id);
    for (int i = 0; i < j->n_images; i++) {
        const exp_image *m = &j->image[i];
        ws_buf_printf(out,
                      "    {%s_image_%d, %zu, %d, '%c', %d, %d}, /* %s for %s, extents: %s */\n",
                      h->id, i, m->n, m->capability, m->kind, m->is_ptx, m->variant,
                      m->is_ptx ? "PTX" : "cubin", m->arch, j->variant[m->variant].what);
    }
    ws_buf_printf(out, "};\nstatic const char *const %s_kernel_names[] = {", h->id);
    for (int k = 0; k < h->n_kernels; k++)
        ws_buf_printf(out, "%s\"%s\"", k ? ", " : "", h->kernel[k]);
    ws_buf_adds(out, "};\n");
}

static void list_kernels(exp_c_header *h)
{
    const plan *p = h->j->plan;
    h->kernel = WS_ARENA_NEW(&h->j->arena, const char *, p->n_launches);
    for (int i = 0; i < p->n_launches; i++) {
        int k = 0;
        while (k < h->n_kernels && strcmp(h->kernel[k], p->launch[i].kernel) != 0)
            k++;
        if (k == h->n_kernels)
            h->kernel[h->n_kernels++] = p->launch[i].kernel;
    }
}

/* ---- the launch ---- */

void exp_c_put_float(double v, ws_buf *out)
{
    if (isnan(v))
        ws_buf_adds(out, "__builtin_nan(\"\")");
    else if (isinf(v))
        ws_buf_printf(out, "%s__builtin_inf()", v < 0 ? "-" : "");
    else
        ws_buf_printf(out, "%.17g", v);
}

static void put_value(const exp_c_header *h, const plan_arg *arg, unsigned size, int *number,
                      ws_buf *out)
{
    switch (arg->kind) {
    case PLAN_ARG_TENSOR:
        ws_buf_printf(out, "%s_pointer(a->%s, 0)", h->id, exp_c_field_of_tensor(h, arg->index));
        break;
    case PLAN_ARG_SCRATCH:
        ws_buf_printf(out, "%s_pointer(a->workspace, p.scratch[%d])", h->id, arg->index);
        break;
    case PLAN_ARG_INT:
        ws_buf_printf(out, "%s_integer(p.number[%d])", h->id, (*number)++);
        break;
    case PLAN_ARG_FLOAT:
        ws_buf_printf(out, "%s_float(", h->id);
        exp_c_put_float(arg->number, out);
        ws_buf_printf(out, ", %u)", size);
        break;
    case PLAN_ARG_MAP:
        break; /* put_map */
    }
}

/* Map `number` of the plan, as argument `arg`. */
static void put_map(const exp_c_header *h, const plan_map *m, int number, int arg, ws_buf *out)
{
    const char *base =
        m->is_scratch
            ? ws_arena_printf(&h->j->arena, "(const char *)a->workspace + p.scratch[%d]", m->index)
            : ws_arena_printf(&h->j->arena, "a->%s", exp_c_field_of_tensor(h, m->index));
    exp_c_put_map_value(m, number, arg, h->id, base, out);
}

static void put_launches(const exp_c_header *h, ws_buf *out)
{
    const exp_job *j = h->j;
    int number = 0, maps = 0;
    for (int i = 0; i < j->plan->n_launches; maps += j->plan->launch[i++].n_maps) {
        const plan_launch *l = &j->plan->launch[i];
        const comp_kernel *k = kernel_of(j, l->kernel);
        int index = 0;
        while (strcmp(h->kernel[index], l->kernel) != 0)
            index++;
        for (int n = 0; n < l->n_args; n++) {
            if (l->arg[n].kind == PLAN_ARG_MAP) {
                put_map(h, &l->map[l->arg[n].index], maps + l->arg[n].index, n, out);
                continue;
            }
            ws_buf_printf(out, "    v[%d] = ", n);
            put_value(h, &l->arg[n], k->param[n].size, &number, out);
            ws_buf_adds(out, ";\n");
        }
        ws_buf_printf(out,
                      "    code = %s_run(d, l->kernel[%d], &p.launch[%d], %d, v, %d, a->stream);\n"
                      "    if (code)\n        return code;\n",
                      h->id, index, i, l->cooperative, l->n_args);
    }
    out->n--; /* the template has the newline */
}

static void put_workspace_check(const exp_c_header *h, ws_buf *out)
{
    ws_buf_adds(out, h->j->plan->n_scratch
                         ? "    if (!a->workspace || a->workspace_bytes < p->workspace)\n"
                           "        return WARPSMITH_E_WORKSPACE;\n"
                           "    if ((uintptr_t)a->workspace % 256)\n"
                           "        return WARPSMITH_E_ALIGNMENT;"
                         : "    (void)p;");
}

/* ---- texts ---- */

static void put_shape_text(exp_c_header *h, ws_buf *out)
{
    const exp_job *j = h->j;
    ws_buf text = {0};
    ws_buf_adds(&text, "the binaries are compiled for ");
    for (int v = 0; v < j->n_variants && text.n < MAX_SHAPE_TEXT; v++)
        ws_buf_printf(&text, "%s%s", v ? "; " : "", j->variant[v].what);
    ws_buf_adds(&text, " alone; warpsmith export --shape adds others");
    exp_c_put_string(ws_buf_z(&text), out);
    ws_buf_release(&text);
}

static void put_guard_texts(exp_c_header *h, ws_buf *out)
{
    const spec *s = h->j->in->spec;
    for (int i = 0; i < s->n_dims; i++)
        ws_buf_printf(out, "        {WARPSMITH_E_DIM - %d, \"%s must be at least %" PRId64 "\"},\n",
                      i, s->dim[i].name, exp_least_extent(s, i));
    for (int i = 0; i < h->j->plan->n_require; i++) {
        ws_buf_printf(out, "        {WARPSMITH_E_REQUIRE - %d, ", i);
        exp_c_put_string(
            ws_arena_printf(&h->j->arena, "the kernel requires %s", h->j->plan->require[i].text),
            out);
        ws_buf_adds(out, "},\n");
    }
    out->n -= out->n > 0; /* the template has the newline */
}

/* ---- put together ---- */

static int most_args(const exp_job *j)
{
    int most = 1;
    for (int i = 0; i < j->plan->n_launches; i++)
        if (j->plan->launch[i].n_args > most)
            most = j->plan->launch[i].n_args;
    return most;
}

static int count_integers(const exp_job *j)
{
    int n = 0;
    for (int l = 0; l < j->plan->n_launches; l++)
        for (int i = 0; i < j->plan->launch[l].n_args; i++)
            n += j->plan->launch[l].arg[i].kind == PLAN_ARG_INT;
    return n;
}

static void put_tensor_list(const exp_c_header *h, ws_buf *out)
{
    for (int i = 0; i < h->j->n_tensors; i++)
        ws_buf_printf(out, "%sa->%s", i ? ", " : "", exp_c_field_of_tensor(h, i));
}

static bool put_number(const exp_c_header *h, const char *name, ws_buf *out)
{
    const exp_job *j = h->j;
    const struct {
        const char *name;
        size_t value;
    } numbers[] = {{"n_kernels", (size_t)h->n_kernels},
                   {"n_scratch", (size_t)(j->plan->n_scratch ? j->plan->n_scratch : 1)},
                   {"n_launches", (size_t)j->plan->n_launches},
                   {"n_numbers", (size_t)(count_integers(j) ? count_integers(j) : 1)},
                   {"n_maps", (size_t)exp_map_count(j)},
                   {"n_images", (size_t)j->n_images},
                   {"max_args", (size_t)most_args(j)},
                   {"n_tensors", (size_t)j->n_tensors},
                   {"n_given", (size_t)exp_given_count(j)},
                   {"n_outputs", (size_t)j->in->spec->n_outputs},
                   {"piece", EXP_C_PIECE}};
    for (size_t i = 0; i < WS_COUNT(numbers); i++)
        if (strcmp(numbers[i].name, name) == 0) {
            ws_buf_printf(out, "%zu", numbers[i].value);
            return true;
        }
    return false;
}

static void put_macros_on(const exp_c_header *h, ws_buf *out)
{
    put_macros(h, true, out);
}

static void put_macros_off(const exp_c_header *h, ws_buf *out)
{
    put_macros(h, false, out);
}

static void put_source(const exp_c_header *h, ws_buf *out)
{
    const char *source = h->j->in->candidate->source;
    exp_put_literals(source, strlen(source), "        ", EXP_C_PIECE, out);
}

static void put(const exp_filler *f, const char *name, ws_buf *out)
{
    static const struct {
        const char *name;
        void (*fixed)(const exp_c_header *h, ws_buf *out);
        void (*other)(exp_c_header *h, ws_buf *out);
    } parts[] = {{"macros_on", put_macros_on, NULL},
                 {"macros_off", put_macros_off, NULL},
                 {"arg_fields", put_fields, NULL},
                 {"hashes", put_hashes, NULL},
                 {"aliases", put_aliases, NULL},
                 {"plan_body", NULL, put_plan},
                 {"variant_body", put_variant_of, NULL},
                 {"images", put_images, NULL},
                 {"launch_body", put_launches, NULL},
                 {"workspace_check", put_workspace_check, NULL},
                 {"tensor_list", put_tensor_list, NULL},
                 {"shape_text", NULL, put_shape_text},
                 {"guard_texts", NULL, put_guard_texts},
                 {"test_tables", exp_c_put_test_tables, NULL},
                 {"test_dims", exp_c_put_test_dims, NULL},
                 {"test_pointers", exp_c_put_test_pointers, NULL},
                 {"source", put_source, NULL},
                 {"host_bytes", exp_c_put_host_bytes, NULL},
                 {"passed_text", NULL, exp_c_put_passed},
                 {"notest_text", NULL, exp_c_put_notest},
                 {"test_shape", NULL, exp_c_put_test_shape}};
    exp_c_header *h = f->ud;
    for (size_t i = 0; i < WS_COUNT(parts); i++)
        if (strcmp(parts[i].name, name) == 0) {
            if (parts[i].fixed)
                parts[i].fixed(h, out);
            else
                parts[i].other(h, out);
            return;
        }
    if (strcmp(name, "id") == 0)
        ws_buf_adds(out, h->id);
    else if (strcmp(name, "ID") == 0)
        ws_buf_adds(out, h->upper);
    else if (!put_number(h, name, out))
        ws_bug("a template asks for '%s'", name);
}

static bool has(const exp_filler *f, const char *name)
{
    const exp_c_header *h = f->ud;
    if (strcmp(name, "maps") == 0)
        return exp_map_count(h->j) > 0;
    return (strcmp(name, "test") == 0) == !h->test.missing;
}

static void put_usage(const exp_c_header *h, ws_buf *out)
{
    const exp_job *j = h->j;
    const char *z = j->name;
    ws_buf_printf(out, " *     %s_args a = {0};  // C++: %s_args a = {};\n *     ", z, z);
    for (int i = 0; i < j->n_tensors; i++)
        ws_buf_printf(out, "a.%s = ...; ", exp_c_field_of_tensor(h, i));
    for (int i = 0; i < j->in->spec->n_dims; i++)
        ws_buf_printf(out, "a.%s = %" PRId64 "; ", exp_c_field_of_dim(h, i),
                      j->in->spec->dim[i].value);
    if (j->plan->n_scratch)
        ws_buf_printf(out, "\n *     %s_workspace(&a, &a.workspace_bytes); a.workspace = ...; ", z);
    ws_buf_printf(out, "\n *     int code = %s_launch(&a);  // %s_error(code) says what it means\n",
                  z, z);
}

static ws_status put_head(exp_c_header *h, ws_buf *out, ws_err *err)
{
    exp_job *j = h->j;
    ws_buf_printf(out, "/* %s.h: %s.\n", j->name,
                  exp_safe(j, j->in->spec->title ? j->in->spec->title : j->in->spec->name));
    ws_buf_adds(
        out, " * A CUDA kernel with its launcher, exported by Warpsmith. C11 or C++17 with gcc or "
             "clang; "
             "needs a CUDA driver\n * and no toolkit: libcuda.so.1, or what WARPSMITH_CUDA_DRIVER "
             "names, is loaded at the first call.\n *\n");
    put_usage(h, out);
    ws_buf_adds(
        out, " *\n * Include it wherever it is needed: the linker keeps one copy of each function. "
             "WARPSMITH_DECLARATIONS_ONLY leaves\n * out all but the declarations, "
             "WARPSMITH_LINK_CUDA takes the driver from <cuda.h> and the linker.\n *\n"
             " * Evidence:\n");
    j->out = out;
    ws_status st = exp_put_evidence_rows(j, err);
    ws_buf_adds(out, " *\n");
    if (!st)
        st = exp_put_evidence_json(j, " * ", out, err);
    ws_buf_adds(
        out,
        " *\n * Licence: the launcher and this comment are Warpsmith's and may be used under "
        "Apache-2.0. The kernels\n * were written as said above; where a model wrote them, its "
        "provider's terms for output apply.\n */\n");
    return st;
}

void exp_c_describe(exp_job *j, exp_c_api *out)
{
    const exp_c_header h = {.j = j};
    const int n_dims = j->in->spec->n_dims;
    *out = (exp_c_api){.n = j->n_tensors + n_dims, .has_workspace = j->plan->n_scratch > 0};
    snprintf(out->id, sizeof out->id, "%s_%s", j->name, j->tag);
    out->type = WS_ARENA_NEW(&j->arena, const char *, out->n + 1);
    out->name = WS_ARENA_NEW(&j->arena, const char *, out->n + 1);
    out->comment = WS_ARENA_NEW(&j->arena, const char *, out->n + 1);
    for (int i = 0; i < out->n; i++) {
        const bool is_dim = i >= j->n_tensors;
        ws_buf text = {0};
        if (!is_dim) {
            ws_buf_printf(&text, "%s %s ", j->tensor[i].role, ws_dtype_name(j->tensor[i].dtype));
            exp_put_tensor_shape(&j->tensor[i], &text);
        }
        out->type[i] = is_dim ? "int64_t " : exp_c_type_of_tensor(&h, i);
        out->name[i] =
            is_dim ? exp_c_field_of_dim(&h, i - j->n_tensors) : exp_c_field_of_tensor(&h, i);
        out->comment[i] = ws_arena_strdup(&j->arena, text.n ? ws_buf_z(&text) : "");
        ws_buf_release(&text);
    }
}

ws_status exp_write_c(exp_job *j, ws_buf *out, ws_err *err)
{
    exp_c_header h = {.j = j};
    snprintf(h.id, sizeof h.id, "%s_%s", j->name, j->tag);
    for (size_t i = 0; i <= strlen(h.id); i++)
        h.upper[i] = (char)toupper((unsigned char)h.id[i]);
    h.style = (ws_expr_style){.call = ws_arena_printf(&j->arena, "%s_", h.id),
                              .tail = ", &bad",
                              .name = "d_",
                              .number = "LL"};
    list_kernels(&h);
    ws_status st = exp_compile(j, err);
    if (!st)
        st = exp_case_make(j, &h.test, err);
    if (!st)
        st = put_head(&h, out, err);
    if (!st)
        st = exp_fill(&(exp_filler){.j = j, .ud = &h, .put = put, .has = has}, "header.in", out,
                      err);
    exp_case_release(&h.test);
    return st;
}
