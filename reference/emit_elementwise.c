/* One thread an element: unary and binary functions, comparisons, where, masked_fill, casts. */
#include "reference/emit_ops.h"

#include <ctype.h>
#include <math.h>
#include <string.h>

enum { MAX_OPERANDS = 3 };

/* Pointers are called <name>_in; the formula is over the names. */
static const char *const value_names[][MAX_OPERANDS] = {{"x"}, {"a", "b"}, {"a", "b", "c"}};
static const char *const pointer_names[][MAX_OPERANDS] = {
    {"x_in"}, {"a_in", "b_in"}, {"a_in", "b_in", "c_in"}};

/* Offsets of the operands' elements for element i of the result; puts the coordinates that they
 * need. */
static void put_indices(em_node *n, const char *index[MAX_OPERANDS])
{
    unsigned needed = 0;
    for (int k = 0; k < n->n_in; k++) {
        const char *at[SPEC_MAX_RANK];
        index[k] = "i";
        if (n->in[k]->is_literal || em_same_shape(n->in[k], n->out))
            continue;
        em_broadcast(n, n->in[k], n->out->dim, n->out->rank, "at", at, &needed);
        index[k] = em_offset(n, at, n->in[k]->dim, n->in[k]->rank);
    }
    em_coords(n, "i", "at", n->out->dim, n->out->rank, needed);
}

/* `word` stands in the text as a whole name. */
static bool names(const char *text, const char *word)
{
    size_t n = strlen(word);
    for (const char *p = text; (p = strstr(p, word)); p += n)
        if ((p == text || (!isalnum((unsigned char)p[-1]) && p[-1] != '_')) &&
            !isalnum((unsigned char)p[n]) && p[n] != '_')
            return true;
    return false;
}

static void put_constants(em_node *n)
{
    const struct {
        const char *name;
        double value;
    } rows[] = {{"SLOPE", n->at->slope}, {"SELU_SCALE", 1.0507009873554804934},
                {"ALPHA", n->at->alpha}, {"SELU_ALPHA", 1.6732632423543772848},
                {"VALUE", n->at->value}, {"BETA", n->at->beta},
                {"LEAST", n->at->least}, {"THRESHOLD", n->at->threshold},
                {"MOST", n->at->most},   {"EXPONENT", n->at->exponent}};
    for (size_t i = 0; i < WS_COUNT(rows); i++)
        if (names(n->formula, rows[i].name))
            em_put(n, "const %s %s = %s;", n->type, rows[i].name, em_number(n, rows[i].value));
}

const char *em_whole(em_node *n, const ref_value *v, const char *value)
{
    bool whole = !ws_dtype_is_float(v->dtype) && v->dtype != WS_BOOL;
    return whole ? em_text(n, "trunc((%s)(%s))", n->type, value) : value;
}

static ws_status emit_formula(em_node *n)
{
    const ws_expr *count = em_count(n, n->out);
    em_param p[MAX_OPERANDS + 1] = {0};
    const char *index[MAX_OPERANDS];
    em_thread_index(n, count);
    put_indices(n, index);
    for (int k = 0; k < n->n_in; k++) {
        const char *pointer = pointer_names[n->n_in - 1][k];
        p[k] = (em_param){.role = pointer, .value = n->in[k]};
        em_put(n, "const %s %s = %s;", n->type, value_names[n->n_in - 1][k],
               em_load(n, n->in[k], pointer, index[k]));
    }
    put_constants(n);
    em_put(n, "out[i] = %s;", em_store(n, n->out->dtype, em_whole(n, n->out, n->formula)));
    p[n->n_in] = (em_param){.role = "out", .value = n->out, .written = true};
    return em_kernel(n, "", "one thread an element", p, n->n_in + 1, em_blocks(n, count), false);
}

/* Small whole powers are products; CUDA's pow costs far more. */
static const char *pow_formula(double p)
{
    if (p == 2 || p == 3 || p == 4)
        return p == 2 ? "x * x" : p == 3 ? "x * x * x" : "x * x * (x * x)";
    return p == 1 ? "x" : p == 0.5 ? "sqrt(x)" : p == -1 ? "1 / x" : "pow(x, EXPONENT)";
}

static const char *gelu_formula(em_node *n)
{
    const char *half = em_number(n, 0.5);
    return n->at->tanh_approximation
               ? em_text(n, "%s * x * (1 + tanh(%s * (x + %s * x * x * x)))", half,
                         em_number(n, 0.79788456080286535588), em_number(n, 0.044715))
               : em_text(n, "%s * x * erfc(-x * %s)", half, em_number(n, 0.70710678118654752440));
}

static const char *unary_formula(em_node *n)
{
    const char *op = n->node->op->name;
    return strcmp(op, "gelu") == 0  ? gelu_formula(n)
           : strcmp(op, "pow") == 0 ? pow_formula(n->at->exponent)
                                    : ref_find_unary(op)->cuda;
}

static ws_status emit_unary(em_node *n)
{
    n->formula = unary_formula(n);
    return emit_formula(n);
}

#define UNARY(op)                                                                                  \
    {                                                                                              \
        .name = op, .emit = emit_unary                                                             \
    }
#define FORMULA(op, text)                                                                          \
    {                                                                                              \
        .name = op, .emit = emit_formula, .formula = text                                          \
    }
/* clang-format off */
const em_op em_ops_elementwise[] = {
    UNARY("relu"), UNARY("neg"), UNARY("abs"), UNARY("exp"), UNARY("log"), UNARY("sqrt"),
    UNARY("rsqrt"), UNARY("reciprocal"), UNARY("square"), UNARY("tanh"), UNARY("sigmoid"),
    UNARY("silu"), UNARY("erf"), UNARY("sin"), UNARY("cos"), UNARY("softplus"),
    UNARY("leaky_relu"), UNARY("elu"), UNARY("selu"), UNARY("mish"), UNARY("hardswish"),
    UNARY("hardsigmoid"), UNARY("huber"), UNARY("clamp"), UNARY("logical_not"),
    UNARY("gelu"), UNARY("pow"),
    FORMULA("cast", "x"), FORMULA("dropout", "x"), FORMULA("add", "a + b"),
    FORMULA("sub", "a - b"), FORMULA("mul", "a * b"), FORMULA("div", "a / b"),
    FORMULA("maximum", "a > b || a != a ? a : b"), FORMULA("minimum", "a < b || a != a ? a : b"),
    FORMULA("eq", "a == b"), FORMULA("ne", "a != b"), FORMULA("lt", "a < b"),
    FORMULA("le", "a <= b"), FORMULA("gt", "a > b"), FORMULA("ge", "a >= b"),
    FORMULA("logical_and", "a != 0 && b != 0"), FORMULA("logical_or", "a != 0 || b != 0"),
    FORMULA("logical_xor", "(a != 0) != (b != 0)"), FORMULA("where", "a != 0 ? b : c"),
    FORMULA("masked_fill", "b != 0 ? VALUE : a"), {0}};
/* clang-format on */

/* ---- as a part of another kernel ---- */

static const em_op *find_op(const char *op)
{
    for (const em_op *e = em_ops_elementwise; e->name; e++)
        if (strcmp(e->name, op) == 0)
            return e;
    return NULL;
}

bool em_is_elementwise(const char *op)
{
    return find_op(op) != NULL;
}

void em_put_formula(em_node *n, const ref_node *node, const char *name, const char *const *operand)
{
    em_node own = {.job = n->job,
                   .node = node,
                   .at = node->attrs,
                   .type = n->type,
                   .indent = n->indent,
                   .formula = find_op(node->op->name)->formula};
    if (!own.formula)
        own.formula = unary_formula(&own);
    em_put(&own, "{");
    own.indent += 4;
    for (int k = 0; k < node->n_in; k++)
        em_put(&own, "const %s %s = %s;", n->type, value_names[node->n_in - 1][k], operand[k]);
    put_constants(&own);
    em_put(&own, "%s = %s;", name, own.formula);
    own.indent -= 4;
    em_put(&own, "}");
    ws_buf_add(&n->body, own.body.p, own.body.n);
    ws_buf_release(&own.body);
}
