/* Explicit equations, "bij,jk->bik": one letter an axis, one to four operands, no ellipsis. Letters
 * that the result has not are summed over. */
#ifndef REFERENCE_EINSUM_H
#define REFERENCE_EINSUM_H

#include "reference/ops.h"

enum { REF_EINSUM_OPERANDS = 4, REF_EINSUM_LETTERS = 52 };

typedef struct ref_letters {
    const char *p; /* in the equation */
    int n;
} ref_letters;

typedef struct ref_equation {
    ref_letters in[REF_EINSUM_OPERANDS], out;
    int n_in;
} ref_equation;

/* False when the text is no such equation. */
bool ref_equation_parse(const char *text, ref_equation *out);
/* Place of a letter among others, or -1. */
int ref_letter_find(ref_letters letters, char letter);

#endif
