/* The expression language: values, errors with their place, C text. */
#include "base/expr.h"
#include "tests/tap.h"

#include <inttypes.h>
#include <stdlib.h>

static const ws_binding items[] = {{"N", 100}, {"B", 3}, {"VEC", 4}, {"zero", 0}};
static const ws_env env = {items, 4, NULL};

static const struct {
    const char *text;
    int64_t value;
} good[] = {
    {"1 + 2 * 3", 7},        {"(1 + 2) * 3", 9},
    {"-7 / 2", -3},          {"-7 % 3", -1},
    {"ceil_div(N, 32)", 4},  {"ceil_div(-7, 2)", -3},
    {"align(N, 32)", 128},   {"min(N, B, 7)", 3},
    {"max(1, N)", 100},      {"N % VEC == 0", 1},
    {"N<=99 || B != 3", 0},  {"N > 5 && !zero", 1},
    {"N > 5 ? B : VEC", 3},  {"zero ? 1 / zero : 8", 8},
    {"zero && 1 / zero", 0}, {"- -3", 3},
    {"2 - 3 - 4", -5},       {"9223372036854775807", INT64_MAX},
};

static const struct {
    const char *text, *error;
} bad[] = {
    {"", "unexpected end at column 1"},
    {"1 +", "unexpected end at column 4"},
    {"N M", "unexpected text at column 3"},
    {"foo(1, 2)", "unknown function at column 1"},
    {"min(1)", "a function takes two arguments"},
    {"align(1, 2, 3)", "too many arguments"},
    {"(1", "expected ')'"},
    {"1 < 2 < 3", "unexpected text"},
    {"99999999999999999999", "number does not fit 64 bits"},
    {"1.5", "expected a whole number"},
    {"x ? 1", "expected ':'"},
    {"#", "unexpected character at column 1"},
    {"M + 1", "unknown name 'M'"},
    {"N / zero", "division by zero in '(N / zero)' (100 / 0)"},
    {"N * 9223372036854775807", "overflow in"},
    {"9223372036854775807 + N", "overflow in"},
};

/* What building folds. */
static const struct {
    const char *text, *printed;
} folded[] = {
    {"N + 3 - 2", "(N + 1)"},
    {"N - 3 + 1", "(N - 2)"},
    {"N - 3 + 3", "N"},
    {"3 + N", "(N + 3)"},
    {"4 * N", "(N * 4)"},
    {"M + N + N", "(M + (N * 2))"},
    {"M + N*2 + N*3 + N", "(M + (N * 6))"},
    {"M - N - N", "((M - N) - N)"},
    {"M + N + M", "((M + N) + M)"},
    {"max(max(M, N), max(N, 3), 4)", "max(M, N, max(N, 3), 4)"},
    {"N + 9223372036854775807 + 1", "((N + 9223372036854775807) + 1)"},
};

static void test_folded(ws_arena *a)
{
    for (size_t i = 0; i < WS_COUNT(folded); i++) {
        const ws_expr *e = NULL;
        ws_err err = {0};
        ws_buf text = {0};
        if (ok(!ws_expr_parse(a, folded[i].text, &e, &err), "%s", folded[i].text))
            ws_expr_print(e, &text);
        is_str(ws_buf_z(&text), folded[i].printed, folded[i].text);
        ws_buf_release(&text);
    }
}

static const char *name_of(void *ud, const ws_expr *part)
{
    ws_buf b = {0};
    ws_expr_print(part, &b);
    const char *name = strcmp(ws_buf_z(&b), "(N + 1)") == 0 ? "A" : "B";
    ws_buf_release(&b);
    *(int *)ud += 1;
    return name;
}

static void test_naming(ws_arena *a)
{
    const ws_expr *e = NULL;
    ws_err err = {0};
    ws_buf c = {0};
    int asked = 0;
    ok(!ws_expr_parse(a, "max(N + 1, M) * 2", &e, &err), "parsed");
    ws_expr_to_c_naming(e, "DIM_", name_of, &asked, &c);
    is_str(ws_buf_z(&c), "((A > (long long)DIM_M ? A : (long long)DIM_M) * 2LL)",
           "a part that stands twice is named; a name is not");
    is_int(asked, 2, "each time that it stands");
    ws_buf_release(&c);
}

static void test_good(ws_arena *a)
{
    for (size_t i = 0; i < WS_COUNT(good); i++) {
        const ws_expr *e;
        ws_err err = {0};
        int64_t v = 0;
        bool fine = !ws_expr_parse(a, good[i].text, &e, &err) && !ws_expr_eval(e, &env, &v, &err);
        if (!ok(fine && v == good[i].value, "%s", good[i].text))
            printf("# got %" PRId64 " %s\n", v, err.msg);
        /* Printed and parsed again it has the same value. */
        ws_buf text = {0};
        int64_t again = 0;
        ws_expr_print(e, &text);
        fine = !ws_expr_parse(a, ws_buf_z(&text), &e, &err) && !ws_expr_eval(e, &env, &again, &err);
        ok(fine && again == v, "%s printed as %s", good[i].text, ws_buf_z(&text));
        ws_buf_release(&text);
    }
}

static void test_bad(ws_arena *a)
{
    for (size_t i = 0; i < WS_COUNT(bad); i++) {
        const ws_expr *e;
        ws_err err = {0};
        int64_t v;
        if (!ws_expr_parse(a, bad[i].text, &e, &err))
            ok(ws_expr_eval(e, &env, &v, &err) == WS_EINPUT, "'%s' is refused", bad[i].text);
        has_str(err.msg, bad[i].error, bad[i].error);
    }
    char deep[2001];
    const ws_expr *e;
    ws_err err = {0};
    memset(deep, '(', 2000);
    deep[2000] = '\0';
    ok(ws_expr_parse(a, deep, &e, &err) == WS_EINPUT, "2000 parentheses are refused, not a crash");
    memset(deep, '-', 2000);
    err = (ws_err){0};
    ok(ws_expr_parse(a, deep, &e, &err) == WS_EINPUT, "2000 signs too");
}

static void test_text(ws_arena *a)
{
    const ws_expr *e;
    ws_err err = {0};
    ws_buf c = {0};
    if (ws_expr_parse(a, "N % VEC == 0 ? N : -1", &e, &err))
        puts(err.msg);
    ws_expr_to_c(e, "DIM_", &c);
    is_str(ws_buf_z(&c),
           "((((long long)DIM_N % (long long)DIM_VEC) == 0LL) ? (long long)DIM_N : (-1LL))",
           "C text");
    ws_buf_release(&c);
    const ws_expr *n = ws_expr_name(a, "N"), *one = ws_expr_const(a, 1);
    ok(ws_expr_binary(a, WS_X_MUL, n, one) == n, "x * 1 folds");
    ok(ws_expr_same(ws_expr_binary(a, WS_X_ADD, n, one),
                    ws_expr_binary(a, WS_X_ADD, ws_expr_name(a, "N"), ws_expr_const(a, 1))),
       "structural equality");
}

/* Long chains make deep trees, though nothing in them is nested. */
static void test_long(ws_arena *a)
{
    static const char *const parts[][2] = {{"N", "/3"}, {"min(N", ",N"}};
    for (size_t i = 0; i < 2; i++) {
        ws_buf text = {0};
        ws_err err = {0};
        const ws_expr *e;
        ws_buf_adds(&text, parts[i][0]);
        for (int k = 0; k < 100000; k++)
            ws_buf_adds(&text, parts[i][1]);
        is_int(ws_expr_parse(a, ws_buf_z(&text), &e, &err), WS_EINPUT, "100000 terms");
        has_str(err.msg, "expression is too long", "and why");
        ws_buf_release(&text);
    }
}

int main(void)
{
    ws_arena a = {0};
    test_good(&a);
    test_folded(&a);
    test_naming(&a);
    test_bad(&a);
    test_text(&a);
    test_long(&a);
    ws_arena_release(&a);
    return tap_done();
}
