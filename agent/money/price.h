/* What tokens cost: the dated table of the tree, or LiteLLM's price file as it is. An unknown model
 * has an unknown price, never zero. */
#ifndef AGENT_MONEY_PRICE_H
#define AGENT_MONEY_PRICE_H

#include "base/err.h"
#include "base/mem.h"

#include <stdint.h>

typedef struct price_table price_table;

/* USD per million tokens; NaN: not told. */
typedef struct price {
    const char *model, *provider, *source;          /* as the table names them */
    const char *note;                               /* what else there is to know, or NULL */
    char as_of[11];                                 /* "2026-08-01", "": the table has no date */
    double in, cached, cache_write, out, reasoning; /* reasoning: only where it is priced apart */
    int64_t above_tokens; /* prompts longer than this have the prices below; 0: none */
    double in_above, cached_above, cache_write_above, out_above;
    bool reasoning_outside; /* completion tokens do not hold the reasoning tokens (xAI) */
} price;

typedef struct price_usage { /* tokens; -1: not told */
    int64_t prompt;          /* all of the input, cached and written ones too */
    int64_t cached, cache_write, completion, reasoning;
} price_usage;

/* `file` NULL: the bundled table. A file is in LiteLLM's format or in that of the bundled table.
 * WS_EINPUT with the place when it is no price file. */
ws_status price_table_open(const char *file, price_table **out, ws_err *err) WS_MUST_CHECK;
void price_table_close(price_table *t);
/* The price on a day ("2026-11-21", NULL: today) of a model as the user or the server names it
 * ("gpt-5.4", "openai/gpt-5.4", "gpt-5.4-2026-03-05"). `provider` NULL: not known. A bare name of
 * another provider is taken from a file that the user gave, not from the bundled table: a server of
 * one's own that serves an open model has no vendor's price. false: unknown. */
bool price_find(const price_table *t, const char *provider, const char *model, const char *day,
                price *out);
/* Why price_find knows none, in words: "has prices in tiers ...", "is in no table". */
const char *price_why_unknown(const price_table *t, const char *provider, const char *model);
/* All entries in the table's order, with those of other days; false: no i-th. `from` is the first
 * day of the price, "" since ever. An entry without a price has NaN and says why in `note`. */
bool price_at(const price_table *t, int i, price *out, const char **from);

/* NaN when a count that matters is not told. Cached and written tokens that are not told count as
 * plain ones. */
double price_cost(const price *p, const price_usage *u);
/* The most that a request can cost: a body of so many bytes (a token is at least one byte), so many
 * tokens of reply (0 or less: no cap, INFINITY). */
double price_most(const price *p, int64_t prompt_bytes, int64_t max_completion_tokens);

#endif
