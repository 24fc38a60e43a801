/* Texts that are nearly right: files, with bytes changed and words put in from a list. */
#ifndef TESTS_FUZZ_TEXT_H
#define TESTS_FUZZ_TEXT_H

#include "tests/fuzz.h"

#include <glob.h>

enum { TEXT_MAX_FILES = 1000 };
static ws_buf text_file[TEXT_MAX_FILES];
static uint32_t n_text_files;

/* All files that match; false: there are none. */
static inline bool text_load(const char *pattern)
{
    glob_t g = {0};
    const uint32_t before = n_text_files;
    if (glob(pattern, 0, NULL, &g))
        return false;
    for (size_t i = 0; i < g.gl_pathc && n_text_files < TEXT_MAX_FILES; i++) {
        ws_err err = {0};
        ws_buf *b = &text_file[n_text_files];
        if (!ws_read_file(g.gl_pathv[i], FUZZ_BYTES / 2, b, &err) && b->n)
            n_text_files++;
        else
            ws_buf_release(b);
    }
    globfree(&g);
    return n_text_files > before;
}

static inline void text_release(void)
{
    while (n_text_files)
        ws_buf_release(&text_file[--n_text_files]);
}

/* One of the words, in the place of some bytes of `text` between `from` and `end`. */
static inline void text_put_word(ws_buf *text, size_t from, size_t end, const char *const *word,
                                 uint32_t n_words)
{
    const char *w = word[pick(n_words)];
    const size_t at = from + pick((uint32_t)(end - from + 1)), most = end - at;
    size_t gone = pick(3) ? 0 : pick((uint32_t)(most < 20 ? most : 20) + 1);
    ws_buf out = {0};
    ws_buf_add(&out, text->p, at);
    ws_buf_adds(&out, w);
    ws_buf_add(&out, text->p + at + gone, text->n - at - gone);
    ws_buf_release(text);
    *text = out;
}

#endif
