#include "agent/cmd/archive_show.h"

#include "agent/cli.h"
#include "agent/cmd/archive_packet.h"
#include "base/diff.h"
#include "base/json.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static double seconds_of(const db_candidate *c)
{
    return isnan(c->measured_s) ? c->modelled_s : c->measured_s;
}

static const char *kind_of(const db_candidate *c)
{
    return isnan(c->measured_s) ? "modelled" : "measured";
}

/* ---- lineage ---- */

typedef struct lineage {
    const db_run *run;
    const db_candidate *c;
    int n;
    int *parent;  /* index, -1: a root */
    int *depth;
    bool *led;    /* the winner, and what it came from */
} lineage;

static int index_of(const lineage *l, int64_t id)
{
    for (int i = 0; id && i < l->n; i++)
        if (l->c[i].id == id)
            return i;
    return -1;
}

static void connect(lineage *l, ws_arena *a)
{
    l->parent = WS_ARENA_NEW(a, int, l->n + 1);
    l->depth = WS_ARENA_NEW(a, int, l->n + 1);
    l->led = WS_ARENA_NEW(a, bool, l->n + 1);
    for (int i = 0; i < l->n; i++) {
        const int p = index_of(l, l->c[i].parent);
        l->parent[i] = p < i ? p : -1; /* a parent is older */
        l->depth[i] = l->parent[i] < 0 ? 0 : l->depth[l->parent[i]] + 1;
    }
    for (int i = index_of(l, l->run->best_candidate); i >= 0; i = l->parent[i])
        l->led[i] = true;
}

/* Generation 0's time of the same kind over the candidate's; NaN: not known. */
static double gain(const lineage *l, int i)
{
    const bool measured = !isnan(l->c[i].measured_s);
    if (!l->n || strcmp(l->c[0].origin, "emitted") != 0)
        return (double)NAN;
    return measured ? l->c[0].measured_s / l->c[i].measured_s
                    : l->c[0].modelled_s / l->c[i].modelled_s;
}

/* Prints what fits into the line: the tunables, which tell a tuned kernel from the others, else the
 * note. */
static void print_rest(const db_candidate *c, int used)
{
    const int columns = cli_columns();
    const char *text = c->tune_json ? c->tune_json : c->note;
    const int width = columns ? columns - used - 2 : 0;
    if (!text || !*text || (columns && width < 12))
        return;
    fputs("  ", stdout);
    cli_put_foreign(text, width);
}

static void print_node(const lineage *l, int i, const char *stem, int stem_columns)
{
    const db_candidate *c = &l->c[i];
    int used = stem_columns;
    printf("%s", stem);
    used += printf("%s#%" PRId64 " %s", l->led[i] ? "*" : "", c->id, c->origin);
    if (c->round)
        used += printf(" %d", c->round);
    used += printf("  %s", c->reason);
    if (isfinite(seconds_of(c)))
        used += printf("  %.2f us %s", seconds_of(c) * 1e6, kind_of(c));
    if (isfinite(gain(l, i)))
        used += printf("  %.2fx", gain(l, i));
    if (c->id == l->run->best_candidate)
        used += printf("  <- winner");
    print_rest(c, used);
    putchar('\n');
}

/* The children of `parent` (-1: the roots) and all below; `stem` is what stands before them. */
static void print_below(const lineage *l, int parent, const char *stem, int columns)
{
    int last = -1;
    for (int i = 0; i < l->n; i++)
        if (l->parent[i] == parent)
            last = i;
    for (int i = parent + 1; i <= last; i++) {
        ws_buf own = {0}, below = {0};
        if (l->parent[i] != parent)
            continue;
        const bool root = parent < 0;
        ws_buf_printf(&own, "%s%s", stem, root ? "" : i == last ? "`- " : "|- ");
        ws_buf_printf(&below, "%s%s", stem, root ? "" : i == last ? "   " : "|  ");
        print_node(l, i, ws_buf_z(&own), columns + (root ? 0 : 3));
        print_below(l, i, ws_buf_z(&below), columns + (root ? 0 : 3));
        ws_buf_release(&own);
        ws_buf_release(&below);
    }
}

static void print_lineage_json(const lineage *l)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddNumberToObject(o, "schema", 1);
    cJSON_AddStringToObject(o, "run", l->run->name);
    ws_json_add_int(o, "winner", l->run->best_candidate);
    cJSON *list = cJSON_AddArrayToObject(o, "candidates");
    for (int i = 0; i < l->n; i++) {
        const db_candidate *c = &l->c[i];
        char *note = ws_utf8_valid(c->note ? c->note : "");
        cJSON *v = cJSON_CreateObject(), *tune = c->tune_json ? cJSON_Parse(c->tune_json) : NULL;
        ws_json_add_int(v, "id", c->id);
        ws_json_add_int(v, "parent", c->parent);
        cJSON_AddNumberToObject(v, "depth", l->depth[i]);
        cJSON_AddBoolToObject(v, "led_to_winner", l->led[i]);
        cJSON_AddNumberToObject(v, "round", c->round);
        cJSON_AddStringToObject(v, "origin", c->origin);
        cJSON_AddStringToObject(v, "reason", c->reason);
        cJSON_AddNumberToObject(v, "level", c->level);
        if (isfinite(seconds_of(c))) {
            cJSON_AddNumberToObject(v, "seconds", seconds_of(c));
            cJSON_AddStringToObject(v, "kind", kind_of(c));
        }
        if (isfinite(gain(l, i)))
            cJSON_AddNumberToObject(v, "speedup_over_generation_0", gain(l, i));
        if (tune)
            cJSON_AddItemToObject(v, "tune", tune);
        cJSON_AddStringToObject(v, "note", note);
        cJSON_AddItemToArray(list, v);
        free(note);
    }
    cli_print_json(o);
}

ws_status archive_lineage(db_archive *db, const char *which, bool json, ws_err *err)
{
    ws_arena a = {0};
    db_run r = {0};
    db_candidate *c = NULL;
    int n = 0;
    ws_status st = db_run_find(db, which, &a, &r, err);
    if (!st)
        st = db_candidate_list(db, r.id, &a, &c, &n, err);
    if (!st) {
        lineage l = {.run = &r, .c = c, .n = n};
        connect(&l, &a);
        if (json) {
            print_lineage_json(&l);
        } else {
            printf("%s: ", r.name);
            cli_put_foreign(r.spec_name, 0);
            puts(n ? "; * led to the winner" : "; no candidates");
            print_below(&l, -1, "", 0);
        }
    }
    ws_arena_release(&a);
    return st;
}

/* ---- diff ---- */

/* A line at a time, in the colours that git uses, where there is a screen for them. */
static void print_diff(const char *text)
{
    const bool colours = isatty(STDOUT_FILENO) && !getenv("NO_COLOR");
    for (int n = 0; *text; n++) {
        const size_t length = strcspn(text, "\n");
        const char *colour = n < 2 ? "\33[1m"
                             : *text == '@' ? "\33[36m"
                             : *text == '+' ? "\33[32m"
                             : *text == '-' ? "\33[31m"
                                            : "";
        char *line = ws_strndup(text, length);
        ws_buf safe = {0};
        ws_buf_add_foreign(&safe, line, "");
        printf("%s%s%s\n", colours ? colour : "", ws_buf_z(&safe),
               colours && *colour ? "\33[m" : "");
        ws_buf_release(&safe);
        free(line);
        text += length + (text[length] == '\n');
    }
}

typedef struct diffed {
    db_run run;
    db_candidate c;
} diffed;

static ws_status choose_both(db_archive *db, const char *a, const char *b, ws_arena *arena,
                             diffed out[2], ws_err *err)
{
    bool found = true;
    ws_status st = archive_choose(db, a, arena, &out[b ? 0 : 1].run, &out[b ? 0 : 1].c, err);
    if (!st && b)
        st = archive_choose(db, b, arena, &out[1].run, &out[1].c, err);
    else if (!st && !(st = db_candidate_before(db, &out[1].c, arena, &out[0].c, &found, err)))
        out[0].run = out[1].run;
    if (!st && !found)
        st = ws_fail(err, WS_EINPUT, "candidate #%" PRId64 " has no parent with another source",
                     out[1].c.id);
    return st;
}

static const char *name_of(const diffed *d, ws_arena *a)
{
    return ws_arena_printf(a, "#%" PRId64 "\t%s, round %d", d->c.id, d->run.name, d->c.round);
}

static void print_diff_json(const diffed d[2], const char *text)
{
    static const char *const key[] = {"from", "to"};
    char *valid = ws_utf8_valid(text);
    cJSON *o = cJSON_CreateObject();
    cJSON_AddNumberToObject(o, "schema", 1);
    for (int i = 0; i < 2; i++) {
        cJSON *v = cJSON_AddObjectToObject(o, key[i]);
        cJSON *tune = d[i].c.tune_json ? cJSON_Parse(d[i].c.tune_json) : NULL;
        ws_json_add_int(v, "id", d[i].c.id);
        cJSON_AddStringToObject(v, "run", d[i].run.name);
        cJSON_AddStringToObject(v, "reason", d[i].c.reason);
        if (isfinite(seconds_of(&d[i].c))) {
            cJSON_AddNumberToObject(v, "seconds", seconds_of(&d[i].c));
            cJSON_AddStringToObject(v, "kind", kind_of(&d[i].c));
        }
        if (tune)
            cJSON_AddItemToObject(v, "tune", tune);
    }
    cJSON_AddBoolToObject(o, "same", !*text);
    cJSON_AddStringToObject(o, "diff", valid);
    cli_print_json(o);
    free(valid);
}

ws_status archive_diff(db_archive *db, const char *a, const char *b, int context, bool json,
                       ws_err *err)
{
    ws_arena arena = {0};
    ws_buf text = {0};
    diffed d[2] = {0};
    ws_status st = choose_both(db, a, b, &arena, d, err);
    if (!st) {
        ws_diff_unified(d[0].c.source, d[1].c.source, name_of(&d[0], &arena),
                        name_of(&d[1], &arena), context, &text);
        if (json)
            print_diff_json(d, ws_buf_z(&text));
        else if (text.n)
            print_diff(ws_buf_z(&text));
        else
            printf("#%" PRId64 " and #%" PRId64 " have the same source\n", d[0].c.id, d[1].c.id);
    }
    ws_buf_release(&text);
    ws_arena_release(&arena);
    return st;
}
