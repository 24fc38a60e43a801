/* The tokens of a CUDA source, for mutants: comments, includes and other preprocessor lines are
 * left out, but for the bodies of #define. The launch plan is kept apart. */
#ifndef TESTS_MUTATE_LEX_H
#define TESTS_MUTATE_LEX_H

#include <stdbool.h>
#include <stddef.h>

typedef enum mut_kind { MUT_WORD, MUT_INT, MUT_FLOAT, MUT_STRING, MUT_PUNCT } mut_kind;

typedef struct mut_token {
    mut_kind kind;
    size_t at, n; /* bytes of the source */
    int line;     /* from 1 */
    int define;   /* number of the #define that it is in, 0: none */
    int mate;     /* of a bracket: the token that closes or opens it, -1: none */
    int outer;    /* the innermost open bracket around it, -1: none */
} mut_token;

typedef struct mut_source {
    const char *text;
    size_t n;
    mut_token *token;
    int n_tokens, cap;
    size_t plan_from, plan_to; /* the plan's JSON; equal: there is none */
} mut_source;

/* `text` outlives the tokens. */
void mut_lex(const char *text, size_t n, mut_source *out);
void mut_source_release(mut_source *s);

/* Whether token i is this word or these signs; false outside the source. */
bool mut_is(const mut_source *s, int i, const char *z);
bool mut_is_any(const mut_source *s, int i, const char *const list[]); /* up to a NULL */
int mut_line_of(const char *text, size_t at);

#endif
