#include "tests/mutate/lex.h"

#include "base/mem.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

typedef struct lexer {
    mut_source *s;
    size_t at;
    int line, define, defines;
    bool line_start; /* nothing but white space since the line began */
} lexer;

static const char *const signs[] = {
    "<<=", ">>=", "...", "<<", ">>", "<=", ">=", "==", "!=", "&&", "||", "++",
    "--",  "+=",  "-=",  "*=", "/=", "%=", "&=", "|=", "^=", "->", "::", "##"};

static bool starts(const lexer *l, const char *z)
{
    size_t n = strlen(z);
    return l->s->n - l->at >= n && memcmp(l->s->text + l->at, z, n) == 0;
}

static void step(lexer *l, size_t n)
{
    for (; n && l->at < l->s->n; n--)
        if (l->s->text[l->at++] == '\n') {
            l->line++;
            l->line_start = true;
        }
}

static void add(lexer *l, mut_kind kind, size_t n)
{
    mut_source *s = l->s;
    WS_GROW(s->token, s->n_tokens, s->cap);
    s->token[s->n_tokens++] = (mut_token){.kind = kind,
                                          .at = l->at,
                                          .n = n,
                                          .line = l->line,
                                          .define = l->define,
                                          .mate = -1,
                                          .outer = -1};
    l->line_start = false;
    step(l, n);
}

static void skip_comment(lexer *l)
{
    const char *from = l->s->text + l->at;
    const char *end = memmem(from, l->s->n - l->at, "*/", 2);
    size_t n = end ? (size_t)(end - from) + 2 : l->s->n - l->at;
    const char *plan = memmem(from, n, "@plan", 5);
    if (plan && !l->s->plan_to) {
        l->s->plan_from = (size_t)(plan - l->s->text) + 5;
        l->s->plan_to = l->at + n - (end ? 2 : 0);
    }
    step(l, n);
}

static size_t line_end(const lexer *l)
{
    size_t i = l->at;
    while (i < l->s->n && !(l->s->text[i] == '\n' && l->s->text[i - 1] != '\\'))
        i++;
    return i - l->at;
}

/* Of a #define its body is read on; every other line is left out. */
static void preprocessor(lexer *l)
{
    size_t n = line_end(l), i = l->at + 1;
    const char *t = l->s->text;
    while (t[i] == ' ')
        i++;
    if (strncmp(t + i, "define ", 7) != 0) {
        step(l, n);
        return;
    }
    for (i += 7; t[i] == ' '; i++)
        ;
    while (isalnum((unsigned char)t[i]) || t[i] == '_')
        i++;
    if (t[i] == '(')
        while (t[i] != ')' && t[i] != '\n')
            i++;
    step(l, i - l->at + (t[i] == ')'));
    l->line_start = false;
    l->define = ++l->defines;
}

static void number(lexer *l)
{
    const char *t = l->s->text;
    size_t i = l->at;
    bool hex = t[i] == '0' && (t[i + 1] == 'x' || t[i + 1] == 'X'), real = false;
    for (; isalnum((unsigned char)t[i]) || t[i] == '.' || t[i] == '\''; i++) {
        bool exponent = !hex && (t[i] == 'e' || t[i] == 'E');
        real |= t[i] == '.' || exponent || (!hex && (t[i] == 'f' || t[i] == 'F'));
        if (exponent && (t[i + 1] == '-' || t[i + 1] == '+'))
            i++;
    }
    add(l, real ? MUT_FLOAT : MUT_INT, i - l->at);
}

static void quoted(lexer *l)
{
    const char *t = l->s->text, q = t[l->at];
    size_t i = l->at + 1;
    for (; i < l->s->n && t[i] != q && t[i] != '\n'; i++)
        i += t[i] == '\\';
    add(l, MUT_STRING, i - l->at + (t[i] == q));
}

static void sign(lexer *l)
{
    for (size_t i = 0; i < WS_COUNT(signs); i++)
        if (starts(l, signs[i])) {
            add(l, MUT_PUNCT, strlen(signs[i]));
            return;
        }
    add(l, MUT_PUNCT, 1);
}

static void word(lexer *l)
{
    const char *t = l->s->text;
    size_t i = l->at;
    while (isalnum((unsigned char)t[i]) || t[i] == '_')
        i++;
    add(l, MUT_WORD, i - l->at);
}

static void match_brackets(mut_source *s)
{
    int open = -1;
    for (int i = 0; i < s->n_tokens; i++) {
        mut_token *t = &s->token[i];
        const char c = t->n == 1 && t->kind == MUT_PUNCT ? s->text[t->at] : 0;
        t->outer = open;
        if (c == '(' || c == '[' || c == '{') {
            open = i;
        } else if ((c == ')' || c == ']' || c == '}') && open >= 0) {
            t->mate = open;
            t->outer = s->token[open].outer;
            s->token[open].mate = i;
            open = t->outer;
        }
    }
}

void mut_lex(const char *text, size_t n, mut_source *out)
{
    lexer l = {.s = out, .line = 1, .line_start = true};
    *out = (mut_source){.text = text, .n = n};
    while (l.at < n) {
        const char c = text[l.at];
        if (c == '\n' && !(l.define && text[l.at - 1] == '\\'))
            l.define = 0;
        if (isspace((unsigned char)c) || c == '\\')
            step(&l, 1);
        else if (starts(&l, "/*"))
            skip_comment(&l);
        else if (starts(&l, "//"))
            step(&l, line_end(&l));
        else if (c == '#' && l.line_start)
            preprocessor(&l);
        else if (isdigit((unsigned char)c) || (c == '.' && isdigit((unsigned char)text[l.at + 1])))
            number(&l);
        else if (c == '"' || c == '\'')
            quoted(&l);
        else if (isalpha((unsigned char)c) || c == '_')
            word(&l);
        else
            sign(&l);
    }
    match_brackets(out);
}

void mut_source_release(mut_source *s)
{
    free(s->token);
    *s = (mut_source){0};
}

bool mut_is(const mut_source *s, int i, const char *z)
{
    return i >= 0 && i < s->n_tokens && s->token[i].n == strlen(z) &&
           memcmp(s->text + s->token[i].at, z, s->token[i].n) == 0;
}

bool mut_is_any(const mut_source *s, int i, const char *const list[])
{
    for (; *list; list++)
        if (mut_is(s, i, *list))
            return true;
    return false;
}

int mut_line_of(const char *text, size_t at)
{
    int line = 1;
    for (size_t i = 0; i < at; i++)
        line += text[i] == '\n';
    return line;
}
