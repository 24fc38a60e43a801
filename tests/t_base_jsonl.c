/* The line protocol's JSON: what is taken, what is refused, and that what is written is read back. */
#include "base/jsonl.h"
#include "tests/tap.h"

#include <stdint.h>

static const struct {
    const char *text, *wrong; /* NULL: it is taken */
} cases[] = {
    {"{}", NULL},
    {" [ 1 , -2.5e3, true,false ,null, \"x\" ] ", NULL},
    {"{\"a\":{\"b\":[[]]},\"c\":\"\\u00e9\\ud83d\\ude00\\n\"}", NULL},
    {"9223372036854775807", NULL},
    {"", "no value"},
    {"{", "no key"},
    {"{\"a\":1,}", "no key"},
    {"[1,]", "no value"},
    {"[1 2]", "no ']'"},
    {"{\"a\" 1}", "no ':'"},
    {"{\"a\":1} x", "something more"},
    {"{\"a\":1}{\"a\":1}", "something more"},
    {"{\"a\":1,\"a\":2}", "there already"},
    {"01", "no value"},
    {"1.", "no value"},
    {"+1", "no value"},
    {"nan", "no value"},
    {"tru", "no value"},
    {"'x'", "no value"},
    {"\"abc", "without end"},
    {"\"abc\\\"", "without end"},
    {"\"\\x\"", "bad escape"},
    {"\"\\u0000\"", "bad escape"},
    {"\"\\ud800\"", "bad escape"},
    {"\"\\ud800\\u0041\"", "bad escape"},
    {"\"a\tb\"", "control"},
    {"\"\xff\"", "UTF-8"},
    {"[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]", "deep"},
    {"11111111111111111111111111111111111111111111111111111111111111111", "too long"},
};

static void test_cases(void)
{
    for (size_t i = 0; i < WS_COUNT(cases); i++) {
        ws_arena a = {0};
        ws_err err = {0};
        const jl_value *v;
        const ws_status st = jl_parse(&a, cases[i].text, strlen(cases[i].text), &v, &err);
        if (cases[i].wrong)
            has_str(st ? err.msg : "taken", cases[i].wrong, cases[i].text);
        else
            is_str(st ? err.msg : "taken", "taken", cases[i].text);
        ws_arena_release(&a);
    }
    ws_arena a = {0};
    ws_err err = {0};
    const jl_value *v;
    ok(jl_parse(&a, "{}\0", 3, &v, &err) == WS_EINPUT, "a NUL byte is refused");
    ws_arena_release(&a);
}

static void test_round(void)
{
    ws_buf b = {0};
    ws_arena a = {0};
    ws_err err = {0};
    jl_writer w = {.out = &b};
    const jl_value *v = NULL, *list = NULL;
    const char *text = "";
    int64_t least = 0;
    double third = 0;
    jl_open(&w, NULL, '{');
    jl_put_text(&w, "text", "a\"\\\n\x01\xff\xc3\xa9");
    jl_put_int(&w, "least", INT64_MIN);
    jl_put_number(&w, "third", 1.0 / 3);
    jl_put_number(&w, "nan", NAN);
    jl_put_bool(&w, "yes", true);
    jl_open(&w, "list", '[');
    jl_put_int(&w, NULL, 1);
    jl_open(&w, NULL, '{');
    jl_close(&w, '}');
    jl_close(&w, ']');
    jl_close(&w, '}');
    ok(!strchr(ws_buf_z(&b), '\n'), "what is written is one line");
    if (!ok(!jl_parse(&a, b.p, b.n, &v, &err), "it is read back: %s", err.msg))
        return;
    ok(!jl_text(v, "text", &text, &err) && !jl_int(v, "least", INT64_MIN, 0, &least, &err) &&
           !jl_number(v, "third", &third, &err) && !jl_array(v, "list", &list, &err),
       "all members are there: %s", err.msg);
    is_str(text, "a\"\\\n\x01\xef\xbf\xbd\xc3\xa9", "text, with U+FFFD for what is not UTF-8");
    ok(least == INT64_MIN, "the least integer");
    ok(third == 1.0 / 3, "a third, exactly");
    is_str(jl_text_or(v, "nan", ""), "nan", "NaN is a word");
    ok(jl_bool_or(v, "yes", false), "a boolean");
    ok(list && list->n == 2 && list->child->whole == 1, "a list of two");
    ws_arena_release(&a);
    ws_buf_release(&b);
}

static void test_members(void)
{
    static const char text[] = "{\"i\":300,\"s\":\"x\",\"f\":1.5,\"big\":99999999999999999999}";
    ws_arena a = {0};
    ws_err err = {0};
    const jl_value *v;
    const char *z;
    int64_t i;
    if (!ok(!jl_parse(&a, text, strlen(text), &v, &err), "an object is read"))
        return;
    jl_int(v, "i", 0, 255, &i, &err) ? (void)0 : (void)ok(false, "out of range is taken");
    is_str(err.msg, "'i': 300 is not in 0..255", "a range is said");
    ok(jl_int(v, "f", 0, 9, &i, &err) == WS_EINPUT, "a fraction is no whole number");
    ok(jl_int(v, "big", 0, INT64_MAX, &i, &err) == WS_EINPUT, "nor what int64_t cannot hold");
    ok(jl_text(v, "i", &z, &err) == WS_EINPUT, "a number is no string");
    is_str(jl_text(v, "none", &z, &err) ? err.msg : "", "missing 'none', a string",
           "a missing member is named");
    is_int(jl_int_or(v, "none", 7), 7, "or a default");
    ok(jl_get(NULL, "x") == NULL, "of nothing there is no member");
    ws_arena_release(&a);
}

int main(void)
{
    test_cases();
    test_round();
    test_members();
    return tap_done();
}
