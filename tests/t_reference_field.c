/* The graph over prime fields: the ops' cases, whose results were worked out by hand, in fractions;
 * which values are covered; inputs; and products of elements by straight loops. */
#include "base/field.h"
#include "reference/field.h"
#include "tests/reference_fixture.h"

static const uint32_t primes[] = {65521, 32771, 40961};

/* ---- the table of the ops ---- */

static bool same_as_table(const fixture *f, const op_case *c, uint32_t p)
{
    ref_tensor in[FIXTURE_MAX] = {0}, out[FIXTURE_MAX] = {0};
    ws_err err = {0};
    int wrong = 0;
    for (int i = 0; i < f->spec->n_inputs + f->spec->n_weights; i++)
        if (ref_field_input(f->bound, p, i, 1, &in[i], &err))
            wrong++;
    if (ref_field_eval(f->bound, p, in, out, &err)) {
        printf("# %s\n", err.msg);
        wrong++;
    }
    for (int64_t i = 0; !wrong && i < out[0].shape.count; i++) {
        uint32_t want = ws_field_number(p, c->want[i], 53);
        bool same = out[0].v[i] == want;
        if (!same && !wrong)
            printf("# element %d is %.0f, want %u (%g) modulo %u\n", (int)i, out[0].v[i], want,
                   c->want[i], p);
        wrong += !same;
    }
    for (int i = 0; i < FIXTURE_MAX; i++) {
        ref_tensor_release(&in[i]);
        ref_tensor_release(&out[i]);
    }
    return !wrong;
}

/* 1: covered. A result that no fraction is: of a value that is not covered. */
static int check_case(const op_case *c)
{
    char node[2048];
    fixture f = {0};
    bool simple;
    int covered = 0;
    snprintf(node, sizeof node, "{\"out\":\"y\",%s}", c->node);
    if (fixture_case(&f, node)) {
        ok(false, "%s: %s", c->node, f.err.msg);
        fixture_close(&f);
        return 0;
    }
    const ref_field_value *v = ref_field_values(f.graph, &f.arena, &simple);
    if (v[f.graph->output[0]].kind == REF_FIELD_ELEMENT) {
        bool same = true;
        for (size_t p = 0; p < sizeof primes / sizeof *primes; p++)
            same &= same_as_table(&f, c, primes[p]);
        ok(same, "%s", c->node);
        covered = 1;
    }
    fixture_close(&f);
    return covered;
}

static void test_table(int least)
{
    int covered = 0;
    for (int k = 0; k < N_OP_CASES; k++)
        covered += check_case(&op_cases[k]);
    ok(covered >= least, "%d of %d cases are of the field", covered, (int)N_OP_CASES);
}

/* ---- what is covered ---- */

static const struct {
    const char *nodes;
    ref_field_kind kind;
    const char *by; /* NONE */
    double degree;
} graphs[] = {
    {"{\"out\":\"y\",\"op\":\"mul\",\"in\":[\"x\",\"x\"]}", REF_FIELD_ELEMENT, NULL, 2},
    {"{\"out\":\"a\",\"op\":\"mul\",\"in\":[\"x\",\"x\"]},{\"out\":\"y\",\"op\":\"pow\",\"in\":[\"a\"],\"exponent\":3}",
     REF_FIELD_ELEMENT, NULL, 6},
    {"{\"out\":\"a\",\"op\":\"relu\",\"in\":[\"x\"]},{\"out\":\"y\",\"op\":\"neg\",\"in\":[\"a\"]}", REF_FIELD_NONE,
     "relu", 0},
    {"{\"out\":\"y\",\"op\":\"pow\",\"in\":[\"x\"],\"exponent\":0.5}", REF_FIELD_NONE, "pow", 0},
    {"{\"out\":\"y\",\"op\":\"reduce\",\"fn\":\"max\",\"in\":[\"x\"],\"dims\":[1]}", REF_FIELD_NONE, "reduce (max)", 0},
    {"{\"out\":\"y\",\"op\":\"lt\",\"in\":[\"x\",\"z\"]}", REF_FIELD_NONE, "lt", 0},
    {"{\"out\":\"y\",\"op\":\"where\",\"in\":[\"m\",\"x\",\"z\"]}", REF_FIELD_ELEMENT, NULL, 1},
    {"{\"out\":\"a\",\"op\":\"lt\",\"in\":[\"x\",\"z\"]},{\"out\":\"y\",\"op\":\"where\",\"in\":[\"a\",\"x\",\"z\"]}",
     REF_FIELD_NONE, "lt", 0},
    {"{\"out\":\"y\",\"op\":\"add\",\"in\":[\"k\",\"k\"]}", REF_FIELD_ELEMENT, NULL, 0},
    {"{\"out\":\"y\",\"op\":\"dropout\",\"p\":0.5,\"training\":false,\"in\":[\"x\"]}", REF_FIELD_ELEMENT, NULL, 1},
};

static void test_kinds(void)
{
    for (size_t k = 0; k < sizeof graphs / sizeof *graphs; k++) {
        fixture f = {0};
        bool simple, good = !fixture_case(&f, graphs[k].nodes);
        if (good) {
            const ref_field_value *v =
                &ref_field_values(f.graph, &f.arena, &simple)[f.graph->output[0]];
            good = v->kind == graphs[k].kind && v->degree == graphs[k].degree &&
                   (!graphs[k].by || strcmp(v->by, graphs[k].by) == 0);
            if (!good)
                printf("# kind %d, degree %g, by %s\n", (int)v->kind, v->degree,
                       v->by ? v->by : "-");
        }
        ok(good, "%s%s", graphs[k].nodes, f.err.status ? f.err.msg : "");
        fixture_close(&f);
    }
}

static void test_literals(void)
{
    static const struct {
        const char *literal;
        bool simple;
    } literals[] = {
        {"2", true}, {"0.5", true}, {"0.1", true}, {"0.044715", false}, {"1.0000001", false}};
    for (size_t k = 0; k < sizeof literals / sizeof *literals; k++) {
        char node[256];
        fixture f = {0};
        bool simple = !literals[k].simple;
        snprintf(node, sizeof node, "{\"out\":\"y\",\"op\":\"mul\",\"in\":[\"x\",%s]}", literals[k].literal);
        if (!fixture_case(&f, node))
            ref_field_values(f.graph, &f.arena, &simple);
        ok(simple == literals[k].simple, "%s is %s simple fraction", literals[k].literal,
           literals[k].simple ? "a" : "no");
        fixture_close(&f);
    }
}

/* ---- inputs ---- */

/* The lower triangle that a setup graph makes of a matrix, times a matrix. */
static void test_setup(void)
{
    enum { P = 65521 };
    fixture f = {0};
    ref_tensor in[2] = {0}, out[1] = {0};
    ws_err err = {0};
    int wrong = 0, zeros = 0;
    bool good =
        !fixture_open(&f, "kernelbench/level1/015_matmul_for_lower_triangular_matrices", 2) &&
        !ref_field_input(f.bound, P, 0, 5, &in[0], &err) &&
        !ref_field_input(f.bound, P, 1, 5, &in[1], &err) &&
        !ref_field_eval(f.bound, P, in, out, &err);
    int64_t n = good ? in[0].shape.dim[0] : 0;
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < n; j++) {
            uint64_t sum = 0;
            for (int64_t k = 0; k < n; k++)
                sum += (uint64_t)in[0].v[i * n + k] * (uint64_t)in[1].v[k * n + j] % P;
            wrong += out[0].v[i * n + j] != (j > i ? 0 : (double)(sum % P));
            zeros += j > i && in[0].v[i * n + j] == 0;
        }
    ok(good && !wrong && zeros == n * (n - 1) / 2, "a product of triangular matrices, side %d%s",
       (int)n, err.status ? err.msg : "");
    for (int i = 0; i < 2; i++)
        ref_tensor_release(&in[i]);
    ref_tensor_release(&out[0]);
    fixture_close(&f);
}

/* Elements by chance: each fraction of the field has its share. */
static void test_chance(void)
{
    enum { P = 40961 };
    fixture f = {0};
    ref_tensor x = {0};
    ws_err err = {0};
    int part[4] = {0}, beyond = 0;
    bool good =
        !fixture_open(&f, "basics/matmul", 2) && !ref_field_input(f.bound, P, 0, 9, &x, &err);
    int64_t n = good ? x.shape.count : 0;
    for (int64_t i = 0; i < n; i++) {
        beyond += !(x.v[i] >= 0 && x.v[i] < P) || x.v[i] != floor(x.v[i]);
        part[(int)(x.v[i] * 4 / P) & 3]++;
    }
    for (int q = 0; q < 4; q++)
        good &= fabs((double)part[q] - (double)n / 4) < 6 * sqrt((double)n);
    ok(good && n > 1000 && !beyond, "%d elements by chance", (int)n);
    ref_tensor_release(&x);
    fixture_close(&f);
}

/* x is 0 1 2 ..., `one` is 1, m is false, then true. Elements without a value, and one that has
 * one. */
static const struct {
    const char *nodes;
    uint32_t p;
    int outside;         /* this element of y is none */
    int inside, element; /* this one is, -1: none */
} divisions[] = {
    {"{\"out\":\"y\",\"op\":\"div\",\"in\":[\"p\",\"x\"]}", 65521, 0, 1, 1},
    {"{\"out\":\"y\",\"op\":\"reciprocal\",\"in\":[\"x\"]}", 65521, 0, 2, 32761},
    {"{\"out\":\"y\",\"op\":\"pow\",\"exponent\":-1,\"in\":[\"x\"]}", 65521, 0, 2, 32761},
    {"{\"out\":\"y\",\"op\":\"pow\",\"exponent\":-2,\"in\":[\"x\"]}", 65521, 0, 1, 1},
    {"{\"out\":\"a\",\"op\":\"expand\",\"in\":[\"one\"],\"shape\":[32771]},"
     "{\"out\":\"y\",\"op\":\"reduce\",\"fn\":\"mean\",\"in\":[\"a\"],\"dims\":[0]}", 32771, 0, -1, 0},
    {"{\"out\":\"a\",\"op\":\"expand\",\"in\":[\"one\"],\"shape\":[32771]},"
     "{\"out\":\"y\",\"op\":\"reduce\",\"fn\":\"mean\",\"in\":[\"a\"],\"dims\":[0]}", 65521, -1, 0, 1},
    {"{\"out\":\"a\",\"op\":\"expand\",\"in\":[\"one\"],\"shape\":[1,1,32771]},"
     "{\"out\":\"y\",\"op\":\"avg_pool\",\"in\":[\"a\"],\"kernel\":32771}", 32771, 0, -1, 0},
    {"{\"out\":\"y\",\"op\":\"masked_fill\",\"in\":[\"x\",\"m\"],\"value\":3.051478441304812e-05}", 32771, 2, 0, 0},
    {"{\"out\":\"y\",\"op\":\"masked_fill\",\"in\":[\"x\",\"m\"],\"value\":0.1}", 65521, -1, 2, 58969}, /* 1/10 */
    {"{\"out\":\"y\",\"op\":\"pad\",\"in\":[\"x\"],\"pad\":[0,1],\"value\":3.051478441304812e-05}", 32771, 3, 2, 2},
};

static bool eval_case(fixture *f, const char *nodes, uint32_t p, ref_tensor *out, ws_err *err)
{
    ref_tensor in[FIXTURE_MAX] = {0};
    bool good = !fixture_case(f, nodes);
    if (!good)
        *err = f->err;
    for (int i = 0; good && i < f->spec->n_inputs; i++)
        good &= !ref_field_input(f->bound, p, i, 1, &in[i], err);
    good = good && !ref_field_eval(f->bound, p, in, out, err);
    for (int i = 0; i < FIXTURE_MAX; i++)
        ref_tensor_release(&in[i]);
    return good;
}

static void test_division_by_zero(void)
{
    for (size_t k = 0; k < sizeof divisions / sizeof *divisions; k++) {
        fixture f = {0};
        ref_tensor out = {0};
        ws_err err = {0};
        const int none = divisions[k].outside, some = divisions[k].inside;
        bool good = eval_case(&f, divisions[k].nodes, divisions[k].p, &out, &err);
        for (int i = 0; good && i < 2; i++) {
            const int at = i ? some : none;
            const double want = i ? divisions[k].element : WS_FIELD_OUTSIDE;
            if (at >= 0 && out.v[at] != want) {
                printf("# element %d is %.0f, want %.0f\n", at, out.v[at], want);
                good = false;
            }
        }
        ok(good, "outside of the field modulo %u: %s%s", divisions[k].p, divisions[k].nodes,
           err.msg);
        ref_tensor_release(&out);
        fixture_close(&f);
    }
}

/* Of what such an element may have become nothing is said. */
static void test_division_within(void)
{
    static const char *const uses[] = {"\"op\":\"cast\",\"dtype\":\"f16\"", "\"op\":\"neg\"",
                                       "\"op\":\"reduce\",\"fn\":\"sum\",\"dims\":[1]"};
    for (size_t k = 0; k < sizeof uses / sizeof *uses; k++) {
        char nodes[512];
        fixture f = {0};
        ref_tensor out = {0};
        ws_err err = {0};
        snprintf(nodes, sizeof nodes,
                 "{\"out\":\"a\",\"op\":\"reciprocal\",\"in\":[\"x\"]},{\"out\":\"y\",%s,\"in\":[\"a\"]}", uses[k]);
        bool good = eval_case(&f, nodes, 65521, &out, &err);
        ok(!good && err.status == WS_ELIMIT && strstr(err.msg, "divides by zero"),
           "%s of 1 / 0: %s", uses[k], err.msg);
        ref_tensor_release(&out);
        fixture_close(&f);
    }
}

int main(void)
{
    test_table(50);
    test_kinds();
    test_literals();
    test_setup();
    test_chance();
    test_division_by_zero();
    test_division_within();
    return tap_done();
}
