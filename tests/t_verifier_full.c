/* What full verification is made of: classes of inputs, cases that leave elements open, and what in
 * PTX lets the order of threads decide. */
#include "tests/tap.h"
#include "verifier/compare.h"
#include "verifier/faithful.h"
#include "verifier/full.h"
#include "verifier/schedule.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct fixture {
    spec *s;
    ref_graph *g;
    ws_err err;
} fixture;

static bool open_spec(fixture *f, const char *tensors, const char *graph)
{
    ws_buf text = {0};
    *f = (fixture){0};
    ws_buf_printf(&text,
                  "{\"schema\":1,\"name\":\"t\",\"dims\":{\"B\":32,\"N\":64},\"check\":[{}],%s,"
                  "\"graph\":[%s],\"outputs\":[\"y\"]}",
                  tensors, graph);
    ws_status st = spec_from_text(text.p, text.n, "t.json", &f->s, &f->err);
    if (!st)
        st = ref_graph_new(f->s, &f->g, &f->err);
    ws_buf_release(&text);
    return ok(!st, "%s %s", graph, f->err.msg);
}

static void close_spec(fixture *f)
{
    ref_graph_free(f->g);
    spec_free(f->s);
}

static const char floats[] =
    "\"inputs\":[{\"name\":\"x\",\"dtype\":\"f32\",\"shape\":[\"B\",\"N\"],\"init\":{\"dist\":"
    "\"uniform\",\"lo\":0,\"hi\":1}}]";
static const char sums[] =
    "{\"out\":\"y\",\"op\":\"reduce\",\"in\":[\"x\"],\"fn\":\"sum\",\"dims\":[1],\"keepdim\":false}";

/* The values of x in a case. */
static double *values(const vfy_case *c, int tensor)
{
    const spec_tensor *t = &c->bound->graph->spec->tensor[tensor];
    size_t n = (size_t)c->bound->shape[tensor].count;
    double *v = ws_malloc((n + 1) * sizeof *v);
    ws_dtype_load(t->dtype, v, c->in[tensor], n);
    return v;
}

static int count_if(const double *v, int n, bool (*is)(double v))
{
    int count = 0;
    for (int i = 0; i < n; i++)
        count += is(v[i]);
    return count;
}

static bool is_negative(double v)
{
    return v < 0;
}
static bool is_subnormal(double v)
{
    return v != 0 && fabs(v) < 0x1p-126;
}
static bool is_large(double v)
{
    return fabs(v) > 1;
}
static bool is_special(double v)
{
    return !isfinite(v);
}

static double *made(fixture *f, vfy_inputs kind, vfy_case *c)
{
    if (vfy_case_init(c, f->g, 0, kind, 3, &f->err)) {
        ok(false, "%s: %s", vfy_inputs_name(kind), f->err.msg);
        return NULL;
    }
    return values(c, 0);
}

static void test_classes(void)
{
    enum { B = 32, N = 64, ALL = B * N };
    fixture f;
    vfy_case c;
    if (!open_spec(&f, floats, sums))
        return;
    double *v = made(&f, VFY_INPUTS_SIGNED, &c);
    int same = 0, negative = count_if(v, ALL, is_negative);
    for (int i = 0; i < ALL; i++)
        same += fabs(v[i]) < 1;
    ok(same == ALL && negative > ALL / 3 && negative < 2 * ALL / 3, "signs alone are drawn anew");
    free(v);
    vfy_case_release(&c);

    v = made(&f, VFY_INPUTS_SORTED, &c);
    bool ascends = true;
    for (int i = 0; i < ALL; i++)
        ascends &= (i % N == 0 || v[i - 1] <= v[i]) && v[i] >= 0 && v[i] < 1;
    ok(ascends && v[N - 1] - v[0] > 0.8, "rows ascend over the whole range");
    free(v);
    vfy_case_release(&c);

    v = made(&f, VFY_INPUTS_TINY, &c);
    is_int(count_if(v, ALL, is_subnormal), ALL, "every element is subnormal");
    ok(!c.meaningless && c.open[0] && !c.open[0][5], "and sums of them are compared");
    free(v);
    vfy_case_release(&c);

    v = made(&f, VFY_INPUTS_SPIKE, &c);
    is_int(count_if(v, ALL, is_large) > B / 2 && count_if(v, ALL, is_large) <= B, 1,
           "one spike in a row at most");
    int outliers = 0;
    for (int i = 0; i < ALL; i += N)
        outliers += is_large(v[i]);
    is_int(outliers, 0, "and none at its beginning");
    free(v);
    vfy_case_release(&c);

    v = made(&f, VFY_INPUTS_EQUAL, &c);
    same = 0;
    for (int i = 0; i < ALL; i++)
        same += v[i] == v[0];
    is_int(same, ALL, "all are equal");
    free(v);
    vfy_case_release(&c);

    int large = 0;
    same = negative = 0;
    for (vfy_inputs k = VFY_INPUTS_MIXED; k <= VFY_INPUTS_MIXED_3; k++) {
        v = made(&f, k, &c);
        for (int i = 0; i < ALL; i++)
            same += v[i] > 0 && v[i] < 1;
        large += count_if(v, ALL, is_large);
        negative += count_if(v, ALL, is_negative);
        free(v);
        vfy_case_release(&c);
    }
    ok(same > ALL / 2 && same < 5 * ALL / 2 && large > 20 && negative > ALL / 4,
       "mixtures have some of each: of %d %d look as drawn, %d are large, %d negative", 3 * ALL, same,
       large, negative);
    close_spec(&f);
}

/* A row with a NaN is left open; the others are as they were. */
static void test_special(void)
{
    fixture f;
    vfy_case c;
    if (!open_spec(&f, floats, sums))
        return;
    double *v = made(&f, VFY_INPUTS_SPECIAL, &c);
    int special = count_if(v, 32 * 64, is_special), open = 0, right = 0;
    for (int i = 0; i < 32; i++) {
        bool has = count_if(v + i * 64, 64, is_special) > 0;
        right += c.open[0][i] == has;
        open += c.open[0][i];
    }
    ok(special >= 1 && open == special && right == 32, "%d rows of 32 are open", open);
    float got[32];
    for (int i = 0; i < 32; i++)
        got[i] = (float)c.want[0].v[i];
    vfy_comparison cmp;
    vfy_compare(&c, 0, got, &cmp);
    ok(cmp.wrong == 0 && cmp.checked == 32 - open, "what is open is not compared");
    for (int i = 0; i < 32; i++)
        got[i] = c.open[0][i] ? 17 : (float)NAN;
    vfy_compare(&c, 0, got, &cmp);
    is_int(cmp.wrong, 32 - open, "a NaN elsewhere is wrong");
    free(v);
    vfy_case_release(&c);
    close_spec(&f);
}

static void test_weights(void)
{
    fixture f;
    vfy_case c;
    static const char tensors[] =
        "\"inputs\":[{\"name\":\"x\",\"dtype\":\"f32\",\"shape\":[\"B\",\"N\"]}],\"weights\":[{"
        "\"name\":\"one\",\"dtype\":\"f32\",\"shape\":[\"N\"],\"init\":{\"dist\":\"const\",\"value\":1}},{"
        "\"name\":\"nought\",\"dtype\":\"f32\",\"shape\":[\"N\"],\"init\":{\"dist\":\"const\",\"value\":0}}]";
    if (!open_spec(&f, tensors,
                   "{\"out\":\"z\",\"op\":\"mul\",\"in\":[\"x\",\"one\"]},{\"out\":\"y\",\"op\":\"add\","
                   "\"in\":[\"z\",\"nought\"]}"))
        return;
    free(made(&f, VFY_INPUTS_OTHER, &c));
    double *one = values(&c, 1), *nought = values(&c, 2);
    int moved = 0;
    for (int i = 0; i < 64; i++)
        moved += fabs(one[i] - 1) > 0.04 && fabs(one[i] - 1) < 0.26 && fabs(nought[i]) > 0.04;
    is_int(moved, 64, "every weight is off its init");
    free(one);
    free(nought);
    vfy_case_release(&c);
    close_spec(&f);
}

static void test_indices(void)
{
    fixture f;
    vfy_case c;
    static const char tensors[] =
        "\"inputs\":[{\"name\":\"i\",\"dtype\":\"i64\",\"shape\":[\"B\"],\"init\":{\"dist\":\"randint\","
        "\"lo\":0,\"hi\":\"N\"}},{\"name\":\"x\",\"dtype\":\"f32\",\"shape\":[\"N\",3]}]";
    if (!open_spec(&f, tensors,
                   "{\"out\":\"y\",\"op\":\"gather\",\"in\":[\"x\",\"i\"],\"dim\":0,\"mode\":\"select\"}"))
        return;
    static const struct {
        vfy_inputs kind;
        double least, most;
    } rows[] = {{VFY_INPUTS_LEAST, 0, 0}, {VFY_INPUTS_MOST, 63, 63}, {VFY_INPUTS_SAME, 0, 63}};
    for (size_t k = 0; k < WS_COUNT(rows); k++) {
        double *v = made(&f, rows[k].kind, &c);
        bool good = !c.meaningless;
        for (int i = 0; i < 32; i++)
            good &= v[i] == v[0] && v[i] >= rows[k].least && v[i] <= rows[k].most;
        ok(good, "%s", vfy_inputs_name(rows[k].kind));
        free(v);
        vfy_case_release(&c);
    }
    ok(!vfy_case_init(&c, f.g, 0, VFY_INPUTS_ONE_TRUE, 3, &f.err) && c.meaningless,
       "flags are not tried where there are none");
    vfy_case_release(&c);
    close_spec(&f);
}

static void test_causes(void)
{
    static const struct {
        const char *insn;
        vfy_order_cause cause;
    } rows[] = {
        {"fma.rn.f32 %f1, %f2, %f3, %f4;", VFY_ORDER_NONE},
        {"ld.global.v4.f32 {%f1,%f2,%f3,%f4}, [%rd1];", VFY_ORDER_NONE},
        {"st.global.f32 [%rd1], %f1;", VFY_ORDER_NONE},
        {"atom.global.add.f32 %f1, [%rd1], %f2;", VFY_ORDER_FLOAT_ATOMIC},
        {"@%p1 red.global.add.f32 [%rd1], %f2;", VFY_ORDER_FLOAT_ATOMIC},
        {"atom.global.add.noftz.f16x2 %r1, [%rd1], %r2;", VFY_ORDER_FLOAT_ATOMIC},
        {"atom.global.add.u32 %r1, [%rd1], 1;", VFY_ORDER_ATOMIC},
        {"red.global.max.s32 [%rd1], %r2;", VFY_ORDER_ATOMIC},
        {"ld.acquire.gpu.global.u32 %r1, [%rd1];", VFY_ORDER_WAIT},
        {"activemask.b32 %r1;", VFY_ORDER_LANES},
    };
    char insn[64];
    int line;
    for (size_t i = 0; i < WS_COUNT(rows); i++)
        is_int(vfy_order_of(rows[i].insn, insn, sizeof insn, &line), rows[i].cause, rows[i].insn);
    vfy_order_of("\t.loc 1 7 3\n\tatom.add.u32 %r1, [%rd1], 1;\n\t.loc 1 9 3\n"
                 "\tred.global.add.f32 [%rd1], %f2;\n",
                 insn, sizeof insn, &line);
    ok(line == 9 && strcmp(insn, "red.global.add.f32") == 0, "the best explanation and its line");
}

static void test_labels(void)
{
    static const struct {
        double u;
        const char *ptx, *label;
    } rows[] = {
        {0, "", "exact"},
        {0x1p-52, "", "f64"},
        {0x1p-24, "", "f32"},
        {0x1p-18, "fma.rn.f32", "f32"}, /* a long sum in order */
        {0x1p-18, "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32", "split"},
        {0x1p-23, "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32", "f32"},
        {0x1p-11, "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32", "tf32"},
        {0x1p-11, "cvt.rn.f16.f32", "f16"},
        {0x1p-11, "and.b32", "tf32"}, /* a mantissa cut by hand */
        {0x1p-8, "cvt.rn.bf16.f32", "bf16"},
        {0x1p-4, "cvt.rn.satfinite.e4m3x2.f32", "fp8"},
    };
    for (size_t i = 0; i < WS_COUNT(rows); i++)
        is_str(vfy_precision_label(rows[i].u, rows[i].ptx), rows[i].label, rows[i].ptx);
}

int main(void)
{
    test_labels();
    test_classes();
    test_special();
    test_weights();
    test_indices();
    test_causes();
    return tap_done();
}
