/* What reads a candidate's text before any compiler does: the plan's parser and binder, and the
 * policy. Kernels of the tests with their plans changed; whatever comes out, they must
 * survive it. */
#include "harness/compile/compile.h"
#include "harness/plan/plan.h"
#include "tests/fuzz_text.h"

static const char *const tensors[] = {"x", "y", "a", "b", "c", "q", "k", "v", "o", "w", "gamma",
                                      "beta", "loss", "scale", "weight", "table", "out", "bias"};
static const char *const dims[] = {"N", "M", "K", "B", "C", "S", "H", "W", "D"};

/* Every tensor is one of a few shapes. */
static ws_arena shape_arena;
static plan_shape shape[WS_COUNT(tensors)];

static void make_shapes(void)
{
    static const char *const extents[] = {"M", "K", "N", "B", "C"};
    static const ws_dtype dtypes[] = {WS_F16, WS_F32, WS_BF16, WS_E2M1, WS_I64};
    const ws_expr **dim = WS_ARENA_NEW(&shape_arena, const ws_expr *, WS_COUNT(extents));
    for (size_t i = 0; i < WS_COUNT(extents); i++)
        dim[i] = ws_expr_name(&shape_arena, extents[i]);
    for (size_t i = 0; i < WS_COUNT(tensors); i++)
        shape[i] = (plan_shape){dtypes[i % WS_COUNT(dtypes)], (int)(2 + i) % 6, dim};
}

static const char *const words[] = {
    "\"launch\":", "\"kernel\":", "\"grid\":", "\"block\":", "\"shared\":", "\"args\":",
    "\"scratch\":", "\"name\":", "\"dtype\":", "\"count\":", "\"tune\":", "\"require\":",
    "\"cluster\":", "\"cooperative\":", "\"max_dynamic_shared\":", "\"tensormaps\":", "\"f32\"",
    "\"tensor\":", "\"dims\":", "\"strides\":", "\"box\":", "\"steps\":", "\"swizzle\":",
    "\"interleave\":", "\"fill\":", "\"promotion\":", "\"type\":", "\"offset\":", "\"lower\":",
    "\"upper\":", "\"channels\":", "\"pixels\":", "\"nan\"", "\"tf32\"", "[\"K\", \"M\"]", "[64, 64]",
    "\"tensormaps\": [ { \"name\": \"m\", \"tensor\": \"x\", \"box\": [8, 8] } ],", "[1, 8]", "\"m\"",
    "\"i64\"", "\"x\"", "\"N\"", "\"part\"", "true", "false", "null", "0", "-1", "1e308", "1e-400",
    "9223372036854775807", "-9223372036854775808", "18446744073709551616", "0.5", "NaN", "{}",
    "[]", "{", "}", "[", "]", ",", ":", "\"", "\\", "\\u0000", "\\ud800", "*/", "/*", "//", "@plan",
    "\"N * N * N * N\"", "\"9223372036854775807 + N\"", "\"-9223372036854775808 / -1\"",
    "\"N / 0\"", "\"N % 0\"", "\"ceil_div(N, 0)\"", "\"min(N)\"", "\"align(N, -1)\"",
    "\"N ? N : \"", "\"((((((((((((((((N))))))))))))))))\"", "\"BLOCK\"", "[1, 2, 4]",
    "[128, 128]", "{\"BLOCK\": [32, 64]}", "\xff", "\xe2\x82", "\n", "\r", "\t", "#if 0\n",
    "#define N 3\n", "%:", "?\?/", "R\"(", "'"
};

/* Where the plan stands, as far as that can be told. */
static void find_plan(const ws_buf *text, size_t *from, size_t *end)
{
    const char *mark = memmem(text->p, text->n, "@plan", 5);
    const char *close = mark ? memmem(mark, text->n - (size_t)(mark - text->p), "*/", 2) : NULL;
    *from = mark ? (size_t)(mark - text->p) : 0;
    *end = close ? (size_t)(close - text->p) : text->n;
}

static bool plan_one(void)
{
    enum { N_DIMS = WS_COUNT(dims) };
    static const int64_t values[] = {1, 0, 3, 257, 4096, -1, INT64_MAX, INT64_MIN, 1 << 30};
    const ws_buf *from = &text_file[pick(n_text_files)];
    ws_buf text = {0};
    ws_arena a = {0};
    hx_diag d = {0};
    plan *p = NULL;
    plan_bound *bound = NULL;
    ws_binding at[N_DIMS];
    plan_names names = {tensors, WS_COUNT(tensors), dims, N_DIMS, shape};
    ws_buf_add(&text, from->p, from->n);
    for (uint32_t n = pick(5); n; n--) {
        size_t begin, end;
        find_plan(&text, &begin, &end);
        text_put_word(&text, begin, end, words, WS_COUNT(words));
    }
    if (!pick(3))
        change_bytes(&text);
    fuzz_keep(text.p, text.n);
    /* In a block of its own size, so that a sanitizer sees a read past its end. */
    char *exact = ws_malloc(text.n ? text.n : 1);
    memcpy(exact, text.p, text.n);
    bool good = comp_check_source(exact, text.n, &d);
    if (plan_parse(&a, exact, text.n, &names, &p, &d)) {
        for (int i = 0; i < N_DIMS; i++)
            at[i] = (ws_binding){dims[i], values[pick(WS_COUNT(values))]};
        ws_env env = {.item = at, .n = N_DIMS};
        good = plan_bind(&a, p, &env, NULL, &bound, &d) && good;
    }
    free(exact);
    ws_arena_release(&a);
    ws_buf_release(&text);
    return good && bound;
}

int main(int argc, char **argv)
{
    if (!text_load("tests/kernels/*/*.cu"))
        return 3;
    make_shapes();
    int rc = fuzz_main("plan", argc, argv, plan_one);
    ws_arena_release(&shape_arena);
    text_release();
    return rc;
}
