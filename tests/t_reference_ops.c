/* Every op against its result by NumPy; what shape inference and evaluation refuse. */
#include "reference/ops.h"
#include "tests/reference_cases.h"
#include "tests/tap.h"

#include <stdlib.h>

/* A spec of the case tensors and the given nodes; its last output is y. */
static spec *make_spec(const char *nodes, ws_err *err)
{
    ws_buf text = {0};
    spec *s = NULL;
    ws_buf_printf(&text, "%s,\"graph\":[%s],\"outputs\":[\"y\"]}", case_head, nodes);
    if (spec_from_text(text.p, text.n, "case.json", &s, err))
        s = NULL;
    ws_buf_release(&text);
    return s;
}

/* Evaluates the spec's output at the benchmark shape. */
static ws_status evaluate(const spec *s, ref_tensor *out, ws_err *err)
{
    ref_graph *g = NULL;
    ref_bound *b = NULL;
    ws_arena a = {0};
    ws_env env = spec_env(s, -1);
    ref_tensor in[32] = {0};
    ws_status st = ref_graph_new(s, &g, err);
    if (!st)
        st = ref_bind(g, &env, &a, &b, err);
    for (int i = 0; !st && i < s->n_inputs; i++)
        st = ref_make_input(b, i, 1, &in[i], err);
    if (!st)
        st = ref_eval(b, in, true, out, err);
    for (int i = 0; i < s->n_inputs; i++)
        ref_tensor_release(&in[i]);
    ws_arena_release(&a);
    ref_graph_free(g);
    return st;
}

static bool has_shape(const ref_tensor *t, const op_case *c)
{
    bool same = t->shape.rank == c->rank;
    for (int d = 0; same && d < c->rank; d++)
        same = t->shape.dim[d] == c->dim[d];
    return same;
}

static bool is_near(double got, double want)
{
    return got == want || fabs(got - want) <= 1e-14 * fmax(1, fabs(want));
}

static void test_cases(void)
{
    for (int i = 0; i < N_OP_CASES; i++) {
        const op_case *c = &op_cases[i];
        ws_err err = {0};
        ws_buf node = {0};
        ref_tensor y = {0};
        ws_buf_printf(&node, "{\"out\":\"y\",%s}", c->node);
        spec *s = make_spec(ws_buf_z(&node), &err);
        bool good = s && evaluate(s, &y, &err) == WS_OK && has_shape(&y, c);
        int64_t wrong = -1;
        for (int64_t k = 0; good && k < y.shape.count; k++)
            if (!is_near(y.v[k], c->want[k]) || (y.e && !(y.e[k] >= 0)))
                wrong = wrong < 0 ? k : wrong;
        if (!ok(good && wrong < 0, "%s", c->node)) {
            printf("# %s\n", err.msg);
            if (wrong >= 0)
                printf("# [%d] got %.17g want %.17g\n", (int)wrong, y.v[wrong], c->want[wrong]);
        }
        ref_tensor_release(&y);
        spec_free(s);
        ws_buf_release(&node);
    }
}

/* Each op of the table appears in a case. */
static void test_coverage(void)
{
    for (const char *const *name = ref_op_names(); *name; name++) {
        char quoted[64];
        bool found = false;
        snprintf(quoted, sizeof quoted, "\"op\":\"%s\"", *name);
        for (int i = 0; i < N_OP_CASES; i++)
            found |= strstr(op_cases[i].node, quoted) != NULL;
        ok(found, "op %s has a case", *name);
    }
}

static const struct {
    const char *node, *error;
} bad[] = {
    {"\"op\":\"relux\",\"in\":[\"x\"]", "graph[0] (relux): unknown op 'relux'"},
    {"\"op\":\"relu\",\"in\":[\"x\",\"x\"]", "2 operands; the op takes 1 to 1"},
    {"\"op\":\"relu\",\"in\":[\"x\"],\"dim\":1", "the op has no attribute 'dim'"},
    {"\"op\":\"add\",\"in\":[\"x\",\"w\"]", "operands broadcast together"},
    {"\"op\":\"softmax\",\"in\":[\"x\"],\"dim\":2", "axis 2 of a tensor of rank 2"},
    {"\"op\":\"softmax\",\"in\":[\"x\"],\"dim\":0.5", "attribute 'dim': expected a whole number"},
    {"\"op\":\"reduce\",\"in\":[\"x\"],\"fn\":\"sun\"", "attribute 'fn': expected sum, mean"},
    {"\"op\":\"reduce\",\"in\":[\"x\"],\"fn\":\"sum\",\"dims\":[1,-1]", "axis 1 is named twice"},
    {"\"op\":\"reduce\",\"in\":[\"x\"],\"fn\":\"argmax\"", "an index reduction takes one axis"},
    {"\"op\":\"matmul\",\"in\":[\"x\",\"x\"]", "the inner extents agree: '(N == B)' does not hold"},
    {"\"op\":\"linear\",\"in\":[\"x\",\"v\"]", "takes x[..., K], w[N, K] and b[N]"},
    {"\"op\":\"layer_norm\",\"in\":[\"x\",\"bias\"]", "scale and shift have the normalised shape"},
    {"\"op\":\"cross_entropy\",\"in\":[\"z\",\"v\"]", "one target a row"},
    {"\"op\":\"conv\",\"in\":[\"x\",\"w\"]", "the operand has rank 2; expected [N, C]"},
    {"\"op\":\"conv\",\"in\":[\"img\",\"depth\"]", "channels are those of the weights times groups"},
    {"\"op\":\"conv\",\"in\":[\"img\",\"ker\"],\"stride\":[1,1,1]", "'stride' has 3 values for 2 spatial axes"},
    {"\"op\":\"conv\",\"in\":[\"img\",\"ker\"],\"dilation\":9", "the window fits into the padded operand"},
    {"\"op\":\"max_pool\",\"in\":[\"img\"]", "missing 'kernel'"},
    {"\"op\":\"max_pool\",\"in\":[\"img\"],\"kernel\":2,\"padding\":2", "padding is more than half"},
    {"\"op\":\"reshape\",\"in\":[\"x\"],\"shape\":[4]", "both shapes have as many elements"},
    {"\"op\":\"reshape\",\"in\":[\"x\"],\"shape\":[-1,-1]", "more than one extent is -1"},
    {"\"op\":\"reshape\",\"in\":[\"x\"],\"shape\":[\"Q\"]", "graph[0]: unknown name 'Q'"},
    {"\"op\":\"permute\",\"in\":[\"x\"],\"dims\":[0]", "dims has 1 axes; the operand has 2"},
    {"\"op\":\"expand\",\"in\":[\"v\"],\"shape\":[4]", "an expanded axis has extent 1"},
    {"\"op\":\"slice\",\"in\":[\"x\"],\"dim\":0,\"step\":0", "step is 0"},
    {"\"op\":\"pad\",\"in\":[\"x\"],\"pad\":[1]", "attribute 'pad': expected two numbers an axis"},
    {"\"op\":\"roll\",\"in\":[\"x\"],\"shifts\":[1,2],\"dims\":[0]", "shifts and dims name one axis each"},
    {"\"op\":\"tril\",\"in\":[\"v\"]", "a triangle needs 2 axes"},
    {"\"op\":\"concat\",\"in\":[\"x\",\"v\"]", "operand 1 has another rank or dtype"},
    {"\"op\":\"concat\",\"in\":[\"x\",\"w\"],\"dim\":1", "the other extents agree"},
    {"\"op\":\"gather\",\"in\":[\"img\",\"k\"],\"dim\":1", "index 0 is 2, not in [0, 2)"},
    {"\"op\":\"iota\",\"in\":[]", "missing 'length'"},
};

static void test_bad(void)
{
    for (size_t i = 0; i < WS_COUNT(bad); i++) {
        ws_err err = {0};
        ws_buf node = {0};
        ref_tensor y = {0};
        ws_buf_printf(&node, "{\"out\":\"y\",%s}", bad[i].node);
        spec *s = make_spec(ws_buf_z(&node), &err);
        if (ok(s && evaluate(s, &y, &err) == WS_EINPUT, "refused: %s", bad[i].node))
            has_str(err.msg, bad[i].error, bad[i].error);
        ref_tensor_release(&y);
        spec_free(s);
        ws_buf_release(&node);
    }
}

int main(void)
{
    test_cases();
    test_coverage();
    test_bad();
    return tap_done();
}
