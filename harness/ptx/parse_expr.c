/* Constant expressions: precedence climbing over C's binary operators, plus ?:, casts and unary
 * ones. */
#include "harness/ptx/parse.h"

#include <string.h>

typedef enum binary_op {
    OP_NONE, OP_OR, OP_AND, OP_BOR, OP_XOR, OP_BAND, OP_EQ, OP_NE, OP_LT, OP_LE, OP_GT, OP_GE,
    OP_SHL, OP_SHR, OP_ADD, OP_SUB, OP_MUL, OP_DIV, OP_MOD
} binary_op;

static const struct {
    int punct;
    binary_op op;
    int precedence;
} operators[] = {
    {PTX_PUNCT2('|', '|'), OP_OR, 1},
    {PTX_PUNCT2('&', '&'), OP_AND, 2},
    {'|', OP_BOR, 3},
    {'^', OP_XOR, 4},
    {'&', OP_BAND, 5},
    {PTX_PUNCT2('=', '='), OP_EQ, 6},
    {PTX_PUNCT2('!', '='), OP_NE, 6},
    {'<', OP_LT, 7},
    {PTX_PUNCT2('<', '='), OP_LE, 7},
    {'>', OP_GT, 7},
    {PTX_PUNCT2('>', '='), OP_GE, 7},
    {PTX_PUNCT2('<', '<'), OP_SHL, 8},
    {PTX_PUNCT2('>', '>'), OP_SHR, 8},
    {'+', OP_ADD, 9},
    {'-', OP_SUB, 9},
    {'*', OP_MUL, 10},
    {'/', OP_DIV, 10},
    {'%', OP_MOD, 10},
};

static ptx_constant parse_conditional(ptx_parser *p, int depth);

static ptx_constant integer(uint64_t bits, bool is_unsigned)
{
    return (ptx_constant){.bits = bits, .is_unsigned = is_unsigned};
}

static ptx_constant parse_primary(ptx_parser *p, int depth)
{
    ptx_lexer *l = &p->lex;
    if (l->tok.kind == PTX_TOK_INT) {
        ptx_token t = ptx_lex_take(l);
        return integer(t.value, t.is_unsigned);
    }
    if (l->tok.kind == PTX_TOK_FLOAT) {
        ptx_token t = ptx_lex_take(l);
        return (ptx_constant){.bits = t.value, .is_float = true, .float_bytes = t.float_bytes};
    }
    if (ptx_lex_is_ident(l, "WARP_SZ")) {
        ptx_lex_next(l);
        return integer(32, false);
    }
    if (!ptx_lex_accept(l, '('))
        ptx_lex_fail_expected(l, "a constant");
    ptx_constant v = parse_conditional(p, depth + 1);
    ptx_lex_expect(l, ')');
    return v;
}

static ptx_constant parse_unary(ptx_parser *p, int depth)
{
    ptx_lexer *l = &p->lex;
    ptx_token at = l->tok;
    if (depth > PTX_MAX_DEPTH)
        ptx_lex_fail(l, &at, "the constant is nested more than %d deep", PTX_MAX_DEPTH);
    if (ptx_lex_accept(l, '+'))
        return parse_unary(p, depth + 1);
    if (ptx_lex_accept(l, '-')) {
        ptx_constant v = parse_unary(p, depth + 1);
        if (v.is_float)
            v.bits ^= (uint64_t)1 << (v.float_bytes * 8 - 1);
        else
            v.bits = 0 - v.bits;
        return v;
    }
    if (ptx_lex_is(l, '!') || ptx_lex_is(l, '~')) {
        bool logical = ptx_lex_take(l).punct == '!';
        ptx_constant v = parse_unary(p, depth + 1);
        if (v.is_float)
            ptx_lex_fail(l, &at, "operator on a floating-point constant");
        return logical ? integer(!v.bits, false) : integer(~v.bits, v.is_unsigned);
    }
    return parse_primary(p, depth);
}

static uint64_t divide(ptx_parser *p, const ptx_token *at, binary_op op, uint64_t a, uint64_t b,
                       bool is_unsigned)
{
    if (!b)
        ptx_lex_fail(&p->lex, at, "division by zero in a constant");
    if (is_unsigned)
        return op == OP_DIV ? a / b : a % b;
    if ((int64_t)b == -1) /* INT64_MIN / -1 traps */
        return op == OP_DIV ? 0 - a : 0;
    return (uint64_t)(op == OP_DIV ? (int64_t)a / (int64_t)b : (int64_t)a % (int64_t)b);
}

static uint64_t shift(binary_op op, uint64_t a, uint64_t n, bool is_unsigned)
{
    bool negative = !is_unsigned && (int64_t)a < 0;
    if (op == OP_SHL)
        return n > 63 ? 0 : a << n;
    if (n > 63)
        return negative ? UINT64_MAX : 0;
    return a >> n | (negative && n ? UINT64_MAX << (64 - n) : 0);
}

static double as_double(ptx_constant c)
{
    if (c.float_bytes == 8) {
        double d;
        memcpy(&d, &c.bits, sizeof d);
        return d;
    }
    uint32_t bits = (uint32_t)c.bits;
    float f;
    memcpy(&f, &bits, sizeof f);
    return (double)f;
}

/* In double precision (PTX ISA 4.5.5). */
static ptx_constant apply_float(ptx_parser *p, const ptx_token *at, binary_op op, double a,
                                double b)
{
    double d = 0;
    switch (op) {
    case OP_EQ: return integer(a == b, false);
    case OP_NE: return integer(a != b, false);
    case OP_LT: return integer(a < b, false);
    case OP_LE: return integer(a <= b, false);
    case OP_GT: return integer(a > b, false);
    case OP_GE: return integer(a >= b, false);
    case OP_ADD: d = a + b; break;
    case OP_SUB: d = a - b; break;
    case OP_MUL: d = a * b; break;
    case OP_DIV: d = a / b; break;
    default: ptx_lex_fail(&p->lex, at, "operator on floating-point constants");
    }
    ptx_constant c = {.is_float = true, .float_bytes = 8};
    memcpy(&c.bits, &d, sizeof d);
    return c;
}

static ptx_constant apply(ptx_parser *p, const ptx_token *at, binary_op op, ptx_constant x,
                          ptx_constant y)
{
    if (x.is_float && y.is_float)
        return apply_float(p, at, op, as_double(x), as_double(y));
    if (x.is_float || y.is_float)
        ptx_lex_fail(&p->lex, at, "an operator between an integer and a floating-point constant");
    bool u = x.is_unsigned || y.is_unsigned;
    uint64_t a = x.bits, b = y.bits;
    int order = a == b ? 0 : (u ? a < b : (int64_t)a < (int64_t)b) ? -1 : 1;
    switch (op) {
    case OP_OR: return integer(a || b, false);
    case OP_AND: return integer(a && b, false);
    case OP_BOR: return integer(a | b, u);
    case OP_XOR: return integer(a ^ b, u);
    case OP_BAND: return integer(a & b, u);
    case OP_EQ: return integer(order == 0, false);
    case OP_NE: return integer(order != 0, false);
    case OP_LT: return integer(order < 0, false);
    case OP_LE: return integer(order <= 0, false);
    case OP_GT: return integer(order > 0, false);
    case OP_GE: return integer(order >= 0, false);
    case OP_SHL:
    case OP_SHR: return integer(shift(op, a, b, x.is_unsigned), x.is_unsigned);
    case OP_ADD: return integer(a + b, u);
    case OP_SUB: return integer(a - b, u);
    case OP_MUL: return integer(a * b, u);
    case OP_DIV:
    case OP_MOD: return integer(divide(p, at, op, a, b, u), u);
    case OP_NONE: break;
    }
    ws_bug("binary operator %d", (int)op);
}

static ptx_constant parse_binary(ptx_parser *p, int min_precedence, int depth)
{
    ptx_lexer *l = &p->lex;
    ptx_constant left = parse_unary(p, depth);
    while (l->tok.kind == PTX_TOK_PUNCT) {
        size_t i = 0;
        while (i < WS_COUNT(operators) && operators[i].punct != l->tok.punct)
            i++;
        if (i == WS_COUNT(operators) || operators[i].precedence < min_precedence)
            break;
        ptx_token at = ptx_lex_take(l);
        ptx_constant right = parse_binary(p, operators[i].precedence + 1, depth + 1);
        left = apply(p, &at, operators[i].op, left, right);
    }
    return left;
}

static ptx_constant parse_conditional(ptx_parser *p, int depth)
{
    ptx_lexer *l = &p->lex;
    if (depth > PTX_MAX_DEPTH)
        ptx_lex_fail(l, &l->tok, "the constant is nested more than %d deep", PTX_MAX_DEPTH);
    ptx_constant c = parse_binary(p, 1, depth + 1);
    if (!ptx_lex_accept(l, '?'))
        return c;
    ptx_constant yes = parse_conditional(p, depth + 1);
    ptx_lex_expect(l, ':');
    ptx_constant no = parse_conditional(p, depth + 1);
    return c.bits ? yes : no;
}

ptx_constant ptx_parse_constant(ptx_parser *p)
{
    return parse_conditional(p, 0);
}

int64_t ptx_parse_integer(ptx_parser *p)
{
    ptx_token at = p->lex.tok;
    ptx_constant c = ptx_parse_constant(p);
    if (c.is_float)
        ptx_lex_fail(&p->lex, &at, "expected an integer, found a floating-point constant");
    return (int64_t)c.bits;
}

int64_t ptx_parse_number(ptx_parser *p, const char *what, int64_t min, int64_t max)
{
    ptx_lexer *l = &p->lex;
    if (l->tok.kind != PTX_TOK_INT)
        ptx_lex_fail_expected(l, what);
    ptx_token t = ptx_lex_take(l);
    if (t.value > (uint64_t)max || (int64_t)t.value < min)
        ptx_lex_fail(l, &t, "%s must be between %lld and %lld, not %.*s", what, (long long)min,
                     (long long)max, WS_STR_ARG(t.s));
    return (int64_t)t.value;
}
