/* Inside the archive: the connection, and the one way in which statements are prepared, bound and
 * stepped. Only results/ sees <sqlite3.h>. */
#ifndef RESULTS_DB_H
#define RESULTS_DB_H

#include "results/archive.h"

#include <sqlite3.h>

enum { DB_KEPT = 32 };
struct db_archive {
    sqlite3 *handle;
    char *path;
    bool read_only;
    bool unsynced;         /* the open transaction began so */
    int lock_fd;           /* holds the lock of a run; 0: none */
    struct {
        sqlite3_stmt *statement;
        bool runs;
    } kept[DB_KEPT]; /* of db_exec, which is asked for the same few again and again */
    int n_kept;
};

/* SQL that takes the schema from version i to i + 1. */
extern const char *const db_migration[];
extern const int db_n_migrations;

/* "archive 'x.db': <what>: <SQLite's text>" */

/* Prepares `sql` and binds one value per letter of `types`:
 *   i int64_t   k int   r int64_t row id, 0 is NULL   n int64_t count, below 0 is NULL
 *   d double, NaN is NULL   s text or NULL   x long text or NULL: kept in table `text`, its SHA-256
 * is bound The caller finalises *out, also after an error of db_step. NULL is harmless there. */
ws_status db_prepare(db_archive *db, sqlite3_stmt **out, ws_err *err, const char *sql,
                     const char *types, ...) WS_MUST_CHECK;
ws_status db_step(db_archive *db, sqlite3_stmt *stmt, bool *row, ws_err *err) WS_MUST_CHECK;
/* Prepares, binds and runs to the end. */
ws_status db_exec(db_archive *db, ws_err *err, const char *sql, const char *types,
                  ...) WS_MUST_CHECK;

/* Reads the row at which `s` stands into an item of zeros; text into `a`. */
typedef ws_status (*db_reader)(sqlite3_stmt *s, ws_arena *a, void *item, ws_err *err);
/* All rows of `s` as an array of items in `a`: `out` is the address of a pointer to items of `size`
 * bytes. `st` is what db_prepare said. Finalises `s`. */
ws_status db_rows(db_archive *db, ws_status st, sqlite3_stmt *s, db_reader read, size_t size,
                  ws_arena *a, void *out, int *n, ws_err *err) WS_MUST_CHECK;

/* One transaction: commits when `st` is WS_OK, else rolls back. Returns the status of the whole. */
ws_status db_begin(db_archive *db, ws_err *err) WS_MUST_CHECK;
/* One that does not wait for the disk: a killed process loses nothing, a power cut what was
 * committed so since the last transaction of the other kind. */
ws_status db_begin_unsynced(db_archive *db, ws_err *err) WS_MUST_CHECK;
ws_status db_end(db_archive *db, ws_status st, ws_err *err) WS_MUST_CHECK;

/* SHA-256 of the text of the @plan comment: false when the source has none, and `sha` stays. */
bool db_plan_sha256(const char *source, char sha[65]);

/* Column readers; text is copied into `a`, SQL NULL gives NULL, NaN, or the value given. */
const char *db_text(sqlite3_stmt *s, int column, ws_arena *a);
double db_double(sqlite3_stmt *s, int column);
int64_t db_int(sqlite3_stmt *s, int column, int64_t when_null);

#endif
