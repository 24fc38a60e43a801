/* A table in memory: price_load.c fills it from either format, price.c looks things up. */
#ifndef AGENT_MONEY_PRICE_TABLE_H
#define AGENT_MONEY_PRICE_TABLE_H

#include "agent/money/price.h"

typedef struct price_row {
    price p;
    const char *prefix;    /* names that begin with it; NULL: p.model is the whole name */
    char from[11], to[11]; /* first day, and the first day that has it no more; "": open */
    const char *unusable;  /* why there is no price, NULL: there is one */
} price_row;

struct price_table {
    ws_arena arena;
    price_row *row;
    int n, cap;
    bool bundled;
};

/* Appends the rows of a file's text; the error names the place in it. */
ws_status price_table_load(price_table *t, const char *text, size_t n, const char *name,
                           ws_err *err) WS_MUST_CHECK;

#endif
