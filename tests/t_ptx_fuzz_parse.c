/* The parser and the loader: files of tests/ptx with bytes and words changed. Whatever comes out, a
 * module or an error, they must survive it, and so must what looks at the module. */
#include "tests/ptx_words.h"

static void visit(void *ud, const ptx_lack *lack)
{
    *(size_t *)ud += strlen(lack->name) + strlen(lack->why) + strlen(lack->function);
}

static bool parse_one(void)
{
    ws_err err = {0};
    ws_buf text = {0};
    ptx_module *m = NULL;
    ptx_memory *mem = pick(4) ? ptx_memory_new() : NULL;
    size_t seen = 0;
    uint32_t how = pick(3);
    change_words(ptx_of(&cases[pick((uint32_t)n_cases)]), how ? 1 + pick(6) : 0, &text);
    if (how != 1)
        change_bytes(&text);
    fuzz_keep(text.p, text.n);
    /* In a block of its own size, so that a sanitizer sees a read past its end. */
    char *exact = ws_malloc(text.n ? text.n : 1);
    memcpy(exact, text.p, text.n);
    bool loads = !ptx_module_load(exact, text.n, mem, &m, &err);
    if (loads)
        ptx_module_check(m, visit, &seen);
    ptx_module_free(m);
    ptx_memory_free(mem);
    free(exact);
    ws_buf_release(&text);
    return loads;
}

int main(int argc, char **argv)
{
    if (!words_setup())
        return 3;
    int rc = fuzz_main("parse", argc, argv, parse_one);
    words_done();
    return rc;
}
