/* Inside of merging: what its files share. merge_rows.c copies rows as they are, merge_runs.c knows
 * runs and their judgements, merge.c sittings and sweeps. */
#ifndef RESULTS_MERGE_PARTS_H
#define RESULTS_MERGE_PARTS_H

#include "results/db.h"
#include "results/merge.h"

/* Row numbers there, and what they are here: a hash table with room for twice its entries. */
typedef struct id_map {
    struct pair {
        int64_t there, here; /* there 0: free */
    } *slot;
    int n, cap;   /* cap: a power of 2 */
    int64_t last; /* here, of what was added last */
} id_map;

void map_add(id_map *m, int64_t there, int64_t here);
int64_t map_find(const id_map *m, int64_t there); /* 0: it has no counterpart */
void map_release(id_map *m);

typedef struct merge {
    db_archive *to, *from;
    ws_arena arena;
    id_map run, call, candidate, problem;
    db_merged count;
} merge;

/* A column whose numbers are those of rows, mapped where rows are copied. */
typedef struct mapped {
    const char *column;
    const id_map *map;
    int64_t fixed; /* without a map: this number instead */
} mapped;

/* Copies the rows of `table` for which `where`, with one parameter, holds there. `ids` (NULL: not
 * wanted) learns their numbers here. */
ws_status merge_copy(merge *g, const char *table, const char *where, int64_t parameter,
                     const mapped *maps, id_map *ids, int *count, ws_err *err) WS_MUST_CHECK;
/* Texts, quirks and keys of specs, which are known by what they hold. */
ws_status merge_keyed(merge *g, ws_err *err) WS_MUST_CHECK;

/* One number of one row, 0 when there is none; by a number, by a text. */
ws_status merge_ask(db_archive *db, const char *sql, int64_t a, int64_t *out,
                    ws_err *err) WS_MUST_CHECK;
ws_status merge_ask_text(db_archive *db, const char *sql, const char *a, int64_t *out,
                         ws_err *err) WS_MUST_CHECK;

typedef struct one {
    int64_t id;
    const char *key; /* what tells rows of one run apart, or whether they are equal */
} one;

/* The rows of a query with one parameter. */
ws_status merge_list(db_archive *db, const char *sql, int64_t parameter, ws_arena *a, one **out,
                     int *n, ws_err *err) WS_MUST_CHECK;

/* ---- merge_runs.c ---- */
ws_status merge_runs(merge *g, ws_err *err) WS_MUST_CHECK;
ws_status merge_rejudges(merge *g, ws_err *err) WS_MUST_CHECK;

#endif
