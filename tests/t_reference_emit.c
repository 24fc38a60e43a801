/* The emitter: every op and every catalogue spec becomes a plan whose launches fit the kernels
 * below it. That the kernels compute the right thing is shown by verifying them, in the verifier's
 * tests. */
#include "base/json.h"
#include "reference/emit.h"
#include "tests/reference_fixture.h"
#include "tests/reference_fused.h"

#include <ctype.h>
#include <stdlib.h>

/* Parameters in "name(a, b)": the text from the parenthesis on. */
static int count_params(const char *p)
{
    int n = p[1] != ')';
    for (; *p && *p != ')'; p++)
        n += *p == ',';
    return n;
}

/* The definition of a kernel: its parameter list, or NULL. */
static const char *find_kernel(const char *source, const char *name)
{
    char head[128];
    snprintf(head, sizeof head, "\n%s(", name);
    const char *at = strstr(source, head);
    return at ? at + strlen(head) - 1 : NULL;
}

/* The kernels exist and take what the plan passes. */
static const char *check_launches(const char *source, const cJSON *plan)
{
    const cJSON *launch, *list = cJSON_GetObjectItem(plan, "launch");
    if (!cJSON_GetArraySize(list))
        return "no launches";
    cJSON_ArrayForEach(launch, list)
    {
        const cJSON *kernel = cJSON_GetObjectItem(launch, "kernel");
        const char *params =
            cJSON_IsString(kernel) ? find_kernel(source, kernel->valuestring) : NULL;
        if (!params)
            return "a kernel is missing";
        if (count_params(params) != cJSON_GetArraySize(cJSON_GetObjectItem(launch, "args")))
            return "a launch passes another number of arguments";
    }
    return NULL;
}

static const char *check_text(const char *source, const spec *s)
{
    int depth = 0;
    for (const char *p = source; *p; p++) {
        depth += (*p == '{' || *p == '(') - (*p == '}' || *p == ')');
        if (strncmp(p, "DIM_", 4))
            continue;
        bool known = false;
        for (int d = 0; d < s->n_dims; d++) {
            size_t n = strlen(s->dim[d].name);
            known |= strncmp(p + 4, s->dim[d].name, n) == 0 && !isalnum((unsigned char)p[4 + n]);
        }
        if (!known)
            return "a dim that the spec has not";
    }
    return depth ? "unbalanced brackets" : NULL;
}

/* NULL, or what is wrong. */
static const char *check_source(const ws_buf *source, const spec *s, ws_err *err)
{
    static const char head[] = "/* @plan\n";
    cJSON *plan = NULL;
    const char *end = strstr(ws_buf_z(source), "\n*/\n");
    if (strncmp(ws_buf_z(source), head, strlen(head)) || !end)
        return "no plan at the top";
    const char *json = source->p + strlen(head);
    if (ws_json_parse(json, (size_t)(end - json), &plan, err))
        return err->msg;
    const char *wrong = check_launches(end, plan);
    cJSON_Delete(plan);
    return wrong ? wrong : check_text(source->p, s);
}

typedef ws_status emitter(const ref_graph *g, ws_buf *out, ws_err *err);

static void test_emits(const spec *s, const char *what, emitter *emit)
{
    ref_graph *g = NULL;
    ws_buf source = {0}, again = {0};
    ws_err err = {0};
    const char *wrong = NULL;
    if (ref_graph_new(s, &g, &err) || emit(g, &source, &err) || emit(g, &again, &err))
        wrong = err.msg;
    else if (source.n != again.n || memcmp(source.p, again.p, source.n))
        wrong = "a second emission differs";
    else
        wrong = check_source(&source, s, &err);
    if (!ok(!wrong, "%s", what))
        printf("# %s\n", wrong);
    ws_buf_release(&source);
    ws_buf_release(&again);
    ref_graph_free(g);
}

static void test_spec(void *ud, const char *path)
{
    spec *s = NULL;
    ws_err err = {0};
    (void)ud;
    if (spec_load(path, &s, &err))
        ok(false, "%s: %s", path, err.msg);
    else
        for (int fused = 0; fused < 2; fused++)
            test_emits(s, ws_arena_printf(&s->arena, "%s%s", s->name, fused ? ", fused" : ""),
                       fused ? ref_emit_fused : ref_emit);
    spec_free(s);
}

static void test_case(const op_case *c)
{
    char node[512];
    fixture f = {0};
    snprintf(node, sizeof node, "{\"out\":\"y\",%s}", c->node);
    if (fixture_case(&f, node))
        ok(false, "%s: %s", c->node, f.err.msg);
    else
        test_emits(f.spec, c->node, ref_emit);
    fixture_close(&f);
}

/* Emits the nodes; the source, which the caller releases, or the error in place of it. */
static ws_buf emit_nodes(const char *nodes)
{
    fixture f = {0};
    ws_buf source = {0};
    if (fixture_case(&f, nodes) || ref_emit(f.graph, &source, &f.err)) {
        ws_buf_reset(&source);
        ws_buf_adds(&source, f.err.msg);
    }
    fixture_close(&f);
    return source;
}

static void test_forms(void)
{
    static const struct {
        const char *nodes, *text, *what;
    } rows[] = {
        {"{\"out\":\"h\",\"op\":\"cast\",\"in\":[\"x\"],\"dtype\":\"f16\"},{\"out\":\"y\",\"op\":"
         "\"relu\",\"in\":[\"h\"]}",
         "{ \"name\": \"h\", \"dtype\": \"f16\", \"count\": \"max(1, (B * N))\" }",
         "an intermediate is scratch"},
        {"{\"out\":\"y\",\"op\":\"cast\",\"in\":[\"x\"],\"dtype\":\"f16\"}",
         "#include <cuda_fp16.h>", "half precision brings its header"},
        {"{\"out\":\"y\",\"op\":\"add\",\"in\":[\"x\",\"v\"]}", "const float b = b_in[at1];",
         "a broadcast operand is indexed by its own axis"},
        {"{\"out\":\"y\",\"op\":\"mul\",\"in\":[\"x\",0.1]}", "const float b = 0.1f;",
         "a literal is rounded to the arithmetic's type"},
        {"{\"out\":\"y\",\"op\":\"reduce\",\"in\":[\"s\"],\"fn\":\"sum\",\"dims\":[0,2]}",
         "first + element(k)", "axes that are not adjacent"},
        {"{\"out\":\"y\",\"op\":\"add\",\"in\":[\"k\",1],\"dtype\":\"i64\"}",
         "__double2ll_rn(trunc(", "wide integers are computed in double"},
    };
    for (size_t i = 0; i < WS_COUNT(rows); i++) {
        ws_buf source = emit_nodes(rows[i].nodes);
        has_str(ws_buf_z(&source), rows[i].text, rows[i].what);
        ws_buf_release(&source);
    }
}

static void test_fused(const fused_case *c)
{
    fixture f = {0};
    ws_buf source = {0};
    int launches = 0;
    if (!fixture_case(&f, c->nodes) && !ref_emit_fused(f.graph, &source, &f.err))
        for (const char *p = ws_buf_z(&source); (p = strstr(p, "{ \"kernel\":")); p++)
            launches++;
    if (!ok(launches == c->launches, "fused: %s", c->what))
        printf("# %d kernels instead of %d %s\n", launches, c->launches, f.err.msg);
    if (launches)
        test_emits(f.spec, c->what, ref_emit_fused);
    ws_buf_release(&source);
    fixture_close(&f);
}

int main(void)
{
    ws_err err = {0};
    for (int i = 0; i < N_OP_CASES; i++)
        test_case(&op_cases[i]);
    if (spec_catalogue(test_spec, NULL, &err))
        ok(false, "catalogue: %s", err.msg);
    test_forms();
    for (size_t i = 0; i < WS_COUNT(fused_cases); i++)
        test_fused(&fused_cases[i]);
    return tap_done();
}
