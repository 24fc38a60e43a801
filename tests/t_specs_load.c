/* The loader: the catalogue loads; broken specs are refused at the right place. */
#include "base/buf.h"
#include "specs/spec.h"
#include "tests/tap.h"

#define HEAD "{\"schema\":1,\"name\":\"t\",\"dims\":{\"N\":8,\"M\":4},\"check\":[{\"N\":3}],"
#define INPUT "\"inputs\":[{\"name\":\"x\",\"dtype\":\"f32\",\"shape\":[\"N\",\"M+1\"]}],"
#define GRAPH "\"graph\":[{\"out\":\"y\",\"op\":\"relu\",\"in\":[\"x\"]}],\"outputs\":[\"y\"]"

static const struct {
    const char *text, *error;
} bad[] = {
    {"[]", "expected an object"},
    {"{\"schema\":2}", "schema: expected 1"},
    {HEAD "\"inptus\":[]}", "unknown member 'inptus'"},
    {"{\"schema\":1,\"name\":\"t\",\"dims\":{\"N\":1.5},\"check\":[{}]}",
     "dims.N: expected a whole number"},
    {"{\"schema\":1,\"name\":\"t\",\"dims\":{\"N\":1},\"check\":[]}", "check: at least one shape"},
    {"{\"schema\":1,\"name\":\"t\",\"dims\":{\"N\":1},\"check\":[{\"K\":1}]}",
     "check[0]: unknown dim 'K'"},
    {HEAD "\"inputs\":[{\"name\":\"x\",\"dtype\":\"f33\",\"shape\":[]}]}",
     "inputs[0].dtype: unknown dtype 'f33'"},
    {HEAD "\"inputs\":[{\"name\":\"x\",\"dtype\":\"f32\",\"shape\":[\"Q\"]}]}",
     "inputs[0].shape[0]: unknown dim 'Q'"},
    {HEAD "\"inputs\":[{\"name\":\"x\",\"dtype\":\"f32\",\"shape\":[\"N+\"]}]}",
     "inputs[0].shape[0]: unexpected end"},
    {HEAD "\"inputs\":[{\"name\":\"N\",\"dtype\":\"f32\",\"shape\":[]}]}", "'N' is a dim"},
    {HEAD "\"inputs\":[{\"name\":\"x\",\"dtype\":\"f32\",\"shape\":[],\"init\":{\"dist\":\"gauss\"}}]}",
     "inputs[0].init.dist: unknown 'gauss'"},
    {HEAD INPUT "\"graph\":[],\"outputs\":[\"y\"]}", "graph: no node"},
    {HEAD INPUT "\"graph\":[{\"out\":\"y\",\"op\":\"relu\",\"in\":[\"z\"]}],\"outputs\":[\"y\"]}",
     "graph[0].in[0]: no tensor or earlier node is called 'z'"},
    {HEAD INPUT "\"graph\":[{\"out\":\"x\",\"op\":\"relu\",\"in\":[\"x\"]}],\"outputs\":[\"x\"]}",
     "graph[0]: 'x' exists already"},
    {HEAD INPUT "\"graph\":[{\"op\":\"relu\",\"in\":[\"x\"]}],\"outputs\":[\"y\"]}",
     "graph[0]: missing 'out'"},
    {HEAD INPUT "\"graph\":[{\"out\":\"y\",\"op\":\"relu\",\"in\":[\"x\"]}],\"outputs\":[\"q\"]}",
     "outputs[0]: no tensor or node is called 'q'"},
    {HEAD INPUT "\"graph\":[{\"out\":\"y\",\"op\":\"relu\",\"in\":[\"x\"]}],\"outputs\":[\"x\"]}",
     "does not list in 'mutates'"},
    {HEAD INPUT GRAPH ",\"tolerance\":{\"rtol\":-1}}", "tolerance: below zero"},
    {HEAD INPUT GRAPH ",\"precision\":\"f12\"}", "precision: unknown dtype 'f12'"},
};

static int n_specs;

static void load_one(void *ud, const char *path)
{
    spec *s = NULL;
    ws_err err = {0};
    (void)ud;
    bool loaded = spec_load(path, &s, &err) == WS_OK;
    if (!ok(loaded && s->n_checks >= 3 && s->title, "%s", path))
        printf("# %s\n", err.msg);
    spec_free(s);
    n_specs++;
}

int main(void)
{
    ws_err err = {0};
    spec *s = NULL;
    for (size_t i = 0; i < WS_COUNT(bad); i++) {
        err = (ws_err){0};
        ok(spec_from_text(bad[i].text, strlen(bad[i].text), "t.json", &s, &err) == WS_EINPUT,
           "refused");
        has_str(err.msg, bad[i].error, bad[i].error);
    }
    const char *good = HEAD INPUT GRAPH "}";
    ok(spec_from_text(good, strlen(good), "t.json", &s, &err) == WS_OK, "a good one loads");
    ws_env env = spec_env(s, 0);
    int64_t dim[SPEC_MAX_RANK], count;
    ok(!spec_tensor_dims(&s->tensor[0], &env, dim, &count, &err) && dim[0] == 3 && dim[1] == 5 &&
           count == 15,
       "a check shape keeps the dims that it does not name");
    spec_free(s);
    ok(spec_find("sofmax", &s, &err) == WS_EINPUT, "an unknown spec");
    has_str(err.hint, "softmax", "the nearest name is the hint");
    ok(spec_find("basics/softmax", &s, &err) == WS_OK, "by name");
    spec_free(s);
    ok(spec_catalogue(load_one, NULL, &err) == WS_OK && n_specs >= 21, "the catalogue");
    return tap_done();
}
