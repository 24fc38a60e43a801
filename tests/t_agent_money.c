/* Prices: names, days, tiers, both file formats, and costs worked out by hand. */
#include "agent/money/price.h"
#include "base/buf.h"
#include "base/file.h"
#include "tests/tap.h"

#include <stdlib.h>
#include <unistd.h>

static char path[] = "/tmp/t_agent_money.XXXXXX";

static price_table *table_of(const char *json, ws_err *err)
{
    price_table *t = NULL;
    *err = (ws_err){0};
    if (ws_write_file(path, json, strlen(json), err) || price_table_open(path, &t, err))
        return NULL;
    return t;
}

/* ---- the bundled table ---- */

static void bundled(void)
{
    ws_err err = {0};
    price_table *t = NULL;
    price p;
    if (!ok(!price_table_open(NULL, &t, &err), "the bundled table is read: %s", err.msg))
        return;
    ok(price_find(t, "openai", "gpt-5.4", NULL, &p), "a model by its provider and name");
    ok(p.in == 2.5 && p.cached == 0.25 && p.out == 15, "has its prices");
    is_int(p.above_tokens, 272000, "and its threshold");
    ok(strlen(p.as_of) == 10 && *p.source, "and a date and a source: %s, %s", p.as_of, p.source);
    ok(price_find(t, NULL, "gpt-5.4", NULL, &p) &&
           price_find(t, NULL, "openai/gpt-5.4", NULL, &p) &&
           price_find(t, "openai", "openai/gpt-5.4", NULL, &p),
       "without a provider, and with it in the name");
    ok(price_find(t, "openai", "gpt-5.4-2026-03-05", NULL, &p) && p.out == 15, "a dated snapshot");
    ok(price_find(t, "openai", "gpt-4o-2024-05-13", NULL, &p) && p.out == 15,
       "a snapshot with a price of its own has that");
    ok(price_find(t, "anthropic", "claude-haiku-4-5-20251001", NULL, &p) && p.out == 5,
       "Anthropic's way of dates");
    ok(price_find(t, "anthropic", "claude-haiku-4-5@20251001", NULL, &p), "and Google's");
    ok(!price_find(t, "openai", "gpt-5.4-ultra", NULL, &p) &&
           !price_find(t, "openai", "gpt-5.", NULL, &p) && !price_find(t, NULL, "", NULL, &p) &&
           !price_find(t, NULL, "gpt-5.4-20", NULL, &p),
       "no name is guessed");
    has_str(price_why_unknown(t, NULL, "gpt-99"), "not in the bundled table", "and why is told");
    ok(!price_find(t, "vllm", "gpt-5.4", NULL, &p) &&
           !price_find(t, "vllm", "openai/gpt-5.4", NULL, &p),
       "a server of one's own has not the vendor's price");
    ok(!price_find(t, NULL, "openai/gpt-oss-120b", NULL, &p) &&
           price_find(t, "groq", "openai/gpt-oss-120b", NULL, &p) && p.out == 0.6 &&
           price_find(t, NULL, "groq/openai/gpt-oss-120b", NULL, &p),
       "an open model has the price of its host");
    ok(price_find(t, "openrouter", "openai/gpt-5.4", NULL, &p) && p.in == 2.5 &&
           strcmp(p.provider, "openrouter") == 0,
       "a model through OpenRouter");
    ok(price_find(t, "google", "gemini-2.5-pro", NULL, &p) && p.out_above == 15,
       "google is gemini");
    ok(price_find(t, "openai", "o3", "2025-06-09", &p) && p.out == 40 &&
           price_find(t, "openai", "o3", "2025-06-10", &p) && p.out == 8,
       "the price of the day");
    ok(price_find(t, "xai", "grok-4.5", NULL, &p) && p.reasoning_outside, "xAI counts apart");
    const char *from;
    int n = 0;
    bool whole = true;
    for (; price_at(t, n, &p, &from); n++)
        whole &= p.in > 0 && p.out > 0 && *p.source && *p.as_of && *p.provider && *p.model;
    ok(n > 80 && whole, "all %d rows have prices, source and date", n);
    price_table_close(t);
}

/* ---- LiteLLM's format ---- */

/* Written for this test, in the format of that file: models and numbers are made up. */
static const char litellm[] =
    "{\"sample_spec\": {\"input_cost_per_token\": 0.0, \"mode\": \"one of: chat, ...\"},\n"
    " \"plain-1\": {\"litellm_provider\": \"acme\", \"mode\": \"chat\", \"max_tokens\": 8192,\n"
    "   \"input_cost_per_token\": 1.25e-06, \"output_cost_per_token\": 4.35e-07,\n"
    "   \"cache_read_input_token_cost\": 1.25e-07, \"cache_creation_input_token_cost\": 0.0},\n"
    " \"long-1\": {\"litellm_provider\": \"acme\", \"input_cost_per_token\": 2e-06,\n"
    "   \"output_cost_per_token\": 1e-05, \"input_cost_per_token_above_200k_tokens\": 4e-06,\n"
    "   \"output_cost_per_token_above_200k_tokens\": 1.5e-05,\n"
    "   \"input_cost_per_token_above_200k_tokens_priority\": 9e-06,\n"
    "   \"input_cost_per_token_priority\": 8e-06},\n"
    " \"cloud/long-2\": {\"litellm_provider\": \"cloud\", \"input_cost_per_token\": 5e-06,\n"
    "   \"cache_read_input_token_cost\": 5e-07, \"cache_creation_input_token_cost\": 6.25e-06,\n"
    "   \"output_cost_per_token\": 3e-05, \"input_cost_per_token_above_272k_tokens\": 1e-05,\n"
    "   \"cache_read_input_token_cost_above_272k_tokens\": 1e-06,\n"
    "   \"cache_creation_input_token_cost_above_272k_tokens\": 1.25e-05,\n"
    "   \"output_cost_per_token_above_272k_tokens\": 4.5e-05},\n"
    " \"thinker\": {\"litellm_provider\": \"acme\", \"input_cost_per_token\": 1e-06,\n"
    "   \"output_cost_per_token\": 2e-06, \"output_cost_per_reasoning_token\": 3e-06},\n"
    " \"xai/grokky\": {\"litellm_provider\": \"xai\", \"input_cost_per_token\": 2e-06,\n"
    "   \"output_cost_per_token\": 6e-06},\n"
    " \"stairs\": {\"litellm_provider\": \"dashscope\", \"tiered_pricing\": [{\"range\": [0, "
    "32000.0],\n"
    "   \"input_cost_per_token\": 1e-06, \"output_cost_per_token\": 5e-06}]},\n"
    " \"two-steps\": {\"input_cost_per_token\": 1e-06, \"output_cost_per_token\": 5e-06,\n"
    "   \"input_cost_per_token_above_32k_tokens\": 2e-06,\n"
    "   \"input_cost_per_token_above_256k_tokens\": 3e-06},\n"
    " \"odd\": {\"input_cost_per_token\": \"1e-06\", \"output_cost_per_token\": 5e-06},\n"
    " \"picture\": {\"mode\": \"image_generation\", \"output_cost_per_image\": 0.04},\n"
    " \"gift\": {\"input_cost_per_token\": 0, \"output_cost_per_token\": 0},\n"
    " \"plain-1-2026-02-03\": {\"litellm_provider\": \"acme\", \"input_cost_per_token\": 9e-06,\n"
    "   \"output_cost_per_token\": 9e-06}}";

static double cost(const price_table *t, const char *model, price_usage u)
{
    price p;
    return price_find(t, NULL, model, NULL, &p) ? price_cost(&p, &u) : (double)NAN;
}

static void litellm_names(const price_table *t)
{
    price p;
    ok(price_find(t, NULL, "plain-1", NULL, &p) && p.in == 1.25 && p.out == 0.435 &&
           p.cached == 0.125,
       "USD per token become USD per million, without noise");
    is_str(p.as_of, "", "the file has no date");
    ok(price_find(t, "acme", "plain-1", NULL, &p) && price_find(t, "mine", "plain-1", NULL, &p),
       "a bare name of the user's file is enough");
    ok(price_find(t, "acme", "plain-1-2026-02-03", NULL, &p) && p.in == 9, "a snapshot of its own");
    ok(price_find(t, "acme", "plain-1-2026-02-04", NULL, &p) && p.in == 1.25,
       "a snapshot that is not listed");
    ok(price_find(t, "cloud", "long-2", NULL, &p) &&
           price_find(t, NULL, "cloud/long-2", NULL, &p) &&
           !price_find(t, "acme", "long-2", NULL, &p) && !price_find(t, NULL, "long-2", NULL, &p),
       "a name with its provider");
    ok(price_find(t, NULL, "gift", NULL, &p) && p.in == 0, "a price that is told to be nothing");
    ok(!price_find(t, NULL, "sample_spec", NULL, &p), "the sample is no model");
    static const char *const unpriced[][2] = {{"stairs", "tiers"},
                                              {"two-steps", "more than one price"},
                                              {"odd", "no number"},
                                              {"picture", "no price per token"},
                                              {"plain-2", "not in the price file"}};
    for (size_t i = 0; i < WS_COUNT(unpriced); i++)
        ok(!price_find(t, NULL, unpriced[i][0], NULL, &p) &&
               strstr(price_why_unknown(t, NULL, unpriced[i][0]), unpriced[i][1]),
           "no price: %s %s", unpriced[i][0], price_why_unknown(t, NULL, unpriced[i][0]));
}

/* Every expected value is worked out in the comment beside it. */
static void litellm_costs(const price_table *t)
{
    price p;
    is_close(cost(t, "plain-1", (price_usage){1000, -1, -1, 100, -1}), 0.0012935, 1e-15,
             "1000 at 1.25 and 100 at 0.435 per million");
    is_close(cost(t, "plain-1", (price_usage){1000, 800, 0, 100, 50}), 0.0003935, 1e-15,
             "200 at 1.25, 800 at 0.125, 100 at 0.435, reasoning among them");
    is_close(cost(t, "plain-1", (price_usage){1000, 0, 400, 0, 0}), 0.00125, 1e-15,
             "written tokens without a price cost as others");
    is_close(cost(t, "long-1", (price_usage){200000, 0, 0, 1000, 0}), 0.41, 1e-12,
             "at the threshold: 0.2 M at 2, 1000 at 10");
    is_close(cost(t, "long-1", (price_usage){200001, 0, 0, 1000, 0}), 0.815004, 1e-12,
             "above it the whole request: 200001 at 4, 1000 at 15");
    is_close(cost(t, "cloud/long-2", (price_usage){300000, 100000, 50000, 2000, 0}), 2.315, 1e-12,
             "150000 at 10, 100000 at 1, 50000 at 12.5, 2000 at 45");
    is_close(cost(t, "thinker", (price_usage){1000, 0, 0, 500, 300}), 0.0023, 1e-15,
             "1000 at 1, 200 at 2, 300 of reasoning at 3");
    is_close(cost(t, "xai/grokky", (price_usage){1000, 0, 0, 500, 300}), 0.0068, 1e-15,
             "1000 at 2, 500 at 6, and 300 of reasoning beside them at 6");
    ok(isnan(cost(t, "xai/grokky", (price_usage){1000, 0, 0, 500, -1})) &&
           isnan(cost(t, "plain-1", (price_usage){-1, 0, 0, 500, 0})) &&
           isnan(cost(t, "plain-1", (price_usage){10, 0, 0, -1, 0})),
       "a count that matters and is not told: no cost");
    ok(price_find(t, NULL, "long-1", NULL, &p), "long-1");
    is_close(price_most(&p, 100000, 1000), 0.21, 1e-12, "the most: 0.1 M at 2, 1000 at 10");
    is_close(price_most(&p, 250000, 1000), 1.015, 1e-12, "and of a long prompt: at 4 and 15");
    ok(isinf(price_most(&p, 10, 0)), "a reply without a cap may cost anything");
    ok(price_find(t, NULL, "cloud/long-2", NULL, &p), "long-2");
    is_close(price_most(&p, 1000, 0 + 1), 0.00628, 1e-12, "all of a prompt may be written: 6.25");
}

/* No usage within the announced most costs more than price_most. */
static void most_is_most(const price_table *t)
{
    static const char *const models[] = {"plain-1", "long-1", "cloud/long-2", "thinker",
                                         "xai/grokky"};
    uint32_t x = 12345;
    int over = 0;
    for (int i = 0; i < 20000; i++) {
        price p;
        int64_t v[4];
        for (int k = 0; k < 4; k++)
            v[k] = (int64_t)((x = x * 1664525u + 1013904223u) >> 8);
        int64_t bytes = v[0] % 400000, cap = 1 + v[1] % 9000;
        price_usage u = {.prompt = bytes - (i % 3 ? 0 : bytes / 3), .completion = v[1] % (cap + 1)};
        u.cached = u.prompt ? v[2] % (u.prompt + 1) : 0;
        u.cache_write = (u.prompt - u.cached) / 2;
        u.reasoning = u.completion / 2;
        if (!price_find(t, NULL, models[v[3] % 5], NULL, &p))
            continue;
        if (p.reasoning_outside) /* the cap holds both */
            u.completion -= u.reasoning;
        over += !(price_cost(&p, &u) <= price_most(&p, bytes, cap) * (1 + 1e-12));
    }
    is_int(over, 0, "20000 random requests: none costs more than its most");
}

/* ---- files that are none ---- */

static void bad_files(void)
{
    static const char *const bad[][2] = {
        {"{\"a\": ", "not valid JSON at line 1"},
        {"[1, 2]", "expected an object of models"},
        {"{\"name\": \"softmax\"}", "no price file"},
        {"{}", "no price file"},
        {"{\"schema\": 2, \"sources\": {}, \"prices\": []}", "schema: expected 1"},
        {"{\"schema\": 1, \"sources\": {}, \"prices\": [{\"provider\": \"a\", \"equals\": [\"b\"], "
         "\"in\": 1, \"out\": 2, \"source\": \"s\"}]}",
         "prices[0].source: 'sources' has no 's'"},
        {"{\"schema\": 1, \"sources\": {\"s\": {\"name\": \"n\"}}, \"prices\": [{\"provider\": "
         "\"a\", \"equals\": [\"b\"], \"in\": -1, \"out\": 2, \"source\": \"s\"}]}",
         "prices[0].in: expected USD per million tokens"},
        {"{\"schema\": 1, \"sources\": {\"s\": {\"name\": \"n\"}}, \"prices\": [{\"provider\": "
         "\"a\", \"equals\": [\"b\"], \"in\": 1, \"source\": \"s\"}]}",
         "prices[0]: missing 'out'"},
        {"{\"schema\": 1, \"sources\": {\"s\": {\"name\": \"n\"}}, \"prices\": [{\"provider\": "
         "\"a\", \"in\": 1, \"out\": 2, \"source\": \"s\"}]}",
         "missing 'equals' or 'prefix'"},
        {"{\"schema\": 1, \"sources\": {\"s\": {\"name\": \"n\", \"checked\": \"1.8.26\"}}, "
         "\"prices\": [{\"provider\": \"a\", \"equals\": [\"b\"], \"in\": 1, \"out\": 2, "
         "\"source\": \"s\"}]}",
         "sources.s.checked: expected a day"},
        {"{\"schema\": 1, \"sources\": {}, \"prices\": [{\"outt\": 1}]}", "outt"}};
    ws_err err;
    for (size_t i = 0; i < WS_COUNT(bad); i++) {
        price_table *t = table_of(bad[i][0], &err);
        ok(!t && err.status == WS_EINPUT, "refused: %.40s", bad[i][0]);
        has_str(err.msg, bad[i][1], "with the place");
        price_table_close(t);
    }
    price_table *t = NULL;
    ok(price_table_open("/nowhere/prices.json", &t, &err), "a file that is not there");
}

static void own_format(void)
{
    ws_err err;
    price p;
    price_table *t = table_of(
        "{\"schema\": 1, \"sources\": {\"s\": {\"name\": \"our contract\", \"checked\": "
        "\"2026-10-01\"}}, \"prices\": ["
        "{\"provider\": \"mine\", \"prefix\": \"fine-\", \"in\": 1, \"out\": 2, \"source\": \"s\"},"
        "{\"provider\": \"mine\", \"equals\": [\"fine-old\", \"old\"], \"in\": 3, \"out\": 4, "
        "\"to\": \"2026-01-01\", \"source\": \"s\"}]}",
        &err);
    ok(t != NULL, "a table of one's own: %s", err.msg);
    if (!t)
        return;
    ok(price_find(t, "mine", "fine-tuned-7", NULL, &p) && p.in == 1, "a prefix");
    ok(!price_find(t, "mine", "fine-", NULL, &p), "needs something after it");
    ok(price_find(t, "mine", "old", "2025-12-31", &p) && p.in == 3 &&
           !price_find(t, "mine", "old", "2026-01-01", &p),
       "a last day");
    is_str(p.as_of, "2026-10-01", "its date");
    price_table_close(t);
}

int main(void)
{
    ws_err err;
    close(mkstemp(path));
    bundled();
    price_table *t = table_of(litellm, &err);
    ok(t != NULL, "LiteLLM's format is read: %s", err.msg);
    if (t) {
        litellm_names(t);
        litellm_costs(t);
        most_is_most(t);
        price_table_close(t);
    }
    own_format();
    bad_files();
    unlink(path);
    return tap_done();
}
