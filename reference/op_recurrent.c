/* lstm and gru, as PyTorch defines them: layers, one or two directions, gates in the order i f g o
 * and r z n.
 *
 *     operands  x, h0, (lstm: c0,) then for each layer, and in it each direction: w_ih, w_hh, b_ih,
 *               b_hh.  x[T, B, I] or, batch_first, [B, T, I]; h0, c0 [L D, B, H];
 *               w_ih[G H, I or D H], w_hh[G H, H], b[G H]
 *     lstm      c' = sigmoid(f) c + sigmoid(i) tanh(g),  h' = sigmoid(o) tanh(c')
 *     gru       n = tanh(n_x + sigmoid(r) n_h),  h' = (1 - sigmoid(z)) n + sigmoid(z) h
 *
 * The bound. Adding the worst case of every step grows without limit, because sum |w| over a row of
 * w_hh is far above 1, while rounding errors have random signs. Variances are propagated in its
 * place: with s the deviation of a value, s(w x)^2 = w^2 s(x)^2, through a function f'^2 s^2, and
 * what a step rounds adds its bound squared. The result's bound is RNN_SIGMA deviations. */
#include "reference/ops.h"
#include "reference/order.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define RNN_SIGMA 2.0

/* Roundoffs of CUDA's functions, as in the table of unary functions. */
#define ULP_SIGMOID 6.0
#define ULP_TANH    4.0

/* ---- shapes ---- */

static const ws_expr *times(ref_infer *f, const ws_expr *e, int64_t k)
{
    ws_arena *a = &f->graph->arena;
    return k == 1 ? e : ws_expr_binary(a, WS_X_MUL, ws_expr_const(a, k), e);
}

static ws_status need_shape(ref_infer *f, int i, int rank, const ws_expr *a, const ws_expr *b,
                            const char *text)
{
    const ref_value *v = f->in[i];
    if (v->rank != rank)
        return ref_infer_fail(f, "operand %d has rank %d, expected %d: %s", i, v->rank, rank, text);
    ref_need_equal(f, v->dim[0], a, text);
    if (rank > 1)
        ref_need_equal(f, v->dim[1], b, text);
    return WS_OK;
}

static ws_status infer_weights(ref_infer *f, int first, int gates, int directions,
                               const ws_expr *hidden)
{
    const ws_expr *rows = times(f, hidden, gates);
    for (int k = 0; k < f->at->num_layers * directions; k++) {
        int i = first + 4 * k;
        const ws_expr *columns = k < directions ? f->in[0]->dim[2] : times(f, hidden, directions);
        if (need_shape(f, i, 2, rows, columns, "w_ih has the gates' rows, a column an input") ||
            need_shape(f, i + 1, 2, rows, hidden, "w_hh has the gates' rows, a column a state") ||
            need_shape(f, i + 2, 1, rows, NULL, "b_ih has one element a gate's row") ||
            need_shape(f, i + 3, 1, rows, NULL, "b_hh has one element a gate's row"))
            return f->err->status;
    }
    return WS_OK;
}

static ws_status infer_rnn(ref_infer *f, int gates)
{
    const ref_value *x = f->in[0], *h = f->in[1];
    int states = gates == 4 ? 2 : 1, directions = f->at->bidirectional ? 2 : 1;
    int want = 1 + states + 4 * f->at->num_layers * directions;
    if (f->n_in != want)
        return ref_infer_fail(f, "%d operands; %d layers of %d directions take %d", f->n_in,
                              f->at->num_layers, directions, want);
    if (x->rank != 3)
        return ref_infer_fail(f, "x has rank %d, expected 3", x->rank);
    for (int i = 1; i <= states; i++)
        if (f->in[i]->rank != 3)
            return ref_infer_fail(f, "%s has rank %d, expected 3", i == 1 ? "h0" : "c0",
                                  f->in[i]->rank);
    if (!f->at->output)
        f->at->output = REF_RNN_Y;
    if (f->at->output > REF_RNN_C)
        return ref_infer_fail(f, "attribute 'output': expected y, h_n or c_n");
    if (f->at->output == REF_RNN_C && gates != 4)
        return ref_infer_fail(f, "a gru has no cell state");
    const ws_expr *batch = x->dim[f->at->batch_first ? 0 : 1], *hidden = h->dim[2];
    for (int i = 1; i <= states; i++) {
        ref_need_equal(f, f->in[i]->dim[0],
                       ws_expr_const(&f->graph->arena, f->at->num_layers * directions),
                       "a state for each layer and direction");
        ref_need_equal(f, f->in[i]->dim[1], batch, "a state for each sequence");
        ref_need_equal(f, f->in[i]->dim[2], hidden, "states of one size");
    }
    if (infer_weights(f, 1 + states, gates, directions, hidden))
        return f->err->status;
    ref_same_shape(f->out, f->at->output == REF_RNN_Y ? x : h);
    f->out->dim[2] = f->at->output == REF_RNN_Y ? times(f, hidden, directions) : hidden;
    return WS_OK;
}

static ws_status infer_lstm(ref_infer *f)
{
    return infer_rnn(f, 4);
}

static ws_status infer_gru(ref_infer *f)
{
    return infer_rnn(f, 3);
}

/* ---- evaluation ---- */

/* Values and variances of one layer's sequences, [B, T, n]. */
typedef struct sequences {
    double *v, *s2;
    int64_t n;
} sequences;

/* One layer in one direction. w: a row an input, then a row a state; columns are the gates' rows.
 */
typedef struct pass {
    const ref_call *c;
    int gates, states, index; /* index: in the operands of states */
    bool backwards;
    int64_t batches, steps, hidden;
    const sequences *x;
    sequences *y;
    int64_t y_at; /* first column of y */
    double *w;
    const ref_tensor *b_ih, *b_hh;
} pass;

/* A gate's input before its function: value, sum of magnitudes, variance. From x and from h. */
typedef struct sums {
    double *v, *size, *s2;
} sums;

static double square(double x)
{
    return x * x;
}

/* The same of honest sums, values alone. */
static void add_in_order(const double *w, const double *x, int64_t n, int64_t rows, double *v)
{
    float *row = ws_malloc((size_t)((REF_ADDER_ROWS + 1) * rows) * sizeof *row + 1);
    float *room = row + rows;
    ref_adder a;
    ref_adder_init(&a, room, rows);
    for (int64_t k = 0; k < n; k++, w += rows) {
        for (int64_t r = 0; r < rows; r++)
            row[r] = (float)w[r];
        ref_adder_push(&a, (float)x[k], row);
    }
    const float *sum = ref_adder_finish(&a);
    for (int64_t r = 0; r < rows; r++)
        v[r] = ref_partial(v[r] + (double)sum[r]);
    free(row);
}

/* s += w' x for one input vector of n elements; w has `rows` columns. */
static void add_product(const pass *p, const double *w, const double *x, const double *s2,
                        int64_t n, int64_t rows, sums *out)
{
    double u2 = p->c->u > p->c->ua ? square(p->c->u) : 0; /* products rounded before the sum */
    if (ref_order_now) {
        add_in_order(w, x, n, rows, out->v);
        return;
    }
    for (int64_t k = 0; k < n; k++, w += rows) {
        double a = x[k], var = s2[k] + u2 * a * a;
        for (int64_t r = 0; r < rows; r++) {
            out->v[r] += w[r] * a;
            out->size[r] += fabs(w[r] * a);
            out->s2[r] += w[r] * w[r] * var;
        }
    }
}

typedef struct cell {
    double *h, *h2, *c, *c2; /* state and variances */
    sums x, h_;              /* of the inputs and of the state */
} cell;

static double rounded(const pass *p, double size, int64_t terms)
{
    return square(REF_SUM * sqrt((double)terms) * p->c->ua * size);
}

/* A gate: its value and variance after sigmoid or tanh. */
static double gate(const pass *p, double v, double s2, bool is_tanh, double *out2)
{
    double y = is_tanh ? tanh(v) : 1 / (1 + exp(-v));
    double slope = is_tanh ? 1 - y * y : y * (1 - y);
    *out2 = square(slope) * s2 + square((is_tanh ? ULP_TANH : ULP_SIGMOID) * p->c->u * y);
    return y;
}

/* The first n gates of unit k, whose inputs are sums over x and h; gate `hyperbolic` is a tanh. */
static void gates_of(const pass *p, const cell *s, int64_t k, int n, int hyperbolic, double *g,
                     double *g2)
{
    int64_t terms = p->x->n + p->hidden + 2;
    for (int q = 0; q < n; q++) {
        int64_t r = q * p->hidden + k;
        double size = s->x.size[r] + s->h_.size[r];
        g[q] = gate(p, s->x.v[r] + s->h_.v[r],
                    s->x.s2[r] + s->h_.s2[r] + rounded(p, size, terms), q == hyperbolic, &g2[q]);
    }
}

static void step_lstm(const pass *p, cell *s)
{
    for (int64_t k = 0; k < p->hidden; k++) {
        double g[4], g2[4];
        gates_of(p, s, k, 4, 2, g, g2);
        double keep = g[1] * s->c[k], add = g[0] * g[2], c = ref_partial(keep + add);
        double c2 = square(g[1]) * s->c2[k] + square(s->c[k]) * g2[1] + square(g[0]) * g2[2] +
                    square(g[2]) * g2[0] + square(p->c->u * (fabs(keep) + fabs(add) + fabs(c)));
        double t2, t = gate(p, c, c2, true, &t2);
        s->c[k] = c;
        s->c2[k] = c2;
        s->h[k] = ref_partial(g[3] * t);
        s->h2[k] = square(g[3]) * t2 + square(t) * g2[3] + square(p->c->u * s->h[k]);
    }
}

static void step_gru(const pass *p, cell *s)
{
    int64_t n = p->hidden, terms = p->x->n + n + 2;
    for (int64_t k = 0; k < n; k++) {
        double g[2], g2[2];
        gates_of(p, s, k, 2, -1, g, g2);
        int64_t r = 2 * n + k;
        double in = s->x.v[r], hid = s->h_.v[r], u = p->c->u;
        double hid2 = s->h_.s2[r] + rounded(p, s->h_.size[r], terms);
        double pre = in + g[0] * hid;
        double pre2 = s->x.s2[r] + rounded(p, s->x.size[r], terms) + square(g[0]) * hid2 +
                      square(hid) * g2[0] + square(u * (fabs(g[0] * hid) + fabs(pre)));
        double n2, new = gate(p, pre, pre2, true, &n2), h = s->h[k];
        s->h[k] = ref_partial((1 - g[1]) * new + g[1] * h);
        s->h2[k] = square(1 - g[1]) * n2 + square(g[1]) * s->h2[k] + square(h - new) * g2[1] +
                   square(2 * u * (fabs((1 - g[1]) * new) + fabs(g[1] * h)));
    }
}

/* The sums of one gate's row begin with the bias. */
static void start_sums(sums *s, const ref_tensor *bias, int64_t rows)
{
    for (int64_t r = 0; r < rows; r++) {
        s->v[r] = bias->v[r];
        s->size[r] = fabs(bias->v[r]);
        s->s2[r] = square(ref_err(bias, r));
    }
}

static void load_state(const pass *p, int operand, int64_t b, double *v, double *s2)
{
    const ref_tensor *t = p->c->in[operand];
    for (int64_t k = 0; k < p->hidden; k++) {
        int64_t at = (p->index * p->batches + b) * p->hidden + k;
        v[k] = t->v[at];
        s2[k] = square(ref_err(t, at));
    }
}

/* The variances of values below 1e-150 are lost to underflow. */
static double bound_of(double variance)
{
    return RNN_SIGMA * sqrt(variance + 1e-300);
}

/* The last state of a pass is a row of h_n or c_n. */
static void keep_state(const pass *p, int64_t b, const double *v, const double *s2)
{
    ref_tensor *out = p->c->out;
    for (int64_t k = 0; k < p->hidden; k++) {
        int64_t at = (p->index * p->batches + b) * p->hidden + k;
        out->v[at] = v[k];
        if (out->e)
            out->e[at] = bound_of(s2[k]);
    }
}

/* One sequence through one layer in one direction. */
static void run_sequence(void *ud, int64_t b)
{
    const pass *p = ud;
    int64_t n = p->hidden, rows = p->gates * n;
    double *m = ws_calloc((size_t)(4 * n + 6 * rows), sizeof *m);
    cell s = {.h = m, .h2 = m + n, .c = m + 2 * n, .c2 = m + 3 * n};
    m += 4 * n;
    s.x = (sums){m, m + rows, m + 2 * rows};
    s.h_ = (sums){m + 3 * rows, m + 4 * rows, m + 5 * rows};
    load_state(p, 1, b, s.h, s.h2);
    if (p->states == 2)
        load_state(p, 2, b, s.c, s.c2);
    for (int64_t k = 0; k < p->steps; k++) {
        int64_t t = p->backwards ? p->steps - 1 - k : k, row = b * p->steps + t;
        start_sums(&s.x, p->b_ih, rows);
        start_sums(&s.h_, p->b_hh, rows);
        add_product(p, p->w, p->x->v + row * p->x->n, p->x->s2 + row * p->x->n, p->x->n, rows,
                    &s.x);
        add_product(p, p->w + p->x->n * rows, s.h, s.h2, n, rows, &s.h_);
        if (p->gates == 4)
            step_lstm(p, &s);
        else
            step_gru(p, &s);
        memcpy(p->y->v + row * p->y->n + p->y_at, s.h, (size_t)n * sizeof *s.h);
        memcpy(p->y->s2 + row * p->y->n + p->y_at, s.h2, (size_t)n * sizeof *s.h);
    }
    if (p->c->at->output == REF_RNN_H)
        keep_state(p, b, s.h, s.h2);
    if (p->c->at->output == REF_RNN_C)
        keep_state(p, b, s.c, s.c2);
    free(s.h);
}

/* out[k, r] = w[r, k]: what add_product walks along. */
static void transpose(const ref_tensor *w, double *out)
{
    int64_t rows = w->shape.dim[0], n = w->shape.dim[1];
    for (int64_t r = 0; r < rows; r++)
        for (int64_t k = 0; k < n; k++)
            out[k * rows + r] = w->v[r * n + k];
}

static sequences sequences_new(int64_t rows, int64_t n)
{
    size_t count = (size_t)(rows * n);
    return (sequences){ws_calloc(count + 1, sizeof(double)), ws_calloc(count + 1, sizeof(double)),
                       n};
}

static void sequences_free(sequences *s)
{
    free(s->v);
    free(s->s2);
}

/* Element (b, t, k) of a tensor in either layout. */
static int64_t element(const ref_attrs *at, int64_t batches, int64_t steps, int64_t n, int64_t b,
                       int64_t t, int64_t k)
{
    return ((at->batch_first ? b * steps + t : t * batches + b) * n) + k;
}

static sequences load_input(const ref_call *c, int64_t batches, int64_t steps)
{
    const ref_tensor *x = c->in[0];
    int64_t n = x->shape.dim[2];
    sequences s = sequences_new(batches * steps, n);
    for (int64_t b = 0; b < batches; b++)
        for (int64_t t = 0; t < steps; t++)
            for (int64_t k = 0; k < n; k++) {
                int64_t from = element(c->at, batches, steps, n, b, t, k);
                s.v[(b * steps + t) * n + k] = x->v[from];
                s.s2[(b * steps + t) * n + k] = square(ref_err(x, from));
            }
    return s;
}

static void store_output(const ref_call *c, const sequences *y, int64_t batches, int64_t steps)
{
    for (int64_t b = 0; b < batches; b++)
        for (int64_t t = 0; t < steps; t++)
            for (int64_t k = 0; k < y->n; k++) {
                int64_t to = element(c->at, batches, steps, y->n, b, t, k);
                int64_t from = (b * steps + t) * y->n + k;
                c->out->v[to] = y->v[from];
                if (c->out->e)
                    c->out->e[to] = bound_of(y->s2[from]);
            }
}

static ws_status check_weights(const ref_call *c, int first)
{
    for (int i = first; i < c->n_in; i++)
        for (int64_t k = 0; (i - first) % 4 < 2 && c->in[i]->e && k < c->in[i]->shape.count; k++)
            if (c->in[i]->e[k] != 0)
                return ws_fail(c->err, WS_EINPUT,
                               "operand %d is computed; matrices of a recurrence are inputs", i);
    return WS_OK;
}

static ws_status eval_rnn(const ref_call *c, int gates)
{
    int states = gates == 4 ? 2 : 1, directions = c->at->bidirectional ? 2 : 1;
    const ref_shape *x = &c->in[0]->shape;
    pass p = {.c = c,
              .gates = gates,
              .states = states,
              .hidden = c->in[1]->shape.dim[2],
              .batches = x->dim[c->at->batch_first ? 0 : 1],
              .steps = x->dim[c->at->batch_first ? 1 : 0]};
    if (check_weights(c, 1 + states))
        return c->err->status;
    sequences in = load_input(c, p.batches, p.steps);
    for (int layer = 0; layer < c->at->num_layers; layer++) {
        sequences y = sequences_new(p.batches * p.steps, directions * p.hidden);
        p.x = &in;
        p.y = &y;
        p.w = ws_malloc((size_t)((in.n + p.hidden) * gates * p.hidden + 1) * sizeof *p.w);
        for (int d = 0; d < directions; d++) {
            p.index = layer * directions + d;
            const ref_tensor *const *w = &c->in[1 + states + 4 * p.index];
            p.backwards = d == 1;
            p.y_at = d * p.hidden;
            p.b_ih = w[2];
            p.b_hh = w[3];
            transpose(w[0], p.w);
            transpose(w[1], p.w + in.n * gates * p.hidden);
            ref_for(p.batches, (double)(p.steps * (in.n + p.hidden) * gates * p.hidden) * 3,
                    run_sequence, &p);
        }
        free(p.w);
        sequences_free(&in);
        in = y;
    }
    if (c->at->output == REF_RNN_Y)
        store_output(c, &in, p.batches, p.steps);
    sequences_free(&in);
    return WS_OK;
}

static ws_status eval_lstm(const ref_call *c)
{
    return eval_rnn(c, 4);
}

static ws_status eval_gru(const ref_call *c)
{
    return eval_rnn(c, 3);
}

/* 2 a multiply-add of the matrices; the gates' functions and sums are counted 8 a state. */
static double flops_rnn(const ref_attrs *at, const ref_shape *const *in, int n_in,
                        const ref_shape *out)
{
    int64_t rows = in[0]->dim[0] * in[0]->dim[1], hidden = in[1]->dim[2];
    double f = 0;
    (void)at, (void)out;
    for (int i = n_in - 4 * (int)in[1]->dim[0]; i < n_in; i += 4)
        f += (double)rows *
             (2 * ((double)in[i]->count + (double)in[i + 1]->count) + 8 * (double)hidden);
    return f;
}

#define RNN(op)                                                                                    \
    {                                                                                              \
        .name = #op, .min_in = 6, .max_in = SPEC_MAX_OPERANDS,                                     \
        .attrs = "num_layers bidirectional batch_first output", .infer = infer_##op,               \
        .eval = eval_##op, .flops = flops_rnn                                                      \
    }
const ref_op ref_ops_recurrent[] = {RNN(lstm), RNN(gru), {0}};
