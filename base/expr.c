#include "base/expr.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { MAX_DEPTH = 200, MAX_PARSED = 4096, X_CONST = 100, X_NAME, X_SELECT };

/* Binary nodes carry a ws_expr_op in `op`; the others X_CONST, X_NAME or X_SELECT (kid: c, t,
 * f). */
struct ws_expr {
    int op;
    int64_t value;
    const char *name;
    const ws_expr *kid[3];
    int64_t size; /* of it written out, as a tree: shared parts count as often as they are used */
};

/* What each binary operator is called; functions have an identifier instead of a symbol. */
static const struct {
    const char *symbol;
    bool is_function;
} ops[] = {
    [WS_X_ADD] = {"+", false},  [WS_X_SUB] = {"-", false},      [WS_X_MUL] = {"*", false},
    [WS_X_DIV] = {"/", false},  [WS_X_MOD] = {"%", false},      [WS_X_EQ] = {"==", false},
    [WS_X_NE] = {"!=", false},  [WS_X_LT] = {"<", false},       [WS_X_LE] = {"<=", false},
    [WS_X_GT] = {">", false},   [WS_X_GE] = {">=", false},      [WS_X_AND] = {"&&", false},
    [WS_X_OR] = {"||", false},  [WS_X_MIN] = {"min", true},     [WS_X_MAX] = {"max", true},
    [WS_X_CEIL_DIV] = {"ceil_div", true}, [WS_X_ALIGN] = {"align", true},
};

bool ws_env_find(const ws_env *env, const char *name, int64_t *out)
{
    for (; env; env = env->parent)
        for (size_t i = env->n; i-- > 0;)
            if (strcmp(env->item[i].name, name) == 0) {
                *out = env->item[i].value;
                return true;
            }
    return false;
}

/* ---- building, with folding ---- */

static int64_t sum_of_sizes(const ws_expr *a, const ws_expr *b)
{
    int64_t n = a->size + b->size + 1;
    return n < INT64_MAX / 4 ? n : INT64_MAX / 4;
}

int64_t ws_expr_size(const ws_expr *e)
{
    return e->size;
}

const ws_expr *ws_expr_const(ws_arena *a, int64_t v)
{
    ws_expr *e = WS_ARENA_NEW(a, ws_expr, 1);
    *e = (ws_expr){.op = X_CONST, .value = v, .size = 1};
    return e;
}

const ws_expr *ws_expr_name(ws_arena *a, const char *name)
{
    ws_expr *e = WS_ARENA_NEW(a, ws_expr, 1);
    *e = (ws_expr){.op = X_NAME, .name = ws_arena_strdup(a, name), .size = 1};
    return e;
}

bool ws_expr_is_const(const ws_expr *e, int64_t *out)
{
    if (e->op != X_CONST)
        return false;
    *out = e->value;
    return true;
}

typedef enum math_error { MATH_OK, MATH_OVERFLOW, MATH_ZERO } math_error;

static math_error divide(int64_t l, int64_t r, bool remainder, int64_t *out)
{
    if (r == 0)
        return MATH_ZERO;
    if (l == INT64_MIN && r == -1)
        return MATH_OVERFLOW;
    *out = remainder ? l % r : l / r;
    return MATH_OK;
}

/* Least q with q * r >= l (r > 0), greatest q with q * r >= l otherwise: rounds the quotient up. */
static math_error ceil_divide(int64_t l, int64_t r, int64_t *out)
{
    math_error m = divide(l, r, false, out);
    if (m == MATH_OK && l % r != 0 && (l < 0) == (r < 0))
        ++*out;
    return m;
}

static math_error apply(int op, int64_t l, int64_t r, int64_t *out)
{
    int64_t q;
    math_error m;
    switch (op) {
    case WS_X_ADD: return __builtin_add_overflow(l, r, out) ? MATH_OVERFLOW : MATH_OK;
    case WS_X_SUB: return __builtin_sub_overflow(l, r, out) ? MATH_OVERFLOW : MATH_OK;
    case WS_X_MUL: return __builtin_mul_overflow(l, r, out) ? MATH_OVERFLOW : MATH_OK;
    case WS_X_DIV: return divide(l, r, false, out);
    case WS_X_MOD: return divide(l, r, true, out);
    case WS_X_CEIL_DIV: return ceil_divide(l, r, out);
    case WS_X_ALIGN:
        if ((m = ceil_divide(l, r, &q)))
            return m;
        return __builtin_mul_overflow(q, r, out) ? MATH_OVERFLOW : MATH_OK;
    case WS_X_EQ: *out = l == r; break;
    case WS_X_NE: *out = l != r; break;
    case WS_X_LT: *out = l < r; break;
    case WS_X_LE: *out = l <= r; break;
    case WS_X_GT: *out = l > r; break;
    case WS_X_GE: *out = l >= r; break;
    case WS_X_AND: *out = l && r; break;
    case WS_X_OR: *out = l || r; break;
    case WS_X_MIN: *out = l < r ? l : r; break;
    case WS_X_MAX: *out = l > r ? l : r; break;
    }
    return MATH_OK;
}

/* e as x + c or x - c: true, with the signed c; false when it is no such sum. */
static bool split_sum(const ws_expr *e, const ws_expr **x, int64_t *c)
{
    int64_t v;
    if ((e->op != WS_X_ADD && e->op != WS_X_SUB) || !ws_expr_is_const(e->kid[1], &v) ||
        v == INT64_MIN)
        return false;
    *x = e->kid[0];
    *c = e->op == WS_X_ADD ? v : -v;
    return true;
}

/* e as t * n; any other is itself times 1. */
static const ws_expr *split_multiple(const ws_expr *e, int64_t *n)
{
    *n = 1;
    return e->op == WS_X_MUL && ws_expr_is_const(e->kid[1], n) ? e->kid[0] : e;
}

/* Long chains of sums, as concatenations of a hundred parts make them, stay short:
 * (x + 3) - 2 is x + 1, and (x + t) + t is x + t * 2. NULL: nothing to fold. */
static const ws_expr *fold_sum(ws_arena *a, ws_expr_op op, const ws_expr *l, const ws_expr *r)
{
    const ws_expr *x;
    int64_t c, v, n, m;
    if (ws_expr_is_const(r, &v) && split_sum(l, &x, &c) && v != INT64_MIN &&
        !__builtin_add_overflow(c, op == WS_X_ADD ? v : -v, &c) && c != INT64_MIN)
        return c < 0 ? ws_expr_binary(a, WS_X_SUB, x, ws_expr_const(a, -c))
                     : ws_expr_binary(a, WS_X_ADD, x, ws_expr_const(a, c));
    if (op != WS_X_ADD || l->op != WS_X_ADD || ws_expr_is_const(l->kid[1], &v))
        return NULL;
    const ws_expr *t = split_multiple(l->kid[1], &n), *u = split_multiple(r, &m);
    if (!ws_expr_same(t, u) || __builtin_add_overflow(n, m, &n))
        return NULL;
    return ws_expr_binary(a, WS_X_ADD, l->kid[0],
                          ws_expr_binary(a, WS_X_MUL, t, ws_expr_const(a, n)));
}

const ws_expr *ws_expr_binary(ws_arena *a, ws_expr_op op, const ws_expr *l, const ws_expr *r)
{
    int64_t lv, rv, v;
    bool lc = ws_expr_is_const(l, &lv), rc = ws_expr_is_const(r, &rv);
    if (lc && rc && apply((int)op, lv, rv, &v) == MATH_OK)
        return ws_expr_const(a, v);
    if (rc && ((rv == 0 && (op == WS_X_ADD || op == WS_X_SUB)) ||
               (rv == 1 && (op == WS_X_MUL || op == WS_X_DIV))))
        return l;
    if (lc && ((lv == 0 && op == WS_X_ADD) || (lv == 1 && op == WS_X_MUL)))
        return r;
    if (lc && !rc && (op == WS_X_ADD || op == WS_X_MUL))
        return ws_expr_binary(a, op, r, l);
    const ws_expr *folded = op == WS_X_ADD || op == WS_X_SUB ? fold_sum(a, op, l, r) : NULL;
    if (folded)
        return folded;
    ws_expr *e = WS_ARENA_NEW(a, ws_expr, 1);
    *e = (ws_expr){.op = (int)op, .kid = {l, r}, .size = sum_of_sizes(l, r)};
    return e;
}

const ws_expr *ws_expr_select(ws_arena *a, const ws_expr *c, const ws_expr *t, const ws_expr *f)
{
    int64_t v;
    if (ws_expr_is_const(c, &v))
        return v ? t : f;
    ws_expr *e = WS_ARENA_NEW(a, ws_expr, 1);
    *e = (ws_expr){.op = X_SELECT, .kid = {c, t, f}, .size = sum_of_sizes(c, t)};
    e->size = sum_of_sizes(e, f);
    return e;
}

/* ---- parsing: one function per production of the grammar in the header ---- */

typedef struct parser {
    ws_arena *a;
    const char *text, *p;
    int depth;
    ws_err *err;
} parser;

static const ws_expr *expr(parser *s);

/* Records the first error, with the text and a caret under the place. */
static const ws_expr *fail_at(parser *s, const char *at, const char *what)
{
    if (!s->err->status) {
        int column = (int)(at - s->text);
        if (column <= 200)
            ws_fail(s->err, WS_EINPUT, "%s at column %d of '%s'\n  %s\n  %*s^", what, column + 1,
                    s->text, s->text, column, "");
        else
            ws_fail(s->err, WS_EINPUT, "%s at column %d", what, column + 1);
    }
    return NULL;
}

static void skip_space(parser *s)
{
    while (isspace((unsigned char)*s->p))
        s->p++;
}

/* Takes `token` when it is next. */
static bool take(parser *s, const char *token)
{
    size_t n = strlen(token);
    skip_space(s);
    if (strncmp(s->p, token, n))
        return false;
    s->p += n;
    return true;
}

static const ws_expr *number(parser *s)
{
    const char *start = s->p;
    int64_t v = 0;
    for (; isdigit((unsigned char)*s->p); s->p++)
        if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, *s->p - '0', &v))
            return fail_at(s, start, "number does not fit 64 bits");
    if (isalpha((unsigned char)*s->p) || *s->p == '_' || *s->p == '.')
        return fail_at(s, s->p, "expected a whole number");
    return ws_expr_const(s->a, v);
}

/* The arguments after "name(": min and max take two or more, the others two. */
static const ws_expr *call(parser *s, const char *at, int op)
{
    const ws_expr *l = expr(s), *r;
    int n = 1;
    while (l && take(s, ",")) {
        if (!(r = expr(s)))
            return NULL;
        n++;
        l = ws_expr_binary(s->a, (ws_expr_op)op, l, r);
        if (ws_expr_size(l) > MAX_PARSED)
            return fail_at(s, s->p, "expression is too long");
    }
    if (!l)
        return NULL;
    if (!take(s, ")"))
        return fail_at(s, s->p, "expected ')' or ','");
    if (n < 2 || (n > 2 && op != WS_X_MIN && op != WS_X_MAX))
        return fail_at(s, at, n < 2 ? "a function takes two arguments" : "too many arguments");
    return l;
}

static const ws_expr *name_or_call(parser *s)
{
    const char *start = s->p;
    while (isalnum((unsigned char)*s->p) || *s->p == '_')
        s->p++;
    const char *name = ws_arena_strndup(s->a, start, (size_t)(s->p - start));
    if (!take(s, "("))
        return ws_expr_name(s->a, name);
    for (size_t i = 0; i < WS_COUNT(ops); i++)
        if (ops[i].is_function && strcmp(name, ops[i].symbol) == 0)
            return call(s, start, (int)i);
    return fail_at(s, start, "unknown function");
}

static const ws_expr *unary(parser *s)
{
    const ws_expr *e;
    if (++s->depth > MAX_DEPTH)
        return fail_at(s, s->p, "expression is nested too deeply");
    skip_space(s);
    if (take(s, "-")) {
        e = unary(s);
        e = e ? ws_expr_binary(s->a, WS_X_SUB, ws_expr_const(s->a, 0), e) : NULL;
    } else if (*s->p == '!' && s->p[1] != '=') {
        s->p++;
        e = unary(s);
        e = e ? ws_expr_binary(s->a, WS_X_EQ, e, ws_expr_const(s->a, 0)) : NULL;
    } else if (take(s, "(")) {
        e = expr(s);
        if (e && !take(s, ")"))
            e = fail_at(s, s->p, "expected ')'");
    } else if (isdigit((unsigned char)*s->p)) {
        e = number(s);
    } else if (isalpha((unsigned char)*s->p) || *s->p == '_') {
        e = name_or_call(s);
    } else {
        e = fail_at(s, s->p, *s->p ? "unexpected character" : "unexpected end");
    }
    s->depth--;
    return e;
}

/* Binary operators by level, loosest first; at one level longer symbols before their prefixes. */
static const int levels[][7] = {
    {WS_X_OR, -1},
    {WS_X_AND, -1},
    {WS_X_LE, WS_X_GE, WS_X_EQ, WS_X_NE, WS_X_LT, WS_X_GT, -1},
    {WS_X_ADD, WS_X_SUB, -1},
    {WS_X_MUL, WS_X_DIV, WS_X_MOD, -1},
};
enum { LEVEL_COMPARE = 2 };

static int take_operator(parser *s, size_t level)
{
    for (const int *op = levels[level]; *op >= 0; op++)
        if (take(s, ops[*op].symbol))
            return *op;
    return -1;
}

static const ws_expr *binary(parser *s, size_t level)
{
    if (level == WS_COUNT(levels))
        return unary(s);
    const ws_expr *l = binary(s, level + 1);
    for (int op; l && (op = take_operator(s, level)) >= 0;) {
        const ws_expr *r = binary(s, level + 1);
        if (!r)
            return NULL;
        l = ws_expr_binary(s->a, (ws_expr_op)op, l, r);
        if (ws_expr_size(l) > MAX_PARSED)
            return fail_at(s, s->p, "expression is too long");
        if (level == LEVEL_COMPARE) /* a < b < c is an error, not a surprise */
            break;
    }
    return l;
}

static const ws_expr *expr(parser *s)
{
    if (++s->depth > MAX_DEPTH)
        return fail_at(s, s->p, "expression is nested too deeply");
    const ws_expr *e = binary(s, 0);
    if (e && take(s, "?")) {
        const ws_expr *t = expr(s), *f = NULL;
        if (t && !take(s, ":"))
            t = fail_at(s, s->p, "expected ':'");
        if (t)
            f = expr(s);
        e = t && f ? ws_expr_select(s->a, e, t, f) : NULL;
    }
    s->depth--;
    return e;
}

ws_status ws_expr_parse(ws_arena *a, const char *text, const ws_expr **out, ws_err *err)
{
    ws_err own = {0};
    parser s = {a, text, text, 0, &own};
    const ws_expr *e = expr(&s);
    skip_space(&s);
    if (e && *s.p)
        e = fail_at(&s, s.p, "unexpected text");
    if (!e) {
        *err = own;
        return err->status;
    }
    *out = e;
    return WS_OK;
}

ws_status ws_expr_from_json(ws_arena *a, const cJSON *v, const ws_expr **out, ws_err *err)
{
    if (cJSON_IsString(v))
        return ws_expr_parse(a, v->valuestring, out, err);
    double d = cJSON_IsNumber(v) ? v->valuedouble : 0.5;
    if (!(d >= -0x1p53 && d <= 0x1p53) || d != (double)(int64_t)d)
        return ws_fail(err, WS_EINPUT, "expected a whole number or an expression");
    *out = ws_expr_const(a, (int64_t)d);
    return WS_OK;
}

/* ---- evaluating ---- */

static ws_status math_fail(const ws_expr *e, math_error m, int64_t l, int64_t r, ws_err *err)
{
    ws_buf text = {.max = 400};
    ws_expr_print(e, &text);
    ws_fail(err, WS_EINPUT, "%s in '%s' (%" PRId64 " %s %" PRId64 ")",
            m == MATH_ZERO ? "division by zero" : "overflow", ws_buf_z(&text), l, ops[e->op].symbol,
            r);
    ws_buf_release(&text);
    return err->status;
}

ws_status ws_expr_eval(const ws_expr *e, const ws_env *env, int64_t *out, ws_err *err)
{
    int64_t l, r;
    math_error m;
    switch (e->op) {
    case X_CONST:
        *out = e->value;
        return WS_OK;
    case X_NAME:
        return ws_env_find(env, e->name, out)
                   ? WS_OK
                   : ws_fail(err, WS_EINPUT, "unknown name '%s'", e->name);
    case X_SELECT:
        if (ws_expr_eval(e->kid[0], env, &l, err))
            return err->status;
        return ws_expr_eval(e->kid[l ? 1 : 2], env, out, err);
    default:
        if (ws_expr_eval(e->kid[0], env, &l, err))
            return err->status;
        /* && and || need their right side only when the left does not decide, as in C. */
        if ((e->op == WS_X_AND && !l) || (e->op == WS_X_OR && l)) {
            *out = l != 0;
            return WS_OK;
        }
        if (ws_expr_eval(e->kid[1], env, &r, err))
            return err->status;
        m = apply(e->op, l, r, out);
        return m ? math_fail(e, m, l, r, err) : WS_OK;
    }
}

bool ws_expr_same(const ws_expr *a, const ws_expr *b)
{
    if (a == b)
        return true;
    if (a->op != b->op || a->value != b->value)
        return false;
    if (a->op == X_NAME)
        return strcmp(a->name, b->name) == 0;
    for (int i = 0; i < 3; i++)
        if (!a->kid[i] != !b->kid[i] || (a->kid[i] && !ws_expr_same(a->kid[i], b->kid[i])))
            return false;
    return true;
}

void ws_expr_names(const ws_expr *e, void (*visit)(void *ud, const char *name), void *ud)
{
    if (e->op == X_NAME)
        visit(ud, e->name);
    for (int i = 0; i < 3 && e->kid[i]; i++)
        ws_expr_names(e->kid[i], visit, ud);
}

/* ---- printing ---- */

typedef struct c_text {
    const char *prefix;
    const char *(*name)(void *ud, const ws_expr *part); /* NULL: no part has a name */
    void *ud;
    ws_buf *out;
} c_text;

static void to_c(const c_text *t, const ws_expr *e);

/* A part that stands in the text several times. */
static void repeated(const c_text *t, const ws_expr *e)
{
    if (t->name && e->op != X_CONST && e->op != X_NAME)
        ws_buf_adds(t->out, t->name(t->ud, e));
    else
        to_c(t, e);
}

/* pattern: l and r stand for the operands, everything else for itself. */
static void print_pattern(const c_text *t, const ws_expr *e, const char *pattern)
{
    for (const char *p = pattern; *p; p++) {
        if (*p == 'l' || *p == 'r')
            repeated(t, e->kid[*p == 'r']);
        else
            ws_buf_addc(t->out, *p);
    }
}

static void to_c(const c_text *t, const ws_expr *e)
{
    switch (e->op) {
    case X_CONST:
        ws_buf_printf(t->out, e->value < 0 ? "(%" PRId64 "LL)" : "%" PRId64 "LL", e->value);
        return;
    case X_NAME: ws_buf_printf(t->out, "(long long)%s%s", t->prefix, e->name); return;
    case X_SELECT:
        ws_buf_addc(t->out, '(');
        for (int i = 0; i < 3; i++) {
            ws_buf_adds(t->out, i == 0 ? "" : i == 1 ? " ? " : " : ");
            repeated(t, e->kid[i]);
        }
        ws_buf_addc(t->out, ')');
        return;
    case WS_X_MIN: print_pattern(t, e, "(l < r ? l : r)"); return;
    case WS_X_MAX: print_pattern(t, e, "(l > r ? l : r)"); return;
    /* Exact for every sign: the quotient rounds up when there is a rest and the signs agree. */
    case WS_X_CEIL_DIV:
        print_pattern(t, e, "(l / r + (l % r != 0 && (l < 0) == (r < 0)))");
        return;
    case WS_X_ALIGN:
        print_pattern(t, e, "((l / r + (l % r != 0 && (l < 0) == (r < 0))) * r)");
        return;
    default:
        ws_buf_addc(t->out, '(');
        to_c(t, e->kid[0]);
        ws_buf_printf(t->out, " %s ", ops[e->op].symbol);
        to_c(t, e->kid[1]);
        ws_buf_addc(t->out, ')');
    }
}

void ws_expr_to_c(const ws_expr *e, const char *prefix, ws_buf *out)
{
    to_c(&(c_text){.prefix = prefix, .out = out}, e);
}

void ws_expr_to_c_naming(const ws_expr *e, const char *prefix,
                         const char *(*name)(void *ud, const ws_expr *part), void *ud, ws_buf *out)
{
    to_c(&(c_text){prefix, name, ud, out}, e);
}

static void call_choice(const ws_expr *e, const ws_expr_style *s, ws_buf *out)
{
    const int order[3] = {s->python ? 1 : 0, s->python ? 0 : 1, 2};
    ws_buf_addc(out, '(');
    for (int i = 0; i < 3; i++) {
        ws_buf_adds(out, i == 0 ? "" : s->python ? (i == 1 ? " if " : " else ") : i == 1 ? " ? " : " : ");
        ws_expr_to_calls(e->kid[order[i]], s, out);
        if (order[i] == 0)
            ws_buf_adds(out, " != 0");
    }
    ws_buf_addc(out, ')');
}

/* Comparisons and logic; of the latter each operand as a condition. */
static void call_condition(const ws_expr *e, const ws_expr_style *s, ws_buf *out)
{
    const bool logic = e->op == WS_X_AND || e->op == WS_X_OR;
    const char *symbol = !logic || !s->python  ? ops[e->op].symbol
                         : e->op == WS_X_AND ? "and"
                                             : "or";
    ws_buf_adds(out, s->python ? "int(" : "(");
    for (int i = 0; i < 2; i++) {
        if (i)
            ws_buf_printf(out, " %s ", symbol);
        ws_buf_adds(out, logic ? "(" : "");
        ws_expr_to_calls(e->kid[i], s, out);
        ws_buf_adds(out, logic ? " != 0)" : "");
    }
    ws_buf_addc(out, ')');
}

void ws_expr_to_calls(const ws_expr *e, const ws_expr_style *s, ws_buf *out)
{
    static const char *const called[] = {
        [WS_X_ADD] = "add", [WS_X_SUB] = "sub", [WS_X_MUL] = "mul", [WS_X_DIV] = "div",
        [WS_X_MOD] = "mod", [WS_X_MIN] = "min", [WS_X_MAX] = "max", [WS_X_CEIL_DIV] = "ceil_div",
        [WS_X_ALIGN] = "align"};
    switch (e->op) {
    case X_CONST:
        if (e->value == INT64_MIN) /* has no literal in C */
            ws_buf_printf(out, "(%" PRId64 "%s - 1)", -INT64_MAX, s->number);
        else
            ws_buf_printf(out, e->value < 0 ? "(%" PRId64 "%s)" : "%" PRId64 "%s", e->value,
                          s->number);
        return;
    case X_NAME: ws_buf_printf(out, "%s%s", s->name, e->name); return;
    case X_SELECT: call_choice(e, s, out); return;
    default:
        if (!called[e->op]) {
            call_condition(e, s, out);
            return;
        }
        ws_buf_printf(out, "%s%s(", s->call, called[e->op]);
        ws_expr_to_calls(e->kid[0], s, out);
        ws_buf_adds(out, ", ");
        ws_expr_to_calls(e->kid[1], s, out);
        ws_buf_printf(out, "%s)", s->tail);
    }
}

/* max(max(a, b), c) as its arguments a, b, c: hundreds of them must not nest. */
static void print_chain(const ws_expr *e, int op, ws_buf *out)
{
    if (e->op != op) {
        ws_expr_print(e, out);
        return;
    }
    print_chain(e->kid[0], op, out);
    ws_buf_adds(out, ", ");
    ws_expr_print(e->kid[1], out);
}

void ws_expr_print(const ws_expr *e, ws_buf *out)
{
    switch (e->op) {
    case X_CONST: ws_buf_printf(out, "%" PRId64, e->value); return;
    case X_NAME: ws_buf_adds(out, e->name); return;
    case X_SELECT:
        ws_buf_addc(out, '(');
        for (int i = 0; i < 3; i++) {
            ws_buf_adds(out, i == 0 ? "" : i == 1 ? " ? " : " : ");
            ws_expr_print(e->kid[i], out);
        }
        ws_buf_addc(out, ')');
        return;
    case WS_X_MIN:
    case WS_X_MAX:
        ws_buf_printf(out, "%s(", ops[e->op].symbol);
        print_chain(e, e->op, out);
        ws_buf_addc(out, ')');
        return;
    default:
        ws_buf_printf(out, "%s(", ops[e->op].is_function ? ops[e->op].symbol : "");
        ws_expr_print(e->kid[0], out);
        ws_buf_printf(out, ops[e->op].is_function ? ", " : " %s ", ops[e->op].symbol);
        ws_expr_print(e->kid[1], out);
        ws_buf_addc(out, ')');
    }
}
