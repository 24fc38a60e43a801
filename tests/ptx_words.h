/* PTX that is nearly right: bytes and words of a text are changed, the words from a dictionary. */
#ifndef TESTS_PTX_WORDS_H
#define TESTS_PTX_WORDS_H

#include "harness/ptx/case.h"
#include "harness/ptx/ops.h"
#include "tests/fuzz.h"

#include <ctype.h>
#include <glob.h>

enum { MAX_CASES = 800, MAX_WORDS = 8000, MAX_DICTIONARY = 4000 };

/* What the syntax lines of the forms do not have. */
static const char *const spare[] = {
    "0", "1", "-1", "31", "32", "255", "65535", "2147483648", "4294967295", "0x7fffffffffffffff",
    "18446744073709551615", "18446744073709551616", "0f7FC00000", "0fff800000",
    "0d7FF0000000000000", "1e400", "08", "0b2", "0x", "1048576", "0x40000000", "f32", "u8", "s16",
    "u64", "b128", "pred", "v2", "v4", "v8", "volatile", "%r1", "%rd1", "%p1", "%f1", "%rs1",
    "%tid", "%tid.x", "%r4294967295", "@", "!", "{", "}", "[", "]", "(", ")", "<", ">", ";", ",",
    ":", "_", "|", "||", "&&", "?", "~", "-", "+", "*", "/", "%", "<<", "==", "\"", "//", "/*",
    "*/", "ret", "exit", "bra", "brx", "call", "trap", "brkpt", ".align", ".reg", ".b8", ".b64",
    ".f64", ".func", ".entry", ".visible", ".extern", ".weak", ".common", ".global", ".shared",
    ".local", ".param", ".const", ".ptr", ".noreturn", ".loc", ".file", ".section", ".pragma",
    ".maxntid", ".reqntid", ".minnctapersm", ".reqnctapercluster", ".branchtargets",
    ".calltargets", ".callprototype", ".alias", ".version", ".target", ".address_size", "9.0",
    "sm_90a", "generic", "mask", "inlined_at", "function_name", "s", "k", "k_param_0",
    "$L__BB0_1", "WARP_SZ", "\t", "\n", "\r", "\x80", "\xff\xfe"
};

static ptx_case cases[MAX_CASES];
static int n_cases;
static ws_str dictionary[MAX_DICTIONARY];
static uint32_t n_words;

static inline void learn(ws_str w)
{
    for (uint32_t k = 0; k < n_words; k++)
        if (ws_str_eq(dictionary[k], w))
            return;
    if (n_words < MAX_DICTIONARY)
        dictionary[n_words++] = w;
}

/* tests/ptx/, and the words of the table of forms. */
static inline bool words_setup(void)
{
    glob_t g = {0};
    ws_err err = {0};
    int n;
    if (glob("tests/ptx/*.ptx", 0, NULL, &g))
        return false;
    for (size_t f = 0; f < g.gl_pathc && n_cases < MAX_CASES; f++) {
        ptx_case *c = &cases[n_cases];
        bool good =
            !ptx_case_load(g.gl_pathv[f], c, &err) && c->text.n < FUZZ_BYTES / 2 && c->n_launches;
        if (good)
            n_cases++;
        else
            ptx_case_release(c);
    }
    globfree(&g);
    for (size_t s = 0; s < WS_COUNT(spare); s++)
        learn(ws_str_of(spare[s]));
    const ptx_form *forms = ptx_forms(&n);
    for (int f = 0; f < n; f++) {
        learn(forms[f].opcode);
        for (int w = 0; w < forms[f].n_words; w++)
            learn(forms[f].word[w]);
    }
    return n_cases > 0;
}

static inline void words_done(void)
{
    for (int c = 0; c < n_cases; c++)
        ptx_case_release(&cases[c]);
}

static inline size_t split(const char *text, ws_str *word)
{
    size_t n = 0;
    for (const char *p = text; *p && n < MAX_WORDS;) {
        size_t m = 1;
        if (isalnum((unsigned char)*p) || strchr("%_$", *p))
            m = strspn(p, "%_$abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789");
        word[n++] = (ws_str){p, m};
        p += m;
    }
    return n;
}

/* Two numbers, or two names that begin alike, as registers of one kind do. */
static inline bool alike(ws_str a, ws_str b)
{
    bool digit = isdigit((unsigned char)a.p[0]);
    return a.n && b.n && a.p[0] == b.p[0] ? a.n < 3 || b.n < 3 || a.p[1] == b.p[1]
                                          : digit && b.n && isdigit((unsigned char)b.p[0]);
}

/* Words change places, vanish, are doubled, or become others; half of those are alike. */
static inline void change_words(const char *text, uint32_t times, ws_buf *out)
{
    static ws_str word[MAX_WORDS];
    size_t n = split(text, word);
    for (uint32_t k = times; k && n; k--) {
        size_t a = pick((uint32_t)n), b = pick((uint32_t)n);
        ws_str t = word[a];
        if (pick(2)) {
            for (int tries = 0; tries < 50 && (!alike(t, word[b]) || ws_str_eq(t, word[b]));
                 tries++)
                b = pick((uint32_t)n);
            word[a] = word[b];
            continue;
        }
        switch (pick(6)) {
        case 0:
            word[a] = word[b];
            word[b] = t;
            break;
        case 1:
            word[a].n = 0;
            break;
        case 2:
            word[a] = word[b];
            break;
        default:
            word[a] = dictionary[pick(n_words)];
        }
    }
    for (size_t k = 0; k < n; k++)
        ws_buf_add(out, word[k].p, word[k].n);
}

static inline const char *ptx_of(const ptx_case *c)
{
    const char *p = strstr(c->text.p, "\n.version");
    return p ? p + 1 : c->text.p;
}

#endif
