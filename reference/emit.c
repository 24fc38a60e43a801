/* The emitter: walks the graph, names scratch, assembles plan, helpers and kernels. What an op
 * computes is in emit_<family>.c. */
#include "reference/emit.h"
#include "reference/emit_ops.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(EM_THREADS == 256, "the texts below say 256 threads and 8 warps");

enum { MANY_NODES = 24 };
enum { MAX_LAUNCHES = 2048, MAX_SCRATCH = 256 }; /* of a plan: harness/plan/plan.h */
enum { LONG_TEXT = 48 };                          /* of an expression: longer ones get a name */

static const em_op *const families[] = {em_ops_elementwise, em_ops_rows, em_ops_contraction,
                                        em_ops_window, em_ops_movement,
                                        em_ops_recurrent,    em_ops_scan,   em_ops_order,
                                        em_ops_index,        em_ops_quantize};

static const em_op *find_op(const char *name)
{
    for (size_t f = 0; f < WS_COUNT(families); f++)
        for (const em_op *op = families[f]; op->name; op++)
            if (strcmp(op->name, name) == 0)
                return op;
    return NULL;
}

/* ---- text ---- */

void em_put(em_node *n, const char *fmt, ...)
{
    va_list ap;
    ws_buf_printf(&n->body, "%*s", 4 + n->indent, "");
    va_start(ap, fmt);
    ws_buf_vprintf(&n->body, fmt, ap);
    va_end(ap);
    ws_buf_addc(&n->body, '\n');
}

/* Copies a buffer into the job's arena and releases it. */
static const char *keep(em_node *n, ws_buf *b)
{
    const char *text = ws_arena_strdup(&n->job->arena, ws_buf_z(b));
    ws_buf_release(b);
    return text;
}

const char *em_text(em_node *n, const char *fmt, ...)
{
    ws_buf b = {0};
    va_list ap;
    va_start(ap, fmt);
    ws_buf_vprintf(&b, fmt, ap);
    va_end(ap);
    return keep(n, &b);
}

/* ---- expressions ---- */

const ws_expr *em_product(em_node *n, const ws_expr *const *dim, int count)
{
    ws_arena *a = &n->job->arena;
    const ws_expr *e = ws_expr_const(a, 1);
    for (int d = 0; d < count; d++)
        e = ws_expr_binary(a, WS_X_MUL, e, dim[d]);
    return e;
}

const ws_expr *em_count(em_node *n, const ref_value *v)
{
    return em_product(n, v->dim, v->rank);
}

const ws_expr *em_blocks(em_node *n, const ws_expr *count)
{
    ws_arena *a = &n->job->arena;
    return ws_expr_binary(a, WS_X_CEIL_DIV, count, ws_expr_const(a, EM_THREADS));
}

bool em_is_const(const ws_expr *e, int64_t v)
{
    int64_t known = 0;
    return ws_expr_is_const(e, &known) && known == v;
}

bool em_same_shape(const ref_value *a, const ref_value *b)
{
    for (int d = 0; a->rank == b->rank && d < a->rank; d++)
        if (!ws_expr_same(a->dim[d], b->dim[d]))
            return false;
    return a->rank == b->rank;
}

/* Extents behind a dozen windows are long, and kernels name them often: each gets a name. */
static const char *name_text(em_job *j, const char *text)
{
    int i = 0;
    while (i < j->n_extents && strcmp(j->extent[i].text, text))
        i++;
    if (i == j->n_extents) {
        j->extent = ws_realloc(j->extent, (size_t)(i + 1) * sizeof *j->extent);
        j->extent[j->n_extents++] = (em_named_text){ws_arena_printf(&j->arena, "extent%d", i),
                                                    ws_arena_strdup(&j->arena, text)};
    }
    return j->extent[i].name;
}

static const char *name_part(void *ud, const ws_expr *part)
{
    ws_buf b = {0};
    ws_expr_to_c_naming(part, "DIM_", name_part, ud, &b);
    const char *name = name_text(ud, ws_buf_z(&b));
    ws_buf_release(&b);
    return name;
}

/* d<i>, the parameter that carries the extent; NULL: none is left. */
static const char *extent_parameter(em_node *n, const ws_expr *e)
{
    int i = 0;
    while (i < n->n_extents && !ws_expr_same(n->extent[i], e))
        i++;
    if (i == EM_EXTENTS)
        return NULL;
    n->extent[i] = e;
    n->n_extents = i == n->n_extents ? i + 1 : n->n_extents;
    return em_text(n, "d%d", i);
}

const char *em_expr(em_node *n, const ws_expr *e)
{
    int64_t known;
    const char *parameter = n->by_argument && !n->job->loop && !ws_expr_is_const(e, &known)
                                ? extent_parameter(n, e)
                                : NULL;
    if (parameter)
        return parameter;
    ws_buf b = {0};
    ws_expr_to_c_naming(e, "DIM_", name_part, n->job, &b);
    const char *text = keep(n, &b);
    return strlen(text) > LONG_TEXT ? name_text(n->job, text) : text;
}

/* ---- values ---- */

bool em_needs_double(ws_dtype t)
{
    return t == WS_F64 || t == WS_I64 || t == WS_I32;
}

void em_choose_type(em_node *n, int n_in, bool accumulates)
{
    const spec *s = n->job->graph->spec;
    if (n->group) {
        n->type = n->group->wide ? "double" : "float";
        return;
    }
    bool wide = s->precision == WS_F64 || (accumulates && s->accumulate == WS_F64);
    for (int i = 0; i < n_in; i++)
        wide |= !n->in[i]->is_literal && em_needs_double(n->in[i]->dtype);
    n->type = wide ? "double" : "float";
}

static bool in_double(const em_node *n)
{
    return n->type[0] == 'd';
}

const char *em_number(em_node *n, double v)
{
    if (isnan(v))
        return in_double(n) ? "nan(\"\")" : "nanf(\"\")";
    if (isinf(v))
        return em_text(n, "%s(%s)INFINITY", v < 0 ? "-" : "", n->type);
    char digits[40];
    snprintf(digits, sizeof digits, in_double(n) ? "%.17g" : "%.9g", v);
    bool point = strpbrk(digits, ".e") != NULL;
    return em_text(n, v < 0 ? "(%s%s%s)" : "%s%s%s", digits, point ? "" : ".0",
                   in_double(n) ? "" : "f");
}

const char *em_load(em_node *n, const ref_value *v, const char *role, const char *index)
{
    if (v->is_literal)
        return em_number(n, v->literal);
    const char *call = em_prologue_call(n, v, index);
    if (call)
        return call;
    const char *wide = in_double(n) ? "(double)" : "";
    switch (v->dtype) {
    case WS_F64: return em_text(n, "%s[%s]", role, index);
    case WS_F32:
    case WS_TF32: return em_text(n, "%s%s[%s]", wide, role, index);
    case WS_F16: return em_text(n, "%s__half2float(%s[%s])", wide, role, index);
    case WS_BF16: return em_text(n, "%s__bfloat162float(%s[%s])", wide, role, index);
    case WS_E4M3:
    case WS_E5M2: return em_text(n, "%s(float)%s[%s]", wide, role, index);
    case WS_E2M1:
        n->job->helpers |= EM_E2M1;
        return em_text(n, "(%s)e2m1_at(%s, %s)", n->type, role, index);
    default: return em_text(n, "(%s)%s[%s]", n->type, role, index);
    }
}

const char *em_store(em_node *n, ws_dtype dtype, const char *expr)
{
    const char *from = in_double(n) ? "double" : "float", *narrow = in_double(n) ? "(float)" : "";
    switch (dtype) {
    case WS_F64: return expr;
    case WS_F32: return in_double(n) ? em_text(n, "(float)(%s)", expr) : expr;
    case WS_TF32:
        n->job->helpers |= EM_TF32;
        return em_text(n, "round_tf32(%s(%s))", narrow, expr);
    case WS_F16: return em_text(n, in_double(n) ? "__double2half(%s)" : "__float2half(%s)", expr);
    case WS_BF16: return em_text(n, "__%s2bfloat16(%s)", from, expr);
    case WS_E4M3:
    case WS_E5M2: return em_text(n, "%s(%s(%s))", ws_dtype_cuda(dtype), narrow, expr);
    case WS_I64: return em_text(n, "__%s2ll_rn(%s)", from, expr);
    case WS_I32: return em_text(n, "__%s2int_rn(%s)", from, expr);
    case WS_BOOL: return em_text(n, "(%s) != 0", expr);
    default: break; /* I16, I8, U8: the nearest whole number in range */
    }
    int bits = 8 * (int)ws_dtype_bytes(dtype), least = dtype == WS_U8 ? 0 : -(1 << (bits - 1));
    n->job->helpers |= EM_WHOLE;
    return em_text(n, "(%s)nearest_whole(%s, %d, %d)", ws_dtype_cuda(dtype), expr, least,
                   least + (1 << bits) - 1);
}

/* ---- indices ---- */

void em_thread_index(em_node *n, const ws_expr *count)
{
    em_put(n, "const long long i = (long long)blockIdx.x * %d + threadIdx.x;", EM_THREADS);
    em_put(n, "if (i >= %s)", em_expr(n, count));
    em_put(n, "    return;");
}

void em_coords(em_node *n, const char *flat, const char *prefix, const ws_expr *const *dim,
               int rank, unsigned needed)
{
    if (!needed)
        return;
    if (rank == 1) {
        em_put(n, "const long long %s0 = %s;", prefix, flat);
        return;
    }
    em_put(n, "long long %s_rest = %s;", prefix, flat);
    for (int d = rank - 1; d >= 0 && needed & ((2u << d) - 1); d--) {
        const char *extent = em_expr(n, dim[d]);
        if (d == 0) {
            em_put(n, "const long long %s0 = %s_rest;", prefix, prefix);
        } else {
            n->job->helpers |= EM_AXIS;
            if (needed >> d & 1)
                em_put(n, "const long long %s%d = axis(%s_rest, %s);", prefix, d, prefix, extent);
            else
                em_put(n, "axis(%s_rest, %s);", prefix, extent);
        }
    }
}

const char *em_offset(em_node *n, const char *const *at, const ws_expr *const *dim, int rank)
{
    const char *sum = "0";
    for (int d = 0; d < rank; d++) {
        bool none = strcmp(sum, "0") == 0, zero = strcmp(at[d], "0") == 0;
        if (none)
            sum = at[d];
        else if (!em_is_const(dim[d], 1))
            sum = em_text(n, strpbrk(sum, "+?") ? "(%s) * %s" : "%s * %s", sum, em_expr(n, dim[d]));
        if (!none && !zero)
            sum = em_text(n, "%s + %s", sum, at[d]);
    }
    return sum;
}

void em_broadcast(em_node *n, const ref_value *v, const ws_expr *const *out, int out_rank,
                  const char *prefix, const char *at[SPEC_MAX_RANK], unsigned *needed)
{
    for (int d = 0; d < v->rank; d++) {
        int o = d + out_rank - v->rank;
        at[d] = "0";
        if (em_is_const(v->dim[d], 1))
            continue;
        *needed |= 1u << o;
        at[d] = ws_expr_same(v->dim[d], out[o])
                    ? em_text(n, "%s%d", prefix, o)
                    : em_text(n, "(%s == 1 ? 0 : %s%d)", em_expr(n, v->dim[d]), prefix, o);
    }
}

/* ---- kernels and launches ---- */

const char *em_unused_name(em_node *n, const char *base)
{
    const ref_graph *g = n->job->graph;
    bool taken = true;
    while (taken) {
        taken = false;
        for (int v = 0; v < g->n_values; v++)
            taken |= g->value[v].name && strcmp(g->value[v].name, base) == 0;
        for (int d = 0; d < g->spec->n_dims; d++)
            taken |= strcmp(g->spec->dim[d].name, base) == 0;
        if (taken)
            base = em_text(n, "%s_", base);
    }
    return base;
}

static void add_shape(ws_buf *b, const ref_value *v)
{
    ws_buf_addc(b, '[');
    for (int d = 0; d < v->rank; d++) {
        ws_buf_adds(b, d ? ", " : "");
        ws_expr_print(v->dim[d], b);
    }
    ws_buf_addc(b, ']');
}

/* "div(a, 2)" */
static void add_call(ws_buf *b, const ref_graph *g, const ref_node *node)
{
    ws_buf_printf(b, "%s(", node->op->name);
    for (int i = 0; i < node->n_in; i++) {
        const ref_value *v = &g->value[node->in[i]];
        ws_buf_adds(b, i ? ", " : "");
        if (v->is_literal)
            ws_buf_printf(b, "%g", v->literal);
        else
            ws_buf_adds(b, v->name);
    }
    ws_buf_addc(b, ')');
}

/* "s[B, N] = div(a, 2): one thread an element"; of a group the result, then what leads to it. */
static void add_comment(em_node *n, const char *how)
{
    const ref_graph *g = n->job->graph;
    const em_group *group = n->group;
    ws_buf *b = &n->job->kernels;
    const ref_node *root = group ? &g->node[group->root] : n->node;
    ws_buf_printf(b, "\n/* %s", g->value[root->out].name);
    add_shape(b, &g->value[root->out]);
    ws_buf_adds(b, " = ");
    add_call(b, g, root);
    for (int i = group ? group->n - 2 : -1; i >= 0; i--) {
        ws_buf_printf(b, ",\n *     %s = ", g->value[g->node[group->node[i]].out].name);
        add_call(b, g, &g->node[group->node[i]]);
    }
    if (group && group->producer >= 0 && group->producer != group->root) {
        ws_buf_printf(b, ",\n *     %s = ", n->out->name);
        add_call(b, g, n->node);
    }
    for (int i = group ? group->n_prologue - 1 : -1; i >= 0; i--) {
        ws_buf_printf(b, ",\n *     %s = ", g->value[g->node[group->prologue[i]].out].name);
        add_call(b, g, &g->node[group->prologue[i]]);
    }
    ws_buf_printf(b, ": %s */\n", how);
}

static bool is_tensor(const ref_graph *g, const char *name)
{
    return spec_find_tensor(g->spec, name) != NULL;
}

bool em_is_output(const ref_graph *g, const ref_value *v)
{
    for (int o = 0; o < g->n_outputs; o++)
        if (&g->value[g->output[o]] == v)
            return true;
    return false;
}

/* What the plan calls a value: tensors and outputs by name, intermediates as their scratch. */
static const char *plan_name(em_job *j, const ref_value *v)
{
    if (v->scope) {
        const spec_node *scan = j->graph->node[v->scope - 1].spec;
        return ws_arena_printf(&j->arena, "%s_%s_step", scan->out, v->name);
    }
    if (j->view_of && j->view_of[v - j->graph->value] >= 0)
        return plan_name(j, &j->graph->value[j->view_of[v - j->graph->value]]);
    const char *slot = j->slot_name[v - j->graph->value];
    return slot ? slot : v->name;
}

ws_status em_scratch(em_job *j, const char *name, ws_dtype dtype, const ws_expr *count)
{
    if (j->n_scratch == MAX_SCRATCH)
        return ws_fail(j->err, WS_ELIMIT, "the graph needs more than %d intermediate tensors",
                       MAX_SCRATCH);
    ws_arena *a = &j->arena;
    const ws_expr *size = ws_expr_binary(a, WS_X_MAX, ws_expr_const(a, 1), count);
    ws_buf_printf(&j->scratch, "%s{ \"name\": \"%s\", \"dtype\": \"%s\", \"count\": \"",
                  j->n_scratch++ ? ",\n    " : "\n    ", name, ws_dtype_name(dtype));
    ws_expr_print(size, &j->scratch);
    ws_buf_adds(&j->scratch, "\" }");
    return WS_OK;
}

ws_status em_value_scratch(em_node *n, const ref_value *v)
{
    return em_scratch(n->job, plan_name(n->job, v), v->dtype, em_count(n, v));
}

static int loop_buffer(em_loop *l, const char *name, ws_dtype dtype, bool written)
{
    int i = 0;
    while (i < l->n && strcmp(l->name[i], name))
        i++;
    if (i == (int)WS_COUNT(l->name))
        return -1;
    l->n += i == l->n;
    l->name[i] = name;
    l->dtype[i] = dtype;
    l->written[i] |= written;
    return i;
}

const char *em_loop_buffer(em_node *n, const ref_value *v, bool written)
{
    int i = loop_buffer(n->job->loop, plan_name(n->job, v), v->dtype, written);
    return em_text(n, "p%d", i);
}

/* The body's text with blockIdx.x as a variable; a tile's threads come from one axis. */
static void add_device_text(em_node *n, bool tiled)
{
    static const struct {
        const char *from, *to;
        bool tiled;
    } rows[] = {{"blockIdx.x", "block", false},
                {"threadIdx.x", "(threadIdx.x % 16)", true},
                {"threadIdx.y", "(threadIdx.x / 16)", true}};
    for (const char *p = ws_buf_z(&n->body); *p; p++) {
        size_t r = 0;
        while (r < WS_COUNT(rows) &&
               ((rows[r].tiled && !tiled) || strncmp(p, rows[r].from, strlen(rows[r].from))))
            r++;
        if (r < WS_COUNT(rows)) {
            ws_buf_adds(&n->job->kernels, rows[r].to);
            p += strlen(rows[r].from) - 1;
        } else {
            ws_buf_addc(&n->job->kernels, *p);
        }
    }
}

/* As em_kernel, in a scan's body: a device function, and the loop that calls it. The buffers change
 * from step to step, so nothing is __restrict__. */
static ws_status device_function(em_node *n, const char *name, const em_param *p, int n_p,
                                 const ws_expr *blocks, bool tiled)
{
    em_job *j = n->job;
    ws_buf_printf(&j->kernels, "static __device__ __noinline__ void %s(const long long block",
                  name);
    ws_buf_printf(&j->loop->calls,
                  "        for (long long block = 0; block < %s; block++) {\n            %s(block",
                  em_expr(n, blocks), name);
    for (int i = 0; i < n_p; i++) {
        if (p[i].value && p[i].value->is_literal)
            continue;
        ws_dtype dtype = p[i].value ? p[i].value->dtype : p[i].dtype;
        int b = loop_buffer(j->loop, p[i].value ? plan_name(j, p[i].value) : p[i].scratch, dtype,
                            p[i].written);
        if (b < 0)
            return ws_fail(j->err, WS_ELIMIT, "the body of a scan needs more than 64 buffers");
        ws_buf_printf(&j->kernels, ", %s%s *%s", p[i].written ? "" : "const ",
                      ws_dtype_cuda(dtype), p[i].role);
        ws_buf_printf(&j->loop->calls, ", p%d", b);
    }
    ws_buf_adds(&j->loop->calls, ");\n            __syncthreads();\n        }\n");
    ws_buf_adds(&j->kernels, ")\n{\n");
    add_device_text(n, tiled);
    ws_buf_adds(&j->kernels, "}\n");
    ws_buf_reset(&n->body);
    return WS_OK;
}

ws_status em_loop_kernel(em_node *n)
{
    em_loop *l = n->job->loop;
    em_param p[WS_COUNT(l->name)];
    for (int i = 0; i < l->n; i++)
        p[i] = (em_param){.role = em_text(n, "p%d", i), .scratch = l->name[i],
                          .dtype = l->dtype[i], .written = l->written[i], .shared = true};
    n->job->loop = NULL;
    return em_kernel(n, "", "one block, one step after the other", p, l->n,
                     ws_expr_const(&n->job->arena, 1), false);
}

/* "(const float *__restrict__ x, float *__restrict__ out)" and the body. */
static const char *kernel_text(em_node *n, const em_param *p, int n_p)
{
    ws_buf b = {0};
    int listed = 0;
    for (int i = 0; i < n_p; i++) {
        if (p[i].value && p[i].value->is_literal)
            continue;
        ws_buf_printf(&b, "%s%s%s *%s%s", listed++ ? ", " : "(", p[i].written ? "" : "const ",
                      ws_dtype_cuda(p[i].value ? p[i].value->dtype : p[i].dtype),
                      p[i].shared ? "" : "__restrict__ ", p[i].role);
    }
    for (int i = 0; i < n->n_extents; i++)
        ws_buf_printf(&b, "%sconst long long d%d", listed++ ? ", " : "(", i);
    ws_buf_printf(&b, ")\n{\n%s}\n", ws_buf_z(&n->body));
    ws_buf_reset(&n->body);
    return keep(n, &b);
}

/* The name of a kernel with this text: an earlier one, or the new one named `name`. */
static const char *find_or_add_kernel(em_node *n, const char *name, const char *text,
                                      const char *how)
{
    em_job *j = n->job;
    for (int i = 0; i < j->n_known; i++)
        if (strcmp(j->known[i].text, text) == 0)
            return j->known[i].name;
    j->known = ws_realloc(j->known, (size_t)(j->n_known + 1) * sizeof *j->known);
    j->known[j->n_known++] = (em_named_text){name, text};
    add_comment(n, how);
    ws_buf_printf(&j->kernels, "extern \"C\" __global__ void __launch_bounds__(%d)\n%s%s",
                  EM_THREADS, name, text);
    return name;
}

ws_status em_kernel(em_node *n, const char *suffix, const char *how, const em_param *p, int n_p,
                    const ws_expr *blocks, bool tiled)
{
    em_job *j = n->job;
    const ws_expr *grid = ws_expr_binary(&j->arena, WS_X_MAX, ws_expr_const(&j->arena, 1), blocks);
    if (j->n_launches == MAX_LAUNCHES)
        return ws_fail(j->err, WS_ELIMIT, "the graph needs more than %d launches", MAX_LAUNCHES);
    if (n->group) {
        em_param *all = WS_ARENA_NEW(&j->arena, em_param,
                                     n_p + n->group->before.n + n->group->after.n + 1);
        n_p = em_group_params(n, p, n_p, all);
        p = all;
    }
    const char *name = em_text(n, "k%d_%s%s%s", n->index, n->node->op->name, suffix,
                               n->group ? "_fused" : "");
    if (j->loop) {
        add_comment(n, how);
        return device_function(n, name, p, n_p, blocks, tiled);
    }
    name = find_or_add_kernel(n, name, kernel_text(n, p, n_p), how);
    ws_buf_printf(&j->launches, "%s{ \"kernel\": \"%s\", \"grid\": [\"",
                  j->n_launches++ ? ",\n    " : "\n    ", name);
    ws_expr_print(grid, &j->launches);
    ws_buf_printf(&j->launches, "\"], \"block\": [%s], \"args\": [", tiled ? "16, 16" : "256");
    int listed = 0;
    for (int i = 0; i < n_p; i++)
        if (!p[i].value || !p[i].value->is_literal)
            ws_buf_printf(&j->launches, "%s\"%s\"", listed++ ? ", " : "",
                          p[i].value ? plan_name(j, p[i].value) : p[i].scratch);
    for (int i = 0; i < n->n_extents; i++) {
        ws_buf_adds(&j->launches, listed++ ? ", \"" : "\"");
        ws_expr_print(n->extent[i], &j->launches);
        ws_buf_addc(&j->launches, '"');
    }
    ws_buf_adds(&j->launches, "] }");
    n->n_extents = 0;
    return WS_OK;
}

/* ---- helpers of the emitted text ---- */

static const char axis_text[] =
    "\n/* Takes the last axis, of extent n, off a flat index: returns i % n and leaves i / n. */\n"
    "static __device__ __forceinline__ long long axis(long long &i, long long n)\n"
    "{\n"
    "    const long long q = i / n, r = i - q * n;\n"
    "    i = q;\n"
    "    return r;\n"
    "}\n";

/* $n name, $c the combination of v and w; 256 is EM_THREADS */
static const char reduce_text[] =
    "\n/* Combines v over the 256 threads of a block; every thread gets the result. */\n"
    "template <typename T> static __device__ __forceinline__ T $n(T v)\n"
    "{\n"
    "    __shared__ T part[8];\n"
    "    for (int d = 16; d > 0; d >>= 1) {\n"
    "        const T w = __shfl_xor_sync(0xffffffffu, v, d);\n"
    "        v = $c;\n"
    "    }\n"
    "    if (threadIdx.x % 32 == 0)\n"
    "        part[threadIdx.x / 32] = v;\n"
    "    __syncthreads();\n"
    "    v = part[0];\n"
    "    for (int i = 1; i < 8; i++) {\n"
    "        const T w = part[i];\n"
    "        v = $c;\n"
    "    }\n"
    "    __syncthreads();\n"
    "    return v;\n"
    "}\n";

/* $n name, $c operator, $i its identity */
static const char scan_text[] =
    "\n/* Inclusive scan of v over the threads of a block; `total` is that of the whole block. */\n"
    "template <typename T> static __device__ __forceinline__ T $n(T v, T &total)\n"
    "{\n"
    "    __shared__ T part[8];\n"
    "    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;\n"
    "    for (int d = 1; d < 32; d <<= 1) {\n"
    "        const T w = __shfl_up_sync(0xffffffffu, v, d);\n"
    "        if (lane >= d)\n"
    "            v = w $c v;\n"
    "    }\n"
    "    if (lane == 31)\n"
    "        part[warp] = v;\n"
    "    __syncthreads();\n"
    "    T before = $i;\n"
    "    total = $i;\n"
    "    for (int i = 0; i < 8; i++) {\n"
    "        if (i == warp)\n"
    "            before = total;\n"
    "        total = total $c part[i];\n"
    "    }\n"
    "    __syncthreads();\n"
    "    return before $c v;\n"
    "}\n";

static const char tf32_text[] =
    "\n/* The nearest tf32 number, ties to even: 10 mantissa bits. */\n"
    "static __device__ __forceinline__ float round_tf32(float v)\n"
    "{\n"
    "    const unsigned bits = __float_as_uint(v);\n"
    "    if ((bits & 0x7f800000u) == 0x7f800000u)\n"
    "        return v;\n"
    "    return __uint_as_float((bits + 0xfffu + (bits >> 13 & 1u)) & ~0x1fffu);\n"
    "}\n";

static const char e2m1_text[] =
    "\n/* Element i of numbers of 4 bits, two a byte: 0 0.5 1 1.5 2 3 4 6 and their negatives. */\n"
    "static __device__ __forceinline__ float e2m1_at(const unsigned char *p, long long i)\n"
    "{\n"
    "    const int b = p[i / 2] >> (i % 2 * 4) & 15, e = b >> 1 & 3, m = b & 1;\n"
    "    const float v = e ? (1 + 0.5f * m) * (0.5f * (1 << e)) : 0.5f * m;\n"
    "    return b & 8 ? -v : v;\n"
    "}\n"
    "\n/* The bits of the nearest such number, ties to even; more than 6 is 6. */\n"
    "static __device__ __forceinline__ unsigned char e2m1_bits(double v)\n"
    "{\n"
    "    const double a = fabs(v), unit = a < 2 ? 0.5 : a < 4 ? 1 : 2;\n"
    "    const double n = a >= 6 || v != v ? 6 : rint(a / unit) * unit;\n"
    "    const int m = n < 2 ? (int)(2 * n) : n < 3 ? 4 : n < 4 ? 5 : n < 6 ? 6 : 7;\n"
    "    return (unsigned char)(m | (v < 0 || (v == 0 && 1 / v < 0) ? 8 : 0));\n"
    "}\n";

static const char whole_text[] =
    "\n/* The whole number nearest to v in [least, most]. */\n"
    "static __device__ __forceinline__ int nearest_whole(double v, int least, int most)\n"
    "{\n"
    "    const int i = __double2int_rn(v);\n"
    "    return i < least ? least : i > most ? most : i;\n"
    "}\n";

/* `text` with $n, $c and $i filled in. */
static void expand(ws_buf *out, const char *text, const char *name, const char *combine,
                   const char *identity)
{
    for (; *text; text++) {
        if (*text != '$') {
            ws_buf_addc(out, *text);
            continue;
        }
        text++;
        ws_buf_adds(out, *text == 'n' ? name : *text == 'c' ? combine : identity);
    }
}

static void add_helpers(const em_job *j, ws_buf *out)
{
    static const struct {
        em_helper bit;
        const char *name, *combine, *identity;
    } rows[] = {{EM_SUM, "block_sum", "v + w", NULL},
                {EM_PROD, "block_prod", "v * w", NULL},
                {EM_MAX, "block_max", "w > v || w != w ? w : v", NULL},
                {EM_MIN, "block_min", "w < v || w != w ? w : v", NULL},
                {EM_SCAN_SUM, "block_scan_sum", "+", "0"},
                {EM_SCAN_PROD, "block_scan_prod", "*", "1"}};
    if (j->helpers & EM_AXIS)
        ws_buf_adds(out, axis_text);
    for (size_t i = 0; i < WS_COUNT(rows); i++) {
        if (j->helpers & rows[i].bit)
            expand(out, rows[i].identity ? scan_text : reduce_text, rows[i].name, rows[i].combine,
                   rows[i].identity);
    }
    if (j->helpers & EM_TF32)
        ws_buf_adds(out, tf32_text);
    if (j->helpers & EM_E2M1)
        ws_buf_adds(out, e2m1_text);
    if (j->helpers & EM_WHOLE)
        ws_buf_adds(out, whole_text);
}

static void add_includes(const ref_graph *g, ws_buf *out)
{
    static const struct {
        ws_dtype dtype;
        const char *header;
    } rows[] = {{WS_F16, "cuda_fp16.h"}, {WS_BF16, "cuda_bf16.h"}, {WS_E4M3, "cuda_fp8.h"},
                {WS_E5M2, "cuda_fp8.h"}};
    const char *last = "";
    for (size_t r = 0; r < WS_COUNT(rows); r++)
        for (int v = 0; v < g->n_values; v++)
            if (g->value[v].dtype == rows[r].dtype && !g->value[v].is_literal &&
                strcmp(last, rows[r].header)) {
                ws_buf_printf(out, "#include <%s>\n", last = rows[r].header);
                break;
            }
}

/* ---- the walk ---- */

static const em_group *group_of(const em_job *j, int root)
{
    for (int i = 0; i < j->n_groups; i++)
        if (j->group[i].root == root)
            return &j->group[i];
    return NULL;
}

static ws_status emit_node(em_job *j, const ref_node *node, int index, const em_group *group)
{
    const ref_graph *g = j->graph;
    const em_op *op = find_op(node->op->name);
    em_node n = {.job = j, .node = node, .index = index, .at = node->attrs, .n_in = node->n_in,
                 .out = &g->value[node->out], .group = group};
    /* operands and extents share the arguments that a launch may have */
    n.by_argument = g->n_nodes > MANY_NODES && node->n_in <= 16;
    if (!op)
        return ws_fail(j->err, WS_EINPUT, "graph[%d]: no emitter for op '%s'", node->spec->index,
                       node->op->name);
    for (int i = 0; i < node->n_in; i++)
        n.in[i] = &g->value[node->in[i]];
    n.formula = op->formula;
    em_choose_type(&n, n.n_in, false);
    ws_status st = n.out->scope ? em_value_scratch(&n, n.out) : WS_OK;
    if (!st && n.out->dtype == WS_E2M1 && strcmp(node->op->name, "quantize"))
        st = ws_fail(j->err, WS_EINPUT, "only quantize writes e2m1, two elements a byte");
    em_put_prologue(&n);
    if (!st)
        st = group && group->producer < 0 ? em_elementwise_group(&n) : op->emit(&n);
    ws_buf_release(&n.body);
    return st ? ws_wrap(j->err, "graph[%d] (%s)", node->spec->index, node->op->name) : WS_OK;
}

/* The kernels of a step: of one node, or of the group whose root it is. */
static ws_status emit_step(em_job *j, int k)
{
    const em_group *group = group_of(j, k);
    if ((j->step_of && j->step_of[k] != k) || em_is_view(j, k))
        return WS_OK;
    return emit_node(j, &j->graph->node[group && group->producer >= 0 ? group->producer : k], k,
                     group);
}

ws_status em_body_node(em_job *j, const ref_node *node)
{
    return emit_node(j, node, j->graph->n_nodes + j->n_bodies++, NULL);
}

static void add_extents(const em_job *j, ws_buf *out)
{
    if (!j->n_extents)
        return;
    ws_buf_adds(out, "\nenum : long long {\n");
    for (int i = 0; i < j->n_extents; i++)
        ws_buf_printf(out, "    %s = %s,\n", j->extent[i].name, j->extent[i].text);
    ws_buf_adds(out, "};\n");
}

static void assemble(const em_job *j, ws_buf *out)
{
    const spec *s = j->graph->spec;
    ws_buf_adds(out, "/* @plan\n{");
    if (j->n_scratch)
        ws_buf_printf(out, " \"scratch\": [%s ],\n ", ws_buf_z(&j->scratch));
    ws_buf_printf(out, " \"launch\": [%s ] }\n*/\n", ws_buf_z(&j->launches));
    ws_buf_printf(out, "/* %s, translated op by op: %s. */\n", s->name,
                  j->step_of ? "elementwise ops in the kernels of their producers"
                             : "one kernel a node, nothing fused");
    add_includes(j->graph, out);
    add_extents(j, out);
    add_helpers(j, out);
    ws_buf_add(out, j->kernels.p, j->kernels.n);
}

static ws_status emit_graph(const ref_graph *g, bool fused, ws_buf *out, ws_err *err)
{
    em_job j = {.graph = g, .err = err};
    ws_status st = WS_OK;
    for (int o = 0; o < g->n_outputs && !st; o++)
        if (is_tensor(g, g->value[g->output[o]].name))
            st = ws_fail(err, WS_EINPUT,
                         "output '%s' is an input: in-place outputs cannot be emitted",
                         g->value[g->output[o]].name);
    if (!st && fused)
        em_plan_groups(&j);
    if (!st)
        st = em_plan_slots(&j);
    for (int i = 0; i < g->n_nodes && !st; i++)
        st = emit_step(&j, i);
    if (!st)
        assemble(&j, out);
    free(j.known);
    free(j.extent);
    ws_buf_release(&j.scratch);
    ws_buf_release(&j.launches);
    ws_buf_release(&j.kernels);
    ws_arena_release(&j.arena);
    return st ? ws_wrap(err, "emit '%s'", g->spec->name) : WS_OK;
}

ws_status ref_emit(const ref_graph *g, ws_buf *out, ws_err *err)
{
    return emit_graph(g, false, out, err);
}

ws_status ref_emit_fused(const ref_graph *g, ws_buf *out, ws_err *err)
{
    return emit_graph(g, true, out, err);
}
