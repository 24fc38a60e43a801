/* Mutants of statements: loops, conditions, barriers, and statements that are left out. */
#include "tests/mutate/mutant.h"

#include <string.h>

static size_t end_of(const mut_source *s, int i)
{
    return s->token[i].at + s->token[i].n;
}

/* The `;` of a for's head, which is between `open` and its mate; -1: there is none. */
static int semicolon(const mut_source *s, int open, int after)
{
    for (int i = after + 1; i < s->token[open].mate; i++)
        if (s->token[i].outer == open && mut_is(s, i, ";"))
            return i;
    return -1;
}

/* i += S goes twice as far, i >>= S and i /= S, too; ++i and i++ go by two. */
static void steps(const mut_source *s, int from, int to, mut_list *out)
{
    static const char *const by[] = {"+=", "-=", ">>=", "<<=", "*=", "/=", NULL};
    for (int i = from; i < to; i++) {
        if (mut_is_any(s, i, by)) {
            const size_t a = s->token[i + 1].at, b = end_of(s, to - 1);
            mut_emit(out, "step", a, b, "2 * (%.*s)", (int)(b - a), s->text + a);
            return;
        }
        if (mut_is(s, i, "++") || mut_is(s, i, "--")) {
            const int name = i + 1 < to && s->token[i + 1].kind == MUT_WORD ? i + 1 : i - 1;
            if (name < from || to - from > 2)
                return;
            mut_emit(out, "step", s->token[from].at, end_of(s, to - 1), "%.*s %c= 2",
                     (int)s->token[name].n, s->text + s->token[name].at, s->text[s->token[i].at]);
            return;
        }
    }
}

void mut_of_loops(const mut_source *s, mut_list *out)
{
    for (int i = 0; i + 1 < s->n_tokens; i++) {
        const int open = i + 1, close = s->token[open].mate;
        if (!mut_is(s, i, "for") || close < 0)
            continue;
        const int first = semicolon(s, open, open),
                  second = first < 0 ? -1 : semicolon(s, open, first);
        if (second < 0)
            continue;
        if (second + 1 < close)
            steps(s, second + 1, close, out);
        for (int k = open + 1; k < first; k++)
            if (mut_is(s, k, "=") && s->token[k].outer == open) {
                int end = k + 1;
                while (end < first && !(mut_is(s, end, ",") && s->token[end].outer == open))
                    end++;
                const size_t a = s->token[k + 1].at, b = end_of(s, end - 1);
                mut_emit(out, "start", a, b, "(%.*s) + 1", (int)(b - a), s->text + a);
            }
    }
}

static void conditions(const mut_source *s, int i, mut_list *out)
{
    static const char *const heads[] = {"if", "while", NULL};
    if (!mut_is_any(s, i, heads) || !mut_is(s, i + 1, "(") || s->token[i + 1].mate < 0)
        return;
    const size_t from = s->token[i + 1].at + 1, to = s->token[s->token[i + 1].mate].at;
    mut_emit(out, "condition", from, to, "!(%.*s)", (int)(to - from), s->text + from);
}

/* What orders threads or memory, as it stands in a statement. */
static const char *const ordering[] = {"__syncthreads", "__syncwarp", "__threadfence",
                                       ".sync(",        "arrive",     "wait",
                                       "WAIT",          "bar_sync",   "bar.",
                                       "barrier",       "fence",      "membar",
                                       "COMMIT",        "commit",     "cluster_sync",
                                       "grid_sync",     "nanosleep",  "atomic_thread_fence",
                                       "release",       "acquire",    NULL};

static bool orders(const char *p, size_t n)
{
    for (int i = 0; ordering[i]; i++)
        if (memmem(p, n, ordering[i], strlen(ordering[i])))
            return true;
    return false;
}

/* Whether a statement may begin at token i. */
static bool begins_statement(const mut_source *s, int i)
{
    static const char *const before[] = {";", "{", "}", "else", "do", NULL};
    static const char *const heads[] = {"if", "for", "while", "switch", NULL};
    const int outer = s->token[i].outer;
    if (outer < 0 || !mut_is(s, outer, "{"))
        return false;
    if (mut_is_any(s, i - 1, before))
        return true;
    const int mate = s->token[i - 1].mate;
    return mut_is(s, i - 1, ")") && mate > 0 && mut_is_any(s, mate - 1, heads);
}

static bool declares(const mut_source *s, int i)
{
    static const char *const words[] = {
        "float", "double",    "int",     "unsigned",      "char",      "short",      "long",
        "void",  "auto",      "bool",    "const",         "size_t",    "static",     "extern",
        "using", "namespace", "typedef", "struct",        "constexpr", "__shared__", "union",
        "case",  "default",   "goto",    "static_assert", "public",    "template",   NULL};
    static const char *const heads[] = {"if", "for", "while", "switch", "do", "else", NULL};
    if (mut_is_any(s, i, words) || mut_is_any(s, i, heads) || mut_is(s, i, "{") ||
        mut_is(s, i, "}") || mut_is(s, i, ";"))
        return true;
    return s->token[i].kind == MUT_WORD && i + 1 < s->n_tokens &&
           s->token[i + 1].kind == MUT_WORD && !mut_is(s, i, "return") && !mut_is(s, i, "asm");
}

static void removed(const mut_source *s, int i, mut_list *out)
{
    if (s->token[i].define || !begins_statement(s, i) || declares(s, i))
        return;
    const int outer = s->token[i].outer;
    int end = i;
    while (end < s->n_tokens && !(mut_is(s, end, ";") && s->token[end].outer == outer))
        if (mut_is(s, end++, "}") && s->token[end - 1].outer == outer)
            return;
    if (end >= s->n_tokens)
        return;
    const size_t from = s->token[i].at, to = s->token[end].at;
    if (mut_is(s, i, "return") && end > i + 1)
        return;
    mut_emit(out, orders(s->text + from, to - from) ? "barrier" : "statement", from, to, " ");
}

void mut_of_statements(const mut_source *s, mut_list *out)
{
    for (int i = 0; i < s->n_tokens; i++) {
        conditions(s, i, out);
        removed(s, i, out);
    }
}
