/* Mutants of expressions: operators, constants, indices, conditions, functions. */
#include "tests/mutate/mutant.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* clang-format off */
/* An operator between two operands, and what takes its place, one at a time. */
static const struct {
    const char *family, *sign, *with[3];
} binary[] = {
    {"arithmetic", "+", {"-"}},
    {"arithmetic", "-", {"+"}},
    {"arithmetic", "*", {"/", "+"}},
    {"arithmetic", "/", {"*", "%"}},
    {"arithmetic", "%", {"/", "*"}},
    {"comparison", "<", {"<=", ">"}},
    {"comparison", "<=", {"<", ">"}},
    {"comparison", ">", {">=", "<"}},
    {"comparison", ">=", {">", "<"}},
    {"comparison", "==", {"!=", ">="}},
    {"comparison", "!=", {"==", "<"}},
    {"logic", "&&", {"||"}},
    {"logic", "||", {"&&"}},
    {"shift", "<<", {">>"}},
    {"shift", ">>", {"<<"}},
    {"bits", "&", {"|"}},
    {"bits", "|", {"&"}},
    {"bits", "^", {"|"}},
    {"assignment", "+=", {"-=", "="}},
    {"assignment", "-=", {"+=", "="}},
    {"assignment", "*=", {"/=", "="}},
    {"assignment", "/=", {"*="}},
    {"assignment", "%=", {"/="}},
    {"assignment", "<<=", {">>="}},
    {"assignment", ">>=", {"<<="}},
    {"assignment", "|=", {"&=", "="}},
    {"assignment", "&=", {"|=", "="}},
    {"assignment", "^=", {"|="}},
    {"increment", "++", {"--"}},
    {"increment", "--", {"++"}},
};

/* Words, each in the place of the other. */
static const struct {
    const char *family, *a, *b;
} words[] = {
    {"function", "fmaxf", "fminf"},
    {"function", "max", "min"},
    {"function", "__hmax", "__hmin"},
    {"function", "__hmax2", "__hmin2"},
    {"function", "expf", "exp2f"},
    {"function", "__expf", "exp2f"},
    {"function", "exp", "exp2"},
    {"function", "logf", "log2f"},
    {"function", "__logf", "log2f"},
    {"function", "sqrtf", "rsqrtf"},
    {"function", "erff", "erfcf"},
    {"function", "tanhf", "sinhf"},
    {"function", "sinf", "cosf"},
    {"function", "ceilf", "floorf"},
    {"function", "fabsf", "sqrtf"},
    {"function", "__fmul_rn", "__fadd_rn"},
    {"function", "__fsub_rn", "__fadd_rn"},
    {"function", "__hadd2", "__hmul2"},
    {"function", "__hadd", "__hmul"},
    {"function", "atomicAdd", "atomicExch"},
    {"function", "atomicMax", "atomicMin"},
    {"function", "__low2float", "__high2float"},
    {"function", "__syncthreads_or", "__syncthreads_and"},
    {"function", "__any_sync", "__all_sync"},
    {"function", "__ffs", "__popc"},
    {"function", "__clz", "__popc"},
    {"function", "row_major", "col_major"},
    {"function", "InclusiveSum", "ExclusiveSum"},
    {"function", "ceil_div", "max"},
    {"shuffle", "__shfl_down_sync", "__shfl_up_sync"},
    {"shuffle", "__shfl_xor_sync", "__shfl_down_sync"},
    {"shuffle", "shfl_down", "shfl_up"},
    {"shuffle", "shfl_xor", "shfl_down"},
    {"thread", "threadIdx", "blockIdx"},
    {"thread", "blockDim", "gridDim"},
    {"thread", "thread_rank", "size"},
    {"thread", "meta_group_rank", "thread_rank"},
    {"constant", "INFINITY", "0.0f"},
    {"constant", "FLT_MAX", "0.0f"},
    {"constant", "true", "false"},
};
/* clang-format on */

static const char *const thread_words[] = {"threadIdx", "blockIdx", "blockDim", "gridDim", NULL};
static const char *const axes[] = {"x", "y", "z"};
static const char *const comparisons[] = {"<", "<=", ">", ">=", "==", "!=", NULL};
static const char *const shuffles[] = {
    "__shfl_sync", "__shfl_down_sync", "__shfl_up_sync", "__shfl_xor_sync",  "__ballot_sync",
    "__any_sync",  "__all_sync",       "__syncwarp",     "__match_any_sync", NULL};
/* Words that no operand ends with. */
static const char *const types[] = {
    "float",   "double",       "int",           "unsigned", "char",     "short",    "long",
    "half",    "__half",       "__half2",       "float2",   "float4",   "int4",     "uint4",
    "uint2",   "void",         "auto",          "bool",     "const",    "return",   "case",
    "else",    "__restrict__", "__nv_bfloat16", "size_t",   "uint32_t", "uint64_t", "int32_t",
    "int64_t", "typename",     "class",         "struct",   NULL};

static bool ends_operand(const mut_source *s, int i)
{
    if (i < 0)
        return false;
    const mut_token *t = &s->token[i];
    if (t->kind == MUT_WORD)
        return !mut_is_any(s, i, types);
    return t->kind != MUT_PUNCT || mut_is(s, i, ")") || mut_is(s, i, "]");
}

static bool blank_before(const mut_source *s, int i)
{
    return i > 0 && s->token[i].at > s->token[i - 1].at + s->token[i - 1].n;
}

/* `<` and `>` stand between blanks where they compare, else they are brackets of a template. */
static bool is_bracket(const mut_source *s, int i)
{
    return (mut_is(s, i, "<") || mut_is(s, i, ">")) && !blank_before(s, i);
}

static void operators(const mut_source *s, int i, mut_list *out)
{
    const mut_token *t = &s->token[i];
    const bool step = mut_is(s, i, "++") || mut_is(s, i, "--");
    if (t->kind != MUT_PUNCT || is_bracket(s, i) ||
        (!step && (!ends_operand(s, i - 1) || s->token[i - 1].define != t->define)))
        return;
    for (size_t k = 0; k < WS_COUNT(binary); k++)
        for (int w = 0; w < 3 && binary[k].with[w] && mut_is(s, i, binary[k].sign); w++)
            mut_emit(out, binary[k].family, t->at, t->at + t->n, "%s", binary[k].with[w]);
}

/* What stands before an operand alone. */
static void signs(const mut_source *s, int i, mut_list *out)
{
    const mut_token *t = &s->token[i];
    if (ends_operand(s, i - 1))
        return;
    if (mut_is(s, i, "-"))
        mut_emit(out, "sign", t->at, t->at + 1, " ");
    if (mut_is(s, i, "!"))
        mut_emit(out, "logic", t->at, t->at + 1, " ");
    if (mut_is(s, i, "~"))
        mut_emit(out, "bits", t->at, t->at + 1, " ");
}

static void replaced_words(const mut_source *s, int i, mut_list *out)
{
    const mut_token *t = &s->token[i];
    for (size_t k = 0; k < WS_COUNT(words); k++) {
        if (mut_is(s, i, words[k].a))
            mut_emit(out, words[k].family, t->at, t->at + t->n, "%s", words[k].b);
        else if (mut_is(s, i, words[k].b))
            mut_emit(out, words[k].family, t->at, t->at + t->n, "%s", words[k].a);
    }
    if (mut_is_any(s, i - 2, thread_words) && mut_is(s, i - 1, "."))
        for (size_t a = 0; a < WS_COUNT(axes); a++)
            if (mut_is(s, i, axes[a]))
                mut_emit(out, "thread", t->at, t->at + 1, "%s", axes[(a + 1) % 3]);
}

/* Whether the bracket at `open` belongs to a declaration: `float a[2][3], b[4]`. */
static bool declares_array(const mut_source *s, int open)
{
    int i = open - 1;
    while (i > 0 && mut_is(s, i, "]"))
        i = s->token[i].mate - 1;
    if (i < 1 || s->token[i].kind != MUT_WORD)
        return false;
    if (mut_is(s, i - 1, ",")) { /* a name after a comma, with a declared one before it */
        for (int k = i - 2; k > 0 && mut_is(s, k, "]"); k = s->token[k].mate - 1)
            if (s->token[k].mate > 0 && declares_array(s, s->token[k].mate))
                return true;
        return false;
    }
    return (s->token[i - 1].kind == MUT_WORD && !mut_is(s, i - 1, "return")) ||
           mut_is(s, i - 1, ">");
}

static bool is_subscript(const mut_source *s, int open)
{
    return s->token[open].mate > open + 1 && ends_operand(s, open - 1) && !declares_array(s, open);
}

static void integers(const mut_source *s, int i, mut_list *out)
{
    const mut_token *t = &s->token[i];
    char *end, text[64];
    snprintf(text, sizeof text, "%.*s", (int)t->n, s->text + t->at);
    const unsigned long long v = strtoull(text, &end, 0);
    const bool hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
    const char *fmt = hex ? "0x%llx%s" : "%llu%s";
    if (strchr(text, '\''))
        return;
    if (v == 0xffffffffull) { /* all lanes of a warp */
        mut_emit(out, "mask", t->at, t->at + t->n, "0x7fffffff%s", end);
        mut_emit(out, "mask", t->at, t->at + t->n, "0xfffffffe%s", end);
        return;
    }
    const bool extent = t->outer >= 0 && mut_is(s, t->outer, "[") && declares_array(s, t->outer);
    mut_emit(out, extent ? "extent-more" : "integer", t->at, t->at + t->n, fmt, v + 1, end);
    if (v)
        mut_emit(out, extent ? "extent-less" : "integer", t->at, t->at + t->n, fmt, v - 1, end);
    else
        mut_emit(out, "integer", t->at, t->at + t->n, "-1");
}

static void reals(const mut_source *s, int i, mut_list *out)
{
    const mut_token *t = &s->token[i];
    const char *p = s->text + t->at;
    const double v = strtod(p, NULL);
    const bool f = p[t->n - 1] == 'f' || p[t->n - 1] == 'F';
    if (v == 0) { /* not -0, which is equal to it */
        mut_emit(out, "real", t->at, t->at + t->n, f ? "1.0f" : "1.0");
        return;
    }
    mut_emit(out, "real", t->at, t->at + t->n, f ? "%.9ef" : "%.17e", v * 1.01);
    mut_emit(out, "real", t->at, t->at + t->n, f ? "0.0f" : "0.0");
    mut_emit(out, "real", t->at, t->at + t->n, "(-%.*s)", (int)t->n, p);
}

static void subscripts(const mut_source *s, int i, mut_list *out)
{
    if (!mut_is(s, i, "[") || !is_subscript(s, i))
        return;
    const size_t from = s->token[i].at + 1, to = s->token[s->token[i].mate].at;
    const int n = (int)(to - from);
    mut_emit(out, "index", from, to, "(%.*s) + 1", n, s->text + from);
    mut_emit(out, "index", from, to, "(%.*s) - 1", n, s->text + from);
}

/* One past the last token of the operand that begins at i. */
static int operand_end(const mut_source *s, int i)
{
    static const char *const ends[] = {";", ",", ")", "]", "}", ":", "?", "&&", "||", "=", NULL};
    const int outer = s->token[i].outer, define = s->token[i].define;
    for (; i < s->n_tokens; i++) {
        if (s->token[i].define != define || mut_is_any(s, i, ends) ||
            (mut_is_any(s, i, comparisons) && !is_bracket(s, i)))
            return i;
        if (s->token[i].mate > i && s->token[i].outer == outer)
            i = s->token[i].mate;
    }
    return i;
}

static void bounds(const mut_source *s, int i, mut_list *out)
{
    if (!mut_is_any(s, i, comparisons) || is_bracket(s, i) || !ends_operand(s, i - 1) ||
        i + 1 >= s->n_tokens)
        return;
    const int end = operand_end(s, i + 1);
    const size_t at = s->token[end - 1].at + s->token[end - 1].n;
    mut_emit(out, "bound", at, at, " + 1");
    mut_emit(out, "bound", at, at, " - 1");
}

/* condition ? a : b  becomes  condition ? b : a */
static void arms(const mut_source *s, int i, mut_list *out)
{
    if (!mut_is(s, i, "?") || i + 1 >= s->n_tokens)
        return;
    const int outer = s->token[i].outer;
    int colon = i + 1, depth = 1;
    for (; colon < s->n_tokens; colon++) {
        if (s->token[colon].outer != outer)
            continue;
        depth += mut_is(s, colon, "?");
        if (mut_is(s, colon, ":") && --depth == 0)
            break;
    }
    if (colon + 1 >= s->n_tokens)
        return;
    const int a = i + 1, b = colon + 1;
    int end = b;
    depth = 0;
    for (; end < s->n_tokens && s->token[end].define == s->token[b].define; end++) {
        const int mate = s->token[end].mate;
        if (mate >= 0 && mate < i) /* the bracket around all of it closes */
            break;
        if (s->token[end].outer != outer)
            continue;
        depth += mut_is(s, end, "?");
        if (mut_is(s, end, ",") || mut_is(s, end, ";") || (mut_is(s, end, ":") && depth-- == 0))
            break;
    }
    const size_t a_at = s->token[a].at, a_end = s->token[colon - 1].at + s->token[colon - 1].n;
    const size_t b_at = s->token[b].at, b_end = s->token[end - 1].at + s->token[end - 1].n;
    mut_emit(out, "arms", a_at, b_end, "%.*s : %.*s", (int)(b_end - b_at), s->text + b_at,
             (int)(a_end - a_at), s->text + a_at);
}

/* The arguments of a call: where the k-th begins and ends. */
static bool argument(const mut_source *s, int open, int k, size_t *from, size_t *to)
{
    const int close = s->token[open].mate;
    int at = open + 1;
    for (int i = open + 1; i <= close; i++) {
        if (i != close && !(s->token[i].outer == open && mut_is(s, i, ",")))
            continue;
        if (k-- == 0) {
            *from = s->token[at].at;
            *to = s->token[i - 1].at + s->token[i - 1].n;
            return at < i;
        }
        at = i + 1;
    }
    return false;
}

/* Lanes that take part, and how far a shuffle reaches. */
static void shuffle_arguments(const mut_source *s, int i, mut_list *out)
{
    size_t from, to;
    if (!mut_is_any(s, i, shuffles) || !mut_is(s, i + 1, "(") || s->token[i + 1].mate < 0)
        return;
    if (argument(s, i + 1, 0, &from, &to))
        mut_emit(out, "mask", from, to, "(%.*s) >> 1", (int)(to - from), s->text + from);
    if (argument(s, i + 1, 2, &from, &to))
        mut_emit(out, "shuffle", from, to, "(%.*s) + 1", (int)(to - from), s->text + from);
}

/* Atomic operations as plain reads and writes. */
static void atomic_calls(const mut_source *s, int i, mut_list *out)
{
    size_t p, p_end, v, v_end;
    if (!mut_is(s, i + 1, "(") || s->token[i + 1].mate < 0 || !argument(s, i + 1, 0, &p, &p_end) ||
        !argument(s, i + 1, 1, &v, &v_end))
        return;
    const int np = (int)(p_end - p), nv = (int)(v_end - v);
    const char *ps = s->text + p, *vs = s->text + v;
    const size_t from = s->token[i].at, to = s->token[s->token[i + 1].mate].at + 1;
    if (mut_is(s, i, "atomicAdd"))
        mut_emit(out, "atomic", from, to, "((*(%.*s) += (%.*s)) - (%.*s))", np, ps, nv, vs, nv, vs);
    if (mut_is(s, i, "atomicMax"))
        mut_emit(out, "atomic", from, to, "(*(%.*s) = max(*(%.*s), (%.*s)))", np, ps, np, ps, nv,
                 vs);
    if (mut_is(s, i, "atomicExch"))
        mut_emit(out, "atomic", from, to, "(*(%.*s) = (%.*s))", np, ps, nv, vs);
}

void mut_of_code(const mut_source *s, mut_list *out)
{
    static void (*const all[])(const mut_source *s, int i, mut_list *out) = {
        operators, signs, replaced_words, subscripts, bounds, arms, shuffle_arguments, atomic_calls,
    };
    for (int i = 0; i < s->n_tokens; i++) {
        for (size_t k = 0; k < WS_COUNT(all); k++)
            all[k](s, i, out);
        if (s->token[i].kind == MUT_INT)
            integers(s, i, out);
        if (s->token[i].kind == MUT_FLOAT)
            reals(s, i, out);
    }
}
