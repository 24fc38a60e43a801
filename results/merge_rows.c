/* Rows of one archive as rows of another. */
#include "results/merge_parts.h"

#include <stdlib.h>
#include <string.h>

/* ---- numbers ---- */

static struct pair *map_slot(const id_map *m, int64_t there)
{
    size_t mask = (size_t)m->cap - 1, i = ((uint64_t)there * 0x9e3779b97f4a7c15u >> 32) & mask;
    while (m->slot[i].there && m->slot[i].there != there)
        i = (i + 1) & mask;
    return &m->slot[i];
}

void map_add(id_map *m, int64_t there, int64_t here)
{
    if (2 * (m->n + 1) > m->cap) {
        id_map old = *m;
        m->cap = old.cap ? 2 * old.cap : 64;
        m->slot = ws_calloc((size_t)m->cap, sizeof *m->slot);
        for (int i = 0; i < old.cap; i++)
            if (old.slot[i].there)
                *map_slot(m, old.slot[i].there) = old.slot[i];
        free(old.slot);
    }
    struct pair *p = map_slot(m, there);
    m->n += !p->there;
    *p = (struct pair){there, here};
    m->last = here;
}

int64_t map_find(const id_map *m, int64_t there)
{
    return m->cap && there ? map_slot(m, there)->here : 0;
}

void map_release(id_map *m)
{
    free(m->slot);
}

/* ---- rows as they are ---- */

static const mapped *find_mapped(const mapped *m, const char *column)
{
    for (; m->column; m++)
        if (strcmp(m->column, column) == 0)
            return m;
    return NULL;
}

/* The statement that stores one row of `row`'s columns, all but `id`. */
static ws_status prepare_insert(merge *g, const char *table, sqlite3_stmt *row, sqlite3_stmt **out,
                                ws_err *err)
{
    ws_buf names = {0}, marks = {0}, sql = {0};
    for (int i = 0; i < sqlite3_column_count(row); i++) {
        const char *name = sqlite3_column_name(row, i);
        if (strcmp(name, "id") == 0)
            continue;
        ws_buf_printf(&names, "%s\"%s\"", names.n ? ", " : "", name);
        ws_buf_adds(&marks, marks.n ? ", ?" : "?");
    }
    ws_buf_printf(&sql, "INSERT OR REPLACE INTO \"%s\" (%s) VALUES (%s)", table, ws_buf_z(&names),
                  ws_buf_z(&marks));
    ws_status st = WS_OK;
    if (sqlite3_prepare_v2(g->to->handle, ws_buf_z(&sql), -1, out, NULL))
        st = ws_fail(err, WS_EINPUT, "archive '%s': cannot store rows of table '%s': %s",
                     g->to->path, table, sqlite3_errmsg(g->to->handle));
    ws_buf_release(&names);
    ws_buf_release(&marks);
    ws_buf_release(&sql);
    return st;
}

static void bind_row(sqlite3_stmt *row, sqlite3_stmt *insert, const mapped *maps)
{
    for (int i = 0, at = 1; i < sqlite3_column_count(row); i++) {
        const char *name = sqlite3_column_name(row, i);
        const mapped *m = find_mapped(maps, name);
        if (strcmp(name, "id") == 0)
            continue;
        int64_t id = !m ? 0 : m->map ? map_find(m->map, sqlite3_column_int64(row, i)) : m->fixed;
        if (!m)
            sqlite3_bind_value(insert, at, sqlite3_column_value(row, i));
        else if (id)
            sqlite3_bind_int64(insert, at, id);
        else
            sqlite3_bind_null(insert, at);
        at++;
    }
}

ws_status merge_copy(merge *g, const char *table, const char *where, int64_t parameter,
                     const mapped *maps, id_map *ids, int *count, ws_err *err)
{
    sqlite3_stmt *row = NULL, *insert = NULL;
    ws_buf sql = {0};
    bool more = true;
    ws_buf_printf(&sql, "SELECT * FROM \"%s\" WHERE %s", table, where);
    ws_status st = db_prepare(g->from, &row, err, ws_buf_z(&sql), "i", parameter);
    while (!st && !(st = db_step(g->from, row, &more, err)) && more) {
        bool none;
        if (!insert && (st = prepare_insert(g, table, row, &insert, err)))
            break;
        bind_row(row, insert, maps);
        if ((st = db_step(g->to, insert, &none, err)))
            break;
        sqlite3_reset(insert);
        if (ids)
            map_add(ids, sqlite3_column_int64(row, 0), sqlite3_last_insert_rowid(g->to->handle));
        if (count)
            ++*count;
    }
    sqlite3_finalize(row);
    sqlite3_finalize(insert);
    ws_buf_release(&sql);
    return st;
}

/* Rows of tables whose keys are content: those that are here already stay. */
static ws_status copy_new(merge *g, const char *select, const char *insert, ws_err *err)
{
    sqlite3_stmt *row = NULL, *put = NULL;
    bool more = true;
    ws_status st = db_prepare(g->from, &row, err, select, "");
    if (!st && sqlite3_prepare_v2(g->to->handle, insert, -1, &put, NULL))
        st = ws_fail(err, WS_EENV, "archive '%s': %s", g->to->path, sqlite3_errmsg(g->to->handle));
    while (!st && !(st = db_step(g->from, row, &more, err)) && more) {
        bool none;
        for (int i = 0; i < sqlite3_column_count(row); i++)
            sqlite3_bind_value(put, i + 1, sqlite3_column_value(row, i));
        st = db_step(g->to, put, &none, err);
        sqlite3_reset(put);
    }
    sqlite3_finalize(row);
    sqlite3_finalize(put);
    return st;
}

ws_status merge_keyed(merge *g, ws_err *err)
{
    static const char *const pairs[][2] = {
        {"SELECT sha256, body FROM text",
         "INSERT INTO text (sha256, body) VALUES (?, ?) ON CONFLICT DO NOTHING"},
        {"SELECT base_url, model, quirks, learned FROM quirk",
         "INSERT INTO quirk (base_url, model, quirks, learned) VALUES (?, ?, ?, ?)"
         " ON CONFLICT (base_url, model) DO UPDATE SET quirks = excluded.quirks,"
         " learned = excluded.learned WHERE (excluded.learned, excluded.quirks) >"
         " (quirk.learned, quirk.quirks)"},
        {"SELECT spec_sha256, spec_name, title, family, dtype, shape_class FROM spec_key",
         "INSERT INTO spec_key (spec_sha256, spec_name, title, family, dtype, shape_class)"
         " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"}};
    ws_status st = WS_OK;
    for (size_t i = 0; i < WS_COUNT(pairs) && !st; i++)
        st = copy_new(g, pairs[i][0], pairs[i][1], err);
    return st;
}

ws_status merge_ask(db_archive *db, const char *sql, int64_t a, int64_t *out, ws_err *err)
{
    sqlite3_stmt *s = NULL;
    bool row = false;
    ws_status st = db_prepare(db, &s, err, sql, "i", a);
    if (!st)
        st = db_step(db, s, &row, err);
    *out = !st && row ? db_int(s, 0, 0) : 0;
    sqlite3_finalize(s);
    return st;
}

ws_status merge_ask_text(db_archive *db, const char *sql, const char *a, int64_t *out, ws_err *err)
{
    sqlite3_stmt *s = NULL;
    bool row = false;
    ws_status st = db_prepare(db, &s, err, sql, "s", a);
    if (!st)
        st = db_step(db, s, &row, err);
    *out = !st && row ? db_int(s, 0, 0) : 0;
    sqlite3_finalize(s);
    return st;
}

static ws_status read_one(sqlite3_stmt *s, ws_arena *a, void *item, ws_err *err)
{
    (void)err;
    *(one *)item = (one){db_int(s, 0, 0), db_text(s, 1, a)};
    return WS_OK;
}

ws_status merge_list(db_archive *db, const char *sql, int64_t run, ws_arena *a, one **out, int *n,
                     ws_err *err)
{
    sqlite3_stmt *s;
    ws_status st = db_prepare(db, &s, err, sql, "i", run);
    return db_rows(db, st, s, read_one, sizeof **out, a, out, n, err);
}
