/* Comparison of outputs with their reference: indices by the values that they point at, each once a
 * line; results of few bits exactly, except where an honest value may round either way. */
#include "tests/tap.h"
#include "verifier/compare.h"

#include <stdlib.h>

typedef struct fixture {
    spec *s;
    ref_graph *g;
    vfy_case c;
    ws_err err;
} fixture;

static bool open_case(fixture *f, const char *inputs, const char *node)
{
    ws_buf text = {0};
    *f = (fixture){0};
    ws_buf_printf(&text,
                  "{\"schema\":1,\"name\":\"t\",\"dims\":{\"N\":4},\"check\":[{}],\"inputs\":[%s],"
                  "\"graph\":[{\"out\":\"y\",%s}],\"outputs\":[\"y\"]}",
                  inputs, node);
    ws_status st = spec_from_text(text.p, text.n, "t.json", &f->s, &f->err);
    if (!st)
        st = ref_graph_new(f->s, &f->g, &f->err);
    if (!st)
        st = vfy_case_init(&f->c, f->g, 0, VFY_INPUTS_RANDOM, 1, &f->err);
    ws_buf_release(&text);
    return ok(!st, "%s %s", node, f->err.msg);
}

static void close_case(fixture *f)
{
    vfy_case_release(&f->c);
    ref_graph_free(f->g);
    spec_free(f->s);
}

static int64_t wrong(fixture *f, const void *got)
{
    vfy_comparison c;
    vfy_compare(&f->c, 0, got, &c);
    return c.wrong;
}

/* Two lines of 0 1 1 0. */
static const char ties[] =
    "{\"name\":\"x\",\"dtype\":\"f32\",\"shape\":[2,\"N\"],\"init\":{\"dist\":"
    "\"expr\",\"value\":\"i1 == 1 || i1 == 2\"}}";

static void test_indices(void)
{
    fixture f;
    if (!open_case(&f, ties, "\"op\":\"topk\",\"in\":[\"x\"],\"k\":3,\"output\":\"indices\""))
        return;
    const int64_t first[6] = {1, 2, 0, 1, 2, 0}, other[6] = {2, 1, 3, 1, 2, 3};
    const int64_t twice[6] = {1, 1, 0, 1, 2, 0}, low[6] = {1, 0, 2, 1, 2, 0};
    const int64_t outside[6] = {1, 2, 4, 1, 2, -1};
    is_int(wrong(&f, first), 0, "the reference's indices");
    is_int(wrong(&f, other), 0, "other indices of the same values");
    is_int(wrong(&f, twice), 1, "an index twice in a line");
    is_int(wrong(&f, low), 2, "values in the wrong order");
    is_int(wrong(&f, outside), 2, "indices outside");
    close_case(&f);
    if (!open_case(&f, ties, "\"op\":\"argsort\",\"in\":[\"x\"],\"dim\":0"))
        return;
    const int64_t down[8] = {0, 1, 0, 1, 1, 0, 1, 0}, same[8] = {0, 0, 1, 1, 0, 1, 0, 1};
    is_int(wrong(&f, down), 0, "columns of ties, either way round");
    is_int(wrong(&f, same), 2, "the same row twice in a column");
    close_case(&f);
}

static void test_narrow(void)
{
    static const char x[] =
        "{\"name\":\"x\",\"dtype\":\"f32\",\"shape\":[\"N\"],\"init\":{\"dist\":"
        "\"arange\",\"value\":0.75,\"step\":1}},{\"name\":\"s\",\"dtype\":\"f32\","
        "\"shape\":[1],\"init\":{\"dist\":\"const\",\"value\":1}}";
    fixture f;
    if (!open_case(&f, x, "\"op\":\"quantize\",\"in\":[\"x\",\"s\"],\"dtype\":\"e2m1\""))
        return;
    /* 0.75 1.75 2.75 3.75: the first two lie half-way between neighbours, 3 and 4 are nearest to
     * the others */
    const double nearest[4] = {1, 2, 3, 4}, below[4] = {0.5, 1.5, 3, 4}, off[4] = {1, 2, 2, 3};
    uint8_t got[2];
    ws_dtype_store(WS_E2M1, got, nearest, 4);
    is_int(wrong(&f, got), 0, "e2m1: the nearest numbers");
    ws_dtype_store(WS_E2M1, got, below, 4);
    is_int(wrong(&f, got), 0, "e2m1: the other neighbour of what lies half-way");
    ws_dtype_store(WS_E2M1, got, off, 4);
    is_int(wrong(&f, got), 2, "e2m1: a neighbour that is not the nearest");
    close_case(&f);
}

int main(void)
{
    test_indices();
    test_narrow();
    return tap_done();
}
