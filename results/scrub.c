#define PCRE2_CODE_UNIT_WIDTH 8
#include "results/scrub.h"

#include "base/mem.h"

#include <ctype.h>
#include <pcre2.h>
#include <stdlib.h>
#include <string.h>

extern char **environ;

/* In the order of use: what is certain to be a secret comes before what has the look of a path. */
static const struct rule {
    const char *pattern, *word;
} rules[] = {
    {"-----BEGIN [A-Z ]*PRIVATE KEY-----[\\s\\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|\\z)",
     "<private-key>"},
    {"\\b(?:sk|pk|rk)-[A-Za-z0-9_\\-]{16,}", "<key>"},           /* OpenAI, Anthropic, others */
    {"\\b(?:hf|gsk|xai|nvapi|r8|fw|tgp)[_-][A-Za-z0-9_\\-]{16,}", "<key>"},
    {"\\b(?:gh[pousr]_|github_pat_|glpat-)[A-Za-z0-9_\\-]{16,}", "<key>"},
    {"\\bAIza[A-Za-z0-9_\\-]{30,}", "<key>"},                    /* Google */
    {"\\b(?:AKIA|ASIA)[A-Z0-9]{16}\\b", "<key>"},                /* AWS */
    {"\\bxox[abprs]-[A-Za-z0-9\\-]{10,}", "<key>"},              /* Slack */
    {"\\beyJ[A-Za-z0-9_\\-]{10,}\\.[A-Za-z0-9_\\-]{10,}\\.[A-Za-z0-9_\\-]*", "<token>"}, /* JWT */
    {"(?i)\\b((?:authorization|x-api-key)[\"']?\\s*[:=]\\s*[\"']?(?:bearer\\s+|basic\\s+)?)"
     "[A-Za-z0-9_\\-.+/=]{8,}", "$1<key>"},
    {"(?i)\\b(bearer\\s+)[A-Za-z0-9_\\-.+/=]{16,}", "$1<key>"},
    {"\\b([A-Z][A-Z0-9_]*(?:API_KEY|ACCESS_KEY|TOKEN|SECRET|PASSWORD)\\s*=\\s*[\"']?)"
     "[^\\s\"'&|;()]{8,}", "$1<key>"},
    {"(?i)\\b((?:api[_-]?key|access[_-]?key|secret|token|passwd|password)[\"']?\\s*[:=]\\s*[\"'])"
     "[^\\s\"']{8,}(?=[\"'])", "$1<key>"},
    {"(?<=://)[^\\s/@:\"']+:[^\\s/@\"']+@", "<login>@"},
    {"\\b[A-Za-z0-9._%+\\-]+@[A-Za-z0-9\\-]+(?:\\.[A-Za-z0-9\\-]+)*\\.[A-Za-z]{2,}\\b", "<email>"},
    {"(?<![\\w.:/~<>)\\]*-])(?:file://)?/(?:home|root|tmp|usr|var|opt|mnt|data|work|workspace|"
     "scratch|Users|etc|nfs|lustre|gpfs|private|srv|media|proc|run|dev)/[\\w.+@%\\-]+"
     "(?:/[\\w.+@%\\-]+)*/?", "<path>"},
    {"(?<![\\w.:/~<>)\\]*-])/(?:[\\w.+@%\\-]+/){2,}[\\w.+@%\\-]+", "<path>"},
    {"file:///?[^\\s\"']+", "<path>"},
    {"(?<![\\w)\\]])~[\\w\\-]*/[\\w.+@%\\-]+(?:/[\\w.+@%\\-]+)*", "<path>"},
    {"(?<![\\w])[A-Za-z]:\\\\(?:[\\w.+\\-]+\\\\)*[\\w.+\\-]+", "<path>"},
};

typedef struct compiled {
    pcre2_code *code;
    const char *word;
} compiled;

struct data_scrub {
    compiled *rule;
    int n, cap;
    pcre2_match_context *limits;
};

enum { MATCH_LIMIT = 20000000, LEAST_SECRET = 8 };

static ws_status add_rule(data_scrub *s, const char *pattern, size_t n, uint32_t flags,
                          const char *word, ws_err *err)
{
    int code;
    PCRE2_SIZE at;
    pcre2_code *c = pcre2_compile((PCRE2_SPTR)pattern, n, flags, &code, &at, NULL);
    if (!c) {
        PCRE2_UCHAR text[128] = "";
        pcre2_get_error_message(code, text, sizeof text);
        return ws_fail(err, WS_EBUG, "pattern '%s' at %zu: %s", pattern, at, (const char *)text);
    }
    pcre2_jit_compile(c, PCRE2_JIT_COMPLETE); /* without it matches are only slower */
    WS_GROW(s->rule, s->n, s->cap);
    s->rule[s->n++] = (compiled){c, word};
    return WS_OK;
}

/* "NAME=value" of a variable whose value is a secret by its name. */
static const char *secret_value(const char *variable)
{
    static const char *const ends[] = {"_API_KEY", "_TOKEN", "_SECRET", "_PASSWORD",
                                       "_ACCESS_KEY"};
    const char *equals = strchr(variable, '=');
    size_t n = equals ? (size_t)(equals - variable) : 0;
    for (size_t i = 0; equals && i < WS_COUNT(ends); i++) {
        size_t m = strlen(ends[i]);
        if (n >= m && strncmp(equals - m, ends[i], m) == 0 && strlen(equals + 1) >= LEAST_SECRET)
            return equals + 1;
    }
    return NULL;
}

static ws_status add_known(data_scrub *s, ws_err *err)
{
    const char *home = getenv("HOME");
    for (char **e = environ; *e; e++) {
        const char *value = secret_value(*e);
        if (value && add_rule(s, value, strlen(value), PCRE2_LITERAL, "<key>", err))
            return err->status;
    }
    if (!home || home[0] != '/' || strlen(home) < 3)
        return WS_OK;
    ws_buf pattern = {0};
    for (const char *p = home; *p; p++)
        ws_buf_printf(&pattern, isalnum((unsigned char)*p) ? "%c" : "\\%c", *p);
    ws_buf_adds(&pattern, "(?:/[\\w.+@%\\-]+)*");
    ws_status st = add_rule(s, ws_buf_z(&pattern), pattern.n, 0, "<path>", err);
    ws_buf_release(&pattern);
    return st;
}

ws_status data_scrub_open(data_scrub **out, ws_err *err)
{
    data_scrub *s = ws_calloc(1, sizeof *s);
    s->limits = pcre2_match_context_create(NULL);
    pcre2_set_match_limit(s->limits, MATCH_LIMIT);
    ws_status st = add_known(s, err);
    for (size_t i = 0; !st && i < WS_COUNT(rules); i++)
        st = add_rule(s, rules[i].pattern, strlen(rules[i].pattern), 0, rules[i].word, err);
    if (st) {
        data_scrub_close(s);
        return st;
    }
    *out = s;
    return WS_OK;
}

void data_scrub_close(data_scrub *s)
{
    if (!s)
        return;
    for (int i = 0; i < s->n; i++)
        pcre2_code_free(s->rule[i].code);
    pcre2_match_context_free(s->limits);
    free(s->rule);
    free(s);
}

/* `text` with what the rule finds replaced; how often, -1: it cannot be told. */
static int replace(const data_scrub *s, const compiled *r, ws_buf *text)
{
    size_t room = text->n + 256;
    for (;;) {
        PCRE2_SIZE n = room;
        char *to = ws_malloc(room);
        int rc = pcre2_substitute(r->code, (PCRE2_SPTR)ws_buf_z(text), text->n, 0,
                                  PCRE2_SUBSTITUTE_GLOBAL | PCRE2_SUBSTITUTE_OVERFLOW_LENGTH, NULL,
                                  s->limits, (PCRE2_SPTR)r->word, PCRE2_ZERO_TERMINATED,
                                  (PCRE2_UCHAR *)to, &n);
        if (rc > 0) {
            ws_buf_reset(text);
            ws_buf_add(text, to, n);
        }
        free(to);
        if (rc == PCRE2_ERROR_NOMEMORY && n > room)
            room = n;
        else
            return rc < 0 ? -1 : rc;
    }
}

int data_scrub_text(data_scrub *s, const char *text, ws_buf *out)
{
    ws_buf work = {0};
    int total = 0;
    ws_buf_adds(&work, text);
    for (int i = 0; total >= 0 && i < s->n; i++) {
        int n = replace(s, &s->rule[i], &work);
        total = n < 0 ? -1 : total + n;
    }
    if (total >= 0)
        ws_buf_add(out, ws_buf_z(&work), work.n);
    ws_buf_release(&work);
    return total;
}
