/* A line scanner over fences, not one big expression: a reply of a megabyte stays linear.
 * Candidates are scored; the last of the best wins, because models put drafts and plans before the
 * answer, and usage examples score lower than kernels. */
#include "agent/llm/extract.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <cjson/cJSON.h>
#include <pcre2.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { MAX_FENCE_LINE = 4096, MATCH_LIMIT = 1000000 };

/* ---- expressions, compiled once ---- */

typedef enum pattern { FENCE, THINK_END, THINK_OPEN, CODE_LINE, N_PATTERNS } pattern;

/* FENCE groups: 1 quote mark, 2 white space and list markers, 3 the fence, 4 the language. */
static const char *const pattern_text[N_PATTERNS] = {
    [FENCE] =
        "^([ \\t]{0,3}>[ \\t]?)?([ \\t]*+(?:(?:[-*+]|[0-9]{1,9}[.)])[ \\t]++)*+)(`{3,}+|~{3,}+)"
        "[ \\t]*+([^\\s`]*+)[^`]*+$",
    [THINK_END] = "</(?:think|thinking|thought|reasoning|seed:think)>",
    [THINK_OPEN] = "\\A\\s*+<(?:think|thinking|thought|reasoning|seed:think)>",
    [CODE_LINE] =
        "^[ \\t]*+(?:/\\*|//|#[ \\t]*+(?:include|define|pragma|if)|extern\\b|__global__|__device__|"
        "template\\b|static\\b|typedef\\b|struct\\b|namespace\\b|using\\b|constexpr\\b)",
};

typedef struct match {
    size_t at[10]; /* begin and end of the whole and of four groups; begin == end: not there */
} match;

static bool find(pattern which, const char *s, size_t n, size_t from, match *out)
{
    static pcre2_code *code[N_PATTERNS];
    static pcre2_match_data *data;
    static pcre2_match_context *context;
    if (!code[which]) {
        int e;
        PCRE2_SIZE at;
        uint32_t options = PCRE2_MULTILINE | PCRE2_CASELESS | PCRE2_UTF | PCRE2_MATCH_INVALID_UTF;
        code[which] = pcre2_compile((PCRE2_SPTR)pattern_text[which], PCRE2_ZERO_TERMINATED, options,
                                    &e, &at, NULL);
        if (!code[which])
            ws_bug("pattern %d does not compile (error %d at %zu)", (int)which, e, at);
        pcre2_jit_compile(code[which], PCRE2_JIT_COMPLETE); /* without JIT it is only slower */
    }
    if (!data) {
        data = pcre2_match_data_create(5, NULL);
        context = pcre2_match_context_create(NULL);
        pcre2_set_match_limit(context, MATCH_LIMIT);
    }
    /* A limit or stack error counts as no match. */
    int rc = pcre2_match(code[which], (PCRE2_SPTR)s, n, from, 0, data, context);
    if (rc <= 0)
        return false;
    const PCRE2_SIZE *v = pcre2_get_ovector_pointer(data);
    for (int i = 0; i < 10; i++)
        out->at[i] = i / 2 < rc && v[i] != PCRE2_UNSET ? v[i] : 0;
    return true;
}

/* ---- blocks ---- */

typedef struct block {
    ws_str language;
    ws_str body;       /* as in the reply, with indentation */
    size_t indent;     /* columns before the fence, removed from each line */
    bool quoted;       /* inside a "> " quotation */
    bool closed;
    int score;
} block;

static const char *const cuda_names[] = {"cuda", "cu",  "cuh", "cpp", "c++",  "cxx",
                                         "cc",   "c",   "hip", "h",   "hpp",  "cuda-c++",
                                         "cuda_cpp", "cudac", "nvcc", NULL};

static bool is_cuda(ws_str language)
{
    for (const char *const *p = cuda_names; *p; p++)
        if (strlen(*p) == language.n && strncasecmp(*p, language.p, language.n) == 0)
            return true;
    return false;
}

static bool contains(ws_str s, const char *word)
{
    return memmem(s.p, s.n, word, strlen(word)) != NULL;
}

static int score_of(const block *b)
{
    int score = 0;
    if (contains(b->body, "@plan"))
        score += 100;
    if (contains(b->body, "__global__"))
        score += 50;
    else if (contains(b->body, "__device__") || contains(b->body, "#include"))
        score += 10;
    if (is_cuda(b->language))
        score += 30;
    else if (b->language.n)
        score -= 60; /* bash, json, python, text, diff */
    if (!b->closed)
        score -= 15;
    return score;
}

/* The line at `p`, without its newline; *next is the start of the following one. */
static ws_str line_at(ws_str s, size_t p, size_t *next)
{
    const char *nl = memchr(s.p + p, '\n', s.n - p);
    size_t end = nl ? (size_t)(nl - s.p) : s.n;
    *next = nl ? end + 1 : s.n;
    return (ws_str){s.p + p, end - p};
}

/* `line` is white space (or a quotation mark) and at least `count` of `fence`, nothing else. */
static bool closes(ws_str line, char fence, size_t count)
{
    ws_str t = ws_str_trim(line);
    while (t.n && *t.p == '>')
        t = ws_str_trim((ws_str){t.p + 1, t.n - 1});
    for (size_t i = 0; i < t.n; i++)
        if (t.p[i] != fence)
            return false;
    return t.n >= count;
}

static bool opens(ws_str line, block *b, char *fence, size_t *count)
{
    match m;
    if (line.n > MAX_FENCE_LINE || !find(FENCE, line.p, line.n, 0, &m))
        return false;
    *fence = line.p[m.at[6]];
    *count = m.at[7] - m.at[6];
    *b = (block){.language = {line.p + m.at[8], m.at[9] - m.at[8]},
                 .indent = m.at[5] - m.at[4],
                 .quoted = m.at[3] > m.at[2]};
    return true;
}

/* Reads blocks in order and keeps the best. A fence that names CUDA inside an open block begins a
 * new one: the outer block was left open, or is a markdown wrapper. */
static bool best_block(ws_str s, block *best, int *n_blocks)
{
    bool found = false, open = false;
    block b = {0};
    char fence = 0;
    size_t count = 0, next;
    *n_blocks = 0;
    for (size_t p = 0; p < s.n || open; p = next) {
        bool at_end = p >= s.n, ends = at_end, restarts = false;
        ws_str line = {s.p + s.n, 0};
        next = p;
        if (!at_end)
            line = line_at(s, p, &next);
        block started;
        char f;
        size_t c;
        if (open && !at_end) {
            b.closed = closes(line, fence, count);
            restarts = !b.closed && opens(line, &started, &f, &c) && is_cuda(started.language);
            ends = b.closed || restarts;
        } else if (!open) {
            restarts = opens(line, &started, &f, &c);
        }
        if (open && ends) {
            b.body.n = (size_t)(line.p - b.body.p);
            b.score = score_of(&b);
            if (b.score > 0 && (!found || b.score >= best->score)) {
                *best = b;
                found = true;
            }
            open = false;
        }
        if (restarts) {
            b = started;
            b.body.p = s.p + next;
            fence = f;
            count = c;
            open = true;
            ++*n_blocks;
        }
    }
    return found;
}

static void add_body(const block *b, ws_buf *code)
{
    size_t next;
    for (size_t p = 0; p < b->body.n; p = next) {
        ws_str line = line_at(b->body, p, &next);
        if (b->quoted && line.n && *line.p == '>') {
            size_t mark = line.n > 1 && line.p[1] == ' ' ? 2 : 1;
            line = (ws_str){line.p + mark, line.n - mark};
        }
        for (size_t i = 0; i < b->indent && line.n && (*line.p == ' ' || *line.p == '\t'); i++)
            line = (ws_str){line.p + 1, line.n - 1};
        ws_buf_add(code, line.p, line.n);
        ws_buf_addc(code, '\n');
    }
}

/* ---- replies without fences ---- */

static bool is_json_wrapped(ws_str s, ws_buf *code)
{
    static const char *const keys[] = {"code", "kernel", "source", "cuda", "solution"};
    bool found = false;
    s = ws_str_trim(s);
    if (!s.n || *s.p != '{')
        return false;
    cJSON *o = cJSON_ParseWithLength(s.p, s.n);
    for (size_t i = 0; o && !found && i < sizeof keys / sizeof *keys; i++) {
        const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, keys[i]));
        if (text && strstr(text, "__global__")) {
            ws_buf_adds(code, text);
            found = true;
        }
    }
    cJSON_Delete(o);
    return found;
}

static bool is_bare(ws_str s, ws_buf *code)
{
    match m;
    if (!find(CODE_LINE, s.p, s.n, 0, &m))
        return false;
    ws_str rest = {s.p + m.at[0], s.n - m.at[0]};
    if (!contains(rest, "__global__") || !contains(rest, "{"))
        return false;
    ws_buf_add(code, rest.p, rest.n);
    if (rest.p[rest.n - 1] != '\n')
        ws_buf_addc(code, '\n');
    return true;
}

/* ---- the whole ---- */

/* What follows the last end of thinking. false: thinking began and never ended, so there is no
 * answer; drafts inside it are not to be used. */
static bool skip_thinking(ws_str *s)
{
    match m;
    size_t from = 0;
    while (find(THINK_END, s->p, s->n, from, &m))
        from = m.at[1];
    if (!from && find(THINK_OPEN, s->p, s->n, 0, &m))
        return false;
    *s = (ws_str){s->p + from, s->n - from};
    return true;
}

static llm_extract_status extract(ws_str s, ws_buf *code)
{
    block b = {0};
    int n_blocks;
    if (!skip_thinking(&s))
        return LLM_EXTRACT_NONE;
    if (best_block(s, &b, &n_blocks)) {
        add_body(&b, code);
        return b.closed ? LLM_EXTRACT_OK : LLM_EXTRACT_TRUNCATED;
    }
    if (n_blocks)
        return LLM_EXTRACT_NONE;
    if (is_json_wrapped(s, code))
        return LLM_EXTRACT_OK;
    return is_bare(s, code) ? LLM_EXTRACT_BARE : LLM_EXTRACT_NONE;
}

llm_extract_status llm_extract_cuda(const char *reply, size_t n, ws_buf *code)
{
    ws_buf text = {0};
    for (size_t i = 0; i < n; i++)
        if (reply[i] != '\r')
            ws_buf_addc(&text, reply[i]);
        else if (i + 1 >= n || reply[i + 1] != '\n')
            ws_buf_addc(&text, '\n');
    llm_extract_status st = extract((ws_str){ws_buf_z(&text), text.n}, code);
    ws_buf_release(&text);
    return st;
}

const char *llm_extract_status_name(llm_extract_status s)
{
    switch (s) {
    case LLM_EXTRACT_OK: return "ok";
    case LLM_EXTRACT_BARE: return "bare";
    case LLM_EXTRACT_TRUNCATED: return "truncated";
    case LLM_EXTRACT_NONE: return "none";
    }
    return "?";
}
