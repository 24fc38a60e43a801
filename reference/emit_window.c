/* Sliding windows, one thread an element of the result: convolution and pooling. */
#include "reference/emit_ops.h"

#include <inttypes.h>
#include <string.h>

/* Loops over the window: counters w0, w1, ... and positions p0, p1, ... in the operand that lie
 * inside. Returns the depth of the innermost body. */
static int put_window_loops(em_node *n, const ref_value *x, const ws_expr *const *kernel, int depth)
{
    const ref_attrs *at = n->at;
    for (int s = 0; s < x->rank - 2; s++, depth++) {
        int pad = 4 * depth;
        em_put(n, "%*sfor (long long w%d = 0; w%d < %s; w%d++) {", pad, "", s, s,
               em_expr(n, kernel[s]), s);
        em_put(n,
               "%*s    const long long p%d = at%d * %" PRId64 " - %" PRId64 " + w%d * %" PRId64 ";",
               pad, "", s, s + 2, at->stride[s], at->padding[s], s, at->dilation[s]);
        em_put(n, "%*s    if (p%d < 0 || p%d >= %s)", pad, "", s, s, em_expr(n, x->dim[2 + s]));
        em_put(n, "%*s        continue;", pad, "");
    }
    return depth;
}

static void close_loops(em_node *n, int from, int to)
{
    for (int depth = to - 1; depth >= from; depth--)
        em_put(n, "%*s}", 4 * depth, "");
}

/* Thread index and all coordinates of the result. */
static const ws_expr *put_start(em_node *n)
{
    const ws_expr *count = em_count(n, n->out);
    em_thread_index(n, count);
    em_coords(n, "i", "at", n->out->dim, n->out->rank, (1u << n->out->rank) - 1);
    return count;
}

static const char *position(em_node *n, const ref_value *x, const char *channel)
{
    static const char *const names[] = {"p0", "p1", "p2"};
    const char *at[SPEC_MAX_RANK] = {"at0", channel};
    for (int s = 0; s < x->rank - 2; s++)
        at[2 + s] = names[s];
    return em_offset(n, at, x->dim, x->rank);
}

/* Sum, bias, store, parameters x, w, bias, out. */
static ws_status close_conv(em_node *n, const ws_expr *count)
{
    const char *value =
        n->n_in > 2 ? em_text(n, "sum + %s", em_load(n, n->in[2], "bias", "at1")) : "sum";
    em_put_result(n, "", "i", value);
    em_param p[4] = {{.role = "x", .value = n->in[0]}, {.role = "w", .value = n->in[1]}};
    if (n->n_in > 2)
        p[2] = (em_param){.role = "bias", .value = n->in[2]};
    p[n->n_in] = (em_param){.role = "out", .value = n->out, .written = true};
    return em_kernel(n, "", "one thread an element", p, n->n_in + 1, em_blocks(n, count), false);
}

static ws_status emit_conv(em_node *n)
{
    static const char *const taps[SPEC_MAX_RANK] = {"at1", "c", "w0", "w1", "w2"};
    const ref_value *x = n->in[0], *w = n->in[1];
    em_choose_type(n, n->n_in, true);
    const ws_expr *count = put_start(n);
    const char *channel = "c";
    if (!em_is_const(n->at->groups, 1)) {
        em_put(n, "const long long first = at1 / (%s / %s) * %s; /* channel of this group */",
               em_expr(n, w->dim[0]), em_expr(n, n->at->groups), em_expr(n, w->dim[1]));
        channel = "(first + c)";
    }
    em_put(n, "%s sum = 0;", n->type);
    em_put(n, "for (long long c = 0; c < %s; c++) {", em_expr(n, w->dim[1]));
    int depth = put_window_loops(n, x, w->dim + 2, 1);
    em_put(n, "%*ssum += %s * %s;", 4 * depth, "", em_load(n, x, "x", position(n, x, channel)),
           em_load(n, w, "w", em_offset(n, taps, w->dim, w->rank)));
    close_loops(n, 0, depth);
    return close_conv(n, count);
}

/* ---- conv_transpose: for each place, the taps and positions of x that meet in it ---- */

/* Loops over the window: positions p0, p1, ... of x whose tap w0, w1, ... falls on this place. */
static int put_meeting_loops(em_node *n, const ref_value *x, const ws_expr *const *kernel,
                             int depth)
{
    const ref_attrs *at = n->at;
    for (int s = 0; s < x->rank - 2; s++, depth++) {
        int pad = 4 * depth;
        em_put(n, "%*sfor (long long w%d = 0; w%d < %s; w%d++) {", pad, "", s, s,
               em_expr(n, kernel[s]), s);
        em_put(n, "%*s    const long long q%d = at%d + %" PRId64 " - w%d * %" PRId64 ";", pad, "",
               s, s + 2, at->padding[s], s, at->dilation[s]);
        em_put(n, "%*s    const long long p%d = q%d / %" PRId64 ";", pad, "", s, s, at->stride[s]);
        em_put(n, "%*s    if (q%d < 0 || q%d %% %" PRId64 " != 0 || p%d >= %s)", pad, "", s, s,
               at->stride[s], s, em_expr(n, x->dim[2 + s]));
        em_put(n, "%*s        continue;", pad, "");
    }
    return depth;
}

static ws_status emit_conv_transpose(em_node *n)
{
    static const char *const taps[SPEC_MAX_RANK] = {"(first + c)", "own", "w0", "w1", "w2"};
    const ref_value *x = n->in[0], *w = n->in[1];
    em_choose_type(n, n->n_in, true);
    const ws_expr *count = put_start(n);
    const ws_expr *per_group = ws_expr_binary(&n->job->arena, WS_X_DIV, w->dim[0], n->at->groups);
    em_put(n, "const long long own = at1 %% %s; /* the channel in its group */",
           em_expr(n, w->dim[1]));
    em_put(n, "const long long first = at1 / %s * %s; /* channel of x of the group */",
           em_expr(n, w->dim[1]), em_expr(n, per_group));
    em_put(n, "%s sum = 0;", n->type);
    em_put(n, "for (long long c = 0; c < %s; c++) {", em_expr(n, per_group));
    int depth = put_meeting_loops(n, x, w->dim + 2, 1);
    em_put(n, "%*ssum += %s * %s;", 4 * depth, "",
           em_load(n, x, "x", position(n, x, "(first + c)")),
           em_load(n, w, "w", em_offset(n, taps, w->dim, w->rank)));
    close_loops(n, 0, depth);
    return close_conv(n, count);
}

/* ---- pooling ---- */

/* What a mean divides by: the taps inside the operand, or the whole window but for what lies
 * behind the padding, which takes ceil_mode to occur. */
static const char *put_divisor(em_node *n, const ref_value *x, int64_t window)
{
    const ref_attrs *at = n->at;
    if (!at->count_include_pad)
        return "taps";
    if (!at->ceil_mode)
        return em_text(n, "%" PRId64, window);
    const char *product = "1";
    for (int s = 0; s < x->rank - 2; s++) {
        em_put(n, "const long long room%d = %s + %" PRId64 " - (at%d * %" PRId64 " - %" PRId64 ");",
               s, em_expr(n, x->dim[2 + s]), at->padding[s], s + 2, at->stride[s], at->padding[s]);
        product = em_text(n, "%s * (room%d < %" PRId64 " ? room%d : %" PRId64 ")", product, s,
                          at->kernel[s], s, at->kernel[s]);
    }
    return em_text(n, "(%s)", product);
}

/* The formula updates r with v. */
static ws_status emit_pool(em_node *n)
{
    const ref_value *x = n->in[0];
    const ws_expr *kernel[3];
    bool mean = strcmp(n->node->op->name, "avg_pool") == 0;
    int64_t window = 1;
    for (int s = 0; s < x->rank - 2; s++) {
        kernel[s] = ws_expr_const(&n->job->arena, n->at->kernel[s]);
        window *= n->at->kernel[s];
    }
    em_choose_type(n, 1, mean);
    const ws_expr *count = put_start(n);
    em_put(n, "%s r = %s;", n->type, mean ? "0" : em_text(n, "-(%s)INFINITY", n->type));
    bool counts = mean && !n->at->count_include_pad;
    if (counts)
        em_put(n, "long long taps = 0; /* inside the operand */");
    int depth = put_window_loops(n, x, kernel, 0);
    em_put(n, "%*sconst %s v = %s;", 4 * depth, "", n->type,
           em_load(n, x, "x", position(n, x, "at1")));
    em_put(n, "%*sr = %s;", 4 * depth, "", n->formula);
    if (counts)
        em_put(n, "%*staps++;", 4 * depth, "");
    close_loops(n, 0, depth);
    const char *value = mean ? em_text(n, "r / %s", put_divisor(n, x, window)) : "r";
    em_put_result(n, "", "i", value);
    const em_param p[] = {{.role = "x", .value = x},
                          {.role = "out", .value = n->out, .written = true}};
    return em_kernel(n, "", "one thread an element", p, 2, em_blocks(n, count), false);
}

const em_op em_ops_window[] = {
    {.name = "conv", .emit = emit_conv},
    {.name = "conv_transpose", .emit = emit_conv_transpose},
    {.name = "max_pool", .emit = emit_pool, .formula = "v > r || v != v ? v : r"},
    {.name = "avg_pool", .emit = emit_pool, .formula = "r + v"},
    {0}};
