/* Work by unit and least traffic: counted by hand for small graphs. */
#include "reference/graph.h"
#include "tests/tap.h"

#include <string.h>

/* x bf16 [M, K], w bf16 [K, N], q and p e4m3 [M, K] and [K, N], s f32 [1], f f32 [M, K], i and j
 * i32, t f32 table [V, N], k i32 [M] */
static const char head[] = "{\"schema\":1,\"name\":\"t\",\"dims\":{\"M\":4,\"N\":8,\"K\":16,\"V\":"
                           "1000},\"check\":[{}],\"inputs\":["
                           "{\"name\":\"x\",\"dtype\":\"bf16\",\"shape\":[\"M\",\"K\"]},"
                           "{\"name\":\"w\",\"dtype\":\"bf16\",\"shape\":[\"K\",\"N\"]},"
                           "{\"name\":\"q\",\"dtype\":\"e4m3\",\"shape\":[\"M\",\"K\"]},"
                           "{\"name\":\"p\",\"dtype\":\"e4m3\",\"shape\":[\"K\",\"N\"]},"
                           "{\"name\":\"e\",\"dtype\":\"e2m1\",\"shape\":[\"K\",\"N\"]},"
                           "{\"name\":\"s\",\"dtype\":\"f32\",\"shape\":[1]},"
                           "{\"name\":\"f\",\"dtype\":\"f32\",\"shape\":[\"M\",\"K\"]},"
                           "{\"name\":\"g\",\"dtype\":\"f32\",\"shape\":[\"K\",\"N\"]},"
                           "{\"name\":\"i\",\"dtype\":\"i32\",\"shape\":[\"M\",\"K\"]},"
                           "{\"name\":\"j\",\"dtype\":\"i32\",\"shape\":[\"K\",\"N\"]},"
                           "{\"name\":\"t\",\"dtype\":\"f32\",\"shape\":[\"V\",\"N\"]},"
                           "{\"name\":\"k\",\"dtype\":\"i32\",\"shape\":[\"M\"]}],\"weights\":[],";

#define MATMUL(a, b) "{\"out\":\"y\",\"op\":\"matmul\",\"in\":[\"" a "\",\"" b "\"]}"
#define SCALED(out, q)                                                                             \
    "{\"out\":\"" out "\",\"op\":\"dequantize\",\"in\":[\"" q "\",\"s\"],\"dtype\":\"f32\"},"

static const struct {
    const char *what, *precision, *nodes;
    ref_unit unit;
    double work, bytes;
} rows[] = {
    {"single precision", "f32", MATMUL("f", "g"), REF_PRODUCT_F32, 1024, 4 * (64 + 128 + 32)},
    {"bf16", "f32", MATMUL("x", "w"), REF_PRODUCT_F16, 1024, 2 * (64 + 128) + 4 * 32},
    {"a bf16 and an f32 operand", "f32", MATMUL("f", "w"), REF_PRODUCT_F32, 1024,
     4 * 64 + 2 * 128 + 4 * 32},
    {"an f32 operand that honest bf16 rounds", "bf16", MATMUL("f", "w"), REF_PRODUCT_F16, 1024,
     4 * 64 + 2 * 128 + 2 * 32},
    {"scaled e4m3", "bf16", SCALED("a", "q") SCALED("b", "p") MATMUL("a", "b"), REF_PRODUCT_F8,
     1024, 64 + 128 + 4 + 2 * 32},
    {"e4m3 with scaled e2m1", "bf16", SCALED("b", "e") MATMUL("q", "b"), REF_PRODUCT_F8, 1024,
     64 + 64 + 4 + 2 * 32},
    {"bf16 with e4m3", "bf16", MATMUL("x", "p"), REF_PRODUCT_F16, 1024, 2 * 64 + 128 + 2 * 32},
    {"whole numbers", "f32",
     "{\"out\":\"y\",\"op\":\"matmul\",\"in\":[\"i\",\"j\"],\"dtype\":\"i32\"}", REF_PRODUCT_I32,
     1024, 4 * (64 + 128 + 32)},
    {"what no output needs", "f32",
     "{\"out\":\"z\",\"op\":\"exp\",\"in\":[\"t\"]}," MATMUL("f", "g"), REF_SFU, 0,
     4 * (64 + 128 + 32)},
    {"special functions", "f32", "{\"out\":\"y\",\"op\":\"exp\",\"in\":[\"f\"]}", REF_SFU, 64,
     4 * (64 + 64)},
    {"rows of a table", "f32", "{\"out\":\"y\",\"op\":\"gather\",\"in\":[\"t\",\"k\"],\"dim\":0}",
     REF_F32, 0, 4 * (4 * 8 + 4 + 4 * 8)},
    {"a slice", "f32",
     "{\"out\":\"z\",\"op\":\"slice\",\"in\":[\"t\"],\"dim\":0,\"stop\":5},"
     "{\"out\":\"y\",\"op\":\"neg\",\"in\":[\"z\"]}",
     REF_F32, 40, 4 * (40 + 40)},
    {"a slice of what is read whole", "f32",
     "{\"out\":\"z\",\"op\":\"slice\",\"in\":[\"f\"],\"dim\":0,\"stop\":1},"
     "{\"out\":\"y\",\"op\":\"add\",\"in\":[\"z\",\"f\"]}",
     REF_F32, 64, 4 * (64 + 64)},
};

static void count(size_t i)
{
    ws_buf text = {0};
    ws_err err = {0};
    ws_arena a = {0};
    spec *s = NULL;
    ref_graph *g = NULL;
    ref_bound *b = NULL;
    ref_cost cost = {0};
    ws_buf_printf(&text, "%s\"graph\":[%s],\"outputs\":[\"y\"],\"precision\":\"%s\"}", head,
                  rows[i].nodes, rows[i].precision);
    ws_status st = spec_from_text(text.p, text.n, "t.json", &s, &err);
    if (!st)
        st = ref_graph_new(s, &g, &err);
    if (!st) {
        ws_env env = spec_env(s, -1);
        st = ref_bind(g, &env, &a, &b, &err);
    }
    if (ok(!st, "%s %s", rows[i].what, err.msg)) {
        double sum = 0;
        ref_cost_of(b, &cost);
        is_close(cost.unit[rows[i].unit], rows[i].work, 0, ref_unit_name(rows[i].unit));
        is_close(cost.min_bytes, rows[i].bytes, 0, "bytes");
        for (int u = 0; u < REF_UNIT_COUNT; u++)
            sum += u == REF_SFU ? 0 : cost.unit[u];
        is_close(sum, cost.flops, 0, "units add up");
    }
    ws_arena_release(&a);
    ref_graph_free(g);
    spec_free(s);
    ws_buf_release(&text);
}

int main(void)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        count(i);
    return tap_done();
}
