#include "results/archive.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/sha256.h"
#include "results/db.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <sys/stat.h>
#include <unistd.h>

/* "WSar" in the file's header: tells our archives from other SQLite files. */
enum { APPLICATION_ID = 0x57536172, BUSY_TIMEOUT_MS = 10000 };

/* ---- errors ---- */

/* Which of our statuses an SQLite result code is. */
static ws_status status_of(int rc)
{
    switch (rc & 0xff) {
    case SQLITE_NOTADB:
    case SQLITE_CORRUPT:
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH:
    case SQLITE_TOOBIG: return WS_EINPUT;
    case SQLITE_INTERRUPT: return WS_EINTR;
    default: return WS_EENV;
    }
}

static ws_status db_fail(db_archive *db, ws_err *err, const char *what)
{
    int rc = db->handle ? sqlite3_errcode(db->handle) : SQLITE_NOMEM;
    const char *text = db->handle ? sqlite3_errmsg(db->handle) : sqlite3_errstr(rc);
    int os = db->handle ? sqlite3_system_errno(db->handle) : 0;
    bool io =
        (rc & 0xff) == SQLITE_IOERR || (rc & 0xff) == SQLITE_CANTOPEN || (rc & 0xff) == SQLITE_FULL;
    bool told = io && os; /* SQLite's text does not say why */
    ws_status st = ws_fail(err, status_of(rc), "archive '%s': %s: %s%s%s%s", db->path, what, text,
                           told ? " (" : "", told ? strerror(os) : "", told ? ")" : "");
    if ((rc & 0xff) == SQLITE_BUSY)
        ws_hint(err,
                "another process holds the archive; give this run its own with --archive FILE");
    if ((rc & 0xff) == SQLITE_READONLY || (rc & 0xff) == SQLITE_FULL ||
        (rc & 0xff) == SQLITE_CANTOPEN)
        ws_hint(err,
                "the archive and its directory must be writable; --archive FILE names another");
    return st;
}

/* ---- statements ---- */

/* Stores `text` once; its address goes to `sha`. */
static ws_status keep_text(db_archive *db, const char *text, char sha[WS_SHA256_HEX], ws_err *err)
{
    ws_sha256_of(text, strlen(text), sha);
    return db_exec(db, err, "INSERT INTO text (sha256, body) VALUES (?, ?) ON CONFLICT DO NOTHING",
                   "ss", sha, text);
}

static int bind_text(sqlite3_stmt *s, int at, const char *z)
{
    return z ? sqlite3_bind_text64(s, at, z, strlen(z), SQLITE_TRANSIENT, SQLITE_UTF8)
             : sqlite3_bind_null(s, at);
}

static ws_status bind_all(db_archive *db, sqlite3_stmt *s, const char *types, va_list ap,
                          ws_err *err)
{
    for (int at = 1; types[at - 1]; at++) {
        int rc = SQLITE_OK;
        int64_t i;
        double d;
        const char *z;
        char sha[WS_SHA256_HEX];
        switch (types[at - 1]) {
        case 'i': rc = sqlite3_bind_int64(s, at, va_arg(ap, int64_t)); break;
        case 'k': rc = sqlite3_bind_int64(s, at, va_arg(ap, int)); break;
        case 'r':
            i = va_arg(ap, int64_t);
            rc = i ? sqlite3_bind_int64(s, at, i) : sqlite3_bind_null(s, at);
            break;
        case 'n':
            i = va_arg(ap, int64_t);
            rc = i >= 0 ? sqlite3_bind_int64(s, at, i) : sqlite3_bind_null(s, at);
            break;
        case 'd':
            d = va_arg(ap, double);
            rc = isnan(d) ? sqlite3_bind_null(s, at) : sqlite3_bind_double(s, at, d);
            break;
        case 's': rc = bind_text(s, at, va_arg(ap, const char *)); break;
        case 'x':
            z = va_arg(ap, const char *);
            if (z && keep_text(db, z, sha, err))
                return err->status;
            rc = bind_text(s, at, z ? sha : NULL);
            break;
        default: ws_bug("no binding for '%c'", types[at - 1]);
        }
        if (rc)
            return db_fail(db, err, "cannot bind a value");
    }
    return WS_OK;
}

/* One that was kept and does not run now. */
static sqlite3_stmt *take_kept(db_archive *db, const char *sql)
{
    for (int i = 0; i < db->n_kept; i++)
        if (!db->kept[i].runs && strcmp(sqlite3_sql(db->kept[i].statement), sql) == 0) {
            db->kept[i].runs = true;
            return db->kept[i].statement;
        }
    return NULL;
}

/* Keeps a statement of db_exec for the next time. One without bindings may be a PRAGMA, which acts when it is
 * prepared. */
static void give_back(db_archive *db, sqlite3_stmt *s)
{
    int i = 0;
    while (i < db->n_kept && db->kept[i].statement != s)
        i++;
    if (!s || !sqlite3_bind_parameter_count(s) || i == DB_KEPT) {
        sqlite3_finalize(s);
        return;
    }
    sqlite3_reset(s);
    sqlite3_clear_bindings(s);
    db->kept[i].statement = s;
    db->kept[i].runs = false;
    db->n_kept += i == db->n_kept;
}

static void close_handle(db_archive *db)
{
    for (int i = 0; i < db->n_kept; i++)
        sqlite3_finalize(db->kept[i].statement);
    db->n_kept = 0;
    sqlite3_close(db->handle);
}

static ws_status prepare(db_archive *db, sqlite3_stmt **out, ws_err *err, const char *sql,
                         const char *types, va_list ap)
{
    if (!*out && sqlite3_prepare_v2(db->handle, sql, -1, out, NULL))
        return db_fail(db, err, "cannot prepare a statement");
    if ((int)strlen(types) != sqlite3_bind_parameter_count(*out))
        ws_bug("'%s' does not fit '%s'", types, sql);
    return bind_all(db, *out, types, ap, err);
}

ws_status db_prepare(db_archive *db, sqlite3_stmt **out, ws_err *err, const char *sql,
                     const char *types, ...)
{
    va_list ap;
    *out = NULL;
    va_start(ap, types);
    ws_status st = prepare(db, out, err, sql, types, ap);
    va_end(ap);
    return st;
}

ws_status db_step(db_archive *db, sqlite3_stmt *stmt, bool *row, ws_err *err)
{
    int rc = sqlite3_step(stmt);
    *row = rc == SQLITE_ROW;
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? WS_OK : db_fail(db, err, "a statement failed");
}

ws_status db_exec(db_archive *db, ws_err *err, const char *sql, const char *types, ...)
{
    sqlite3_stmt *s = take_kept(db, sql);
    bool row = true;
    va_list ap;
    va_start(ap, types);
    ws_status st = prepare(db, &s, err, sql, types, ap);
    va_end(ap);
    while (!st && row)
        st = db_step(db, s, &row, err);
    give_back(db, s);
    return st;
}

ws_status db_begin(db_archive *db, ws_err *err)
{
    return db_exec(db, err, "BEGIN IMMEDIATE", "");
}

ws_status db_begin_unsynced(db_archive *db, ws_err *err)
{
    if (db_exec(db, err, "PRAGMA synchronous = NORMAL", ""))
        return err->status;
    db->unsynced = true;
    ws_status st = db_begin(db, err);
    return st ? db_end(db, st, err) : WS_OK;
}

static ws_status end_transaction(db_archive *db, ws_status st, ws_err *err)
{
    ws_err ignored = {0};
    if (!st && !(st = db_exec(db, err, "COMMIT", "")))
        return WS_OK;
    /* Some failures (disk full) have rolled back already. */
    if (!sqlite3_get_autocommit(db->handle) && db_exec(db, &ignored, "ROLLBACK", ""))
        return st;
    return st;
}

ws_status db_end(db_archive *db, ws_status st, ws_err *err)
{
    ws_err ignored = {0};
    st = end_transaction(db, st, err);
    if (!db->unsynced)
        return st;
    db->unsynced = false;
    ws_status back = db_exec(db, st ? &ignored : err, "PRAGMA synchronous = FULL", "");
    return st ? st : back;
}

ws_status db_rows(db_archive *db, ws_status st, sqlite3_stmt *s, db_reader read, size_t size,
                  ws_arena *a, void *out, int *n, ws_err *err)
{
    ws_buf items = {.max = SIZE_MAX};
    bool row = true;
    int count = 0;
    void *zeros = ws_calloc(1, size);
    while (!st && !(st = db_step(db, s, &row, err)) && row) {
        ws_buf_add(&items, zeros, size);
        st = read(s, a, items.p + (size_t)count++ * size, err);
    }
    sqlite3_finalize(s);
    if (!st) {
        void *copy = ws_arena_alloc(a, ((size_t)count + 1) * size);
        if (count)
            memcpy(copy, items.p, (size_t)count * size);
        memcpy(out, &copy, sizeof copy);
        *n = count;
    }
    free(zeros);
    ws_buf_release(&items);
    return st;
}

const char *db_text(sqlite3_stmt *s, int column, ws_arena *a)
{
    const char *z = (const char *)sqlite3_column_text(s, column);
    return z ? ws_arena_strndup(a, z, (size_t)sqlite3_column_bytes(s, column)) : NULL;
}

double db_double(sqlite3_stmt *s, int column)
{
    return sqlite3_column_type(s, column) == SQLITE_NULL ? (double)NAN
                                                         : sqlite3_column_double(s, column);
}

int64_t db_int(sqlite3_stmt *s, int column, int64_t when_null)
{
    return sqlite3_column_type(s, column) == SQLITE_NULL ? when_null
                                                         : sqlite3_column_int64(s, column);
}

/* ---- opening and migrating ---- */

/* The first column of the first row, as a number. */
static ws_status query_int(db_archive *db, const char *sql, int64_t *out, ws_err *err)
{
    sqlite3_stmt *s;
    bool row = false;
    ws_status st = db_prepare(db, &s, err, sql, "");
    if (!st)
        st = db_step(db, s, &row, err);
    if (!st)
        *out = row ? sqlite3_column_int64(s, 0) : 0;
    sqlite3_finalize(s);
    return st;
}

/* Refuses files that are not ours and schemas that this program does not know. */
static ws_status check_version(db_archive *db, int64_t *version, ws_err *err)
{
    int64_t id, tables;
    if (query_int(db, "PRAGMA user_version", version, err) ||
        query_int(db, "PRAGMA application_id", &id, err) ||
        query_int(db, "SELECT count(*) FROM sqlite_schema", &tables, err))
        return err->status;
    if (id != APPLICATION_ID && (tables || id || *version))
        return ws_fail(err, WS_EINPUT, "'%s' is an SQLite file but not a warpsmith archive",
                       db->path);
    if (*version > db_n_migrations) {
        ws_fail(err, WS_EINPUT, "archive '%s' has schema %lld, this program knows up to %d",
                db->path, (long long)*version, db_n_migrations);
        return ws_hint(err, "use the newer warpsmith that wrote it");
    }
    if (db->read_only && *version < db_n_migrations) {
        ws_fail(err, WS_EINPUT, "archive '%s' has schema %lld, this program reads %d", db->path,
                (long long)*version, db_n_migrations);
        return ws_hint(err, "a command that writes to it, such as optimize, migrates it");
    }
    return WS_OK;
}

/* The same of one state of the file: another process may be making the archive between two of the
 * questions. */
static ws_status check_at_once(db_archive *db, int64_t *version, ws_err *err)
{
    if (db_exec(db, err, "BEGIN", ""))
        return err->status;
    return db_end(db, check_version(db, version, err), err);
}

/* SQLite does not wait when two processes turn a file to WAL at once. */
static ws_status turn_to_wal(db_archive *db, ws_err *err)
{
    int64_t start = ws_now_ns();
    int code;
    while (((code = sqlite3_exec(db->handle, "PRAGMA journal_mode = WAL", NULL, NULL, NULL)) &
            0xff) == SQLITE_BUSY &&
           ws_seconds_since(start) * 1e3 < BUSY_TIMEOUT_MS)
        nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
    return code ? db_fail(db, err, "cannot keep a write-ahead log") : WS_OK;
}

/* All pending migrations in one transaction. The version is read inside it: two processes may open
 * a new archive at once. */
static ws_status migrate(db_archive *db, ws_err *err)
{
    int64_t version;
    char pragma[64];
    ws_status st = check_at_once(db, &version, err);
    if (st || version == db_n_migrations)
        return st;
    if (db_begin(db, err))
        return err->status;
    st = check_version(db, &version, err);
    for (int64_t v = version; !st && v < db_n_migrations; v++)
        if (sqlite3_exec(db->handle, db_migration[v], NULL, NULL, NULL))
            st = db_fail(db, err, "cannot migrate the schema");
    snprintf(pragma, sizeof pragma, "PRAGMA user_version = %d", db_n_migrations);
    if (!st)
        st = db_exec(db, err, pragma, "");
    snprintf(pragma, sizeof pragma, "PRAGMA application_id = %d", APPLICATION_ID);
    if (!st)
        st = db_exec(db, err, pragma, "");
    return db_end(db, st, err);
}

static ws_status configure(db_archive *db, ws_err *err)
{
    sqlite3_extended_result_codes(db->handle, 1);
    sqlite3_busy_timeout(db->handle, BUSY_TIMEOUT_MS);
    if (db_exec(db, err, "PRAGMA foreign_keys = ON", ""))
        return err->status;
    if (db->read_only) {
        int64_t version;
        return check_at_once(db, &version, err);
    }
    /* Check before the first write: a foreign file must not even be turned to WAL. FULL: a reply
     * that was paid for survives a power cut. */
    if (migrate(db, err) || turn_to_wal(db, err) ||
        db_exec(db, err, "PRAGMA synchronous = FULL", ""))
        return err->status;
    return WS_OK;
}

/* "file:<path>?immutable=1": for an archive that nobody can write to, because WAL wants to make a
 * file beside it even to read. Only when no such file holds transactions of its own. */
static char *immutable_uri(const char *path)
{
    ws_buf wal = {0}, uri = {0};
    struct stat st;
    ws_buf_printf(&wal, "%s-wal", path);
    bool pending = stat(ws_buf_z(&wal), &st) == 0 && st.st_size > 0;
    ws_buf_release(&wal);
    if (pending)
        return NULL;
    ws_buf_adds(&uri, "file:");
    for (const char *p = path; *p; p++)
        strchr("%?#", *p) ? ws_buf_printf(&uri, "%%%02x", (unsigned char)*p)
                          : ws_buf_addc(&uri, *p);
    ws_buf_adds(&uri, "?immutable=1");
    return ws_buf_take(&uri);
}

static ws_status open_file(db_archive *db, const char *name, int flags, ws_err *err)
{
    close_handle(db);
    db->handle = NULL;
    return sqlite3_open_v2(name, &db->handle, flags, NULL) ? db_fail(db, err, "cannot open")
                                                           : configure(db, err);
}

ws_status db_open(const char *path, bool read_only, db_archive **out, ws_err *err)
{
    if (read_only && !ws_file_exists(path)) {
        ws_fail(err, WS_EINPUT, "there is no archive '%s'", path);
        return ws_hint(err, "warpsmith optimize makes one; --archive FILE names another");
    }
    db_archive *db = ws_calloc(1, sizeof *db);
    db->path = ws_strdup(path);
    db->read_only = read_only;
    int flags = read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
    ws_status st = open_file(db, path, flags, err);
    char *uri = st == WS_EENV && read_only ? immutable_uri(path) : NULL;
    if (uri) {
        *err = (ws_err){0};
        st = open_file(db, uri, flags | SQLITE_OPEN_URI, err);
    }
    free(uri);
    if (st)
        db_close(db);
    else
        *out = db;
    return st;
}

void db_close(db_archive *db)
{
    if (!db)
        return;
    close_handle(db);
    /* After it: closing any descriptor of the file drops SQLite's own locks. */
    if (db->lock_fd)
        close(db->lock_fd);
    free(db->path);
    free(db);
}

/* Runs a pragma that answers with one row per problem; `fine` is the row that means none. */
static ws_status check_pragma(db_archive *db, const char *pragma, const char *fine, ws_err *err)
{
    sqlite3_stmt *s;
    bool row = false;
    ws_status st = db_prepare(db, &s, err, pragma, "");
    if (!st)
        st = db_step(db, s, &row, err);
    if (!st && row) {
        const char *z = (const char *)sqlite3_column_text(s, 0);
        if (!fine || !z || strcmp(z, fine) != 0)
            st = ws_fail(err, WS_EINPUT, "archive '%s' is damaged: %s: %s", db->path, pragma,
                         z ? z : "");
    }
    sqlite3_finalize(s);
    return st;
}

ws_status db_check(db_archive *db, ws_err *err)
{
    if (check_pragma(db, "PRAGMA integrity_check", "ok", err) ||
        check_pragma(db, "PRAGMA foreign_key_check", NULL, err))
        return err->status;
    return WS_OK;
}
