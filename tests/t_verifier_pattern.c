/* What is said of wrong elements: each mistake is made by hand in a tensor of distinct values. */
#include "tests/tap.h"
#include "verifier/pattern.h"
#include "verifier/survey.h"

#include <stdlib.h>

enum { MOST = 4096 };
static double want[MOST], got[MOST];
static bool wrong[MOST];

static void reset(const ref_shape *s)
{
    for (int64_t i = 0; i < s->count; i++) {
        want[i] = got[i] = 1 + (double)(i * 37 % 4001) / 512; /* no two alike */
        wrong[i] = false;
    }
}

static ref_shape shape(int64_t rows, int64_t columns)
{
    return (ref_shape){.rank = 2, .dim = {rows, columns}, .count = rows * columns};
}

static void says(const ref_shape *s, const char *part, const char *what)
{
    char text[768];
    for (int64_t i = 0; i < s->count; i++)
        wrong[i] = !(got[i] == want[i]);
    vfy_pattern_describe(&(vfy_pattern){.shape = s, .got = got, .want = want, .wrong = wrong}, text,
                         sizeof text);
    has_str(text, part, what);
}

static void test_where(void)
{
    ref_shape s = shape(5, 65), line = {.rank = 1, .dim = {300}, .count = 300};
    reset(&s);
    for (int r = 0; r < 5; r++)
        got[r * 65 + 64] = -7 * r;
    says(&s, "only the last index of axis 1 (64 of 65) is wrong: the tail", "the last column");
    reset(&s);
    for (int i = 0; i < 5 * 65; i++)
        got[i] = i % 65 >= 32 ? -i : got[i];
    says(&s,
         "along axis 1 indices 0..31 are right and 32..64 are wrong; 32 is a power of two, where "
         "a warp of threads begins",
         "all after the first warp");
    reset(&s);
    for (int i = 0; i < 5 * 65; i++)
        got[i] = i % 65 % 4 == 3 ? -i : got[i];
    says(&s, "along axis 1 only indices that are 3 modulo 4 are wrong", "one lane of four");
    reset(&s);
    for (int i = 0; i < 5 * 65; i++)
        got[i] = i % 65 % 11 == 2 ? -i : got[i];
    says(&s, "along axis 1 only indices that are 2 modulo 11 are wrong: every 11th", "every 11th");
    ref_shape wide = shape(3, 700);
    reset(&wide);
    for (int i = 0; i < 3 * 700; i++)
        got[i] = i % 700 % 33 == 5 ? -i : got[i];
    says(&wide, "along axis 1 only indices that are 5 modulo 33 are wrong: every 33rd",
         "every 33rd column");
    ref_shape tall = shape(200, 20);
    reset(&tall);
    for (int i = 128 * 20; i < 200 * 20; i++)
        got[i] = -i;
    says(&tall, "along axis 0 indices 0..127 are right and 128..199 are wrong", "rows from 128 on");
    reset(&s);
    got[2 * 65 + 9] = -3;
    says(&s, "only index 2 of axis 0, which has 5, is wrong", "one row");
    says(&s, "only index 9 of axis 1, which has 65, is wrong", "one column");
    reset(&s);
    for (int i = 256; i < 325; i++)
        got[i] = -i;
    says(&s,
         "the flat tensor is right up to element 255 and wrong from there to its end; 256 is a "
         "power of two",
         "a grid that is a block short");
    reset(&line);
    for (int i = 0; i < 300; i++)
        got[i] = i < 128 ? -i : got[i];
    says(&line, "indices 0..127 are wrong and 128..299 are right; 128 is a power of two",
         "the first block");
    reset(&s);
    for (int i = 0; i < 325; i++)
        got[i] = -i;
    says(&s, "every element is wrong", "all");
}

static void test_what(void)
{
    ref_shape s = shape(4, 33);
    reset(&s);
    for (int i = 0; i < 132; i++)
        got[i] = want[i] / 33;
    says(&s, "all of the wrong elements are 0.030303 times the reference: a factor",
         "a mean in the place of a sum");
    reset(&s);
    for (int i = 0; i < 132; i++)
        got[i] = -want[i];
    says(&s, "right magnitude and the wrong sign", "a sign");
    reset(&s);
    for (int i = 0; i < 132; i++)
        got[i] = want[i] + 0.25;
    says(&s, "differ from the reference by 0.25: an offset", "an offset");
    reset(&s);
    for (int i = 0; i < 132; i++)
        got[i] = i % 3 ? NAN : want[i];
    says(&s, "all of the wrong elements are NaN", "NaN");
    reset(&s);
    for (int i = 0; i < 132; i++)
        got[i] = want[i] * (1 + 1e-4 * (i % 5 - 2));
    says(&s, "they are near: within 0.0002 of the reference", "an approximation");
    reset(&s);
    for (int i = 0; i < 132; i++)
        got[i] = i % 2 ? 0 : want[i];
    says(&s, "all of the wrong elements are 0", "zeros");
}

static void test_moved(void)
{
    ref_shape s = shape(6, 9);
    reset(&s);
    for (int r = 0; r < 6; r++)
        for (int c = 0; c < 9; c++)
            got[c * 6 + r] = want[r * 9 + c];
    says(&s, "stand at transposed places", "a plane written the other way round");
    reset(&s);
    for (int i = 0; i < 53; i++)
        got[i] = want[i + 1];
    says(&s, "hold the value that belongs one further along axis 1: an index off by one",
         "one to the right");
    reset(&s);
    for (int i = 9; i < 54; i++)
        got[i] = want[i - 9];
    says(&s, "hold the value that belongs one before along axis 0: an index off by one",
         "one row up");
}

static void test_bounds(void)
{
    ref_shape s = shape(5, 65), one = {.rank = 0, .count = 1};
    char text[768], small[16];
    reset(&s);
    vfy_pattern p = {.shape = &s, .got = got, .want = want, .wrong = wrong};
    vfy_pattern_describe(&p, text, sizeof text);
    is_str(text, "", "nothing of a right tensor");
    wrong[0] = true;
    got[0] = -1;
    vfy_pattern_describe(&p, small, sizeof small);
    is_str(small, "", "no half lines");
    p.shape = &one;
    vfy_pattern_describe(&p, text, sizeof text);
    ok(!strstr(text, "axis"), "a scalar has no axes: '%s'", text);
    p = (vfy_pattern){.shape = &s, .wrong = wrong};
    vfy_pattern_describe(&p, text, sizeof text);
    has_str(text, "only index 0 of axis 0", "marks alone say where");
}

/* `states`: a letter for each of the check shapes N=1, N=257, N=4096, N=512 with B=3, 5, 2, 4. */
static void survey_says(const char *states, const char *want_text, const char *what)
{
    static const char text[] =
        "{\"schema\":1,\"name\":\"t\",\"dims\":{\"B\":8,\"N\":8},\"check\":[{\"B\":3,\"N\":1},{"
        "\"B\":5,"
        "\"N\":257},{\"B\":2,\"N\":4096},{\"B\":4,\"N\":512}],\"inputs\":[{\"name\":\"x\","
        "\"dtype\":\"f32\","
        "\"shape\":[\"B\",\"N\"]}],\"graph\":[{\"out\":\"y\",\"op\":\"relu\",\"in\":[\"x\"]}],"
        "\"outputs\":[\"y\"]}";
    spec *s = NULL;
    ws_err err = {0};
    char out[512];
    vfy_shape_state state[4];
    if (!ok(!spec_from_text(text, strlen(text), "t.json", &s, &err), "a spec %s", err.msg))
        return;
    for (int i = 0; i < 4; i++)
        state[i] = states[i] == 'r'   ? VFY_SHAPE_RIGHT
                   : states[i] == 'w' ? VFY_SHAPE_WRONG
                                      : VFY_SHAPE_UNKNOWN;
    vfy_survey_describe(s, state, out, sizeof out);
    is_str(out, want_text, what);
    spec_free(s);
}

static void test_survey(void)
{
    survey_says(
        "wwrr",
        "right at B=2 N=4096, B=4 N=512; wrong at B=3 N=1, B=5 N=257: wrong exactly where B is no "
        "multiple of 2, or N is no multiple of 2..512",
        "ragged rows");
    survey_says("rwrr",
                "right at B=3 N=1, B=2 N=4096, B=4 N=512; wrong at B=5 N=257: wrong exactly where "
                "B is above "
                "4, or N is no multiple of 2..512 and not 1",
                "one element may be right by luck");
    survey_says(
        "rrw-",
        "right at B=3 N=1, B=5 N=257; wrong at B=2 N=4096: wrong exactly where B is below 3, "
        "or N is above 257; not run: B=4 N=512",
        "long rows");
    survey_says("wwww", "wrong at B=3 N=1, B=5 N=257, B=2 N=4096, B=4 N=512", "all");
    survey_says("rw--", "right at B=3 N=1; wrong at B=5 N=257; not run: B=2 N=4096, B=4 N=512",
                "two shapes tell nothing");
}

int main(void)
{
    test_where();
    test_what();
    test_moved();
    test_bounds();
    test_survey();
    return tap_done();
}
