/* Mutants of a candidate: its source with one change each. */
#ifndef TESTS_MUTATE_MUTANT_H
#define TESTS_MUTATE_MUTANT_H

#include "base/buf.h"
#include "base/mem.h"
#include "base/sha256.h"
#include "tests/mutate/lex.h"

typedef struct mutant {
    const char *family; /* of mut_families */
    size_t from, to;    /* bytes of the source that are replaced */
    const char *with;
    int line, column;
    /* The lines of the change, white space made one blank: what tests/mutants.txt knows it by. */
    const char *was, *now;
    int occurrence;           /* among mutants with equal was and now, from 1 */
    char hash[WS_SHA256_HEX]; /* of the whole text */
} mutant;

typedef struct mut_list {
    const char *kernel; /* file name without .cu */
    const char *text;
    size_t n;
    mutant *m;
    int n_mutants, cap;
    ws_arena arena;
} mut_list;

/* All mutants of a source in the order of their places, no two with equal texts, none equal to the
 * source. `text`, with a NUL at its end, outlives the list. */
void mut_list_make(const char *kernel, const char *text, size_t n, mut_list *out);
void mut_list_release(mut_list *l);
/* At most `count` of them, 0: all, as indices in order. Families take turns, so that a small sample
 * has of each; a larger one of the same seed has all of a smaller one. */
int *mut_list_sample(const mut_list *l, int count, unsigned seed, int *n_chosen);
void mut_text(const mut_list *l, const mutant *m, ws_buf *out);

/* For the files of operators: a mutant with bytes [from, to) replaced. */
void mut_emit(mut_list *l, const char *family, size_t from, size_t to, const char *fmt, ...)
    WS_PRINTF(5, 6);
void mut_of_code(const mut_source *s, mut_list *out);
void mut_of_loops(const mut_source *s, mut_list *out);
void mut_of_statements(const mut_source *s, mut_list *out);
void mut_of_plan(const mut_source *s, mut_list *out);

#endif
