/* Every op against its result by NumPy; what shape inference and evaluation refuse. */
#include "tests/reference_fixture.h"

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

static void test_case(const op_case *c)
{
    fixture f = {0};
    char node[512];
    int64_t wrong = -1;
    snprintf(node, sizeof node, "{\"out\":\"y\",%s}", c->node);
    const ref_tensor *y = &f.out[0];
    bool good = fixture_case(&f, node) == WS_OK && fixture_eval(&f) == WS_OK && has_shape(y, c);
    for (int64_t k = good ? y->shape.count - 1 : -1; k >= 0; k--)
        if (!is_near(y->v[k], c->want[k]) || (y->e && !(y->e[k] >= 0)))
            wrong = k;
    ref_tensor alone = {0};
    if (good && wrong < 0 && ref_eval(f.bound, f.in, false, &alone, &f.err))
        good = false;
    for (int64_t k = alone.v ? alone.shape.count - 1 : -1; k >= 0; k--)
        if (!is_near(alone.v[k], c->want[k]))
            wrong = k;
    ref_tensor_release(&alone);
    if (!ok(good && wrong < 0, "%s", c->node)) {
        printf("# %s\n", f.err.msg);
        if (wrong >= 0)
            printf("# [%d] got %.17g want %.17g\n", (int)wrong, y->v[wrong], c->want[wrong]);
    }
    fixture_close(&f);
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
    {"\"op\":\"clamp\",\"in\":[\"x\"],\"min\":2,\"max\":1", "min 2 is above max 1"},
    {"\"op\":\"huber\",\"in\":[\"x\"],\"beta\":0", "attribute 'beta' is not above 0"},
    {"\"op\":\"dropout\",\"in\":[\"x\"],\"p\":0.2,\"training\":true",
     "dropout in training is random: multiply by a mask that is an input"},
    {"\"op\":\"softmax\",\"in\":[\"x\"],\"dim\":2", "axis 2 of a tensor of rank 2"},
    {"\"op\":\"softmax\",\"in\":[\"x\"],\"dim\":0.5", "attribute 'dim': expected a whole number"},
    {"\"op\":\"reduce\",\"in\":[\"x\"],\"fn\":\"sun\"", "attribute 'fn': expected sum, mean"},
    {"\"op\":\"reduce\",\"in\":[\"x\"],\"fn\":\"sum\",\"dims\":[1,-1]", "axis 1 is named twice"},
    {"\"op\":\"reduce\",\"in\":[\"x\"],\"fn\":\"argmax\"", "an index reduction takes one axis"},
    {"\"op\":\"matmul\",\"in\":[\"x\",\"x\"]", "the inner extents agree: '(N == B)' does not hold"},
    {"\"op\":\"einsum\",\"in\":[\"x\",\"x\"],\"equation\":\"ij,jk->ik\"",
     "a letter has one extent: '(N == B)' does not hold"},
    {"\"op\":\"einsum\",\"in\":[\"x\"],\"equation\":\"ij->ik\"", "'ij->ik' is no equation"},
    {"\"op\":\"einsum\",\"in\":[\"x\"],\"equation\":\"ij\"", "'ij' is no equation"},
    {"\"op\":\"einsum\",\"in\":[\"x\",\"v\"],\"equation\":\"ij,ij->i\"",
     "operand 1 has rank 1, the equation says ij"},
    {"\"op\":\"einsum\",\"in\":[\"x\"],\"equation\":\"ij,j->i\"", "has 2 operands, the node 1"},
    {"\"op\":\"conv_transpose\",\"in\":[\"img\",\"ker\"],\"output_padding\":1",
     "output_padding is not below stride or dilation"},
    {"\"op\":\"group_norm\",\"in\":[\"img\"],\"num_groups\":3", "channels divide into groups"},
    {"\"op\":\"group_norm\",\"in\":[\"img\"]", "missing 'num_groups'"},
    {"\"op\":\"batch_norm\",\"in\":[\"img\"],\"training\":false",
     "only batch statistics are supported"},
    {"\"op\":\"linear\",\"in\":[\"x\",\"v\"]", "takes x[..., K], w[N, K] and b[N]"},
    {"\"op\":\"layer_norm\",\"in\":[\"x\",\"bias\"]", "scale and shift have the normalised shape"},
    {"\"op\":\"cross_entropy\",\"in\":[\"z\",\"v\"]", "one target a row"},
    {"\"op\":\"conv\",\"in\":[\"x\",\"w\"]", "the operand has rank 2; expected [N, C]"},
    {"\"op\":\"conv\",\"in\":[\"img\",\"depth\"]",
     "channels are those of the weights times groups"},
    {"\"op\":\"conv\",\"in\":[\"img\",\"ker\"],\"stride\":[1,1,1]",
     "'stride' has 3 values for 2 spatial axes"},
    {"\"op\":\"conv\",\"in\":[\"img\",\"depth\"],\"groups\":\"B-B\"", "'groups' is at least 1"},
    {"\"op\":\"conv\",\"in\":[\"img\",\"ker\"],\"dilation\":9",
     "the window fits into the padded operand"},
    {"\"op\":\"max_pool\",\"in\":[\"img\"]", "missing 'kernel'"},
    {"\"op\":\"max_pool\",\"in\":[\"img\"],\"kernel\":2,\"padding\":2",
     "padding is more than half"},
    {"\"op\":\"reshape\",\"in\":[\"x\"],\"shape\":[4]", "both shapes have as many elements"},
    {"\"op\":\"reshape\",\"in\":[\"x\"],\"shape\":[-1,-1]", "more than one extent is -1"},
    {"\"op\":\"reshape\",\"in\":[\"x\"],\"shape\":[\"Q\"]", "graph[0]: unknown name 'Q'"},
    {"\"op\":\"permute\",\"in\":[\"x\"],\"dims\":[0]", "dims has 1 axes; the operand has 2"},
    {"\"op\":\"expand\",\"in\":[\"v\"],\"shape\":[4]", "an expanded axis has extent 1"},
    {"\"op\":\"slice\",\"in\":[\"x\"],\"dim\":0,\"step\":0", "step is 0"},
    {"\"op\":\"pad\",\"in\":[\"x\"],\"pad\":[1]", "attribute 'pad': expected two numbers an axis"},
    {"\"op\":\"roll\",\"in\":[\"x\"],\"shifts\":[1,2],\"dims\":[0]",
     "shifts and dims name one axis each"},
    {"\"op\":\"tril\",\"in\":[\"v\"]", "a triangle needs 2 axes"},
    {"\"op\":\"concat\",\"in\":[\"x\",\"v\"]", "operand 1 has another rank or dtype"},
    {"\"op\":\"concat\",\"in\":[\"x\",\"w\"],\"dim\":1", "the other extents agree"},
    {"\"op\":\"gather\",\"in\":[\"img\",\"k\"],\"dim\":1", "index 0 is 2, not in [0, 2)"},
    {"\"op\":\"iota\",\"in\":[]", "missing 'length'"},
    {"\"op\":\"gru\",\"in\":[\"seq\",\"st\",\"wi4\",\"wh3\",\"b3\",\"b3\"],\"batch_first\":true",
     "w_ih has the gates' rows"},
    {"\"op\":\"lstm\",\"in\":[\"seq\",\"st\",\"wi3\",\"wh3\",\"b3\",\"b3\"]",
     "6 operands; 1 layers of 1 directions take 7"},
    {"\"op\":\"gru\",\"in\":[\"seq\",\"st\",\"wi3\",\"wh3\",\"b3\",\"b3\"],\"output\":\"c_n\"",
     "a gru has no cell state"},
    {"\"op\":\"topk\",\"in\":[\"x\"],\"dim\":1", "missing 'k'"},
    {"\"op\":\"topk\",\"in\":[\"x\"],\"dim\":1,\"k\":4", "k is at most the extent"},
    {"\"op\":\"topk\",\"in\":[\"x\"],\"dim\":1,\"k\":1,\"output\":\"y\"", "expected values or indices"},
    {"\"op\":\"top_p\",\"in\":[\"x\"]", "missing 'p'"},
    {"\"op\":\"gather\",\"in\":[\"x\",\"k\"],\"mode\":\"replace\"", "expected select, one_per_row or along"},
    {"\"op\":\"gather\",\"in\":[\"x\",\"k\"],\"mode\":\"along\"", "the index has rank 1, the operand 2"},
    {"\"op\":\"scatter\",\"in\":[\"w\",\"twice\",\"y2\"],\"dim\":0", "index 1 occurs twice"},
    {"\"op\":\"scatter\",\"in\":[\"w\",\"k\",\"w\"],\"dim\":0", "a row for each index"},
    {"\"op\":\"grouped_matmul\",\"in\":[\"x\",\"gw\",\"twice\"],\"mode\":\"offsets\"",
     "an offset for each matrix, and the end"},
    {"\"op\":\"grouped_matmul\",\"in\":[\"x\",\"gw\",\"b4\"],\"mode\":\"offsets\"",
     "offsets do not ascend from 0 to the number of rows, 2"},
    {"\"op\":\"quantize\",\"in\":[\"x\",\"one\"]", "missing 'dtype'"},
    {"\"op\":\"dequantize\",\"in\":[\"x\",\"v3\"],\"block\":[1,1]", "a scale for each block"},
    {"\"op\":\"dequantize\",\"in\":[\"x\",\"v3\"],\"block\":[1,0]", "numbers from 1 up"},
    {"\"op\":\"pad\",\"in\":[\"x\"],\"pad\":[3,1],\"mode\":\"reflect\"",
     "the operand has the elements that the padding repeats"},
    {"\"op\":\"scan\",\"in\":[\"x\",\"v\"],\"dim\":1,\"carry\":\"h\",\"emit\":\"h\",\"body\":[{\"out\":\"h\",\"op\":"
     "\"neg\",\"in\":[\"x_t\"]}]",
     "the carry keeps its shape"},
    {"\"op\":\"scan\",\"in\":[\"x\",\"v\"],\"dim\":1,\"carry\":\"h\",\"emit\":\"h\",\"body\":[{\"out\":\"h\",\"op\":"
     "\"reluu\",\"in\":[\"x_t\"]}]",
     "body[0]: graph[0] (reluu): unknown op 'reluu'"},
    {"\"op\":\"scan\",\"in\":[\"x\",\"x\"],\"carry\":\"h\",\"emit\":\"h\",\"body\":[{\"out\":\"h\",\"op\":"
     "\"neg\",\"in\":[\"x_t\"]}]",
     "'h' has another rank or dtype than the first carry"},
};

/* Each node doubles the extent's expression: it is refused before it fills the memory. */
static void test_growth(void)
{
    ws_buf text = {0};
    fixture f = {0};
    ws_buf_adds(&text, "{\"out\":\"a0\",\"op\":\"concat\",\"in\":[\"x\",\"x\"],\"dim\":0}");
    for (int i = 1; i < 60; i++)
        ws_buf_printf(&text, ",{\"out\":\"%s%d\",\"op\":\"concat\",\"in\":[\"a%d\",\"a%d\"],\"dim\":0}",
                      i == 59 ? "y" : "a", i, i - 1, i - 1);
    ws_buf_adds(&text, ",{\"out\":\"y\",\"op\":\"relu\",\"in\":[\"y59\"]}");
    is_int(fixture_case(&f, ws_buf_z(&text)), WS_EINPUT, "an extent that doubles 60 times");
    has_str(f.err.msg, "is an expression of more than", "and why");
    ws_buf_release(&text);
    fixture_close(&f);
}

static void test_bad(void)
{
    for (size_t i = 0; i < WS_COUNT(bad); i++) {
        fixture f = {0};
        char node[512];
        snprintf(node, sizeof node, "{\"out\":\"y\",%s}", bad[i].node);
        bool refused =
            fixture_case(&f, node) == WS_EINPUT || (!f.err.status && fixture_eval(&f) == WS_EINPUT);
        if (ok(refused, "refused: %s", bad[i].node))
            has_str(f.err.msg, bad[i].error, bad[i].error);
        fixture_close(&f);
    }
}

int main(void)
{
    for (int i = 0; i < N_OP_CASES; i++)
        test_case(&op_cases[i]);
    test_coverage();
    test_bad();
    test_growth();
    return tap_done();
}
