#include "agent/strategy/options.h"

#include "base/json.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define OPTION(name, most, help)                                                                   \
    {                                                                                              \
#name, offsetof(strat_options, name), most, help                                           \
    }

/* The numbers; `diagnose` is 0 or 1. */
static const struct {
    const char *name;
    size_t offset;
    int most;
    const char *help;
} options[] = {
    OPTION(repairs, 100, "tries to repair one kernel [refine 3, best-of 1, ideas 3, evolve 1]"),
    OPTION(patience, 1000, "replies without gain before something else is worked on [4; ideas 6]"),
    OPTION(stagnation, 100000, "kernels of all lanes without gain that end a lane [never]"),
    OPTION(barren, 1000, "replies in a row with no new kernel that end a lane [6]"),
    OPTION(islands, 64, "evolve: islands [one for two lanes, at most 4]"),
    OPTION(migrate_every, 1000, "evolve: rounds between migrations [5]"),
    OPTION(keep, STRAT_MAX_INSPIRATIONS, "inspirations that are shown [3]"),
    {"diagnose", 0, 1, "refine: 1: a text turn names the bottleneck before each change [0]"},
};
enum { DIAGNOSE = WS_COUNT(options) - 1 };

static int get(const strat_options *o, int i)
{
    int v;
    if (i == DIAGNOSE)
        return o->diagnose;
    memcpy(&v, (const char *)o + options[i].offset, sizeof v);
    return v;
}

static void set(strat_options *o, int i, int v)
{
    if (i == DIAGNOSE)
        o->diagnose = v;
    else
        memcpy((char *)o + options[i].offset, &v, sizeof v);
}

static ws_status unknown(const char *word, ws_err *err)
{
    const char *names[WS_COUNT(options) + 1] = {0};
    for (size_t i = 0; i < WS_COUNT(options); i++)
        names[i] = options[i].name;
    const char *near = ws_nearest(word, names);
    ws_fail(err, WS_EUSAGE, "a strategy has no option '%s'", word);
    return near ? ws_hint(err, "did you mean '%s'?", near) : WS_EUSAGE;
}

/* "patience=6", or the name alone for 1. */
static ws_status parse_one(char *word, strat_options *o, ws_err *err)
{
    char *value = strchr(word, '='), *end = NULL;
    long v = 1;
    if (value)
        *value++ = '\0';
    for (int i = 0; i < (int)WS_COUNT(options); i++) {
        if (strcmp(options[i].name, word) != 0)
            continue;
        if (value)
            v = strtol(value, &end, 10);
        if ((value && (end == value || *end)) || v < 0 || v > options[i].most)
            return ws_fail(err, WS_EUSAGE, "option '%s' is a number from 0 to %d, not '%s'", word,
                           options[i].most, value);
        set(o, i, (int)v);
        return WS_OK;
    }
    return unknown(word, err);
}

ws_status strat_options_parse(const char *text, strat_options *o, ws_err *err)
{
    char *copy = ws_strdup(text ? text : ""), *next = copy;
    strat_options changed = *o;
    ws_status st = WS_OK;
    while (!st && *next) {
        char *word = next;
        next += strcspn(next, ",");
        if (*next)
            *next++ = '\0';
        if (*word)
            st = parse_one(word, &changed, err);
    }
    if (!st)
        *o = changed;
    free(copy);
    return st;
}

void strat_options_print(const strat_options *o, ws_buf *out)
{
    int n = 0;
    for (int i = 0; i < (int)WS_COUNT(options); i++)
        if (get(o, i))
            ws_buf_printf(out, "%s%s=%d", n++ ? "," : "", options[i].name, get(o, i));
}

void strat_options_help(ws_buf *out)
{
    for (size_t i = 0; i < WS_COUNT(options); i++)
        ws_buf_printf(out, "%s: %s\n", options[i].name, options[i].help);
}
