#include "verifier/survey.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>

enum { MAX_RULES = 3 };

static void list_shapes(const spec *s, const vfy_shape_state *state, vfy_shape_state which,
                        const char *title, ws_buf *out)
{
    bool any = false;
    for (int c = 0; c < s->n_checks; c++) {
        ws_env env = spec_env(s, c);
        if (state[c] != which)
            continue;
        ws_buf_adds(out, any ? ", " : out->n ? "; " : "");
        ws_buf_adds(out, any ? "" : title);
        spec_env_print(&env, out);
        any = true;
    }
}

static int64_t dim_of(const spec *s, int check, int dim)
{
    return s->check[check][dim].value;
}

/* Dim `dim` is a multiple of `m` at exactly the shapes that are right. An extent of 1 may be right
 * by luck: *ones says that it was. */
static bool tells_apart(const spec *s, const vfy_shape_state *state, int dim, int64_t m, bool *ones)
{
    int right = 0;
    *ones = false;
    for (int c = 0; c < s->n_checks; c++) {
        bool multiple = dim_of(s, c, dim) % m == 0, one = dim_of(s, c, dim) == 1;
        if (state[c] == VFY_SHAPE_UNKNOWN)
            continue;
        *ones |= one && state[c] == VFY_SHAPE_RIGHT;
        if (multiple != (state[c] == VFY_SHAPE_RIGHT) && !(one && state[c] == VFY_SHAPE_RIGHT))
            return false;
        right += multiple;
    }
    return right > 0;
}

/* Least and largest value of a dim over the shapes of one state. */
static void range_of(const spec *s, const vfy_shape_state *state, vfy_shape_state which, int dim,
                     int64_t *least, int64_t *most)
{
    *least = INT64_MAX;
    *most = INT64_MIN;
    for (int c = 0; c < s->n_checks; c++) {
        int64_t v = dim_of(s, c, dim);
        if (state[c] != which)
            continue;
        *least = v < *least ? v : *least;
        *most = v > *most ? v : *most;
    }
}

static void say_dim(const spec *s, const vfy_shape_state *state, int dim, int *rules, ws_buf *out)
{
    const char *name = s->dim[dim].name;
    int64_t right_least, right_most, wrong_least, wrong_most, low = 0, high = 0;
    range_of(s, state, VFY_SHAPE_RIGHT, dim, &right_least, &right_most);
    range_of(s, state, VFY_SHAPE_WRONG, dim, &wrong_least, &wrong_most);
    bool ones = false;
    for (int64_t m = 2; m <= 1024; m *= 2) {
        bool right_at_one;
        if (!tells_apart(s, state, dim, m, &right_at_one))
            continue;
        ones = right_at_one;
        low = low ? low : m;
        high = m;
    }
    const char *before = *rules ? ", or " : ": wrong exactly where ";
    if (low && *rules < MAX_RULES) {
        ws_buf_printf(out, "%s%s is no multiple of %" PRId64, before, name, low);
        if (high > low)
            ws_buf_printf(out, "..%" PRId64, high);
        ws_buf_adds(out, ones ? " and not 1" : "");
        ++*rules;
    } else if (wrong_least > right_most && *rules < MAX_RULES) {
        ws_buf_printf(out, "%s%s is above %" PRId64, before, name, right_most);
        ++*rules;
    } else if (wrong_most < right_least && *rules < MAX_RULES) {
        ws_buf_printf(out, "%s%s is below %" PRId64, before, name, right_least);
        ++*rules;
    }
}

void vfy_survey_describe(const spec *s, const vfy_shape_state *state, char *text, size_t size)
{
    ws_buf out = {0};
    int count[3] = {0}, rules = 0;
    for (int c = 0; c < s->n_checks; c++)
        count[state[c]]++;
    list_shapes(s, state, VFY_SHAPE_RIGHT, "right at ", &out);
    list_shapes(s, state, VFY_SHAPE_WRONG, "wrong at ", &out);
    /* Two shapes always differ in something. */
    if (count[VFY_SHAPE_RIGHT] && count[VFY_SHAPE_WRONG] &&
        count[VFY_SHAPE_RIGHT] + count[VFY_SHAPE_WRONG] > 2)
        for (int d = 0; d < s->n_dims; d++)
            say_dim(s, state, d, &rules, &out);
    list_shapes(s, state, VFY_SHAPE_UNKNOWN, "not run: ", &out);
    snprintf(text, size, "%s", ws_buf_z(&out));
    ws_buf_release(&out);
}
