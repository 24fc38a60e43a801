/* lstm and gru: one kernel a layer and direction, one block a sequence, one thread a state; the
 * steps are a loop with a barrier. The state lies in scratch, twice: step s reads half s % 2 and
 * writes the other. */
#include "reference/emit_ops.h"

#include <stdio.h>
#include <string.h>

/* What the passes of one node share. */
typedef struct rnn {
    int gates, states, directions;
    const ws_expr *batches, *steps, *hidden;
    ws_dtype dtype;    /* of scratch: that of arithmetic */
    const char *state; /* scratch [B, 2 or 3, H]: h twice, c */
} rnn;

/* One pass: where its x comes from and its y goes; scratch names, or NULL: operand, result. */
typedef struct pass {
    int index, direction;
    const char *x, *y;
    const ws_expr *inputs;
} pass;

/* Text of element (b, t, k) of a sequence of `n`: scratch is [B, T, n]. */
static const char *element(em_node *n, bool batch_first, const char *width, const char *k)
{
    return em_text(n, "(%s) * %s + %s", batch_first ? "b * T + t" : "t * B + b", width, k);
}

/* g<q> += w[q H + k, :] v over `count` elements v. */
static void put_products(em_node *n, const rnn *r, int operand, const char *role, const char *count,
                         const char *v, const char *sum)
{
    em_put(n, "        for (long long j = 0; j < %s; j++) {", count);
    em_put(n, "            const %s v = %s;", n->type, v);
    for (int q = 0; q < r->gates; q++)
        em_put(n, "            %s%d += %s * v;", r->gates == 3 && q == 2 && *sum ? sum : "g",
               r->gates == 3 && q == 2 && *sum ? 0 : q,
               em_load(n, n->in[operand], role, em_text(n, "(%d * H + k) * %s + j", q, count)));
    em_put(n, "        }");
}

static void put_biases(em_node *n, const rnn *r, int b_ih)
{
    for (int q = 0; q < r->gates; q++) {
        const char *at = em_text(n, "%d * H + k", q);
        const char *x = em_load(n, n->in[b_ih], "b_ih", at);
        const char *h = em_load(n, n->in[b_ih + 1], "b_hh", at);
        if (r->gates == 3 && q == 2)
            em_put(n, "        %s g2 = %s, h0 = %s;", n->type, x, h);
        else
            em_put(n, "        %s g%d = %s + %s;", n->type, q, x, h);
    }
}

static void put_new_state(em_node *n, const rnn *r)
{
    const char *t = n->type;
    if (r->gates == 4) {
        em_put(n, "        const %s in = 1 / (1 + exp(-g0)), keep = 1 / (1 + exp(-g1));", t);
        em_put(n, "        const %s give = 1 / (1 + exp(-g3));", t);
        em_put(n, "        c[k] = keep * c[k] + in * tanh(g2);");
        em_put(n, "        const %s h = give * tanh(c[k]);", t);
    } else {
        em_put(n, "        const %s reset = 1 / (1 + exp(-g0)), keep = 1 / (1 + exp(-g1));", t);
        em_put(n, "        const %s fresh = tanh(g2 + reset * h0);", t);
        em_put(n, "        const %s h = (1 - keep) * fresh + keep * now[k];", t);
    }
    em_put(n, "        next[k] = h;");
}

static void put_start(em_node *n, const rnn *r, const pass *p)
{
    const char *at = em_text(n, "(%dLL * B + b) * H + k", p->index);
    em_put(n, "const long long b = blockIdx.x, B = %s, T = %s, H = %s, N = %s;",
           em_expr(n, r->batches), em_expr(n, r->steps), em_expr(n, r->hidden),
           em_expr(n, p->inputs));
    em_put(n, "if (b >= B)");
    em_put(n, "    return;");
    em_put(n, "%s *const h_both = state + b * %d * H;", n->type, r->states + 1);
    if (r->states == 2)
        em_put(n, "%s *const c = h_both + 2 * H;", n->type);
    em_put(n, "for (long long k = threadIdx.x; k < H; k += %d) {", EM_THREADS);
    em_put(n, "    h_both[k] = %s;", em_load(n, n->in[1], "h_first", at));
    if (r->states == 2)
        em_put(n, "    c[k] = %s;", em_load(n, n->in[2], "c_first", at));
    em_put(n, "}");
    em_put(n, "__syncthreads();");
}

static void put_steps(em_node *n, const rnn *r, const pass *p, int w_ih)
{
    const ref_value scratch = {.dtype = r->dtype}, *x = p->x ? &scratch : n->in[0];
    const char *from = element(n, p->x || n->at->batch_first, "N", "j");
    const char *width = r->directions == 2 ? "2 * H" : "H";
    const char *column = p->direction ? "H + k" : "k";
    em_put(n, "for (long long s = 0; s < T; s++) {");
    em_put(n, "    const long long t = %s;", p->direction ? "T - 1 - s" : "s");
    em_put(n, "    const %s *const now = h_both + s %% 2 * H;", n->type);
    em_put(n, "    %s *const next = h_both + (s + 1) %% 2 * H;", n->type);
    em_put(n, "    for (long long k = threadIdx.x; k < H; k += %d) {", EM_THREADS);
    put_biases(n, r, w_ih + 2);
    put_products(n, r, w_ih, "w_ih", "N", em_load(n, x, "x", from), "");
    put_products(n, r, w_ih + 1, "w_hh", "H", "now[j]", "h");
    put_new_state(n, r);
    if (p->y)
        em_put(n, "        y[%s] = h;", element(n, true, width, column));
    else if (n->at->output == REF_RNN_Y)
        em_put(n, "        out[%s] = %s;", element(n, n->at->batch_first, width, column),
               em_store(n, n->out->dtype, "h"));
    em_put(n, "    }");
    em_put(n, "    __syncthreads();");
    em_put(n, "}");
    if (n->at->output == REF_RNN_Y)
        return;
    em_put(n, "for (long long k = threadIdx.x; k < H; k += %d)", EM_THREADS);
    em_put(
        n, "    out[(%dLL * B + b) * H + k] = %s;", p->index,
        em_store(n, n->out->dtype, n->at->output == REF_RNN_C ? "c[k]" : "h_both[T % 2 * H + k]"));
}

static ws_status emit_pass(em_node *n, const rnn *r, const pass *p)
{
    static const char *const roles[] = {"w_ih", "w_hh", "b_ih", "b_hh"};
    int w = 1 + r->states + 4 * p->index, n_q = 0;
    em_param q[10];
    put_start(n, r, p);
    put_steps(n, r, p, w);
    q[n_q++] = p->x ? (em_param){.role = "x", .scratch = p->x, .dtype = r->dtype}
                    : (em_param){.role = "x", .value = n->in[0]};
    q[n_q++] = (em_param){.role = "h_first", .value = n->in[1]};
    if (r->states == 2)
        q[n_q++] = (em_param){.role = "c_first", .value = n->in[2]};
    for (int i = 0; i < 4; i++)
        q[n_q++] = (em_param){.role = roles[i], .value = n->in[w + i]};
    q[n_q++] = (em_param){.role = "state", .scratch = r->state, .dtype = r->dtype, .written = true};
    if (p->y)
        q[n_q++] = (em_param){.role = "y", .scratch = p->y, .dtype = r->dtype, .written = true};
    if (n->at->output != REF_RNN_Y || !p->y)
        q[n_q++] = (em_param){.role = "out", .value = n->out, .written = true};
    return em_kernel(n, em_text(n, "_%d", p->index), "one block a sequence, one thread a state", q,
                     n_q, r->batches, false);
}

/* Layers hand their sequences on through two scratch tensors in turn. */
static ws_status emit_rnn(em_node *n)
{
    ws_arena *a = &n->job->arena;
    const ref_value *x = n->in[0];
    bool lstm = strcmp(n->node->op->name, "lstm") == 0;
    em_choose_type(n, n->n_in, true);
    rnn r = {.gates = lstm ? 4 : 3,
             .states = lstm ? 2 : 1,
             .directions = n->at->bidirectional ? 2 : 1,
             .batches = x->dim[n->at->batch_first ? 0 : 1],
             .steps = x->dim[n->at->batch_first ? 1 : 0],
             .hidden = n->in[1]->dim[2],
             .dtype = n->type[0] == 'd' ? WS_F64 : WS_F32};
    const ws_expr *state[] = {r.batches, r.hidden, ws_expr_const(a, r.states + 1)};
    const ws_expr *wide = ws_expr_binary(a, WS_X_MUL, r.hidden, ws_expr_const(a, r.directions));
    const ws_expr *layer[] = {r.batches, r.steps, wide};
    const char *between[2] = {0};
    r.state = em_unused_name(n, em_text(n, "%s_state", n->out->name));
    if (em_scratch(n->job, r.state, r.dtype, em_product(n, state, 3)))
        return n->job->err->status;
    for (int l = 0; l < n->at->num_layers; l++) {
        bool last = l + 1 == n->at->num_layers;
        if (!last && l < 2) {
            between[l] = em_unused_name(n, em_text(n, "%s_layer%d", n->out->name, l));
            if (em_scratch(n->job, between[l], r.dtype, em_product(n, layer, 3)))
                return n->job->err->status;
        }
        for (int d = 0; d < r.directions; d++) {
            pass p = {.index = l * r.directions + d,
                      .direction = d,
                      .x = l ? between[(l - 1) % 2] : NULL,
                      .y = last ? NULL : between[l % 2],
                      .inputs = l ? wide : x->dim[2]};
            if (emit_pass(n, &r, &p))
                return n->job->err->status;
        }
    }
    return WS_OK;
}

const em_op em_ops_recurrent[] = {
    {.name = "lstm", .emit = emit_rnn}, {.name = "gru", .emit = emit_rnn}, {0}};
