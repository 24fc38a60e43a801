/* The launcher in Python: what results/templates/launcher.py and torch_op.py leave open. */
#include "results/export_python.h"
#include "results/export_maps.h"

#include "base/json.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static const ws_expr_style python = {
    .call = "_", .tail = "", .name = "d_", .number = "", .python = true};

/* ---- names ---- */

const char *exp_py_name(exp_job *j, const char *z)
{
    /* Words of the language, and what the launcher's public function uses inside. */
    static const char *const taken[] = {
        "False",     "None",    "True",    "and",        "as",       "assert",     "async",
        "await",     "break",   "class",   "continue",   "def",      "del",        "elif",
        "else",      "except",  "finally", "for",        "from",     "global",     "if",
        "import",    "in",      "is",      "lambda",     "nonlocal", "not",        "or",
        "pass",      "raise",   "return",  "try",        "while",    "with",       "yield",
        "out",       "extents", "given",   "dims",       "torch",    "result",     "all",
        "any",       "map",     "len",     "isinstance", "list",     "tuple",      "self",
        "plan",      "shapes",  "launch",  "driver",     "register", "contextlib", "ctypes",
        "importlib", "os",      "sys"};
    for (size_t i = 0; i < WS_COUNT(taken); i++)
        if (strcmp(z, taken[i]) == 0)
            return ws_arena_printf(&j->arena, "%s_", z);
    return z[0] == '_' ? ws_arena_printf(&j->arena, "t%s", z) : z;
}

void exp_py_string(const char *z, ws_buf *out)
{
    ws_buf_addc(out, '"');
    for (; *z; z++) {
        if (*z == '"' || *z == '\\')
            ws_buf_printf(out, "\\%c", *z);
        else if ((unsigned char)*z < 0x20 || (unsigned char)*z > 0x7e)
            ws_buf_addc(out, ' ');
        else
            ws_buf_addc(out, *z);
    }
    ws_buf_addc(out, '"');
}

bool exp_axis_of_dim(const exp_job *j, int dim, int *tensor, int *axis)
{
    bool found = false;
    for (int t = 0; t < exp_given_count(j) && !found; t++)
        for (int a = 0; a < j->tensor[t].rank && !found; a++) {
            ws_buf text = {0};
            ws_expr_print(j->tensor[t].dim[a], &text);
            /* Of e2m1 the last extent in memory is another one. */
            found = strcmp(ws_buf_z(&text), j->in->spec->dim[dim].name) == 0 &&
                    !(j->tensor[t].dtype == WS_E2M1 && a == j->tensor[t].rank - 1);
            ws_buf_release(&text);
            if (found)
                *tensor = t, *axis = a;
        }
    return found;
}

static void put_expr(const ws_expr *e, ws_buf *out)
{
    ws_expr_to_calls(e, &python, out);
}

/* ---- small tables ---- */

/* ("B", "N",): right for none and for one, too */
static void put_dims_tuple(const exp_job *j, bool baked_only, ws_buf *out)
{
    ws_buf_addc(out, '(');
    for (int i = 0, n = 0; i < j->in->spec->n_dims; i++)
        if (!baked_only || j->baked[i])
            ws_buf_printf(out, "%s\"%s\",", n++ ? " " : "", j->in->spec->dim[i].name);
    ws_buf_addc(out, ')');
}

static void put_tuned(const exp_job *j, ws_buf *out)
{
    ws_buf_addc(out, '{');
    for (int i = 0; i < j->in->spec->n_dims; i++)
        ws_buf_printf(out, "%s\"%s\": %" PRId64, i ? ", " : "", j->in->spec->dim[i].name,
                      j->in->spec->dim[i].value);
    ws_buf_addc(out, '}');
}

static void put_dims_list(const exp_job *j, ws_buf *out)
{
    for (int i = 0; i < j->in->spec->n_dims; i++)
        ws_buf_printf(out, "%sd_%s", i ? ", " : "", j->in->spec->dim[i].name);
}

static void put_given_list(exp_job *j, ws_buf *out)
{
    for (int i = 0; i < exp_given_count(j); i++)
        ws_buf_printf(out, "%s%s", i ? ", " : "", exp_py_name(j, j->tensor[i].name));
}

static void put_tensor_rows(const exp_job *j, ws_buf *out)
{
    for (int i = 0; i < j->n_tensors; i++)
        ws_buf_printf(out, "    (\"%s\", \"%s\", \"%s\"),%s", j->tensor[i].name, j->tensor[i].role,
                      ws_dtype_name(j->tensor[i].dtype), i + 1 < j->n_tensors ? "\n" : "");
}

static void put_shape_rows(const exp_job *j, ws_buf *out)
{
    for (int i = 0; i < j->n_tensors; i++) {
        ws_buf_adds(out, "        (");
        for (int a = 0; a < j->tensor[i].rank; a++) {
            ws_buf_adds(out, a ? " " : "");
            put_expr(j->tensor[i].dim[a], out);
            ws_buf_addc(out, ',');
        }
        ws_buf_printf(out, "),%s", i + 1 < j->n_tensors ? "\n" : "");
    }
}

static void put_outputs(const exp_job *j, ws_buf *out)
{
    ws_buf_addc(out, '(');
    for (int o = 0; o < j->in->spec->n_outputs; o++)
        for (int i = 0; i < j->n_tensors; i++)
            if (j->tensor[i].output == o)
                ws_buf_printf(out, "%s%d,", o ? " " : "", i);
    ws_buf_addc(out, ')');
}

/* ---- the plan ---- */

static void put_need(const char *text, ws_buf *out)
{
    ws_buf_adds(out, ",\n          ");
    exp_py_string(text, out);
    ws_buf_adds(out, ")\n");
}

static void put_guards(exp_job *j, ws_buf *out)
{
    const spec *s = j->in->spec;
    for (int i = 0; i < j->plan->n_tune; i++)
        ws_buf_printf(out, "    d_%s = %" PRId64 "\n", j->plan->tune[i].name, j->tune[i]);
    for (int i = 0; i < s->n_dims; i++)
        ws_buf_printf(out, "    _need(d_%s >= %" PRId64 ", \"%s must be at least %" PRId64 "\")\n",
                      s->dim[i].name, exp_least_extent(s, i), s->dim[i].name,
                      exp_least_extent(s, i));
    for (int i = 0; i < j->plan->n_require; i++) {
        ws_buf_adds(out, "    _need(");
        put_expr(j->plan->require[i].condition, out);
        put_need(ws_arena_printf(&j->arena, "requires %s", j->plan->require[i].text), out);
    }
}

static void put_scratch(const exp_job *j, ws_buf *out)
{
    ws_buf_adds(out, "    end = 0\n");
    for (int i = 0; i < j->plan->n_scratch; i++) {
        const plan_scratch *s = &j->plan->scratch[i];
        ws_buf_adds(out, "    count = ");
        put_expr(s->count, out);
        ws_buf_printf(out,
                      "\n    _need(count >= 1, \"scratch '%s' would be empty\")\n"
                      "    at_%d, end = end, _add(end, _align(_mul(count, %zu), 256))\n",
                      s->name, i, ws_dtype_bytes(s->dtype));
    }
}

static void put_three(const ws_expr *const e[3], ws_buf *out)
{
    for (int i = 0; i < 3; i++) {
        ws_buf_adds(out, i ? ", " : "(");
        put_expr(e[i], out);
    }
    ws_buf_addc(out, ')');
}

/* _map("name", bytes, is_im2col, offset=0, dim=(d_N, ), ...) */
static void put_map(exp_job *j, const plan_map *m, ws_buf *out)
{
    exp_map_field field[EXP_MAP_FIELDS];
    const int n = exp_map_fields(j, m, field);
    ws_buf_printf(out, "\n            _map(\"%s\", %d, %s", m->name, exp_map_bytes(m),
                  m->is_im2col ? "True" : "False");
    for (int f = 0; f < n; f++) {
        ws_buf_printf(out, ", %s=%s", field[f].name, field[f].is_array ? "(" : "");
        for (int i = 0; i < field[f].n; i++) {
            put_expr(field[f].e[i], out);
            ws_buf_adds(out, field[f].is_array ? ", " : "");
        }
        ws_buf_adds(out, field[f].is_array ? ")" : "");
    }
    ws_buf_adds(out, "), ");
}

static void put_geometry(exp_job *j, const plan_launch *l, ws_buf *out)
{
    ws_buf_printf(out, "        (_extents(\"%s\", \"grid\", ", l->kernel);
    put_three(l->grid, out);
    ws_buf_printf(out, ", (2147483647, 65535, 65535)),\n         _block(\"%s\", ", l->kernel);
    put_three(l->block, out);
    ws_buf_adds(out, "), ");
    if (l->cluster[0]) {
        ws_buf_printf(out, "_extents(\"%s\", \"cluster\", ", l->kernel);
        put_three(l->cluster, out);
        ws_buf_adds(out, ", (8, 8, 8))");
    } else {
        ws_buf_adds(out, "None");
    }
    ws_buf_printf(out, ", _shared(\"%s\", ", l->kernel);
    put_expr(l->shared, out);
    ws_buf_adds(out, "), (");
    for (int i = 0; i < l->n_args; i++)
        if (l->arg[i].kind == PLAN_ARG_INT) {
            put_expr(l->arg[i].value, out);
            ws_buf_adds(out, ", ");
        }
    ws_buf_addc(out, ')');
    if (exp_map_count(j)) {
        ws_buf_adds(out, ", (");
        for (int i = 0; i < l->n_maps; i++)
            put_map(j, &l->map[i], out);
        ws_buf_addc(out, ')');
    }
    ws_buf_adds(out, "),\n");
}

static void put_plan(exp_job *j, ws_buf *out)
{
    put_guards(j, out);
    put_scratch(j, out);
    ws_buf_adds(out, "    return end, (");
    for (int i = 0; i < j->plan->n_scratch; i++)
        ws_buf_printf(out, "at_%d, ", i);
    ws_buf_adds(out, "), (\n");
    for (int i = 0; i < j->plan->n_launches; i++)
        put_geometry(j, &j->plan->launch[i], out);
    ws_buf_adds(out, "    )");
}

static void put_float(double v, ws_buf *out)
{
    if (isnan(v))
        ws_buf_adds(out, "float(\"nan\")");
    else if (isinf(v))
        ws_buf_printf(out, "float(\"%sinf\")", v < 0 ? "-" : "");
    else
        ws_buf_printf(out, "float(\"%.17g\")", v);
}

static const comp_kernel *kernel_of(const exp_job *j, const char *name)
{
    for (int k = 0; k < j->n_kernels; k++)
        if (strcmp(j->kernel[k].name, name) == 0)
            return &j->kernel[k];
    ws_bug("kernel '%s' was checked and is not there", name);
}

static void put_launch_rows(const exp_job *j, ws_buf *out)
{
    for (int i = 0; i < j->plan->n_launches; i++) {
        const plan_launch *l = &j->plan->launch[i];
        const comp_kernel *k = kernel_of(j, l->kernel);
        ws_buf_printf(out, "    (\"%s\", %s, (", l->kernel, l->cooperative ? "True" : "False");
        for (int a = 0; a < l->n_args; a++) {
            const plan_arg *arg = &l->arg[a];
            if (arg->kind == PLAN_ARG_TENSOR || arg->kind == PLAN_ARG_SCRATCH)
                ws_buf_printf(out, "(\"%c\", %d), ", arg->kind == PLAN_ARG_TENSOR ? 't' : 's',
                              arg->index);
            else if (arg->kind == PLAN_ARG_INT)
                ws_buf_printf(out, "(\"i\", %u), ", k->param[a].size);
            else if (arg->kind == PLAN_ARG_MAP)
                ws_buf_printf(out, "(\"m\", %d, %d, %d, \"%c\", %d), ", arg->index,
                              exp_map_type(&l->map[arg->index]), l->map[arg->index].fills_nan,
                              l->map[arg->index].is_scratch ? 's' : 't',
                              l->map[arg->index].index);
            else {
                ws_buf_printf(out, "(\"f\", %u, ", k->param[a].size);
                put_float(arg->number, out);
                ws_buf_adds(out, "), ");
            }
        }
        ws_buf_printf(out, ")),%s", i + 1 < j->plan->n_launches ? "\n" : "");
    }
}

/* ---- binaries ---- */

static void put_variant_rows(const exp_job *j, ws_buf *out)
{
    for (int v = 0; v < j->n_variants; v++) {
        ws_buf_adds(out, "    (");
        for (int i = 0; i < j->in->spec->n_dims; i++)
            if (j->baked[i])
                ws_buf_printf(out, "%" PRId64 ", ", j->variant[v].dim[i]);
        ws_buf_printf(out, "),%s", v + 1 < j->n_variants ? "\n" : "");
    }
}

static void put_image_rows(const exp_job *j, ws_buf *out)
{
    for (int i = 0; i < j->n_images; i++) {
        const exp_image *im = &j->image[i];
        ws_buf_printf(out, "    (\"%s\", %d, \"%.*s\", %d,\n     # warpsmith-image %d\n",
                      im->is_ptx ? "ptx" : "cubin", im->capability, im->kind != ' ', &im->kind,
                      im->variant, i);
        exp_put_literals(im->data, im->n, "     b", 0, out);
        ws_buf_printf(out, "     ),%s", i + 1 < j->n_images ? "\n" : "");
    }
}

static void put_source_rows(const exp_job *j, ws_buf *out)
{
    ws_buf_adds(out, "    # warpsmith-source\n");
    exp_put_literals(j->in->candidate->source, strlen(j->in->candidate->source), "    b", 0, out);
    out->n--; /* the template has the newline */
}

/* ---- dims ---- */

static void put_dims_body(exp_job *j, ws_buf *out)
{
    const spec *s = j->in->spec;
    int tensor, axis, n = 0;
    ws_buf_adds(out, "    _need(set(extents) <= {");
    for (int i = 0; i < s->n_dims; i++)
        if (!exp_axis_of_dim(j, i, &tensor, &axis))
            ws_buf_printf(out, "%s\"%s\"", n++ ? ", " : "", s->dim[i].name);
    ws_buf_printf(out, "%s}, f\"takes no extent {sorted(extents)}\")\n    return (",
                  n ? "" : "*()");
    for (int i = 0; i < s->n_dims; i++) {
        if (exp_axis_of_dim(j, i, &tensor, &axis))
            ws_buf_printf(out, "_axis(%s, %d, %d, %d), ", exp_py_name(j, j->tensor[tensor].name),
                          tensor, j->tensor[tensor].rank, axis);
        else
            ws_buf_printf(out, "extents.get(\"%s\", TUNED[\"%s\"]), ", s->dim[i].name,
                          s->dim[i].name);
    }
    ws_buf_addc(out, ')');
}

/* ---- the operator ---- */

static bool has_outputs(const exp_job *j)
{
    return j->n_tensors > exp_given_count(j);
}

static void put_schema(exp_job *j, ws_buf *out)
{
    int tensor, axis;
    ws_buf_addc(out, '(');
    for (int i = 0, n = 0; i < exp_given_count(j); i++) {
        bool written = strcmp(j->tensor[i].role, "inout") == 0;
        ws_buf_printf(out, "%sTensor", i ? ", " : "");
        if (written)
            ws_buf_printf(out, "(%c!)", 'a' + n++ % 26);
        ws_buf_printf(out, " %s", exp_py_name(j, j->tensor[i].name));
    }
    for (int i = 0; i < j->in->spec->n_dims; i++)
        if (!exp_axis_of_dim(j, i, &tensor, &axis))
            ws_buf_printf(out, ", int extent_%s=%" PRId64, j->in->spec->dim[i].name,
                          j->in->spec->dim[i].value);
    ws_buf_adds(out, ") -> (");
    for (int i = exp_given_count(j); i < j->n_tensors; i++)
        ws_buf_adds(out, i > exp_given_count(j) ? ", Tensor" : "Tensor");
    ws_buf_addc(out, ')');
}

static void put_op_dims(const exp_job *j, ws_buf *out)
{
    int tensor, axis;
    ws_buf_addc(out, '(');
    for (int i = 0; i < j->in->spec->n_dims; i++)
        if (!exp_axis_of_dim(j, i, &tensor, &axis))
            ws_buf_printf(out, "\"%s\", ", j->in->spec->dim[i].name);
    ws_buf_addc(out, ')');
}

static void put_mutates(exp_job *j, ws_buf *out)
{
    ws_buf_addc(out, '(');
    for (int i = 0; i < exp_given_count(j); i++)
        if (strcmp(j->tensor[i].role, "inout") == 0)
            ws_buf_printf(out, "\"%s\", ", exp_py_name(j, j->tensor[i].name));
    ws_buf_addc(out, ')');
}

static void put_doc(exp_job *j, ws_buf *out)
{
    const spec *s = j->in->spec;
    char *title = ws_arena_strdup(&j->arena, exp_safe(j, s->title ? s->title : s->name));
    for (char *p = title; *p; p++)
        *p = *p == '"' ? '\'' : *p;
    ws_buf_printf(out, "%s.\n\n", title);
    for (int i = 0; i < j->n_tensors; i++) {
        ws_buf_printf(out, "    %s: %s %s ", j->tensor[i].name, j->tensor[i].role,
                      ws_dtype_name(j->tensor[i].dtype));
        exp_put_tensor_shape(&j->tensor[i], out);
        ws_buf_addc(out, '\n');
    }
    ws_buf_adds(out, has_outputs(j)
                         ? "\n    Returns the outputs, written to `out` where it is given. "
                         : "\n    Writes in place. ");
    ws_buf_adds(out, "Tensors are torch's, or anything with data_ptr,\n"
                     "    shape and dtype. KernelError says why a shape or a tensor is refused.");
}

/* ---- put together ---- */

static void put(const exp_filler *f, const char *name, ws_buf *out)
{
    static const struct {
        const char *name;
        void (*plain)(const exp_job *j, ws_buf *out);
        void (*with_arena)(exp_job *j, ws_buf *out);
    } parts[] = {{"tuned_dict", put_tuned, NULL},        {"tensor_rows", put_tensor_rows, NULL},
                 {"dims_list", put_dims_list, NULL},     {"shape_rows", put_shape_rows, NULL},
                 {"launch_rows", put_launch_rows, NULL}, {"variant_rows", put_variant_rows, NULL},
                 {"image_rows", put_image_rows, NULL},   {"source_rows", put_source_rows, NULL},
                 {"outputs_tuple", put_outputs, NULL},   {"op_dims", put_op_dims, NULL},
                 {"plan_body", NULL, put_plan},          {"dims_body", NULL, put_dims_body},
                 {"given_list", NULL, put_given_list},   {"op_schema", NULL, put_schema},
                 {"mutates_tuple", NULL, put_mutates},   {"function_doc", NULL, put_doc}};
    exp_job *j = f->j;
    for (size_t i = 0; i < WS_COUNT(parts); i++)
        if (strcmp(parts[i].name, name) == 0) {
            if (parts[i].plain)
                parts[i].plain(j, out);
            else
                parts[i].with_arena(j, out);
            return;
        }
    if (strcmp(name, "name") == 0)
        ws_buf_adds(out, j->name);
    else if (strcmp(name, "function") == 0)
        ws_buf_adds(out, exp_py_name(j, j->name));
    else if (strcmp(name, "id") == 0)
        ws_buf_printf(out, "%s_%s", j->name, j->tag);
    else if (strcmp(name, "dims_tuple") == 0)
        put_dims_tuple(j, false, out);
    else if (strcmp(name, "baked_tuple") == 0)
        put_dims_tuple(j, true, out);
    else
        ws_bug("a template asks for '%s'", name);
}

static bool has(const exp_filler *f, const char *name)
{
    return strcmp(name, "maps") == 0 && exp_map_count(f->j) > 0;
}

ws_status exp_py_head(exp_job *j, const char *file, const char *usage, ws_buf *out, ws_err *err)
{
    const spec *s = j->in->spec;
    ws_buf_printf(out, "# %s: %s.\n", file, exp_safe(j, s->title ? s->title : s->name));
    ws_buf_printf(out, "# A CUDA kernel with its launcher, exported by Warpsmith. %s#\n", usage);
    if (exp_put_evidence_json(j, "# ", out, err))
        return err->status;
    ws_buf_adds(
        out,
        "#\n# The kernel was checked at the shapes under \"checked\". Licence: the launcher is "
        "Warpsmith's and may be used\n# under Apache-2.0; where a model wrote the kernels, "
        "its provider's terms for output apply.\n\n");
    return WS_OK;
}

ws_status exp_py_launcher(exp_job *j, ws_buf *out, ws_err *err)
{
    return exp_fill(&(exp_filler){.j = j, .put = put, .has = has}, "launcher.py", out, err);
}

ws_status exp_write_torch(exp_job *j, ws_buf *out, ws_err *err)
{
    ws_buf usage = {0};
    const char *name = exp_py_name(j, j->name);
    if (exp_compile(j, err))
        return err->status;
    ws_buf_printf(
        &usage,
        "It needs a CUDA driver (libcuda.so.1, or\n"
        "# what WARPSMITH_CUDA_DRIVER names) and nothing else; with torch its tensors, streams and "
        "operators.\n#\n#     import torch, %s\n#     ",
        name);
    put_given_list(j, &usage);
    ws_buf_printf(&usage, " -> %s.%s(", name, name);
    put_given_list(j, &usage);
    ws_buf_printf(&usage, ")\n#     torch.ops.warpsmith.%s_%s(...) is the same as an operator\n",
                  j->name, j->tag);
    ws_status st =
        exp_py_head(j, ws_arena_printf(&j->arena, "%s.py", j->name), ws_buf_z(&usage), out, err);
    ws_buf_release(&usage);
    if (!st)
        st = exp_py_launcher(j, out, err);
    return st ? st : exp_fill(&(exp_filler){.j = j, .put = put, .has = has}, "torch_op.py", out, err);
}
