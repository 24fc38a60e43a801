/* The played models: what they answer follows from the prompt, not from when it is asked; formats,
 * other names, levels. */
#include "agent/llm/behave.h"

#include "agent/llm/extract.h"
#include "base/file.h"
#include "tests/tap.h"

#include <stdlib.h>

static ws_arena arena;

static behave *open_as(const char *name, uint64_t seed)
{
    behave *b = NULL;
    ws_err err = {0};
    if (behave_open(&(behave_options){.name = name, .seed = seed}, &b, &err))
        printf("Bail out! %s\n", err.msg), exit(1);
    return b;
}

static script_answer ask(behave *b, const char *user, int turn)
{
    script_answer a;
    char *text = ws_arena_printf(&arena, "rules\n%s", user);
    behave_answer(b, &(behave_prompt){.text = text, .user = user, .turn = turn}, &arena, &a);
    return a;
}

/* A prompt about `spec` that shows `kernel`, and ends as the templates do. */
static char *prompt(const char *spec, const char *kernel, const char *end)
{
    return ws_arena_printf(&arena, "# The operation: %s\n\n```cuda\n%s```\n%s\n", spec, kernel,
                           end);
}

static const char plain[] = "extern \"C\" __global__ void k0() {}\n";

static char *library_kernel(const char *name)
{
    ws_buf path = {0}, text = {0};
    ws_err err = {0};
    ws_home_path(&path, "agent/replays/behaviours/");
    ws_buf_adds(&path, name);
    if (ws_read_file(ws_buf_z(&path), 1 << 20, &text, &err))
        printf("Bail out! %s\n", err.msg), exit(1);
    char *z = ws_arena_strdup(&arena, ws_buf_z(&text));
    ws_buf_release(&path);
    ws_buf_release(&text);
    return z;
}

/* ---- text ---- */

static void test_formats(void)
{
    const char *source = library_kernel("basics_softmax/4_registers.cu");
    int same = 0;
    for (int f = 0; f < behave_forms(); f++) {
        ws_buf code = {0};
        const char *reply = behave_format(&arena, "The change is this.", source, f);
        llm_extract_status st = llm_extract_cuda(reply, strlen(reply), &code);
        bool whole = strstr(ws_buf_z(&code), source) != NULL;
        same += whole;
        ok(st != LLM_EXTRACT_NONE && st != LLM_EXTRACT_TRUNCATED, "form %d has code", f);
        ws_buf_release(&code);
    }
    is_int(same, behave_forms() - 1, "all but the cut plan give the whole source");
}

static void test_rename(void)
{
    static const char source[] =
        "/* @plan\n{ \"launch\": [ { \"kernel\": \"k\", \"args\": [\"x\", \"n\"] } ] }\n*/\n"
        "struct pair { float f; };\n"
        "extern \"C\" __global__ void k(const float *__restrict__ x, int n)\n{\n"
        "    float sum = 1.5f, y = 0x1fu;\n    int i = threadIdx.x;\n    pair p; p.f = x[i] + "
        "sum;\n"
        "    unsigned int u = i;\n}\n";
    static const char want[] =
        "/* @plan\n{ \"launch\": [ { \"kernel\": \"k\", \"args\": [\"x\", \"n\"] } ] }\n*/\n"
        "struct pair { float f; };\n"
        "extern \"C\" __global__ void k(const float *__restrict__ x, int n_mine)\n{\n"
        "    float sum_mine = 1.5f, y = 0x1fu;\n    int i_mine = threadIdx.x;\n"
        "    pair p; p.f = x[i_mine] + sum_mine;\n    unsigned int u_mine = i_mine;\n}\n";
    is_str(behave_rename(&arena, source), want,
           "variables are renamed; plan, members and words of the language are not");
    is_str(behave_last_block(&arena, "a\n```cuda\none\n```\nb\n```cuda\ntwo\nlines\n```\nc"),
           "two\nlines\n", "the last block");
    ok(!behave_last_block(&arena, "```cuda\nnever closed"), "no block");
}

/* ---- what is answered ---- */

static void test_perfect(void)
{
    behave *b = open_as("perfect", 1);
    const char *specs[] = {"basics/softmax", "basics/matmul",    "basics/row_sum",
                           "basics/gelu",    "basics/transpose", "basics/vector_add"};
    for (size_t i = 0; i < WS_COUNT(specs); i++) {
        const char *shown = plain, *before = "";
        int steps = 0;
        for (int turn = 0; turn < 8; turn++) {
            script_answer a = ask(b, prompt(specs[i], shown, "give the whole source."), turn);
            char *block = behave_last_block(&arena, a.text);
            if (!block || strcmp(block, before) == 0)
                break;
            before = shown = block;
            steps++;
        }
        ok(steps >= 2 && steps <= 4, "%s: %d steps, then no more", specs[i], steps);
    }
    char *level2 = library_kernel("basics_matmul/2_tiles.cu");
    script_answer a =
        ask(b, prompt("basics/matmul", level2, "give the whole corrected source."), 3);
    has_str(a.text, level2, "a kernel to repair comes back right");
    a = ask(b, prompt("basics/matmul", level2, "Diagnose, and write no kernel."), 4);
    ok(!strstr(a.text, "__global__") && strstr(a.text, "\"idea\""), "a question gets words");
    a = ask(b, prompt("llm/unknown", plain, "give the whole source."), 5);
    is_int(a.status, 404, "an operation without kernels is refused");
    behave_close(b);
}

static void test_wrong(void)
{
    behave *b = open_as("wrong", 1);
    int kinds = 0;
    const char *seen[3] = {"", "", ""};
    for (int turn = 0; turn < 30; turn++) {
        script_answer a = ask(b, prompt("basics/row_sum", plain, "give the source."), turn);
        const char *block = behave_last_block(&arena, a.text);
        int k = 0;
        while (k < kinds && strcmp(seen[k], block) != 0)
            k++;
        if (k == kinds && kinds < 3)
            seen[kinds++] = block;
    }
    is_int(kinds, 3, "wrong in every way");
    for (int i = 0; i < kinds; i++)
        ok(strstr(seen[i], "sum_race") || strstr(seen[i], "sum_typo") ||
               strstr(seen[i], "sum_first_half"),
           "never right");
    behave_close(b);
}

static void test_plagiarist(void)
{
    behave *b = open_as("plagiarist", 1);
    const char *source = library_kernel("basics_gelu/3_vectors.cu");
    int same = 0, renamed = 0;
    for (int turn = 0; turn < 20; turn++) {
        script_answer a = ask(b, prompt("basics/gelu", source, "give the source."), turn);
        const char *block = behave_last_block(&arena, a.text);
        same += strcmp(block, source) == 0;
        renamed += strcmp(block, behave_rename(&arena, source)) == 0;
    }
    ok(same > 2 && renamed > 2 && same + renamed == 20, "copies (%d), or renames (%d)", same,
       renamed);
    behave_close(b);
}

static void test_flaky(void)
{
    behave *b = open_as("flaky", 1);
    bool right = true;
    int faults = 0, late = 0;
    for (int turn = 0; turn < 60; turn++)
        for (int tries = 0;; tries++) {
            script_answer a = ask(b, prompt("basics/gelu", plain, "give the source."), turn);
            bool fault = a.body || a.cut_after >= 0;
            faults += fault;
            late += a.stall_ms > 0;
            right &= !fault || tries < 2;
            if (!fault)
                break;
        }
    ok(right, "at most two faults a request, then an answer");
    ok(faults > 30 && faults < 120 && late > 60, "faults are common (%d), and delays (%d)", faults,
       late);
    behave_close(b);
}

/* ---- determinism ---- */

static void test_order(void)
{
    static const char *const names[] = {"perfect", "sloppy", "wrong", "plagiarist"};
    for (size_t n = 0; n < WS_COUNT(names); n++) {
        behave *a = open_as(names[n], 7), *b = open_as(names[n], 7), *c = open_as(names[n], 8);
        char *text[16];
        bool same = true;
        int other = 0;
        char *p = prompt("basics/softmax", library_kernel("basics_softmax/2_coalesced.cu"),
                         "give the source.");
        for (int turn = 0; turn < 16; turn++)
            text[turn] = ws_arena_strdup(&arena, ask(a, p, turn).text);
        for (int turn = 15; turn >= 0; turn--) {
            same &= strcmp(ask(b, p, turn).text, text[turn]) == 0;
            same &= strcmp(ask(b, p, turn).text, text[turn]) == 0; /* after a kill, again */
            other += strcmp(ask(c, p, turn).text, text[turn]) != 0;
        }
        ok(same, "%s: the same answer to the same turn, in any order", names[n]);
        ok(other > 0, "%s: another seed, other answers", names[n]);
        behave_close(a);
        behave_close(b);
        behave_close(c);
    }
    ws_err err = {0};
    behave *none = NULL;
    ok(behave_open(&(behave_options){.name = "brilliant"}, &none, &err) == WS_EUSAGE &&
           strstr(err.msg, "plagiarist"),
       "a behaviour that is not there is named, with those that are");
}

int main(void)
{
    test_formats();
    test_rename();
    test_perfect();
    test_wrong();
    test_plagiarist();
    test_flaky();
    test_order();
    ws_arena_release(&arena);
    return tap_done();
}
