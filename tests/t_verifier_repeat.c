/* Along which dims a result repeats when the inputs do, and the smaller shape that tells what the
 * benchmark shape's result is. */
#include "tests/tap.h"
#include "verifier/repeat.h"

#include <stdlib.h>
#include <string.h>

/* The dims that repeat; "": none. The others keep their benchmark value. */
static const struct {
    const char *spec, *dims;
} rows[] = {
    {"basics/relu", "N"},
    {"basics/vector_add", "N"},
    {"basics/softmax", "B"},          /* a sum over N */
    {"basics/row_sum", "B"},
    {"basics/row_max", "B"},
    {"basics/argmax", "B"},           /* an index along N */
    {"basics/cumsum", "B"},
    {"basics/transpose", "M N"},
    {"basics/matmul", "M N"},         /* a sum over K */
    {"basics/causal_attention", "B H"}, /* positions count along S */
    {"basics/conv2d", "N K"},         /* H and W have neighbours */
    {"basics/cross_entropy", ""},     /* one number of all */
};

static bool is_in(const char *names, const char *name)
{
    char *copy = strdup(names), *at = copy, *one;
    bool is = false;
    while ((one = strsep(&at, " ")))
        is |= strcmp(one, name) == 0;
    free(copy);
    return is;
}

static void test_dims(void)
{
    for (size_t i = 0; i < WS_COUNT(rows); i++) {
        ws_arena a = {0};
        ws_env small = {0};
        ws_err err = {0};
        spec *s = NULL;
        ref_graph *g = NULL;
        bool right = false;
        if (!spec_find(rows[i].spec, &s, &err) && !ref_graph_new(s, &g, &err)) {
            const bool found = vfy_repeat_shape(g, 1 + i, &a, &small);
            right = found == (rows[i].dims[0] != 0);
            for (int d = 0; found && d < s->n_dims; d++)
                right &= is_in(rows[i].dims, s->dim[d].name)
                             ? small.item[d].value < s->dim[d].value
                             : small.item[d].value == s->dim[d].value;
        }
        ok(right, "%s repeats along '%s' %s", rows[i].spec, rows[i].dims, err.msg);
        ref_graph_free(g);
        spec_free(s);
        ws_arena_release(&a);
    }
}

static void test_source(void)
{
    const run_tile t = {3, {4, 5, 6}, {2, 5, 3}, 4};
    /* [3,4,5] is [1,4,2] of the smaller one. */
    is_int(vfy_repeat_source(&t, 3 * 30 + 4 * 6 + 5), 1 * 15 + 4 * 3 + 2, "an element's source");
    is_int(vfy_repeat_source(&t, 0), 0, "the first element's source");
}

int main(void)
{
    test_dims();
    test_source();
    return tap_done();
}
