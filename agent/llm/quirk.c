#include "agent/llm/quirk.h"

#include "base/mem.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- as text ---- */

static const char *const quirk_name[LLM_N_QUIRKS] = {
#define X(id, name) name,
    LLM_QUIRK_LIST(X)
#undef X
};
static const char most_name[] = "most_tokens=";

char *llm_quirks_print(const llm_quirks *q)
{
    ws_buf out = {0};
    for (int i = 0; i < LLM_N_QUIRKS; i++)
        if (q->bits & 1u << i)
            ws_buf_printf(&out, "%s%s", out.n ? " " : "", quirk_name[i]);
    if (q->most_tokens > 0)
        ws_buf_printf(&out, "%s%s%lld", out.n ? " " : "", most_name, (long long)q->most_tokens);
    return out.p ? ws_buf_take(&out) : ws_strdup("");
}

llm_quirks llm_quirks_parse(const char *text)
{
    llm_quirks q = {0};
    for (const char *p = text ? text : ""; *p; p += strcspn(p, " "), p += *p == ' ') {
        size_t n = strcspn(p, " ");
        for (int i = 0; i < LLM_N_QUIRKS; i++)
            if (strlen(quirk_name[i]) == n && memcmp(p, quirk_name[i], n) == 0)
                q.bits |= 1u << i;
        if (n > sizeof most_name - 1 && memcmp(p, most_name, sizeof most_name - 1) == 0)
            q.most_tokens = strtoll(p + sizeof most_name - 1, NULL, 10);
    }
    if (q.most_tokens < 0)
        q.most_tokens = 0;
    return q;
}

llm_quirks llm_quirks_join(llm_quirks a, llm_quirks b)
{
    a.bits |= b.bits;
    if (b.most_tokens > 0 && (!a.most_tokens || b.most_tokens < a.most_tokens))
        a.most_tokens = b.most_tokens;
    return a;
}

/* ---- what a refusal asks for ---- */

static bool is_refused_field(const llm_error *e)
{
    static const char *const words[] = {"unsupported",
                                        "not supported",
                                        "does not support",
                                        "unknown",
                                        "unrecognized",
                                        "unexpected",
                                        "extra",
                                        "not permitted",
                                        "not allowed",
                                        "only the default",
                                        "may only be",
                                        "must be 1",
                                        "not accepted",
                                        "not enabled",
                                        "invalid parameter",
                                        "no longer",
                                        "deprecated",
                                        NULL};
    return llm_error_says(e, words);
}

/* One row per field that can be left out: where it stands in the body, and the wires that have it.
 * `quoted`: the name is a word that stands in other sentences too. */
enum { CHAT = 1 << LLM_WIRE_CHAT, RESPONSES = 1 << LLM_WIRE_RESPONSES };
enum { MESSAGES = 1 << LLM_WIRE_MESSAGES, EVERY = CHAT | RESPONSES | MESSAGES };
static const struct {
    const char *field;
    unsigned wires, quirk;
    bool quoted;
} optional[] = {
    {"max_tokens", CHAT, LLM_Q_COMPLETION_TOKENS, false},
    {"max_completion_tokens", CHAT, LLM_Q_PLAIN_TOKENS, false},
    {"max_output_tokens", RESPONSES, LLM_Q_NO_MAX_TOKENS, false},
    {"temperature", EVERY, LLM_Q_NO_TEMPERATURE, false},
    {"stream_options", CHAT, LLM_Q_NO_STREAM_OPTIONS, false},
    {"include_usage", CHAT, LLM_Q_NO_STREAM_OPTIONS, false},
    {"stream", EVERY, LLM_Q_NO_STREAM, true},
    {"reasoning_effort", CHAT, LLM_Q_NO_EFFORT, false},
    {"reasoning.effort", RESPONSES | CHAT, LLM_Q_NO_EFFORT, false},
    {"reasoning", RESPONSES | CHAT, LLM_Q_NO_EFFORT, true},
    {"output_config.effort", MESSAGES, LLM_Q_NO_EFFORT, false},
    {"output_config", MESSAGES, LLM_Q_NO_EFFORT, false},
    {"effort", EVERY, LLM_Q_NO_EFFORT, true},
    {"store", RESPONSES, LLM_Q_NO_STORE, true},
    {"cache_control", EVERY, LLM_Q_NO_CACHE, false},
};

/* The field's last part stands in the body as a member's name. */
static bool was_sent(const char *body, const char *field)
{
    const char *dot = strrchr(field, '.');
    char member[64];
    snprintf(member, sizeof member, "\"%s\":", dot ? dot + 1 : field);
    return strstr(body, member) != NULL;
}

static unsigned refused_field(const llm_refusal *r)
{
    for (int by_param = 1; by_param >= 0; by_param--)
        for (size_t i = 0; i < WS_COUNT(optional); i++) {
            if (!(optional[i].wires & 1u << r->wire) || (r->in_use.bits & optional[i].quirk) ||
                !was_sent(r->body, optional[i].field))
                continue;
            if (by_param ? strcmp(r->error->param, optional[i].field) == 0
                         : llm_error_names(r->error, optional[i].field, optional[i].quoted))
                return optional[i].quirk;
        }
    return 0;
}

/* The first whole number after `word`, 0: none. */
static int64_t number_after(const char *text, const char *word)
{
    const char *p = strcasestr(text, word);
    if (!p)
        return 0;
    p += strlen(word);
    p += strcspn(p, "0123456789");
    return isdigit((unsigned char)*p) ? strtoll(p, NULL, 10) : 0;
}

static bool names_limit(const llm_error *e)
{
    static const char *const field[] = {"max_tokens", "max_completion_tokens", "max_output_tokens",
                                        "max_new_tokens"};
    for (size_t i = 0; i < WS_COUNT(field); i++)
        if (llm_error_names(e, field[i], false))
            return true;
    return strcasestr(e->message, "in the completion") != NULL;
}

/* "max_tokens: 100000 > 64000, which is the maximum", "at most 16384 completion tokens". */
static int64_t told_limit(const llm_error *e, int64_t asked)
{
    static const char *const word[] = {
        "supports at most", "at most",   "less than or equal to", ">", "up to", "maximum of",
        "maximum value of", "maximum is"};
    for (size_t i = 0; i < WS_COUNT(word); i++) {
        int64_t n = number_after(e->message, word[i]);
        if (n >= 16 && n < asked)
            return n;
    }
    return 0;
}

/* Tokens of the prompt, as an error of the context tells them: "(9500 in the messages, 500 in the
 * completion)", "your request has 1200 input tokens"; 0: not told. */
static int64_t told_prompt(const llm_error *e)
{
    static const char *const after[] = {" in the messages", " in your prompt", " input tokens",
                                        " of text input"};
    for (size_t i = 0; i < WS_COUNT(after); i++) {
        const char *at = strstr(e->message, after[i]);
        while (at && at > e->message && isdigit((unsigned char)at[-1]))
            at--;
        if (at && isdigit((unsigned char)*at))
            return strtoll(at, NULL, 10);
    }
    return 0;
}

/* Tokens that the context leaves for the reply; 0: not told, below: nothing. Anthropic: "input
 * length and `max_tokens` exceed context limit: 188240 + 21333 > 200000". */
static int64_t left_of_context(const llm_error *e)
{
    long long input, reply, limit;
    for (const char *p = e->message; (p = strpbrk(p, "0123456789")); p += strspn(p, "0123456789"))
        if (sscanf(p, "%lld + %lld > %lld", &input, &reply, &limit) == 3)
            return limit > input ? limit - input : -1;
    int64_t context = number_after(e->message, "maximum context length is"),
            prompt = told_prompt(e);
    if (!context || !prompt)
        return 0;
    return context > prompt ? context - prompt : -1;
}

/* The reply's limit is more than the model can give, or than its context leaves. The server says
 * which would do; when it does not, it may take its own, where the wire and the caller allow. */
static bool shorten_reply(const llm_refusal *r, llm_lesson *out)
{
    static const char *const words[] = {"too large", "too high",  "at most", "valid range", ">",
                                        "exceed",    "less than", "maximum", "too many",    NULL};
    enum { LEAST_REPLY = 256 };
    const llm_error *e = r->error;
    bool context = llm_error_is_context(e), required = r->wire == LLM_WIRE_MESSAGES;
    int64_t asked = r->request->max_tokens > 0 ? r->request->max_tokens : INT64_MAX;
    if ((r->in_use.bits & LLM_Q_NO_MAX_TOKENS) || (asked == INT64_MAX && !required))
        return false;
    if (!names_limit(e) || (!context && !llm_error_says(e, words)))
        return false;
    int64_t most = context ? left_of_context(e) : told_limit(e, asked);
    if (r->in_use.most_tokens > 0 && r->in_use.most_tokens < asked)
        asked = r->in_use.most_tokens;
    if (most >= asked) /* that would be the same request again */
        most = 0;
    llm_quirks *to = context ? &out->own : &out->learned;
    if (most >= LEAST_REPLY || (most > 0 && !context))
        to->most_tokens = most;
    else if (most == 0 && !required && !r->request->hard_limit)
        to->bits = LLM_Q_NO_MAX_TOKENS;
    else
        return false;
    return true;
}

/* Whether the request would have no limit of its reply any more. */
static bool loses_limit(const llm_refusal *r, unsigned learned)
{
    const unsigned both = LLM_Q_COMPLETION_TOKENS | LLM_Q_PLAIN_TOKENS;
    unsigned after = r->in_use.bits | learned;
    return (after & LLM_Q_NO_MAX_TOKENS) || (r->wire == LLM_WIRE_CHAT && (after & both) == both);
}

static bool has_system(const llm_request *r)
{
    for (int i = 0; i < r->n_messages; i++)
        if (strcmp(r->message[i].role, "system") == 0)
            return true;
    return false;
}

bool llm_quirk_for(const llm_refusal *r, llm_lesson *out)
{
    static const char *const system_role[] = {"system role", "'system' with", "role 'system'",
                                              "developer instruction", NULL};
    const llm_error *e = r->error;
    *out = (llm_lesson){0};
    if (!e->present)
        return false;
    if (r->may_switch && !(r->in_use.bits & LLM_Q_RESPONSES) &&
        strstr(e->message, "v1/responses")) {
        out->learned.bits = LLM_Q_RESPONSES;
        return true;
    }
    if (shorten_reply(r, out))
        return true;
    if (!is_refused_field(e))
        return false;
    if (llm_error_says(e, system_role) && has_system(r->request))
        out->learned.bits = LLM_Q_NO_SYSTEM & ~r->in_use.bits;
    if (!out->learned.bits)
        out->learned.bits = refused_field(r);
    if (r->request->hard_limit && loses_limit(r, out->learned.bits))
        out->learned.bits = 0;
    return out->learned.bits != 0;
}
