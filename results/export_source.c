/* A light reading of CUDA C++: enough structure to find the declarations at namespace and class
 * scope, and nothing inside function bodies. What it does not recognise stays as it is. */
#include "results/export_source.h"

#include <ctype.h>
#include <string.h>

typedef enum token_kind { T_WORD, T_NUMBER, T_STRING, T_PUNCT, T_DIRECTIVE, T_COMMENT } token_kind;

typedef struct token {
    token_kind kind;
    size_t at, n;
    const char *before;  /* text to put in front, or NULL */
    const char *instead; /* text to put in its place, or NULL */
} token;

typedef struct reader {
    ws_arena *a;
    const char *text;
    token *token; /* all, comments and directives too */
    size_t n_tokens, cap;
    size_t *code; /* indices of the others: what the grammar sees */
    size_t n_code;
    exp_source *out;
} reader;

/* ---- tokens ---- */

static size_t end_of_literal(const char *s, size_t n, size_t i)
{
    char quote = s[i++];
    while (i < n && s[i] != quote && s[i] != '\n')
        i += s[i] == '\\' && i + 1 < n ? 2 : 1;
    return i < n ? i + 1 : n;
}

/* R"tag( ... )tag" that begins at s[i] */
static size_t end_of_raw(const char *s, size_t n, size_t i)
{
    size_t tag = i + 2, open = tag;
    while (open < n && s[open] != '(' && open - tag < 17)
        open++;
    for (size_t j = open; j + (open - tag) + 1 < n; j++)
        if (s[j] == ')' && memcmp(s + j + 1, s + tag, open - tag) == 0 &&
            s[j + 1 + open - tag] == '"')
            return j + 2 + open - tag;
    return n;
}

static size_t end_of_comment(const char *s, size_t n, size_t i)
{
    bool line = s[i + 1] == '/';
    for (i += 2; i < n; i++) {
        if (line && s[i] == '\n')
            return i;
        if (!line && s[i] == '*' && i + 1 < n && s[i + 1] == '/')
            return i + 2;
    }
    return n;
}

static bool comment_at(const char *s, size_t n, size_t i)
{
    return s[i] == '/' && i + 1 < n && (s[i + 1] == '/' || s[i + 1] == '*');
}

/* A directive runs over continued lines and over the comments in it. */
static size_t end_of_directive(const char *s, size_t n, size_t i)
{
    while (i < n && s[i] != '\n') {
        if (s[i] == '\\' && i + 1 < n)
            i += s[i + 1] == '\r' ? 3 : 2;
        else if (comment_at(s, n, i))
            i = end_of_comment(s, n, i);
        else
            i++;
    }
    return i < n ? i : n;
}

static bool word_char(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

static token next_token(const char *s, size_t n, size_t i, bool line_start)
{
    size_t e = i + 1;
    if (s[i] == '#' && line_start)
        return (token){.kind = T_DIRECTIVE, .at = i, .n = end_of_directive(s, n, i) - i};
    if (comment_at(s, n, i))
        return (token){.kind = T_COMMENT, .at = i, .n = end_of_comment(s, n, i) - i};
    if (s[i] == 'R' && e < n && s[e] == '"')
        return (token){.kind = T_STRING, .at = i, .n = end_of_raw(s, n, i) - i};
    if (s[i] == '"' || s[i] == '\'')
        return (token){.kind = T_STRING, .at = i, .n = end_of_literal(s, n, i) - i};
    if (word_char(s[i])) {
        bool number = isdigit((unsigned char)s[i]);
        while (e < n && (word_char(s[e]) ||
                         (number && (s[e] == '.' || (s[e] == '\'' && word_char(s[e + 1]))))))
            e++;
        return (token){.kind = number ? T_NUMBER : T_WORD, .at = i, .n = e - i};
    }
    if (e < n && ((s[i] == ':' && s[e] == ':') || (s[i] == '-' && s[e] == '>')))
        e++;
    return (token){.kind = T_PUNCT, .at = i, .n = e - i};
}

static void add_once(ws_arena *a, ws_str **list, int *n, ws_str s)
{
    for (int i = 0; i < *n; i++)
        if (ws_str_eq((*list)[i], s))
            return;
    if ((*n & (*n - 1)) == 0) { /* room doubles at every power of two */
        ws_str *more = WS_ARENA_NEW(a, ws_str, *n ? 2 * *n : 1);
        if (*n)
            memcpy(more, *list, (size_t)*n * sizeof *more);
        *list = more;
    }
    (*list)[(*n)++] = s;
}

static ws_str take_word(const char *p, const char *end)
{
    const char *e = p;
    while (e < end && word_char(*e))
        e++;
    return (ws_str){p, (size_t)(e - p)};
}

static const char *skip_blank(const char *p, const char *end)
{
    while (p < end && (*p == ' ' || *p == '\t'))
        p++;
    return p;
}

/* Words of a directive's text count as used: macros expand to them. */
static void add_words(reader *r, const char *p, const char *end)
{
    while (p < end) {
        ws_str w = take_word(p, end);
        if (w.n && !isdigit((unsigned char)*w.p))
            add_once(r->a, &r->out->word, &r->out->n_words, w);
        p += w.n ? w.n : 1;
    }
}

/* `extern "C"` and __host__ inside a #define; same length, so that continued lines stay as they
 * are. */
static const char *clean_define(reader *r, ws_str d)
{
    char *text = ws_arena_strndup(r->a, d.p, d.n), *p = text, *q;
    while ((p = strstr(p, "extern"))) {
        for (q = p + 6; *q == ' ' || *q == '\t'; q++)
            ;
        if (strncmp(q, "\"C\"", 3) == 0)
            memset(p, ' ', (size_t)(q + 3 - p));
        p += 6;
    }
    for (p = text; (p = strstr(p, "__host__")); p += 8)
        memset(p, ' ', 8);
    return text;
}

static void read_directive(reader *r, token *t)
{
    const char *p = r->text + t->at, *end = p + t->n;
    p = skip_blank(p + 1, end);
    ws_str word = take_word(p, end);
    p = skip_blank(p + word.n, end);
    if (ws_str_eqz(word, "include")) {
        char close = p < end && *p == '<' ? '>' : '"';
        const char *e = p < end ? memchr(p + 1, close, (size_t)(end - p - 1)) : NULL;
        if (e) {
            add_once(r->a, &r->out->include, &r->out->n_includes, (ws_str){p, (size_t)(e + 1 - p)});
            t->instead = "";
        }
        return;
    }
    if (ws_str_eqz(word, "pragma") && ws_str_eqz(take_word(p, end), "once"))
        t->instead = "";
    if (ws_str_eqz(word, "define")) {
        ws_str name = take_word(p, end);
        add_once(r->a, &r->out->macro, &r->out->n_macros, name);
        t->instead = clean_define(r, (ws_str){r->text + t->at, t->n});
    }
    add_words(r, p, end);
}

static void read_tokens(reader *r, size_t n)
{
    const char *s = r->text;
    bool line_start = true;
    for (size_t i = 0; i < n;) {
        if (isspace((unsigned char)s[i])) {
            line_start |= s[i++] == '\n';
            continue;
        }
        token t = next_token(s, n, i, line_start);
        if (r->n_tokens == r->cap) {
            size_t cap = r->cap ? 2 * r->cap : 256;
            token *more = WS_ARENA_NEW(r->a, token, cap);
            if (r->n_tokens)
                memcpy(more, r->token, r->n_tokens * sizeof *more);
            r->token = more;
            r->cap = cap;
        }
        r->token[r->n_tokens++] = t;
        line_start = line_start && t.kind == T_COMMENT;
        i += t.n;
    }
    r->code = WS_ARENA_NEW(r->a, size_t, r->n_tokens + 1);
    for (size_t i = 0; i < r->n_tokens; i++) {
        token *t = &r->token[i];
        if (t->kind == T_DIRECTIVE)
            read_directive(r, t);
        else if (t->kind != T_COMMENT)
            r->code[r->n_code++] = i;
        if (t->kind == T_WORD)
            add_once(r->a, &r->out->word, &r->out->n_words, (ws_str){s + t->at, t->n});
    }
}

/* ---- the grammar: positions are indices into r->code; n_code is the end ---- */

static token *at(const reader *r, size_t i)
{
    return &r->token[r->code[i]];
}

static bool is(const reader *r, size_t i, const char *z)
{
    return i < r->n_code && at(r, i)->kind != T_STRING &&
           ws_str_eqz((ws_str){r->text + at(r, i)->at, at(r, i)->n}, z);
}

static bool is_any(const reader *r, size_t i, const char *const *list)
{
    for (; *list; list++)
        if (is(r, i, *list))
            return true;
    return false;
}

static bool is_word(const reader *r, size_t i)
{
    return i < r->n_code && at(r, i)->kind == T_WORD;
}

/* Past the bracket that closes the one at i. */
static size_t past_group(const reader *r, size_t i)
{
    int depth = 0;
    do {
        if (is(r, i, "(") || is(r, i, "{") || is(r, i, "["))
            depth++;
        if (is(r, i, ")") || is(r, i, "}") || is(r, i, "]"))
            depth--;
        i++;
    } while (i < r->n_code && depth > 0);
    return i;
}

/* Past the '>' that closes the '<' at i; parentheses hide comparisons. */
static size_t past_angles(const reader *r, size_t i)
{
    int depth = 0;
    do {
        if (is(r, i, "<"))
            depth++;
        if (is(r, i, ">"))
            depth--;
        if (is(r, i, "(") || is(r, i, "{") || is(r, i, "["))
            i = past_group(r, i);
        else
            i++;
    } while (i < r->n_code && depth > 0);
    return i;
}

static size_t past_semicolon(const reader *r, size_t i)
{
    while (i < r->n_code && !is(r, i, ";") && !is(r, i, "}"))
        i = is(r, i, "(") || is(r, i, "{") || is(r, i, "[") ? past_group(r, i) : i + 1;
    return i + is(r, i, ";");
}

static bool defined_here(const reader *r, size_t i)
{
    for (int m = 0; m < r->out->n_macros; m++)
        if (ws_str_eq(r->out->macro[m], (ws_str){r->text + at(r, i)->at, at(r, i)->n}))
            return true;
    return false;
}

/* The head of a declaration: from its first token to the '{', '=', ';' or '[' that ends what
 * matters. */
typedef struct head {
    size_t first;     /* where __device__ goes */
    size_t stop;      /* index of the token that ended it */
    bool on_device;   /* __device__ or __global__ */
    bool other_space; /* __constant__, __shared__, ... */
    bool fixed;       /* const or constexpr */
    bool is_extern;
    bool type; /* struct, class, union */
    bool enumeration;
    bool function; /* had a parameter list */
    bool is_array;
} head;

static void note_word(const reader *r, size_t i, head *h)
{
    static const char *const spaces[] = {"__constant__", "__shared__", "__managed__",
                                         "__grid_constant__", NULL};
    static const char *const types[] = {"struct", "class", "union", NULL};
    h->on_device |= is(r, i, "__device__") || is(r, i, "__global__");
    h->other_space |= is_any(r, i, spaces);
    h->fixed |= is(r, i, "const") || is(r, i, "constexpr");
    h->is_extern |= is(r, i, "extern");
    h->type |= is_any(r, i, types);
    h->enumeration |= is(r, i, "enum");
}

/* Past the parameter list that begins at i and what may follow it, up to the body or the semicolon.
 */
static size_t past_parameters(const reader *r, size_t i, head *h)
{
    i = past_group(r, i);
    while (i < r->n_code && !is(r, i, "{") && !is(r, i, ";") && !is(r, i, "=") && !is(r, i, "}")) {
        if (is(r, i, ":")) { /* constructor: a(1), b{2} {  */
            for (i++; i < r->n_code && !is(r, i, "{") && !is(r, i, ";");) {
                while (i < r->n_code && !is(r, i, "(") && !is(r, i, "{") && !is(r, i, ";"))
                    i++;
                i = is(r, i, ";") ? i : past_group(r, i);
                if (!is(r, i, ","))
                    break;
                i++;
            }
            continue;
        }
        note_word(r, i, h);
        i = is(r, i, "(") || is(r, i, "[") ? past_group(r, i) : i + 1;
    }
    return i;
}

static head read_head(const reader *r, size_t i)
{
    static const char *const with_group[] = {
        "alignas",     "__align__",        "__attribute__", "__declspec", "__launch_bounds__",
        "__maxnreg__", "__cluster_dims__", "decltype",      "noexcept",   "__block_size__",
        NULL};
    head h = {.first = i};
    while (i < r->n_code && !is(r, i, "{") && !is(r, i, ";") && !is(r, i, "=") && !is(r, i, "}")) {
        note_word(r, i, &h);
        if (is_any(r, i, with_group) && is(r, i + 1, "(")) {
            i = past_group(r, i + 1);
        } else if (is(r, i, "operator")) {
            for (i++; i < r->n_code && (!is(r, i, "(") || is(r, i + 1, ")")) && !is(r, i, ";"); i++)
                if (is(r, i, "(") && !is(r, i + 2, "(")) /* a conversion: operator float() */
                    break;
                else if (is(r, i, "("))
                    i++;
        } else if (is(r, i, "<") && i > h.first && is_word(r, i - 1)) {
            i = past_angles(r, i);
        } else if (is(r, i, "(")) {
            h.function = true;
            i = past_parameters(r, i, &h);
            break;
        } else if (is(r, i, "[")) {
            h.is_array |= !is(r, i + 1, "["); /* [[attribute]] is none */
            i = past_group(r, i);
        } else {
            i++;
        }
    }
    h.stop = i;
    return h;
}

static void put_device(reader *r, const head *h)
{
    at(r, h->first)->before = "__device__ ";
}

static size_t read_scope(reader *r, size_t i, bool in_class);

static size_t read_declaration(reader *r, size_t i, bool in_class)
{
    head h = read_head(r, i);
    if (h.stop >= r->n_code || is(r, h.stop, "}"))
        return h.stop;
    if (h.function) {
        bool removed =
            is(r, h.stop, "=") && (is(r, h.stop + 1, "default") || is(r, h.stop + 1, "delete"));
        if (!h.on_device && !removed && !(h.other_space && is(r, h.stop, ";")))
            put_device(r, &h);
        return is(r, h.stop, "{") ? past_group(r, h.stop) : past_semicolon(r, h.stop);
    }
    if (h.enumeration)
        return past_semicolon(r, h.stop);
    if (h.type && is(r, h.stop, "{")) {
        size_t e = read_scope(r, h.stop + 1, true);
        return past_semicolon(r, e + 1);
    }
    /* A constant of a scalar type is known to nvcc on both sides; arrays and variables are not. */
    if (!in_class && !h.on_device && !h.other_space && !h.is_extern && !h.type &&
        (h.is_array || !h.fixed))
        put_device(r, &h);
    return past_semicolon(r, h.stop);
}

/* extern "C" goes away; of a block, the braces need a head. Returns what follows. */
static size_t drop_linkage(reader *r, size_t i)
{
    bool block = is(r, i + 2, "{");
    at(r, i)->instead = block ? "namespace" : "";
    at(r, i + 1)->instead = "";
    if (!block)
        return i + 2;
    size_t e = read_scope(r, i + 3, false);
    return e + 1;
}

/* Declarations up to the '}' that closes the scope, whose index is returned (or the end). */
static size_t read_scope(reader *r, size_t i, bool in_class)
{
    static const char *const access[] = {"public", "private", "protected", NULL};
    static const char *const plain[] = {"using", "typedef", "static_assert", NULL};
    while (i < r->n_code && !is(r, i, "}")) {
        size_t from = i;
        if (is(r, i, ";")) {
            i++;
        } else if (is(r, i, "namespace") || (is(r, i, "inline") && is(r, i + 1, "namespace"))) {
            while (i < r->n_code && !is(r, i, "{") && !is(r, i, ";"))
                i++;
            i = is(r, i, "{") ? read_scope(r, i + 1, false) + 1 : i + 1;
        } else if (is(r, i, "extern") && i + 1 < r->n_code && at(r, i + 1)->kind == T_STRING) {
            i = drop_linkage(r, i);
        } else if (is_any(r, i, plain)) {
            i = past_semicolon(r, i);
        } else if (in_class && is_any(r, i, access) && is(r, i + 1, ":")) {
            i += 2;
        } else if (is(r, i, "template") && is(r, i + 1, "<")) {
            i = past_angles(r, i + 1);
        } else if (is(r, i, "template")) { /* explicit instantiation */
            i = past_semicolon(r, i);
        } else if (is(r, i, "friend")) {
            i++;
        } else if (is_word(r, i) && is(r, i + 1, "(") && defined_here(r, i)) {
            i = past_group(r, i + 1);
        } else {
            i = read_declaration(r, i, in_class);
        }
        if (i == from) /* something that is not known: go on behind it */
            i++;
    }
    return i;
}

/* ---- output ---- */

static void write_body(const reader *r, size_t n, ws_buf *out)
{
    size_t done = 0;
    for (size_t i = 0; i < r->n_tokens; i++) {
        const token *t = &r->token[i];
        if (!t->before && !t->instead)
            continue;
        ws_buf_add(out, r->text + done, t->at - done);
        ws_buf_adds(out, t->before ? t->before : "");
        if (t->instead)
            ws_buf_adds(out, t->instead);
        else
            ws_buf_add(out, r->text + t->at, t->n);
        done = t->at + t->n;
    }
    ws_buf_add(out, r->text + done, n - done);
    if (out->n && out->p[out->n - 1] != '\n')
        ws_buf_addc(out, '\n');
}

void exp_source_lift(ws_arena *a, const char *source, size_t n, exp_source *out)
{
    *out = (exp_source){0};
    reader r = {.a = a, .text = ws_arena_strndup(a, source, n), .out = out};
    read_tokens(&r, n);
    for (size_t i = 0; i < r.n_code; i++)
        if (is(&r, i, "__host__"))
            at(&r, i)->instead = "";
    for (size_t i = 0; i < r.n_code; i++) /* a stray '}' ends a scope, not the reading */
        i = read_scope(&r, i, false);
    write_body(&r, n, &out->body);
}

bool exp_source_uses(const exp_source *s, const char *word)
{
    for (int i = 0; i < s->n_words; i++)
        if (ws_str_eqz(s->word[i], word))
            return true;
    return false;
}
