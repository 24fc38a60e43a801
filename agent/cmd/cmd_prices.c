/* `warpsmith prices`: what is known of the price of tokens, from when and by whom. */
#include "agent/cli.h"
#include "agent/money/price.h"
#include "base/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct options {
    cli_common common;
    const char *prices, *provider, *day;
} options;

static const ws_opt option_table[] = {
    {.name = "prices",
     .type = WS_OPT_STRING,
     .offset = offsetof(options, prices),
     .arg = "FILE",
     .help = "a price file of LiteLLM's or in the format of agent/money/prices.json",
     .env = "WARPSMITH_PRICES"},
    {.name = "provider",
     .type = WS_OPT_STRING,
     .offset = offsetof(options, provider),
     .arg = "NAME",
     .help = "who serves the model: openai, anthropic, openrouter, ..."},
    {.name = "day",
     .type = WS_OPT_STRING,
     .offset = offsetof(options, day),
     .arg = "YYYY-MM-DD",
     .help = "the price of another day than today"},
    CLI_COMMON_OPTIONS};

static void add_price(cJSON *o, const char *key, double v)
{
    if (!isnan(v))
        cJSON_AddNumberToObject(o, key, v);
}

static cJSON *json_of(const price *p, const char *from)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "provider", p->provider);
    cJSON_AddStringToObject(o, "model", p->model);
    add_price(o, "input_usd_per_mtok", p->in);
    add_price(o, "cached_usd_per_mtok", p->cached);
    add_price(o, "cache_write_usd_per_mtok", p->cache_write);
    add_price(o, "output_usd_per_mtok", p->out);
    add_price(o, "reasoning_usd_per_mtok", p->reasoning);
    if (p->above_tokens) {
        cJSON *a = cJSON_AddObjectToObject(o, "above");
        ws_json_add_int(a, "prompt_tokens", p->above_tokens);
        add_price(a, "input_usd_per_mtok", p->in_above);
        add_price(a, "cached_usd_per_mtok", p->cached_above);
        add_price(a, "cache_write_usd_per_mtok", p->cache_write_above);
        add_price(a, "output_usd_per_mtok", p->out_above);
    }
    cJSON_AddBoolToObject(o, "reasoning_outside_completion", p->reasoning_outside);
    if (from && *from)
        cJSON_AddStringToObject(o, "from", from);
    if (*p->as_of)
        cJSON_AddStringToObject(o, "checked", p->as_of);
    cJSON_AddStringToObject(o, "source", p->source);
    if (p->note)
        cJSON_AddStringToObject(o, "note", p->note);
    return o;
}

static void print_number(double v)
{
    isnan(v) ? printf(" %9s", "-") : printf(" %9g", v);
}

static void print_row(const price *p, const char *from)
{
    printf("%-11s %-28s", p->provider, p->model);
    print_number(p->in);
    print_number(p->cached);
    print_number(p->cache_write);
    print_number(p->out);
    if (from && *from)
        printf("  from %s", from);
    if (p->above_tokens)
        printf("  over %lldk tokens: %g in, %g out", (long long)(p->above_tokens / 1000),
               p->in_above, p->out_above);
    if (p->note)
        printf("  (%s)", p->note);
    putchar('\n');
}

static void print_head(void)
{
    printf("%-11s %-28s %9s %9s %9s %9s  USD per million tokens\n", "provider", "model", "input",
           "cached", "written", "output");
}

static void print_all(const price_table *t, bool json)
{
    price p;
    const char *from, *source = NULL;
    cJSON *root = json ? cJSON_CreateObject() : NULL, *list = NULL;
    if (json) {
        cJSON_AddNumberToObject(root, "schema", 1);
        list = cJSON_AddArrayToObject(root, "prices");
    } else {
        print_head();
    }
    for (int i = 0; price_at(t, i, &p, &from); i++) {
        source = p.source;
        json ? (void)cJSON_AddItemToArray(list, json_of(&p, from)) : print_row(&p, from);
    }
    if (json)
        cli_print_json(root);
    else if (source)
        printf("checked %s; --json names the source of each\n", *p.as_of ? p.as_of
                                                                         : "never: the "
                                                                           "file has no date");
}

static void print_one(const price *p, bool json)
{
    if (json) {
        cJSON *o = json_of(p, NULL);
        cJSON_AddNumberToObject(o, "schema", 1);
        cli_print_json(o);
        return;
    }
    print_head();
    print_row(p, NULL);
    printf("source: %s%s%s\n", p->source, *p->as_of ? ", checked " : "", p->as_of);
}

static ws_status run(const void *values, const char **args, int nargs, int *exit_code, ws_err *err)
{
    const options *o = values;
    price_table *t = NULL;
    price p;
    ws_status st = price_table_open(o->prices, &t, err);
    if (st)
        return st;
    if (!nargs) {
        print_all(t, o->common.json);
    } else if (price_find(t, o->provider, args[0], o->day, &p)) {
        print_one(&p, o->common.json);
    } else if (o->common.json) {
        cJSON *v = cJSON_CreateObject();
        cJSON_AddNumberToObject(v, "schema", 1);
        cJSON_AddStringToObject(v, "model", args[0]);
        cJSON_AddStringToObject(v, "unknown", price_why_unknown(t, o->provider, args[0]));
        cli_print_json(v);
        *exit_code = 1;
    } else {
        printf("'%s' %s: its price is not known\n", args[0],
               price_why_unknown(t, o->provider, args[0]));
        *exit_code = 1;
    }
    price_table_close(t);
    return st;
}

const cli_command cmd_prices = {
    .doc = {.name = "prices",
            .summary = "what models' tokens cost, with date and source",
            .usage = "[MODEL] [options]",
            .details = "Without MODEL all that is known. Exit code 1: the model's price is not "
                       "known. A model that no\ntable names has an unknown price, never none.",
            .examples = "warpsmith prices gpt-5.4\nwarpsmith prices --provider openrouter "
                        "openai/gpt-5.4 --json\nwarpsmith prices my-model --prices "
                        "model_prices_and_context_window.json",
            .options = option_table,
            .min_args = 0,
            .max_args = 1},
    .values_size = sizeof(options),
    .run = run,
};
