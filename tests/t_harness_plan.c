/* Launch plans: parsing with places, binding with limits, the check against kernel parameters. */
#include "harness/plan/plan.h"
#include "harness/ptx/ptx.h"
#include "tests/tap.h"

#include <stdlib.h>

static const char *const tensors[] = {"x", "y"};
static const char *const dim_names[] = {"B", "N"};
static const plan_names names = {tensors, 2, dim_names, 2, NULL};
static const ws_binding dim_values[] = {{"B", 3}, {"N", 1000}};
static const ws_env dims = {dim_values, 2, NULL};

static const char good_source[] =
    "// a softmax\n"
    "#include <math.h>\n"
    "/* @plan\n"
    " * { \"scratch\": [ { \"name\": \"part\", \"dtype\": \"f32\", \"count\": \"B * ceil_div(N, "
    "BLOCK)\" } ],\n"
    "   \"tune\": { \"BLOCK\": [128, 256, 2048], \"VEC\": [1, 3, 4] },\n"
    "   \"require\": [ \"N % VEC == 0\" ],\n"
    "   \"launch\": [\n"
    "     { \"kernel\": \"partials\", \"grid\": [\"ceil_div(N, BLOCK)\", \"B\"], \"block\": "
    "[\"BLOCK\"],\n"
    "       \"shared\": \"BLOCK * 4\", \"args\": [\"x\", \"part\", \"N\", 2, 1.0, \"0.5f\", "
    "\"1e-5\"] },\n"
    "     { \"kernel\": \"combine\", \"grid\": \"B\", \"block\": 64, \"args\": [\"part\", \"y\", "
    "\"N / BLOCK + 1\"],\n"
    "       \"cooperative\": true, \"cluster\": [1, 1], \"max_dynamic_shared\": 1024 } ] }\n"
    "*/\n"
    "extern \"C\" __global__ void partials() { }\n";

static plan *parse(ws_arena *a, const char *source, hx_diag *d)
{
    plan *p = NULL;
    return plan_parse(a, source, strlen(source), &names, &p, d) ? p : NULL;
}

static void test_parse(void)
{
    ws_arena a = {0};
    hx_diag d;
    plan *p = parse(&a, good_source, &d);
    if (!ok(p != NULL, "a whole plan parses")) {
        printf("# %d:%d %s\n", d.line, d.column, d.text);
        return;
    }
    is_int(p->line, 3, "line of the plan");
    is_int(p->n_scratch, 1, "scratch");
    is_str(p->scratch[0].name, "part", "scratch name");
    is_int(p->n_tune, 2, "tunables");
    is_int(p->tune[0].value[1], 256, "a choice");
    is_int(p->n_launches, 2, "launches");
    is_int(p->launch[0].line, 8, "line of the first launch");
    is_int(p->launch[1].line, 10, "line of the second launch");
    is_int(p->launch[0].n_args, 7, "arguments");
    static const plan_arg_kind kinds[] = {PLAN_ARG_TENSOR, PLAN_ARG_SCRATCH, PLAN_ARG_INT,
                                          PLAN_ARG_INT,
                                          PLAN_ARG_FLOAT,  PLAN_ARG_FLOAT,   PLAN_ARG_FLOAT};
    for (int i = 0; i < 7; i++)
        is_int(p->launch[0].arg[i].kind, kinds[i], p->launch[0].arg[i].text);
    is_str(p->launch[0].arg[4].text, "1.0", "a number's text is as written");
    is_close(p->launch[0].arg[5].number, 0.5, 0, "0.5f");
    ok(p->launch[1].cooperative, "cooperative");
    ws_arena_release(&a);
}

static void test_bind(void)
{
    ws_arena a = {0};
    hx_diag d;
    plan *p = parse(&a, good_source, &d);
    plan_bound *b = NULL;
    if (!ok(p && plan_bind(&a, p, &dims, NULL, &b, &d), "the defaults bind"))
        return;
    is_int(b->scratch_bytes[0], 3 * 8 * 4, "scratch bytes");
    is_int(b->launch[0].grid[0], 8, "grid.x");
    is_int(b->launch[0].grid[1], 3, "grid.y");
    is_int(b->launch[0].grid[2], 1, "grid.z");
    is_int(b->launch[0].block[0], 128, "block.x");
    is_int(b->launch[0].shared, 512, "shared");
    is_int(b->launch[0].max_dynamic_shared, 512, "max_dynamic_shared follows shared");
    is_int(b->launch[0].arg[2].integer, 1000, "a dim as argument");
    is_int(b->launch[1].arg[2].integer, 8, "an expression as argument");
    is_int((long long)b->n_macros, 4, "macros");
    is_str(b->macro[1].name, "DIM_N", "a dim's macro");
    is_str(b->macro[2].name, "BLOCK", "a tunable's macro");
    is_int(b->launch[0].cluster[0], 0, "no cluster");
    is_int(b->launch[1].cluster[0], 1, "a cluster");

    int64_t *rows;
    int n = plan_enumerate(&a, p, &dims, 100, &rows);
    is_int(n, 4, "choices that fit: 2 blocks x VEC 1 and 4");
    ok(n == 4 && rows[0] == 128 && rows[1] == 1 && rows[3] == 4 && rows[4] == 256,
       "the rows in order");
    is_int(plan_enumerate(&a, p, &dims, 3, &rows), 3, "at most max");

    ok(!plan_bind(&a, p, &dims, (int64_t[]){128, 3}, &b, &d), "a require that fails");
    is_int(d.reason, HX_SHAPE_REFUSED, "shape refused");
    has_str(d.text, "'N % VEC == 0' does not hold at N = 1000, VEC = 3", "with its values");
    ok(!plan_bind(&a, p, &dims, (int64_t[]){2048, 1}, &b, &d), "a block that is too large");
    is_int(d.reason, HX_INVALID_LAUNCH, "invalid launch");
    has_str(d.text, "block.x is 2048, expected 1 to 1024", "with its size");
    is_int(d.line, 8, "at its launch");
    ws_arena_release(&a);
}

static const struct {
    const char *choice; /* NULL: none */
    int64_t value[2];
    const char *text; /* of the error, NULL: it is read */
} choices[] = {
    {NULL, {128, 1}, NULL},
    {"", {128, 1}, NULL},
    {"{}", {128, 1}, NULL},
    {"{\"VEC\":4}", {128, 4}, NULL},
    {"{\"VEC\":4,\"BLOCK\":-7}", {-7, 4}, NULL},
    {"{\"VEC\":4.5}", {0}, "the candidate's tunables: tunable 'VEC' is not a whole number"},
    {"{\"VEC\":\"4\"}", {0}, "tunable 'VEC' is not a whole number"},
    {"{\"TILE\":4}", {0}, "the plan has no tunable 'TILE'"},
    {"[4]", {0}, "the plan has no tunable ''"},
    {"{\"VEC\"", {0}, "the candidate's tunables: "},
};

static void test_choices(void)
{
    ws_arena a = {0};
    hx_diag d;
    plan *p = parse(&a, good_source, &d);
    for (size_t k = 0; p && k < sizeof choices / sizeof *choices; k++) {
        int64_t value[2];
        ws_err err = {0};
        const char *z = choices[k].choice, *want = choices[k].text;
        const bool read = !plan_choice_parse(p, z, value, &err);
        if (want)
            ok(!read && err.status == WS_EINPUT && strstr(err.msg, want), "%s: %s", z, err.msg);
        else
            ok(read && value[0] == choices[k].value[0] && value[1] == choices[k].value[1],
               "the choice %s", z ? z : "of nothing");
    }
    ws_arena_release(&a);
}

/* In each source the plan's comment begins on line 1. */
static const struct {
    const char *source;
    int line;
    const char *text;
} bad[] = {
    {"int x;", 0, "no launch plan"},
    {"// @plan {}\n", 1, "not after '//'"},
    {"/* @plan {", 1, "not closed"},
    {"/* @plan\n{ \"launch\": [ }\n*/", 2, "not valid JSON"},
    {"/* @plan\n{ \"launch\": [] }*/", 2, "launches nothing"},
    {"/* @plan\n{ \"launch\": [],\n \"tunes\": {} }*/", 3,
     "unknown member 'tunes'; did you mean 'tune'?"},
    {"/* @plan { \"launch\":\n[ { \"kernel\": \"k\" } ] }*/", 2, "launch[0]: missing 'grid'"},
    {"/* @plan { \"launch\": [ { \"kernel\": \"k\", \"grid\": 1,\n\"block\": [1,2,3,4], \"args\": "
     "[] } ] }*/", 2, "launch[0].block: 4 extents"},
    {"/* @plan { \"launch\": [ { \"kernel\": \"k\", \"grid\": 1, \"block\": 1, \"args\": [\"x\",\n "
     "\"z+1\"] } ] }*/", 2, "launch[0].args[1]: unknown name 'z'"},
    {"/* @plan { \"launch\": [ { \"kernel\": \"k\", \"grid\": \"DIM_N\", \"block\": 1, \"args\": "
     "[] } ] }*/", 1, "the plan says 'N'"},
    {"/* @plan { \"launch\": [ { \"kernel\": \"k\", \"grid\": \"x\", \"block\": 1, \"args\": [] } "
     "] }*/", 1, "'x' is a tensor of the spec"},
    {"/* @plan { \"launch\": [ { \"kernel\": \"k<4>\", \"grid\": 1, \"block\": 1, \"args\": [] } ] "
     "}*/", 1, "is no template"},
    {"/* @plan { \"launch\": [ { \"kernel\": \"k\", \"grid\": 1, \"block\": 1, \"args\": [], "
     "\"shard\": 4 } ] }*/", 1, "did you mean 'shared'?"},
    {"/* @plan { \"launch\": [ { \"kernel\": \"k\", \"grid\": 1, \"block\": 1, \"args\": [\"1.0 / "
     "N\"] } ] }*/", 1, "compute a fraction in the kernel"},
    {"/* @plan { \"tune\": { \"N\": [1] } }*/", 1, "'N' is a dimension of the spec already"},
    {"/* @plan { \"tune\": { \"T\": [1.5] } }*/", 1, "choice 1 is not a whole number"},
    {"/* @plan { \"scratch\": [ { \"name\": \"s\", \"dtype\": \"f33\", \"count\": 1 } ] }*/", 1,
     "unknown dtype 'f33'"},
    {"/* @plan { \"scratch\": {} }*/", 1, "scratch: expected an array"},
    {"/* @plan { \"launch\":\n [\x01 1.5 ] }*/", 2, "the control character 0x01"},
    {"/* @plan { \"launch\": [ { \"kernel\": \"k\", \"grid\": 1, \"block\": 1, \"ar\\u0067s\": "
     "[1.5] } ] }*/", 1, "member names have escapes"},
};

static void test_bad(void)
{
    for (size_t i = 0; i < WS_COUNT(bad); i++) {
        ws_arena a = {0};
        hx_diag d;
        ok(!parse(&a, bad[i].source, &d), "refused: %s", bad[i].text);
        is_int(d.line, bad[i].line, "its line");
        has_str(d.text, bad[i].text, "its text");
        is_int(d.reason, i < 2 ? HX_PLAN_MISSING : HX_PLAN_INVALID, "its reason");
        ws_arena_release(&a);
    }
}

static const struct {
    const char *launch, *text;
} limits[] = {
    {"\"grid\": [1, 70000], \"block\": 1", "grid.y is 70000"},
    {"\"grid\": 0, \"block\": 1", "grid.x is 0"},
    {"\"grid\": 1, \"block\": [1, 1, 128]", "block.z is 128, expected 1 to 64"},
    {"\"grid\": 1, \"block\": [64, 64]", "64 x 64 x 1 = 4096 threads"},
    {"\"grid\": 1, \"block\": 1, \"shared\": 232449", "232449 bytes of dynamic shared memory"},
    {"\"grid\": 1, \"block\": 1, \"shared\": 8, \"max_dynamic_shared\": 4",
     "max_dynamic_shared is 4"},
    {"\"grid\": 3, \"block\": 1, \"cluster\": 2", "not a multiple of cluster.x"},
    {"\"grid\": 16, \"block\": 1, \"cluster\": 16", "cluster.x is 16"},
};

static void test_limits(void)
{
    ws_arena a = {0};
    hx_diag d;
    plan_bound *b;
    for (size_t i = 0; i < WS_COUNT(limits); i++) {
        char source[300];
        snprintf(source, sizeof source,
                 "/* @plan {\"launch\":[{\"kernel\":\"k\",%s,\"args\":[]}]} */", limits[i].launch);
        plan *p = parse(&a, source, &d);
        ok(p && !plan_bind(&a, p, &dims, NULL, &b, &d) && d.reason == HX_INVALID_LAUNCH,
           "limit: %s", limits[i].text);
        has_str(d.text, limits[i].text, "its text");
    }
    plan *p =
        parse(&a,
              "/* @plan {\"scratch\":[{\"name\":\"s\",\"dtype\":\"f64\",\"count\":\"N*N*N*B*2\"}],"
              "\"launch\":[{\"kernel\":\"k\",\"grid\":1,\"block\":1,\"args\":[]}]} */",
              &d);
    ok(p && !plan_bind(&a, p, &dims, NULL, &b, &d), "scratch over 32 GiB");
    has_str(d.text, "over the limit of 32 GiB at 's'", "its text");
    p = parse(&a,
              "/* @plan "
              "{\"launch\":[{\"kernel\":\"k\",\"grid\":\"N/(B-3)\",\"block\":1,\"args\":[]}]} */",
              &d);
    ok(p && !plan_bind(&a, p, &dims, NULL, &b, &d) && d.reason == HX_PLAN_INVALID,
       "division by zero");
    ws_arena_release(&a);
}

static const struct {
    const char *args, *text; /* NULL: fits */
} matches[] = {
    {"[\"x\", \"N\", 1.0, \"N\"]", NULL},
    {"[\"x\", \"N\", 1.0, \"y\"]", NULL},
    {"[\"x\", \"N\", 1.0]", "kernel 'k' takes 4 parameters, the plan passes 3"},
    {"[\"N\", \"N\", 1.0, 1]", "argument 1 ('N') is an integer, parameter 1 is a pointer"},
    {"[\"x\", \"y\", 1.0, 1]",
     "argument 2 ('y') is a tensor, passed as a pointer, parameter 2 is an integer of 4 bytes"},
    {"[\"x\", 1, 1, 1]", "argument 3 ('1') is an integer, parameter 3 is a float"},
    {"[\"x\", 0.5, 1.0, 1]", "argument 2 ('0.5') is a float"},
    {"[\"x\", 5000000000, 1.0, 1]", "does not fit parameter 2 of 4 bytes"},
};

static void test_check(void)
{
    ptx_param param[] = {{"k_param_0", 0, 8, 8, true, false, false, false},
                         {"k_param_1", 8, 4, 4, false, false, false, false},
                         {"k_param_2", 12, 4, 4, false, true, false, false},
                         {"k_param_3", 16, 8, 8, false, false, false, false}};
    comp_kernel kernel[] = {{.name = "k", .n_params = 4, .param = param}, {.name = "_Z5otherPf"}};
    ws_arena a = {0};
    hx_diag d;
    for (size_t i = 0; i < WS_COUNT(matches); i++) {
        char source[300];
        snprintf(source, sizeof source,
                 "/* @plan {\"launch\":[{\"kernel\":\"k\",\"grid\":1,\"block\":1,\"args\":%s}]} */",
                 matches[i].args);
        plan *p = parse(&a, source, &d);
        bool fits = p && plan_check_kernels(p, kernel, 2, &names, &d);
        if (!ok(fits == !matches[i].text, "args %s", matches[i].args))
            printf("# %s\n", d.text);
        if (matches[i].text) {
            has_str(d.text, matches[i].text, "in these words");
            is_int(d.reason, HX_PLAN_MISMATCH, "a mismatch");
        }
    }
    plan *p = parse(
        &a, "/* @plan {\"launch\":[{\"kernel\":\"other\",\"grid\":1,\"block\":1,\"args\":[]}]} */",
        &d);
    ok(p && !plan_check_kernels(p, kernel, 2, &names, &d), "a mangled kernel");
    has_str(d.text, "declare it extern \"C\"", "with the way out");
    p = parse(
        &a, "/* @plan {\"launch\":[{\"kernel\":\"kernel\",\"grid\":1,\"block\":1,\"args\":[]}]} */",
        &d);
    ok(p && !plan_check_kernels(p, kernel, 2, &names, &d), "an absent kernel");
    has_str(d.text, "it has 'k', '_Z5otherPf'", "with what there is");

    plan_bound *b;
    unsigned char block[4096];
    size_t bytes;
    p = parse(&a,
              "/* @plan "
              "{\"launch\":[{\"kernel\":\"k\",\"grid\":1,\"block\":1,\"args\":[\"y\",\"-B\",1.5,"
              "\"N\"]}]} */",
              &d);
    if (!ok(p && plan_bind(&a, p, &dims, NULL, &b, &d), "binds"))
        return;
    plan_pack_params(&b->launch[0], &kernel[0], (uint64_t[]){0x1000, 0x2000}, NULL, NULL, block,
                     &bytes);
    is_int((long long)bytes, 24, "parameter bytes");
    uint64_t ptr;
    int32_t i32;
    float f;
    int64_t i64;
    memcpy(&ptr, block, 8), memcpy(&i32, block + 8, 4), memcpy(&f, block + 12, 4),
        memcpy(&i64, block + 16, 8);
    ok(ptr == 0x2000 && i32 == -3 && f == 1.5f && i64 == 1000, "the block's values");
    ws_arena_release(&a);
}

int main(void)
{
    test_parse();
    test_bind();
    test_choices();
    test_bad();
    test_limits();
    test_check();
    return tap_done();
}
