/* Contents that inits give to inputs and weights: distributions by their moments and limits, whole
 * expressions by their formula, setups by their properties. */
#include "reference/graph.h"
#include "tests/tap.h"

#include <stdlib.h>

static const char text[] =
    "{\"schema\":1,\"name\":\"t\",\"dims\":{\"N\":60,\"M\":100,\"D\":0},"
    "\"check\":[{},{\"N\":3,\"M\":5},{\"D\":1}],\"inputs\":["
    "{\"name\":\"fan\",\"dtype\":\"f32\",\"shape\":[\"N\",\"M\"],"
    "\"init\":{\"dist\":\"fan_in\",\"fan_in\":\"M*4\"}},"
    "{\"name\":\"gain\",\"dtype\":\"f32\",\"shape\":[\"N\",\"M\"],"
    "\"init\":{\"dist\":\"fan_in\",\"fan_in\":\"M\",\"gain\":2}},"
    "{\"name\":\"mask\",\"dtype\":\"f32\",\"shape\":[\"N\",\"M\"],"
    "\"init\":{\"dist\":\"bernoulli\",\"p\":0.8}},"
    "{\"name\":\"tri\",\"dtype\":\"bool\",\"shape\":[\"N\",\"M\"],"
    "\"init\":{\"dist\":\"expr\",\"value\":\"i0 <= i1\"}},"
    "{\"name\":\"table\",\"dtype\":\"i64\",\"shape\":[2,3,\"M\"],"
    "\"init\":{\"dist\":\"expr\",\"value\":\"i0*1000 + i1*100 + i2 % N\"}},"
    "{\"name\":\"sym\",\"dtype\":\"f32\",\"shape\":[\"N\",\"N\"],"
    "\"init\":{\"dist\":\"setup\",\"value\":\"half\"}},"
    "{\"name\":\"twice\",\"dtype\":\"f32\",\"shape\":[\"N\",\"N\"],"
    "\"init\":{\"dist\":\"setup\",\"value\":\"both\"}},"
    "{\"name\":\"normal\",\"dtype\":\"f64\",\"shape\":[\"N\",\"M\"],"
    "\"init\":{\"dist\":\"normal\",\"std\":3,\"fan_in\":\"M\"}},"
    "{\"name\":\"div\",\"dtype\":\"i32\",\"shape\":[\"N\"],"
    "\"init\":{\"dist\":\"expr\",\"value\":\"D ? 6 / (i0 - 1) : 0\"}}],"
    "\"setup\":{\"tensors\":[{\"name\":\"r\",\"dtype\":\"f64\",\"shape\":[\"N\",\"N\"],"
    "\"init\":{\"dist\":\"uniform\",\"lo\":0,\"hi\":1}}],"
    "\"graph\":[{\"out\":\"t\",\"op\":\"permute\",\"in\":[\"r\"],\"dims\":[1,0]},"
    "{\"out\":\"both\",\"op\":\"add\",\"in\":[\"r\",\"t\"]},"
    "{\"out\":\"half\",\"op\":\"div\",\"in\":[\"both\",2]}]},"
    "\"graph\":[{\"out\":\"y\",\"op\":\"add\",\"in\":[\"fan\",\"mask\"]}],\"outputs\":[\"y\"]}";

enum { FAN, GAIN, MASK, TRI, TABLE, SYM, TWICE, NORMAL, DIV };

typedef struct fixture {
    ws_arena arena;
    spec *s;
    ref_graph *g;
    ref_bound *b;
    ws_err err;
} fixture;

static bool open_at(fixture *f, const char *json, int check)
{
    *f = (fixture){0};
    if (spec_from_text(json, strlen(json), "t.json", &f->s, &f->err) ||
        ref_graph_new(f->s, &f->g, &f->err))
        return false;
    ws_env env = spec_env(f->s, check);
    return ref_bind(f->g, &env, &f->arena, &f->b, &f->err) == WS_OK;
}

static void close_it(fixture *f)
{
    ref_graph_free(f->g);
    spec_free(f->s);
    ws_arena_release(&f->arena);
}

/* Mean, spread and limits (0: it has none) of one tensor. */
static void moments(fixture *f, int tensor, double mean, double std, double limit, const char *what)
{
    ref_tensor t = {0};
    double sum = 0, square = 0, most = 0;
    if (!ok(ref_make_input(f->b, tensor, 7, &t, &f->err) == WS_OK, "%s is made", what))
        return;
    double n = (double)t.shape.count;
    for (int64_t i = 0; i < t.shape.count; i++) {
        sum += t.v[i];
        square += t.v[i] * t.v[i];
        most = fmax(most, fabs(t.v[i]));
    }
    is_close(sum / n, mean, 5 * std / sqrt(n), "its mean");
    is_close(sqrt(square / n - sum / n * (sum / n)), std, 0.05 * std, "its spread");
    if (limit > 0)
        ok(most <= limit && most > 0.95 * limit, "its limits");
    ref_tensor_release(&t);
}

static void test_expressions(fixture *f)
{
    ref_tensor t = {0};
    bool good = ref_make_input(f->b, TRI, 7, &t, &f->err) == WS_OK;
    for (int64_t i = 0; good && i < 60 * 100; i++)
        good = t.v[i] == (i / 100 <= i % 100 ? 1 : 0);
    ok(good, "a mask over coordinates");
    ref_tensor_release(&t);
    good = ref_make_input(f->b, TABLE, 7, &t, &f->err) == WS_OK;
    for (int64_t i = 0; good && i < 2 * 3 * 100; i++)
        good = t.v[i] == (double)(i / 300 * 1000 + i / 100 % 3 * 100 + i % 100 % 60);
    ok(good, "a table of rank 3 that uses a dim");
    ref_tensor_release(&t);
    fixture g;
    ok(open_at(&g, text, 2) && ref_make_input(g.b, DIV, 7, &t, &g.err) == WS_EINPUT,
       "a division by zero is refused");
    has_str(g.err.msg, "init of 'div', element 1", "with the place");
    close_it(&g);
}

static void test_setup(fixture *f)
{
    ref_tensor a = {0}, twice = {0}, other = {0};
    bool good = ref_make_input(f->b, SYM, 7, &a, &f->err) == WS_OK &&
                ref_make_input(f->b, TWICE, 7, &twice, &f->err) == WS_OK &&
                ref_make_input(f->b, SYM, 8, &other, &f->err) == WS_OK;
    bool symmetric = good, in_range = good, same = good;
    int64_t equal = 0;
    for (int64_t i = 0; good && i < 60 * 60; i++) {
        symmetric &= a.v[i] == a.v[i % 60 * 60 + i / 60];
        in_range &= a.v[i] >= 0 && a.v[i] < 1 && (double)(float)a.v[i] == a.v[i];
        same &= twice.v[i] == 2 * a.v[i];
        equal += other.v[i] == a.v[i];
    }
    ok(symmetric, "a setup symmetrises");
    ok(in_range, "and its result is rounded to the input's dtype");
    ok(same, "two inputs see one draw of the setup's tensor");
    ok(equal < 36, "another seed gives others");
    ref_tensor_release(&a);
    ref_tensor_release(&twice);
    ref_tensor_release(&other);
}

/* The setup must make what the input is. */
static void test_setup_shapes(void)
{
    static const char form[] =
        "{\"schema\":1,\"name\":\"t\",\"dims\":{\"N\":4,\"M\":4},\"check\":[{},{\"M\":3}],"
        "\"inputs\":[{\"name\":\"x\",\"dtype\":\"f32\",\"shape\":%s,"
        "\"init\":{\"dist\":\"setup\",\"value\":\"s\"}}],\"setup\":{\"tensors\":[{\"name\":\"r\","
        "\"dtype\":\"f64\",\"shape\":[\"N\"]}],\"graph\":[{\"out\":\"s\",\"op\":\"%s\","
        "\"in\":[\"r\"]}]},\"graph\":[{\"out\":\"y\",\"op\":\"relu\",\"in\":[\"x\"]}],"
        "\"outputs\":[\"y\"]}";
    static const struct {
        const char *shape, *op, *error;
        int check;
    } bad[] = {
        {"[\"N\",1]", "relu", "init of 'x': 's' has rank 1, not 2", 0},
        {"[\"M\"]", "relu", "init of 'x': 's' of the setup has another shape", 1},
        {"[\"N\"]", "rleu", "setup: graph[0] (rleu): unknown op", 0},
    };
    for (size_t i = 0; i < WS_COUNT(bad); i++) {
        char json[1024];
        fixture f;
        snprintf(json, sizeof json, form, bad[i].shape, bad[i].op);
        ok(!open_at(&f, json, bad[i].check), "refused");
        has_str(f.err.msg, bad[i].error, bad[i].error);
        close_it(&f);
    }
}

int main(void)
{
    fixture f;
    if (!ok(open_at(&f, text, 0), "the spec loads")) {
        printf("# %s\n", f.err.msg);
        return tap_done();
    }
    moments(&f, FAN, 0, 0.05 / sqrt(3), 0.05, "1/sqrt(400), uniform,");
    moments(&f, GAIN, 0, 0.2 / sqrt(3), 0.2, "2/sqrt(100), uniform,");
    moments(&f, MASK, 0.8, 0.4, 1, "a mask with p = 0.8");
    moments(&f, NORMAL, 0, 0.3, 0, "a normal of 3/sqrt(100)");
    test_expressions(&f);
    test_setup(&f);
    close_it(&f);
    test_setup_shapes();
    return tap_done();
}
