/* Two formats: our own, prices.json, whose rows have dates and sources; and the price file that
 * LiteLLM publishes, model_prices_and_context_window.json: one object, a model's name as key, USD
 * per token, no dates. An entry of LiteLLM's that has no price per token, or one that is no number,
 * is kept with the reason: one odd entry among thousands stops nobody who does not ask for it. */
#include "agent/money/price_table.h"

#include "base/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static price_row *add_row(price_table *t)
{
    WS_GROW(t->row, t->n, t->cap);
    price_row *r = &t->row[t->n++];
    const double none = (double)NAN;
    *r = (price_row){.p = {.provider = "",
                           .source = "",
                           .in = none,
                           .cached = none,
                           .cache_write = none,
                           .out = none,
                           .reasoning = none,
                           .in_above = none,
                           .cached_above = none,
                           .cache_write_above = none,
                           .out_above = none}};
    return r;
}

/* x.ai's usage has the reasoning tokens beside the completion tokens, not among them
 * (genai-prices, providers/x_ai.yml). */
static void set_provider(price_table *t, price_row *r, const char *provider)
{
    r->p.provider = ws_arena_strdup(&t->arena, provider);
    r->p.reasoning_outside = strcmp(provider, "xai") == 0;
}

/* ---- our own ---- */

static bool is_day(const char *z)
{
    int year, month, day, end = 0;
    return strlen(z) == 10 && sscanf(z, "%4d-%2d-%2d%n", &year, &month, &day, &end) == 3 &&
           end == 10 && z[4] == '-' && z[7] == '-' && month >= 1 && month <= 12 && day >= 1 &&
           day <= 31;
}

static ws_status load_day(const cJSON *o, const char *where, const char *key, char out[11],
                          ws_err *err)
{
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(o, key);
    if (!v)
        return WS_OK;
    if (!cJSON_IsString(v) || !is_day(v->valuestring))
        return ws_fail(err, WS_EINPUT, "%s.%s: expected a day like \"2026-08-01\"", where, key);
    memcpy(out, v->valuestring, 11);
    return WS_OK;
}

static ws_status load_price(const cJSON *o, const char *where, const char *key, double *out,
                            ws_err *err)
{
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(o, key);
    if (!v)
        return WS_OK;
    if (!cJSON_IsNumber(v) || !isfinite(v->valuedouble) || v->valuedouble < 0)
        return ws_fail(err, WS_EINPUT, "%s.%s: expected USD per million tokens", where, key);
    *out = v->valuedouble;
    return WS_OK;
}

static ws_status load_above(const cJSON *o, const char *where, price *p, ws_err *err)
{
    static const char *const known[] = {"tokens", "in", "cached", "cache_write", "out", NULL};
    const cJSON *above = cJSON_GetObjectItemCaseSensitive(o, "above");
    char at[80];
    if (!above)
        return WS_OK;
    snprintf(at, sizeof at, "%s.above", where);
    if (ws_json_only(above, at, known, err))
        return err->status;
    const cJSON *tokens = cJSON_GetObjectItemCaseSensitive(above, "tokens");
    if (!tokens || !ws_json_whole(tokens, &p->above_tokens) || p->above_tokens <= 0)
        return ws_fail(err, WS_EINPUT, "%s.tokens: expected a number of tokens above 0", at);
    if (load_price(above, at, "in", &p->in_above, err) ||
        load_price(above, at, "cached", &p->cached_above, err) ||
        load_price(above, at, "cache_write", &p->cache_write_above, err) ||
        load_price(above, at, "out", &p->out_above, err))
        return err->status;
    return WS_OK;
}

static ws_status load_source(price_table *t, const cJSON *sources, const cJSON *o,
                             const char *where, price *p, ws_err *err)
{
    const char *key, *name;
    char at[80];
    if (ws_json_string(o, where, "source", &key, err))
        return err->status;
    const cJSON *source = cJSON_GetObjectItemCaseSensitive(sources, key);
    if (!source)
        return ws_fail(err, WS_EINPUT, "%s.source: 'sources' has no '%s'", where, key);
    snprintf(at, sizeof at, "sources.%s", key);
    if (ws_json_string(source, at, "name", &name, err) ||
        load_day(source, at, "checked", p->as_of, err))
        return err->status;
    p->source = ws_arena_strdup(&t->arena, name);
    return WS_OK;
}

/* What a row says beside its names, into `r`. */
static ws_status load_row(price_table *t, const cJSON *sources, const cJSON *o, const char *where,
                          price_row *r, ws_err *err)
{
    static const char *const known[] = {"provider", "equals", "prefix",      "from", "to",
                                        "in",       "cached", "cache_write", "out",  "reasoning",
                                        "above",    "source", "note",        NULL};
    const char *provider;
    if (ws_json_only(o, where, known, err) ||
        ws_json_string(o, where, "provider", &provider, err) ||
        load_day(o, where, "from", r->from, err) || load_day(o, where, "to", r->to, err) ||
        load_price(o, where, "in", &r->p.in, err) ||
        load_price(o, where, "cached", &r->p.cached, err) ||
        load_price(o, where, "cache_write", &r->p.cache_write, err) ||
        load_price(o, where, "out", &r->p.out, err) ||
        load_price(o, where, "reasoning", &r->p.reasoning, err) ||
        load_above(o, where, &r->p, err) || load_source(t, sources, o, where, &r->p, err))
        return err->status;
    if (isnan(r->p.in) || isnan(r->p.out))
        return ws_fail(err, WS_EINPUT, "%s: missing '%s'", where, isnan(r->p.in) ? "in" : "out");
    set_provider(t, r, provider);
    const cJSON *note = cJSON_GetObjectItemCaseSensitive(o, "note");
    r->p.note = cJSON_IsString(note) ? ws_arena_strdup(&t->arena, note->valuestring) : NULL;
    return WS_OK;
}

/* One row of the table for each name. */
static ws_status load_names(price_table *t, const cJSON *o, const char *where, int first,
                            ws_err *err)
{
    price_row common = t->row[first];
    const cJSON *equals = cJSON_GetObjectItemCaseSensitive(o, "equals"), *name;
    const cJSON *prefix = cJSON_GetObjectItemCaseSensitive(o, "prefix");
    t->n = first;
    if (prefix && (!cJSON_IsString(prefix) || !*prefix->valuestring))
        return ws_fail(err, WS_EINPUT, "%s.prefix: expected the beginning of names", where);
    if (prefix) {
        price_row *r = add_row(t);
        *r = common;
        r->p.model = r->prefix = ws_arena_strdup(&t->arena, prefix->valuestring);
    }
    cJSON_ArrayForEach(name, equals)
    {
        if (!cJSON_IsString(name) || !*name->valuestring)
            return ws_fail(err, WS_EINPUT, "%s.equals: expected an array of names", where);
        price_row *r = add_row(t);
        *r = common;
        r->p.model = ws_arena_strdup(&t->arena, name->valuestring);
    }
    return t->n > first ? WS_OK
                        : ws_fail(err, WS_EINPUT, "%s: missing 'equals' or 'prefix'", where);
}

static ws_status load_own(price_table *t, const cJSON *root, ws_err *err)
{
    static const char *const known[] = {"schema", "unit", "about", "sources", "prices", NULL};
    const cJSON *sources, *prices, *o;
    int64_t schema;
    int i = 0;
    if (ws_json_only(root, "", known, err) || ws_json_object(root, "", "sources", &sources, err) ||
        ws_json_array(root, "", "prices", &prices, err))
        return err->status;
    if (!ws_json_whole(cJSON_GetObjectItemCaseSensitive(root, "schema"), &schema) || schema != 1)
        return ws_fail(err, WS_EINPUT, "schema: expected 1");
    cJSON_ArrayForEach(o, prices)
    {
        char where[40];
        snprintf(where, sizeof where, "prices[%d]", i++);
        int first = t->n;
        add_row(t);
        if (load_row(t, sources, o, where, &t->row[first], err) ||
            load_names(t, o, where, first, err))
            return err->status;
    }
    return WS_OK;
}

/* ---- LiteLLM's ---- */

/* USD per token, 1.25e-06, as USD per million: 1.25. The file's numbers have few digits, and the
 * product is rounded to them, so that it prints and adds up as it was meant. false: no number. */
static bool per_million(const cJSON *o, const char *key, double *out)
{
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(o, key);
    if (!v || cJSON_IsNull(v))
        return true;
    if (!cJSON_IsNumber(v) || !isfinite(v->valuedouble) || v->valuedouble < 0)
        return false;
    *out = round(v->valuedouble * 1e15) / 1e9;
    return true;
}

/* "input_cost_per_token_above_272k_tokens" gives 272000. More than one such key is -1. */
static int64_t threshold(const cJSON *o)
{
    static const char begin[] = "input_cost_per_token_above_";
    int64_t found = 0;
    const cJSON *v;
    cJSON_ArrayForEach(v, o)
    {
        int k, end = 0;
        if (strncmp(v->string, begin, sizeof begin - 1) != 0 ||
            sscanf(v->string + sizeof begin - 1, "%6dk_tokens%n", &k, &end) != 1 || end == 0 ||
            v->string[(int)sizeof begin - 1 + end] || k <= 0)
            continue; /* "..._priority" and the like are other services */
        if (found)
            return -1;
        found = (int64_t)k * 1000;
    }
    return found;
}

static const char *load_tier(const cJSON *o, price *p)
{
    char key[96];
    int k = (int)(p->above_tokens / 1000);
    bool good = true;
#define ABOVE(field, name)                                                                         \
    snprintf(key, sizeof key, name "_above_%dk_tokens", k);                                        \
    good &= per_million(o, key, &p->field)
    ABOVE(in_above, "input_cost_per_token");
    ABOVE(out_above, "output_cost_per_token");
    ABOVE(cached_above, "cache_read_input_token_cost");
    ABOVE(cache_write_above, "cache_creation_input_token_cost");
#undef ABOVE
    return good ? NULL : "has a price of long prompts that is no number";
}

/* NULL, or why the entry has no price. */
static const char *load_costs(const cJSON *o, price *p)
{
    if (!per_million(o, "input_cost_per_token", &p->in) ||
        !per_million(o, "output_cost_per_token", &p->out) ||
        !per_million(o, "cache_read_input_token_cost", &p->cached) ||
        !per_million(o, "cache_creation_input_token_cost", &p->cache_write) ||
        !per_million(o, "output_cost_per_reasoning_token", &p->reasoning))
        return "has a price that is no number of USD per token";
    const cJSON *tiers = cJSON_GetObjectItemCaseSensitive(o, "tiered_pricing");
    if (tiers && !cJSON_IsNull(tiers))
        return "has prices in tiers (tiered_pricing), none for all prompts";
    if (isnan(p->in) || isnan(p->out))
        return "has no price per token of input and output";
    if (p->reasoning == p->out)
        p->reasoning = (double)NAN; /* not priced apart */
    p->above_tokens = threshold(o);
    if (p->above_tokens < 0)
        return "has more than one price of long prompts";
    return p->above_tokens ? load_tier(o, p) : NULL;
}

static void load_litellm_entry(price_table *t, const cJSON *o, const char *source)
{
    price_row *r = add_row(t);
    r->p.model = ws_arena_strdup(&t->arena, o->string);
    r->p.source = source;
    const cJSON *provider = cJSON_GetObjectItemCaseSensitive(o, "litellm_provider");
    set_provider(t, r, cJSON_IsString(provider) ? provider->valuestring : "");
    r->unusable = cJSON_IsObject(o) ? load_costs(o, &r->p) : "is no object";
    /* DeepSeek and others have a 0 where written tokens cost no more than plain ones. */
    if (r->p.cache_write == 0)
        r->p.cache_write = (double)NAN;
    if (r->unusable)
        r->p.in = r->p.out = (double)NAN;
}

static ws_status load_litellm(price_table *t, const cJSON *root, const char *name, ws_err *err)
{
    const char *source = ws_arena_printf(&t->arena, "LiteLLM's file '%s'", name);
    const cJSON *o;
    int priced = 0;
    if (!cJSON_IsObject(root))
        return ws_fail(err, WS_EINPUT, "no price file: expected an object of models");
    cJSON_ArrayForEach(o, root)
    {
        if (strcmp(o->string, "sample_spec") == 0)
            continue;
        load_litellm_entry(t, o, source);
        priced += !t->row[t->n - 1].unusable;
    }
    if (!priced)
        return ws_fail(err, WS_EINPUT,
                       "no price file: none of its %d entries has 'input_cost_per_token' and "
                       "'output_cost_per_token'",
                       t->n);
    return WS_OK;
}

ws_status price_table_load(price_table *t, const char *text, size_t n, const char *name,
                           ws_err *err)
{
    cJSON *root = cJSON_ParseWithLength(text, n);
    ws_status st;
    if (!root || (cJSON_IsObject(root) && cJSON_GetObjectItemCaseSensitive(root, "prices"))) {
        cJSON_Delete(root);
        if (ws_json_parse(text, n, &root, err)) /* says where; no key twice */
            return err->status;
        st = load_own(t, root, err);
    } else {
        st = load_litellm(t, root, name, err);
    }
    cJSON_Delete(root);
    return st;
}
