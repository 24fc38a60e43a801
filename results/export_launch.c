/* The launch plan as C++: the expressions at a shape, the guards, the workspace, the launches. */
#include "results/export_maps.h"

#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- expressions ---- */

static bool is_dim(const exp_job *j, ws_str w)
{
    for (int i = 0; i < j->names.n_dims; i++)
        if (ws_str_eqz(w, j->names.dim[i]))
            return true;
    return false;
}

static void put_word(const exp_job *j, ws_str w, ws_buf *out)
{
    static const struct {
        const char *plan, *cpp;
    } functions[] = {
        {"min", "least"}, {"max", "most"}, {"ceil_div", "ceil_div"}, {"align", "align"}};
    if (is_dim(j, w)) {
        ws_buf_printf(out, "dim_%.*s", WS_STR_ARG(w));
        return;
    }
    for (int i = 0; i < j->plan->n_tune; i++)
        if (ws_str_eqz(w, j->plan->tune[i].name)) {
            ws_buf_printf(out, "tune_%.*s", WS_STR_ARG(w));
            return;
        }
    for (size_t i = 0; i < WS_COUNT(functions); i++)
        if (ws_str_eqz(w, functions[i].plan))
            ws_buf_printf(out, "detail::%s", functions[i].cpp);
}

/* The expression over detail::integer: names get their prefix, numbers their width, functions their
 * namespace. A name that is a function's is told by the parenthesis. */
static void put_expr(const exp_job *j, const ws_expr *e, ws_buf *out)
{
    ws_buf text = {0};
    ws_expr_print(e, &text);
    for (const char *p = ws_buf_z(&text); *p;) {
        const char *q = p;
        while (isalnum((unsigned char)*q) || *q == '_')
            q++;
        if (q == p) {
            ws_buf_addc(out, *p++);
            continue;
        }
        ws_str w = {p, (size_t)(q - p)};
        if (isdigit((unsigned char)*p))
            ws_buf_printf(out, "%.*sLL", WS_STR_ARG(w));
        else
            put_word(j, w, out);
        p = q;
    }
    ws_buf_release(&text);
}

/* Text as the inside of a C string literal. */
static void put_quoted(const char *z, ws_buf *out)
{
    for (; *z; z++) {
        if (*z == '"' || *z == '\\')
            ws_buf_addc(out, '\\');
        ws_buf_addc(out, isprint((unsigned char)*z) ? *z : ' ');
    }
}

/* ---- shape ---- */

static void put_shape(exp_job *j)
{
    const spec *s = j->in->spec;
    ws_buf_adds(j->out, "struct shape {\n");
    for (int i = 0; i < s->n_dims; i++)
        ws_buf_printf(j->out, "    long long %s;\n", s->dim[i].name);
    if (!s->n_dims)
        ws_buf_adds(j->out, "    /* the operation has no dimensions */\n");
    ws_buf_adds(j->out, "};\n/* The shape for which the kernel was chosen. */\n"
                        "inline shape tuned_shape()\n{\n    return shape{");
    for (int i = 0; i < s->n_dims; i++) {
        ws_buf_adds(j->out, i ? ", " : "");
        if (j->baked[i])
            ws_buf_printf(j->out, "WARPSMITH_%s_DIM_%s", j->upper, s->dim[i].name);
        else
            ws_buf_printf(j->out, "%" PRId64 "LL", s->dim[i].value);
    }
    ws_buf_adds(j->out, "};\n}\n\n");
}

/* ---- the plan at a shape ---- */

static int count_integers(const exp_job *j)
{
    int n = 0;
    for (int l = 0; l < j->plan->n_launches; l++)
        for (int i = 0; i < j->plan->launch[l].n_args; i++)
            n += j->plan->launch[l].arg[i].kind == PLAN_ARG_INT;
    return n;
}

static void put_bound_struct(exp_job *j)
{
    const plan *p = j->plan;
    ws_buf_adds(j->out, "/* The launch plan at one shape. */\nstruct bound {\n");
    for (int i = 0; i < p->n_scratch; i++)
        ws_buf_printf(j->out, "    std::size_t %s_at; /* offset in the workspace */\n",
                      p->scratch[i].name);
    ws_buf_adds(j->out, "    std::size_t workspace; /* bytes */\n");
    ws_buf_printf(j->out, "    geometry launch[%d];\n", p->n_launches);
    if (count_integers(j))
        ws_buf_printf(j->out,
                      "    long long number[%d]; /* integer arguments, in the plan's order */\n",
                      count_integers(j));
    if (exp_map_count(j))
        ws_buf_printf(j->out, "    detail::map map[%d];\n", exp_map_count(j));
    ws_buf_adds(j->out, "};\n\n");
}

static void put_names(exp_job *j)
{
    const spec *s = j->in->spec;
    for (int i = 0; i < s->n_dims; i++)
        ws_buf_printf(j->out, "    [[maybe_unused]] const integer dim_%s(s.%s, &bad);\n",
                      s->dim[i].name, s->dim[i].name);
    for (int i = 0; i < j->plan->n_tune; i++)
        ws_buf_printf(j->out, "    [[maybe_unused]] const integer tune_%s(%" PRId64 "LL, &bad);\n",
                      j->plan->tune[i].name, j->tune[i]);
}

/* A dimension is at least 1, except where the spec itself lists less (a padding of 0). */
int64_t exp_least_extent(const spec *s, int dim)
{
    int64_t least = 1, v;
    for (int c = -1; c < s->n_checks; c++) {
        ws_env env = spec_env(s, c);
        if (ws_env_find(&env, s->dim[dim].name, &v) && v < least)
            least = v;
    }
    return least;
}

static void put_guards(exp_job *j)
{
    const spec *s = j->in->spec;
    for (int i = 0; i < s->n_dims; i++)
        ws_buf_printf(j->out,
                      "    if (s.%s < %" PRId64 ")\n        return \"%s must be at least %" PRId64
                      "\";\n",
                      s->dim[i].name, exp_least_extent(s, i), s->dim[i].name, exp_least_extent(s, i));
    for (int i = 0; i < s->n_dims; i++) {
        if (!j->baked[i])
            continue;
        ws_buf_printf(
            j->out,
            "    if (s.%s != WARPSMITH_%s_DIM_%s)\n"
            "        return \"%s differs from WARPSMITH_%s_DIM_%s, which the kernel is \"\n"
            "               \"compiled for\";\n",
            s->dim[i].name, j->upper, s->dim[i].name, s->dim[i].name, j->upper, s->dim[i].name);
    }
    for (int i = 0; i < j->plan->n_require; i++) {
        ws_buf_adds(j->out, "    if (!(");
        put_expr(j, j->plan->require[i].condition, j->out);
        ws_buf_adds(j->out, "))\n        return \"the kernel requires ");
        put_quoted(j->plan->require[i].text, j->out);
        ws_buf_adds(j->out, "\";\n");
    }
}

static void put_scratch(exp_job *j)
{
    const plan *p = j->plan;
    ws_buf_adds(j->out, p->n_scratch ? "    integer end(0, &bad), count(0, &bad);\n" : "");
    for (int i = 0; i < p->n_scratch; i++) {
        ws_buf_adds(j->out, "    count = ");
        put_expr(j, p->scratch[i].count, j->out);
        ws_buf_printf(j->out,
                      ";\n    if (count < 1LL)\n        return \"scratch '%s' would be empty\";\n"
                      "    b.%s_at = static_cast<std::size_t>(end.v);\n"
                      "    end = end + align(integer(count.v, &bad) * %zuLL, 256LL); /* %s */\n",
                      p->scratch[i].name, p->scratch[i].name, ws_dtype_bytes(p->scratch[i].dtype),
                      ws_dtype_name(p->scratch[i].dtype));
    }
    ws_buf_adds(j->out, p->n_scratch ? "    b.workspace = static_cast<std::size_t>(end.v);\n" : "");
}

/* One of grid, block and cluster: constants were checked when the plan was bound, the rest is
 * checked here. False: all three are constants. */
static bool put_extents(exp_job *j, int launch, const char *field, const ws_expr *const e[3],
                        const char *const limit[3])
{
    int64_t known[3];
    bool is_const[3], all = true;
    for (int i = 0; i < 3; i++)
        all &= is_const[i] = ws_expr_is_const(e[i], &known[i]);
    ws_buf_printf(j->out, "    b.launch[%d].%s = dim3(", launch, field);
    for (int i = 0; i < 3; i++)
        ws_buf_printf(j->out, "%s%" PRId64, i ? ", " : "", is_const[i] ? known[i] : 1);
    ws_buf_adds(j->out, ");\n");
    if (all)
        return false;
    const char *lead = "    if (!extent(";
    for (int i = 0; i < 3; i++) {
        if (is_const[i])
            continue;
        ws_buf_adds(j->out, lead);
        put_expr(j, e[i], j->out);
        ws_buf_printf(j->out, ", %s, b.launch[%d].%s.%c)", limit[i], launch, field, "xyz"[i]);
        lead = " ||\n        !extent(";
    }
    ws_buf_printf(j->out, ")\n        return \"the %s of kernel '%s' is outside CUDA's limits\";\n",
                  field, j->plan->launch[launch].kernel);
    return true;
}

static void put_shared(exp_job *j, int i)
{
    const plan_launch *l = &j->plan->launch[i];
    int64_t shared;
    if (ws_expr_is_const(l->shared, &shared)) {
        if (shared)
            ws_buf_printf(j->out, "    b.launch[%d].shared = %" PRId64 ";\n", i, shared);
        return;
    }
    ws_buf_printf(j->out, "    const integer shared_%d = ", i);
    put_expr(j, l->shared, j->out);
    ws_buf_printf(j->out,
                  ";\n    if (shared_%d < 0LL || shared_%d > 232448LL)\n"
                  "        return \"kernel '%s' needs more shared memory than a block can have\";\n"
                  "    b.launch[%d].shared = static_cast<std::size_t>(shared_%d.v);\n",
                  i, i, l->kernel, i, i);
}

static void put_geometry(exp_job *j, int i)
{
    static const char *const grid[] = {"2147483647LL", "65535LL", "65535LL"};
    static const char *const block[] = {"1024LL", "1024LL", "64LL"};
    static const char *const cluster[] = {"8LL", "8LL", "8LL"};
    const plan_launch *l = &j->plan->launch[i];
    put_extents(j, i, "grid", l->grid, grid);
    if (put_extents(j, i, "block", l->block, block))
        ws_buf_printf(j->out,
                      "    if (!within_limits(b.launch[%d]))\n"
                      "        return \"a block of kernel '%s' has more than 1024 threads\";\n",
                      i, l->kernel);
    if (l->cluster[0])
        put_extents(j, i, "cluster", l->cluster, cluster);
    put_shared(j, i);
}

static void put_numbers(exp_job *j)
{
    int n = 0;
    for (int l = 0; l < j->plan->n_launches; l++)
        for (int i = 0; i < j->plan->launch[l].n_args; i++) {
            const plan_arg *arg = &j->plan->launch[l].arg[i];
            if (arg->kind != PLAN_ARG_INT)
                continue;
            ws_buf_printf(j->out, "    b.number[%d] = integer(", n++);
            put_expr(j, arg->value, j->out);
            ws_buf_adds(j->out, ").v;\n");
        }
}

static void put_map(exp_job *j, const plan_launch *l, const plan_map *m, int number)
{
    exp_map_field field[EXP_MAP_FIELDS];
    const int n = exp_map_fields(j, m, field);
    for (int f = 0; f < n; f++)
        for (int i = 0; i < field[f].n; i++) {
            ws_buf_printf(j->out, "    b.map[%d].%s", number, field[f].name);
            if (field[f].is_array)
                ws_buf_printf(j->out, "[%d]", i);
            ws_buf_adds(j->out, " = integer(");
            put_expr(j, field[f].e[i], j->out);
            ws_buf_adds(j->out, ").v;\n");
        }
    ws_buf_printf(j->out,
                  "    if (!bad && !is_map(b.map[%d], %d, %d, %s))\n"
                  "        return \"the tensor map '%s' of kernel '%s' breaks a rule of the driver's, or "
                  "\"\n               \"reaches beyond its tensor\";\n",
                  number, m->rank, exp_map_bytes(m), m->is_im2col ? "true" : "false", m->name,
                  l->kernel);
}

static void put_maps(exp_job *j)
{
    int number = 0;
    for (int l = 0; l < j->plan->n_launches; l++)
        for (int i = 0; i < j->plan->launch[l].n_maps; i++)
            put_map(j, &j->plan->launch[l], &j->plan->launch[l].map[i], number++);
}

static void put_bind(exp_job *j)
{
    ws_buf_adds(j->out, "/* Evaluates the plan; returns why the shape is refused, or nullptr. */\n"
                        "inline const char *bind([[maybe_unused]] const shape &s, bound &b)\n{\n"
                        "    bool bad = false;\n");
    put_names(j);
    put_guards(j);
    put_scratch(j);
    for (int i = 0; i < j->plan->n_launches; i++)
        put_geometry(j, i);
    put_numbers(j);
    put_maps(j);
    ws_buf_adds(j->out,
                "    return bad ? \"a size of the plan overflows or divides by zero\" : nullptr;\n"
                "}\n\n} // namespace detail\n\n");
}

/* ---- the entry points ---- */

static void put_queries(exp_job *j)
{
    ws_buf_adds(j->out,
                "/* Why launch() refuses this shape, or nullptr when it does not. */\n"
                "inline const char *refusal(const shape &s)\n{\n"
                "    detail::bound b = {};\n    return detail::bind(s, b);\n}\n\n"
                "/* Bytes of device memory that launch() needs beside the tensors; 0: none. */\n"
                "inline cudaError_t workspace_bytes(const shape &s, std::size_t *bytes)\n{\n"
                "    detail::bound b = {};\n"
                "    if (detail::bind(s, b))\n        return cudaErrorNotSupported;\n"
                "    *bytes = b.workspace;\n    return cudaSuccess;\n}\n\n");
}

static void put_parameter(exp_job *j, const exp_tensor *t)
{
    bool read_only = strcmp(t->role, "in") == 0 || strcmp(t->role, "weight") == 0;
    ws_buf_printf(j->out, "%s%s *%s_%s, ", read_only ? "const " : "", ws_dtype_cuda(t->dtype),
                  t->role, t->name);
}

static void put_argument(exp_job *j, const plan_arg *arg, int maps, int *number)
{
    const exp_tensor *t;
    switch (arg->kind) {
    case PLAN_ARG_TENSOR:
        t = &j->tensor[arg->index];
        ws_buf_printf(j->out, "%s_%s", t->role, t->name);
        break;
    case PLAN_ARG_SCRATCH:
        ws_buf_printf(j->out, "base + b.%s_at", j->plan->scratch[arg->index].name);
        break;
    case PLAN_ARG_INT:
        ws_buf_printf(j->out, "b.number[%d]", (*number)++);
        break;
    case PLAN_ARG_FLOAT:
        if (isinf(arg->number))
            ws_buf_printf(j->out, "%sHUGE_VAL", arg->number < 0 ? "-" : "");
        else
            ws_buf_printf(j->out, "double(%.17g)", arg->number);
        break;
    case PLAN_ARG_MAP:
        ws_buf_printf(j->out, "map[%d]", maps + arg->index);
        break;
    }
}

static void put_encodings(exp_job *j)
{
    int number = 0;
    if (!exp_map_count(j))
        return;
    ws_buf_printf(j->out, "    CUtensorMap map[%d];\n    cudaError_t of_map;\n", exp_map_count(j));
    for (int l = 0; l < j->plan->n_launches; l++)
        for (int i = 0; i < j->plan->launch[l].n_maps; i++, number++) {
            const plan_map *m = &j->plan->launch[l].map[i];
            ws_buf_printf(j->out, "    if ((of_map = detail::encode(map[%d], b.map[%d], %d, %d, %d, %s, %s, ",
                          number, number, exp_map_type(m), exp_map_bytes(m), m->rank,
                          m->is_im2col ? "true" : "false", m->fills_nan ? "true" : "false");
            if (m->is_scratch)
                ws_buf_printf(j->out, "base + b.%s_at", m->buffer);
            else
                ws_buf_printf(j->out, "%s_%s", j->tensor[m->index].role, m->buffer);
            ws_buf_adds(j->out, ")))\n        return of_map;\n");
        }
}

static void put_checks(exp_job *j)
{
    ws_buf_adds(j->out, "    for (const void *p : {");
    for (int i = 0; i < j->n_tensors; i++)
        ws_buf_printf(j->out, "%sstatic_cast<const void *>(%s_%s)", i ? ", " : "",
                      j->tensor[i].role, j->tensor[i].name);
    ws_buf_adds(j->out, "}) {\n"
                        "        if (!p)\n            return cudaErrorInvalidValue;\n"
                        "        if (reinterpret_cast<std::uintptr_t>(p) % 16)\n"
                        "            return cudaErrorMisalignedAddress;\n    }\n");
    if (j->plan->n_scratch)
        ws_buf_adds(j->out, "    if (!workspace || workspace_size < b.workspace)\n"
                            "        return cudaErrorInvalidValue;\n"
                            "    if (reinterpret_cast<std::uintptr_t>(workspace) % 256)\n"
                            "        return cudaErrorMisalignedAddress;\n"
                            "    char *const base = static_cast<char *>(workspace);\n");
}

static void put_launch(exp_job *j)
{
    int number = 0, maps = 0;
    ws_buf_adds(
        j->out,
        "/* Enqueues the operation on `stream` and returns at once.\n"
        " *   cudaErrorNotSupported       the shape is refused; refusal() says why\n"
        " *   cudaErrorInvalidValue       a null pointer, or a workspace below workspace_bytes()\n"
        " *   cudaErrorMisalignedAddress  a tensor not aligned to 16 bytes, a workspace to 256\n"
        " *   anything else               from the CUDA runtime\n */\n"
        "inline cudaError_t launch(");
    for (int i = 0; i < j->n_tensors; i++)
        put_parameter(j, &j->tensor[i]);
    ws_buf_adds(j->out,
                "const shape &s,\n                          "
                "[[maybe_unused]] void *workspace = nullptr,\n                          "
                "[[maybe_unused]] std::size_t workspace_size = 0,\n                          "
                "cudaStream_t stream = nullptr)\n{\n"
                "    detail::bound b = {};\n"
                "    if (detail::bind(s, b))\n        return cudaErrorNotSupported;\n");
    put_checks(j);
    put_encodings(j);
    ws_buf_adds(j->out,
                "    /* Nothing is launched before all launches are known to be possible. */\n"
                "    for (bool dry : {true, false}) {\n        cudaError_t e;\n");
    for (int i = 0; i < j->plan->n_launches; i++) {
        const plan_launch *l = &j->plan->launch[i];
        ws_buf_printf(j->out,
                      "        if ((e = detail::run(dry, &kernels::%s, b.launch[%d], %s, stream",
                      l->kernel, i, l->cooperative ? "true" : "false");
        for (int k = 0; k < l->n_args; k++) {
            ws_buf_adds(j->out, k ? ", " : ",\n                             ");
            put_argument(j, &l->arg[k], maps, &number);
        }
        ws_buf_adds(j->out, ")))\n            return e;\n");
        maps += l->n_maps;
    }
    ws_buf_adds(j->out, "    }\n    return cudaSuccess;\n}\n\n");
}

void exp_put_launcher(exp_job *j)
{
    put_shape(j);
    exp_put_helpers(j);
    put_bound_struct(j);
    put_bind(j);
    put_queries(j);
    put_launch(j);
}
