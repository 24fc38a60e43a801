/* Every op's emitted kernel, run by the CPU engine with all checkers, against the reference: the
 * cases of t_reference_ops in f32 and in another dtype; and fused graphs in four. With an argument:
 * only those whose node or name holds it, in every dtype. */
#include "harness/compile/compile.h"
#include "reference/emit.h"
#include "tests/reference_fixture.h"
#include "tests/reference_fused.h"
#include "verifier/verify.h"

static comp_service *compiler;

/* NULL when the emitted kernel passes; else why not, in `why`. */
static const char *verify_spec(const spec *s, bool fused, char *why, size_t size)
{
    ref_graph *g = NULL;
    vfy_session *session = NULL;
    vfy_verdict v = {0};
    ws_buf source = {0};
    ws_err err = {0};
    const vfy_options o = {.device = "cpu", .seed = 1, .wall_seconds = 20};
    const char *wrong = NULL;
    if (ref_graph_new(s, &g, &err) ||
        (fused ? ref_emit_fused(g, &source, &err) : ref_emit(g, &source, &err)) ||
        vfy_session_open(s, compiler, &session, &err) ||
        vfy_verify(session, ws_buf_z(&source), source.n, &o, &v, &err))
        snprintf(why, size, "%s", err.msg), wrong = why;
    else if (v.reason != HX_PASS)
        snprintf(why, size, "%s %s", v.text, v.log), wrong = why;
    vfy_session_close(session);
    ref_graph_free(g);
    ws_buf_release(&source);
    return wrong;
}

/* Adds `text` with the dtype f32 replaced. */
static void add_in_dtype(ws_buf *out, const char *text, const char *dtype)
{
    static const char f32[] = "\"f32\"";
    for (const char *at; (at = strstr(text, f32)); text = at + strlen(f32)) {
        ws_buf_add(out, text, (size_t)(at - text));
        ws_buf_printf(out, "\"%s\"", dtype);
    }
    ws_buf_adds(out, text);
}

/* The case tensors in `dtype` with the nodes; the output is y. */
static const char *verify_nodes(const char *nodes, const char *dtype, bool fused, char *why,
                                size_t size)
{
    ws_buf text = {0};
    ws_err err = {0};
    spec *s = NULL;
    add_in_dtype(&text, case_head, dtype);
    ws_buf_adds(&text, ",\"graph\":[");
    add_in_dtype(&text, nodes, dtype);
    ws_buf_printf(&text, "],\"outputs\":[\"y\"],\"precision\":\"%s\"}", dtype);
    const char *wrong = why;
    if (spec_from_text(text.p, text.n, "case.json", &s, &err))
        snprintf(why, size, "%s", err.msg);
    else
        wrong = verify_spec(s, fused, why, size);
    ws_buf_release(&text);
    spec_free(s);
    return wrong;
}

static void test_case(int i, const char *dtype)
{
    char node[600], why[6000];
    snprintf(node, sizeof node, "{\"out\":\"y\",%s}", op_cases[i].node);
    const char *wrong = verify_nodes(node, dtype, false, why, sizeof why);
    if (!ok(!wrong, "%s: %s", dtype, op_cases[i].node))
        printf("# %s\n", wrong);
}

/* Each in f32 and in one of the others, or in all of them. */
static void test_cases(const char *only, bool all)
{
    static const char *const others[] = {"f64", "f16", "bf16"};
    for (int i = 0; i < N_OP_CASES; i++) {
        if (!strstr(op_cases[i].node, only))
            continue;
        test_case(i, "f32");
        for (int d = 0; d < (int)WS_COUNT(others); d++)
            if (all || d == i % (int)WS_COUNT(others))
                test_case(i, others[d]);
    }
}

static void test_fused(const char *dtype, const char *only)
{
    for (size_t i = 0; i < WS_COUNT(fused_cases); i++) {
        char why[6000];
        if (!strstr(fused_cases[i].what, only))
            continue;
        const char *wrong = verify_nodes(fused_cases[i].nodes, dtype, true, why, sizeof why);
        if (!ok(!wrong, "%s, fused: %s", dtype, fused_cases[i].what))
            printf("# %s\n", wrong);
    }
}

int main(int argc, char **argv)
{
    static const char *const dtypes[] = {"f32", "f64", "f16", "bf16"};
    ws_err err = {0};
    if (comp_service_open(&(comp_service_options){.cache_dir = ""}, &compiler, &err)) {
        printf("1..0 # SKIP %s\n", err.msg);
        return 0;
    }
    test_cases(argc > 1 ? argv[1] : "", argc > 1);
    for (size_t d = 0; d < WS_COUNT(dtypes); d++)
        test_fused(dtypes[d], argc > 1 ? argv[1] : "");
    comp_service_close(compiler);
    return tap_done();
}
