/* Tensor maps of launch plans: what is read and what is left out, each rule that refuses one, and
 * the parameter. Plans here are of one launch; a row has its "tensormaps" entry alone. */
#include "base/buf.h"
#include "harness/plan/plan.h"
#include "harness/ptx/ptx.h"
#include "tests/tap.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* a: f16 [M, K]; x: f32 [B, H, W, C]; p: e2m1 [K]; s: f32, a scalar */
static const char *const tensors[] = {"a", "x", "p", "s"}, *const dim_names[] = {"M", "K", "C"};
static const ws_binding dim_values[] = {{"M", 100}, {"K", 72}, {"C", 8}};
static const ws_env dims = {dim_values, 3, NULL};

/* The shapes' expressions last as long as the test. */
static ws_arena shapes;

static plan_names make_names(void)
{
    const ws_expr **a = WS_ARENA_NEW(&shapes, const ws_expr *, 2);
    const ws_expr **x = WS_ARENA_NEW(&shapes, const ws_expr *, 4);
    plan_shape *shape = WS_ARENA_NEW(&shapes, plan_shape, 4);
    a[0] = ws_expr_name(&shapes, "M");
    a[1] = ws_expr_name(&shapes, "K");
    x[0] = ws_expr_const(&shapes, 2);
    x[1] = ws_expr_const(&shapes, 14);
    x[2] = ws_expr_const(&shapes, 9);
    x[3] = ws_expr_name(&shapes, "C");
    shape[0] = (plan_shape){WS_F16, 2, a};
    shape[1] = (plan_shape){WS_F32, 4, x};
    shape[2] = (plan_shape){WS_E2M1, 1, a + 1};
    shape[3] = (plan_shape){WS_F32, 0, NULL};
    return (plan_names){tensors, 4, dim_names, 3, shape};
}

static plan *parse(ws_arena *arena, const plan_names *names, const char *map, const char *args,
                   hx_diag *d)
{
    ws_buf source = {0};
    plan *p = NULL;
    ws_buf_printf(&source,
                  "/* @plan\n"
                  "{ \"scratch\": [ { \"name\": \"pad\", \"dtype\": \"bf16\", \"count\": 1024 } ],\n"
                  "  \"tune\": { \"BK\": [64, 32] },\n"
                  "  \"launch\": [ { \"kernel\": \"k\", \"grid\": 1, \"block\": 32,\n"
                  "    \"tensormaps\": [ %s ],\n"
                  "    \"args\": [%s] } ] }\n*/\n",
                  map, args);
    if (!plan_parse(arena, ws_buf_z(&source), source.n, names, &p, d))
        p = NULL;
    ws_buf_release(&source);
    return p;
}

/* What a bound map should be. */
static const struct {
    const char *what, *map;
    ptx_tensor_map want; /* the magic is implied */
    bool is_scratch;
} good[] = {
    {"the extents of its tensor, dense",
     "{ \"name\": \"m\", \"tensor\": \"a\", \"box\": [\"BK\", 16] }",
     {.rank = 2, .type = PTX_TM_F16, .promotion = 2, .step = {1, 1}, .stride = {144},
      .last = {71, 99}, .box = {64, 16}}, false},
    {"everything said",
     "{ \"name\": \"m\", \"tensor\": \"a\", \"type\": \"u16\", \"dims\": [\"K - 8\", \"M / 2\"], "
     "\"strides\": [\"2 * K\"], \"box\": [\"BK / 2\", 8], \"steps\": [1, 2], \"offset\": \"K + 8\", "
     "\"swizzle\": \"BK\", \"interleave\": 0, \"fill\": \"zero\", \"promotion\": 256 }",
     {.rank = 2, .type = PTX_TM_U16, .swizzle = PTX_TM_SWIZZLE_64, .promotion = 3, .step = {1, 2},
      .address = 160, .stride = {288}, .last = {63, 49}, .box = {32, 8}}, false},
    {"NaN outside, tf32 of f32",
     "{ \"name\": \"m\", \"tensor\": \"x\", \"type\": \"tf32\", \"fill\": \"nan\", "
     "\"promotion\": 0, \"box\": [8, 3, 2, 1], \"swizzle\": 32 }",
     {.rank = 4, .type = PTX_TM_TF32, .fill = PTX_TM_FILL_NAN, .swizzle = PTX_TM_SWIZZLE_32,
      .step = {1, 1, 1, 1}, .stride = {32, 288, 4032}, .last = {7, 8, 13, 1}, .box = {8, 3, 2, 1}},
     false},
    {"a scratch buffer by its count",
     "{ \"name\": \"m\", \"tensor\": \"pad\", \"box\": [256] }",
     {.rank = 1, .type = PTX_TM_BF16, .promotion = 2, .step = {1}, .last = {1023}, .box = {256}},
     true},
    {"a scratch buffer's very end",
     "{ \"name\": \"m\", \"tensor\": \"pad\", \"dims\": [8, 16], \"strides\": [64], \"offset\": 56, "
     "\"box\": [8, 16] }",
     {.rank = 2, .type = PTX_TM_BF16, .promotion = 2, .step = {1, 1}, .address = 112,
      .stride = {128}, .last = {7, 15}, .box = {8, 16}}, true},
    {"a stride of nothing: a row again and again",
     "{ \"name\": \"m\", \"tensor\": \"a\", \"dims\": [64, 1000], \"strides\": [0], \"box\": [64, 4] }",
     {.rank = 2, .type = PTX_TM_F16, .promotion = 2, .step = {1, 1}, .last = {63, 999},
      .box = {64, 4}}, false},
    {"packed elements as bytes",
     "{ \"name\": \"m\", \"tensor\": \"p\", \"dims\": [\"K / 2\"], \"box\": [32] }",
     {.rank = 1, .type = PTX_TM_U8, .promotion = 2, .step = {1}, .last = {35}, .box = {32}}, false},
    {"im2col",
     "{ \"name\": \"m\", \"tensor\": \"x\", \"lower\": [-1, -1], \"upper\": [-1, \"0 - 1\"], "
     "\"channels\": \"C\", \"pixels\": 64 }",
     {.mode = PTX_TM_IM2COL, .rank = 4, .type = PTX_TM_F32, .promotion = 2, .step = {1, 1, 1, 1},
      .stride = {32, 288, 4032}, .last = {7, 8, 13, 1}, .lower = {-1, -1}, .upper = {-1, -1},
      .channels = 8, .pixels = 64}, false},
};

static void test_good(const plan_names *names)
{
    for (size_t i = 0; i < WS_COUNT(good); i++) {
        ws_arena a = {0};
        hx_diag d = {0};
        plan_bound *b = NULL;
        plan *p = parse(&a, names, good[i].map, "\"m\", \"M\"", &d);
        ptx_tensor_map want = good[i].want;
        want.magic = PTX_TM_MAGIC;
        if (!ok(p && plan_bind(&a, p, &dims, NULL, &b, &d), "binds: %s", good[i].what)) {
            printf("# %s\n", d.text);
        } else {
            const plan_bound_map *m = &b->launch[0].map[0];
            ok(memcmp(&m->map, &want, sizeof want) == 0 && m->is_scratch == good[i].is_scratch,
               "the fields of %s", good[i].what);
            is_str(m->name, "m", "its name");
            is_int(b->launch[0].arg[0].kind, PLAN_ARG_MAP, "its argument");
            ok(plan_launch_takes(&b->launch[0], m->is_scratch, m->index) &&
                   !plan_launch_takes(&b->launch[0], !m->is_scratch, m->index),
               "the launch takes what it maps");
        }
        ws_arena_release(&a);
    }
}

/* All of a line that begins { "name": "m", "tensor": "a", "box": [64, 16], but for what is said. */
static const struct {
    const char *map, *text;
} unread[] = {
    {"7", "launch[0].tensormaps[0]: expected an object"},
    {"{ \"tensor\": \"a\", \"box\": [64, 16] }", "launch[0].tensormaps[0]: missing 'name'"},
    {"{ \"name\": \"K\", \"tensor\": \"a\", \"box\": [64, 16] }",
     "'K' is a dimension of the spec already"},
    {"{ \"name\": \"m\", \"tensor\": \"a\", \"box\": [8, 8] }, "
     "{ \"name\": \"m\", \"tensor\": \"a\", \"box\": [8, 8] }",
     "'m' is a tensor map of this launch already"},
    {"{ \"name\": \"m\", \"box\": [64, 16] }", "missing 'tensor'"},
    {"{ \"name\": \"m\", \"tensor\": \"b\", \"box\": [64, 16] }",
     ".tensor: 'b' is no tensor of the spec and no scratch buffer"},
    {"{ \"name\": \"m\", \"tensor\": \"a\" }", "missing 'box'"},
    {"{ \"name\": \"m\", \"tensor\": \"a\", \"box\": 64 }", ".box: expected an array"},
    {"{ \"name\": \"m\", \"tensor\": \"a\", \"box\": [64] }",
     ".box: 1 entries, expected 2: one a dimension"},
    {"{ \"name\": \"m\", \"tensor\": \"a\", \"box\": [64, \"BLOCK\"] }",
     ".box[1]: unknown name 'BLOCK'"},
    {"{ \"name\": \"m\", \"tensor\": \"a\", \"dims\": [], \"box\": [] }",
     ".dims: 0 entries, expected 1 to 5"},
    {"{ \"name\": \"m\", \"tensor\": \"a\", \"dims\": \"K\", \"box\": [64] }",
     ".dims: expected an array"},
    {"{ \"name\": \"m\", \"tensor\": \"a\", \"dims\": [1, 1, 1, 1, 1, 1], \"box\": [] }",
     ".dims: 6 entries, at most 5"},
    {"{ \"name\": \"m\", \"tensor\": \"a\", \"strides\": [1, 72], \"box\": [64, 16] }",
     ".strides: 2 entries, expected 1: those of dimensions 1 on"},
    {"{ \"name\": \"m\", \"tensor\": \"p\", \"box\": [32] }", "packs elements"},
    {"{ \"name\": \"m\", \"tensor\": \"s\", \"box\": [32] }",
     ".dims: missing; the tensor has 0 dimensions"},
    {"{ \"name\": \"m\", \"tensor\": \"a\", \"box\": [64, 16], \"type\": \"16u4_align8b\" }",
     ".type: unknown type '16u4_align8b', expected one of f16"},
    {"{ \"name\": \"m\", \"tensor\": \"a\", \"box\": [64, 16], \"type\": 6 }",
     ".type: expected a string"},
    {"{ \"name\": \"m\", \"tensor\": \"a\", \"box\": [64, 16], \"fill\": \"one\" }",
     ".fill: expected \"zero\" or \"nan\""},
    {"{ \"name\": \"m\", \"tensor\": \"a\", \"box\": [64, 16], \"swizle\": 128 }",
     "unknown member 'swizle'; did you mean 'swizzle'?"},
    {"{ \"name\": \"m\", \"tensor\": \"x\", \"lower\": [0, 0], \"box\": [8, 1, 1, 1] }",
     ".box: a map has either a box or, for im2col"},
    {"{ \"name\": \"m\", \"tensor\": \"a\", \"channels\": 8 }", "im2col needs 3 to 5 dimensions"},
    {"{ \"name\": \"m\", \"tensor\": \"x\", \"lower\": [0, 0], \"upper\": [0, 0], \"channels\": 8 }",
     "missing 'pixels'"},
    {"{ \"name\": \"m\", \"tensor\": \"x\", \"lower\": [0], \"upper\": [0], \"channels\": 8, "
     "\"pixels\": 8 }", ".lower: 1 entries, expected 2"},
    {"{ \"name\": \"other\", \"tensor\": \"a\", \"box\": [64, 16] }", "unknown name 'm'"},
    {"{ \"name\": \"m\", \"tensor\": \"a\", \"box\": [64, 16] }, "
     "{ \"name\": \"idle\", \"tensor\": \"a\", \"box\": [64, 16] }",
     ".args: the tensor map 'idle' is not passed to the kernel"},
};

static void test_unread(const plan_names *names)
{
    for (size_t i = 0; i < WS_COUNT(unread); i++) {
        ws_arena a = {0};
        hx_diag d = {0};
        ok(!parse(&a, names, unread[i].map, "\"m\"", &d) && d.reason == HX_PLAN_INVALID,
           "refused: %s", unread[i].text);
        has_str(d.text, unread[i].text, "its text");
        ok(d.line == 5 || d.line == 6, "its line");
        ws_arena_release(&a);
    }
}

#define M "{ \"name\": \"m\", \"tensor\": \"a\", "
#define X "{ \"name\": \"m\", \"tensor\": \"x\", "
static const struct {
    const char *map, *text;
    hx_reason reason; /* 0: INVALID_LAUNCH */
} unbound[] = {
    {M "\"box\": [64, 257] }", "kernel 'k': tensor map 'm': box[1] is 257, expected 1 to 256", 0},
    {M "\"box\": [64, \"BK - 64\"] }", "box[1] is 0, expected 1 to 256", 0},
    {M "\"box\": [60, 16] }", "60 elements of 2 bytes, no multiple of 16 bytes (a rule of cuTensorMapEncodeTiled)", 0},
    {M "\"box\": [64, 16], \"swizzle\": 64 }", "128 bytes, more than the swizzle's 64", 0},
    {M "\"box\": [64, 16], \"swizzle\": 96 }", "swizzle is 96, expected 0, 32, 64 or 128 (bytes)", 0},
    {M "\"box\": [64, 16], \"promotion\": 512 }", "promotion is 512, expected 0, 64, 128 or 256", 0},
    {M "\"box\": [64, 16], \"steps\": [1, 9] }", "steps[1] is 9, expected 1 to 8", 0},
    {M "\"dims\": [\"K - 72\", \"M\"], \"box\": [64, 16] }",
     "dims[0] is 0, expected 1 to 4294967296", 0},
    {M "\"strides\": [\"K + 1\"], \"box\": [64, 16] }",
     "strides[0] is 73 elements, 146 bytes, and must be a multiple of 16 bytes; 'require' can", 0},
    {M "\"strides\": [76], \"box\": [64, 16] }",
     "strides[0] is 76 elements, 152 bytes, and must be a multiple of 16 bytes", 0},
    {M "\"strides\": [-72], \"box\": [64, 16] }", "strides[0] is -72, expected 0 to ", 0},
    {M "\"strides\": [549755813888], \"box\": [64, 16] }", "expected 0 to 549755813887", 0},
    {M "\"offset\": 4, \"box\": [64, 16] }", "offset is 4 elements, 8 bytes, and must be", 0},
    {M "\"offset\": -8, \"box\": [64, 16] }", "offset is -8, expected 0 to", 0},
    {M "\"offset\": 8, \"box\": [64, 16] }",
     "tensor map 'm': reaches to byte 14416 of 'a', which has 14400 bytes", 0},
    {M "\"dims\": [\"K\", \"M + 1\"], \"box\": [64, 16] }", "reaches to byte 14544 of 'a'", 0},
    {M "\"type\": \"f32\", \"box\": [32, 16] }", "reaches to byte 28800 of 'a'", 0},
    {M "\"dims\": [8, 4294967296, 4294967296], \"strides\": [549755813880, 549755813880], "
       "\"box\": [8, 1, 1] }", "reaches beyond the address space", 0},
    {M "\"fill\": \"nan\", \"type\": \"u16\", \"box\": [64, 16] }",
     "only floating-point types can be filled with NaN", 0},
    {M "\"interleave\": 16, \"box\": [64, 16] }", "the rank is 2, allowed are 3 to 5", 0},
    {X "\"interleave\": 32, \"box\": [8, 1, 1, 1] }", "needs the swizzle of 32 bytes", 0},
    {X "\"interleave\": 16, \"box\": [8, 1, 1, 1] }",
     "the CPU engine does not support interleaved tensor maps", HX_UNSUPPORTED},
    {X "\"lower\": [-129, 0], \"upper\": [0, 0], \"channels\": 8, \"pixels\": 8 }",
     "lower[0] is -129, expected -128 to 127", 0},
    {X "\"lower\": [0, 0], \"upper\": [0, -14], \"channels\": 8, \"pixels\": 8 }",
     "the pixel box is empty in dimension 2", 0},
    {X "\"lower\": [0, 0], \"upper\": [0, 0], \"channels\": 257, \"pixels\": 8 }",
     "channels is 257, expected 1 to 256", 0},
    {X "\"lower\": [0, 0], \"upper\": [0, 0], \"channels\": 8, \"pixels\": 1025 }",
     "pixels is 1025, expected 1 to 1024", 0},
    {X "\"lower\": [0, 0], \"upper\": [0, 0], \"channels\": 6, \"pixels\": 8 }",
     "(a rule of cuTensorMapEncodeIm2col)", 0},
    {M "\"box\": [64, \"16 / (K - 72)\"] }", "tensor map 'm': box[1]: ", HX_PLAN_INVALID},
};

static void test_unbound(const plan_names *names)
{
    for (size_t i = 0; i < WS_COUNT(unbound); i++) {
        ws_arena a = {0};
        hx_diag d = {0};
        plan_bound *b = NULL;
        plan *p = parse(&a, names, unbound[i].map, "\"m\"", &d);
        if (!ok(p && !plan_bind(&a, p, &dims, NULL, &b, &d), "refused: %s", unbound[i].text))
            printf("# %s\n", d.text);
        has_str(d.text, unbound[i].text, "its text");
        is_int(d.reason, unbound[i].reason ? unbound[i].reason : HX_INVALID_LAUNCH, "its reason");
        is_int(d.line, 5, "its line");
        ws_arena_release(&a);
    }
}

/* A choice whose map is none is left out of the tune space. */
static void test_tune(const plan_names *names)
{
    ws_arena a = {0};
    hx_diag d = {0};
    int64_t *rows;
    plan *p = parse(&a, names, M "\"box\": [\"BK\", 16], \"swizzle\": 64 }", "\"m\"", &d);
    ok(p && plan_enumerate(&a, p, &dims, 10, &rows) == 1 && rows[0] == 32,
       "of two boxes, the one that its swizzle takes");
    ok(p && plan_check_arch(p, "sm_90a", &d) && plan_check_arch(p, "sm_100f", &d),
       "maps on sm_90a and sm_100f");
    ok(p && !plan_check_arch(p, "sm_89", &d) && d.reason == HX_INVALID_LAUNCH, "none on sm_89");
    has_str(d.text, "kernel 'k': the tensor map 'm' needs sm_90 or later, this is sm_89", "its text");
    ws_arena_release(&a);
}

static const struct {
    const char *args;
    ptx_param param;
    const char *text; /* NULL: fits */
} matches[] = {
    {"\"m\"", {"k_param_0", 0, 128, 128, .is_aggregate = true}, NULL},
    {"\"m\"", {"k_param_0", 0, 128, 64, .is_aggregate = true}, NULL},
    {"\"m\"", {"k_param_0", 0, 128, 8, .is_aggregate = true},
     "argument 1 ('m') is a tensor map, passed by value, parameter 1 is a struct or half of 128 bytes; "
     "declare it const __grid_constant__ CUtensorMap"},
    {"\"m\"", {"k_param_0", 0, 8, 8, .is_pointer = true},
     "argument 1 ('m') is a tensor map, passed by value, parameter 1 is a pointer; declare it"},
};

static void test_params(const plan_names *names)
{
    ws_arena a = {0};
    hx_diag d = {0};
    plan *p = parse(&a, names, M "\"box\": [64, 16] }", "\"m\"", &d);
    for (size_t i = 0; p && i < WS_COUNT(matches); i++) {
        ptx_param param = matches[i].param;
        const comp_kernel kernel = {.name = "k", .n_params = 1, .param = &param};
        const bool fits = plan_check_kernels(p, &kernel, 1, names, &d);
        ok(fits == !matches[i].text, "a parameter of %u bytes at %u", param.size, param.align);
        if (matches[i].text)
            has_str(d.text, matches[i].text, "in these words");
    }
    ptx_param two[] = {{"k_param_0", 0, 128, 128, .is_aggregate = true},
                       {"k_param_1", 128, 128, 128, .is_aggregate = true}};
    const comp_kernel kernel = {.name = "k", .n_params = 2, .param = two};
    p = parse(&a, names, M "\"box\": [64, 16] }", "\"m\", \"a\"", &d);
    ok(p && !plan_check_kernels(p, &kernel, 2, names, &d), "a tensor where a map is wanted");
    has_str(d.text, "parameter 2 is a struct of 128 bytes, as a CUtensorMap is; name a map of the "
                    "launch's \"tensormaps\"", "its text");

    plan_bound *b = NULL;
    unsigned char map[1][PTX_TM_BYTES], block[PLAN_PARAM_BYTES], want[PTX_TM_BYTES];
    size_t bytes = 0;
    p = parse(&a, names, M "\"box\": [64, 16] }", "\"M\", \"m\"", &d);
    ptx_param mixed[] = {{"k_param_0", 0, 4, 4, .is_signed = true},
                         {"k_param_1", 128, 128, 128, .is_aggregate = true}};
    const comp_kernel k = {.name = "k", .n_params = 2, .param = mixed};
    memset(map, 0x5a, sizeof map);
    memset(want, 0x5a, sizeof want);
    if (!ok(p && plan_bind(&a, p, &dims, NULL, &b, &d), "binds"))
        return;
    plan_pack_params(&b->launch[0], &k, NULL, NULL, map, block, &bytes);
    ok(bytes == 256 && block[0] == 100 && memcmp(block + 128, want, sizeof want) == 0,
       "the map stands in the parameter block");
    ws_arena_release(&a);
}

int main(void)
{
    const plan_names names = make_names();
    test_good(&names);
    test_unread(&names);
    test_unbound(&names);
    test_tune(&names);
    test_params(&names);
    ws_arena_release(&shapes);
    return tap_done();
}
