/* The loader: the catalogue loads; broken specs are refused at the right place. */
#include "base/buf.h"
#include "specs/spec.h"
#include "tests/tap.h"

#define HEAD  "{\"schema\":1,\"name\":\"t\",\"dims\":{\"N\":8,\"M\":4},\"check\":[{\"N\":3}],"
#define INPUT "\"inputs\":[{\"name\":\"x\",\"dtype\":\"f32\",\"shape\":[\"N\",\"M+1\"]}],"
#define GRAPH "\"graph\":[{\"out\":\"y\",\"op\":\"relu\",\"in\":[\"x\"]}],\"outputs\":[\"y\"]"

#define INIT(init)                                                                                 \
    HEAD "\"inputs\":[{\"name\":\"x\",\"dtype\":\"f32\",\"shape\":[\"N\",\"M+1\"],\"init\":{" init \
         "}}],"
#define SETUP(operand)                                                                             \
    "{\"tensors\":[{\"name\":\"r\",\"dtype\":\"f64\",\"shape\":[\"N\",\"M+1\"]}],"                 \
    "\"graph\":[{\"out\":\"s\",\"op\":\"mul\",\"in\":[\"" operand "\",0.5]}]}"
#define SCAN(in, body, carry, emit)                                                                \
    HEAD INPUT "\"graph\":[{\"out\":\"y\",\"op\":\"scan\",\"in\":" in ",\"dim\":0,\"body\":[" body \
               "],\"carry\":\"" carry "\",\"emit\":\"" emit "\"}],\"outputs\":[\"y\"]}"

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
    {HEAD
     "\"inputs\":[{\"name\":\"x\",\"dtype\":\"f32\",\"shape\":[],\"init\":{\"dist\":\"gauss\"}}]}",
     "inputs[0].init.dist: unknown 'gauss'"},
    {HEAD INPUT "\"graph\":[],\"outputs\":[\"y\"]}", "graph: no node"},
    {HEAD INPUT GRAPH ",\"economics\":4}", "economics: expected an object"},
    {HEAD INPUT GRAPH ",\"economics\":{\"model\":\"m\",\"phase\":\"decode\",\"tokens\":\"N\"}}",
     "economics: missing 'calls'"},
    {HEAD INPUT GRAPH ",\"economics\":{\"model\":\"m\",\"phase\":\"decode\",\"tokens\":\"Q\","
                      "\"calls\":1}}",
     "economics.tokens: unknown dim 'Q'"},
    {HEAD INPUT GRAPH ",\"economics\":{\"model\":\"m\",\"phase\":\"decode\",\"tokens\":\"N\","
                      "\"calls\":\"M-4\"}}",
     "economics.calls: not above 0 at the benchmark shape"},
    {HEAD INPUT GRAPH ",\"economics\":{\"model\":\"m\",\"phase\":\"train\",\"tokens\":\"N\","
                      "\"calls\":1}}",
     "economics.phase: expected prefill, decode or both"},
    {HEAD INPUT GRAPH ",\"economics\":{\"model\":\"m\",\"phase\":\"both\",\"tokens\":1,\"calls\":1,"
                      "\"price\":2}}",
     "unknown member 'price'"},
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
    {INIT("\"dist\":\"fan_in\"") GRAPH "}", "inputs[0].init: missing 'fan_in'"},
    {INIT("\"dist\":\"fan_in\",\"fan_in\":\"N*Q\"") GRAPH "}",
     "inputs[0].init.fan_in: unknown dim 'Q'"},
    {INIT("\"dist\":\"fan_in\",\"fan_in\":\"i0\"") GRAPH "}", "unknown dim 'i0'"},
    {INIT("\"dist\":\"fan_in\",\"fan_in\":4,\"std\":1") GRAPH "}", "init: unknown member 'std'"},
    {INIT("\"dist\":\"bernoulli\",\"p\":1.5") GRAPH "}", "init.p: a probability is in [0, 1]"},
    {INIT("\"dist\":\"expr\",\"value\":\"i0 < i2\"") GRAPH "}",
     "inputs[0].init.value: unknown dim 'i2'"},
    {INIT("\"dist\":\"expr\"") GRAPH "}", "inputs[0].init: missing 'value'"},
    {INIT("\"dist\":\"setup\",\"value\":\"s\"") GRAPH "}",
     "init of 'x': no node of 'setup' is called 's'"},
    {INIT("\"dist\":\"setup\",\"value\":\"s\"") GRAPH ",\"setup\":" SETUP("q") "}",
     "setup.graph[0].in[0]: no tensor or earlier node is called 'q'"},
    {INIT("\"dist\":\"setup\",\"value\":\"r\"") GRAPH ",\"setup\":" SETUP("r") "}",
     "init of 'x': no node of 'setup' is called 'r'"},
    {HEAD INPUT GRAPH ",\"setup\":" SETUP("r") "}", "setup: no init reads it"},
    {HEAD INPUT GRAPH ",\"setup\":[]}", "setup: expected an object"},
    {HEAD INPUT "\"graph\":[4],\"outputs\":[\"y\"]}", "graph[0]: expected an object"},
    {SCAN("[\"x\"]", "{\"out\":\"h\",\"op\":\"add\",\"in\":[\"x_t\",\"carry\"]}", "h", "h"),
     "graph[0].in: a scan reads a sequence and a first carry"},
    {SCAN("[\"x\",\"x\"]", "{\"out\":\"h\",\"op\":\"add\",\"in\":[\"x_t\",\"x\"]}", "h", "h"),
     "graph[0].body[0].in[1]: the body has no 'x'"},
    {SCAN("[\"x\",\"x\"]", "{\"out\":\"h\",\"op\":\"add\",\"in\":[\"x_t\",\"carry\"]}", "g", "h"),
     "graph[0].carry: no node of the body is called 'g'"},
    {SCAN("[\"x\",\"x\"]", "{\"out\":\"carry\",\"op\":\"relu\",\"in\":[\"x_t\"]}", "carry",
          "carry"),
     "graph[0].body[0]: 'carry' exists already"},
    {SCAN("[\"x\",\"x\"]", "{\"out\":\"h\",\"op\":\"scan\",\"in\":[\"x_t\",\"carry\"]}", "h", "h"),
     "graph[0].body[0]: a scan in a scan"},
    {HEAD INPUT GRAPH ",\"tolerance\":{\"rtol\":-1}}", "tolerance: below zero"},
    {HEAD INPUT GRAPH ",\"precision\":\"f12\"}", "precision: unknown dtype 'f12'"},
};

static int n_specs;

static void check_scan(void)
{
    const char *text = SCAN("[\"x\",\"x\",\"x\",2]",
                            "{\"out\":\"h\",\"op\":\"add\",\"in\":[\"x_t\",\"carry\"]},"
                            "{\"out\":\"z\",\"op\":\"mul\",\"in\":[\"h\",\"x\"]}",
                            "h", "z");
    ws_err err = {0};
    spec *s = NULL;
    if (!ok(spec_from_text(text, strlen(text), "t.json", &s, &err) == WS_OK, "a scan loads"))
        return;
    const spec_node *n = &s->node[0];
    is_int(n->n_body, 2, "nodes of the body");
    is_int(n->n_attrs, 1, "body, carry and emit are no attributes");
    is_str(n->body[1].op, "mul", "in their order");
    is_str(n->body[1].in[1].name, "x", "an outer operand");
    is_str(n->carry, "h", "carry");
    is_str(n->emit, "z", "emit");
    spec_free(s);
}

static void check_setup(void)
{
    const char *text =
        INIT("\"dist\":\"setup\",\"value\":\"s\"") GRAPH ",\"setup\":" SETUP("r") "}";
    ws_err err = {0};
    spec *s = NULL;
    if (!ok(spec_from_text(text, strlen(text), "t.json", &s, &err) == WS_OK, "a setup loads"))
        return;
    is_int(s->setup->n_inputs, 1, "its tensors");
    is_int(s->setup->n_nodes, 1, "its nodes");
    is_str(s->setup->output[0], "s", "the value that an init names");
    spec_free(s);
}

static void load_one(void *ud, const char *path)
{
    spec *s = NULL;
    ws_err err = {0};
    (void)ud;
    bool loaded = spec_load(path, &s, &err) == WS_OK;
    /* two for whole networks, whose every check takes seconds */
    int least = loaded && s->n_nodes > 30 ? 2 : 3;
    if (!ok(loaded && s->n_checks >= least && s->title, "%s", path))
        printf("# %s\n", loaded ? "too few check shapes, or no title" : err.msg);
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
    check_scan();
    check_setup();
    ok(spec_find("sofmax", &s, &err) == WS_EINPUT, "an unknown spec");
    has_str(err.hint, "softmax", "the nearest name is the hint");
    ok(spec_find("basics/softmax", &s, &err) == WS_OK, "by name");
    spec_free(s);
    ok(spec_catalogue(load_one, NULL, &err) == WS_OK && n_specs >= 21, "the catalogue");
    return tap_done();
}
