/* Memory in the archive: specs by their structure, lessons, and the search for kernels. */
#include "results/db.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { NEWEST = 500 }; /* matches of a search that are looked at */

/* ---- keys ---- */

ws_status db_keys_put(db_archive *db, const db_keys *k, ws_err *err)
{
    if (db->read_only) /* nothing is lost: they are made again from the spec */
        return WS_OK;
    return db_exec(
        db, err,
        "INSERT INTO spec_key (spec_sha256, spec_name, title, family, dtype, shape_class)"
        " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (spec_sha256) DO UPDATE SET"
        " title = excluded.title, family = excluded.family, dtype = excluded.dtype,"
        " shape_class = excluded.shape_class",
        "ssssss", k->spec_sha256, k->spec_name, k->title ? k->title : "", k->family, k->dtype,
        k->shape_class);
}

/* Columns of spec_key from `column` on. */
#define KEY_COLUMNS "k.spec_sha256, k.spec_name, k.title, k.family, k.dtype, k.shape_class"
static db_keys read_keys(sqlite3_stmt *s, int column, ws_arena *a)
{
    return (db_keys){.spec_sha256 = db_text(s, column, a),
                     .spec_name = db_text(s, column + 1, a),
                     .title = db_text(s, column + 2, a),
                     .family = db_text(s, column + 3, a),
                     .dtype = db_text(s, column + 4, a),
                     .shape_class = db_text(s, column + 5, a)};
}

static ws_status read_key_row(sqlite3_stmt *s, ws_arena *a, void *item, ws_err *err)
{
    *(db_keys *)item = read_keys(s, 0, a);
    (void)err;
    return WS_OK;
}

ws_status db_keys_list(db_archive *db, ws_arena *a, db_keys **out, int *n, ws_err *err)
{
    sqlite3_stmt *s;
    ws_status st =
        db_prepare(db, &s, err, "SELECT " KEY_COLUMNS " FROM spec_key k ORDER BY k.spec_name", "");
    return db_rows(db, st, s, read_key_row, sizeof **out, a, out, n, err);
}

static ws_status read_spec_of_run(sqlite3_stmt *s, ws_arena *a, void *item, ws_err *err)
{
    *(db_run *)item = (db_run){.spec_sha256 = db_text(s, 0, a),
                               .spec_name = db_text(s, 1, a),
                               .spec_json = db_text(s, 2, a)};
    (void)err;
    return WS_OK;
}

ws_status db_keys_missing(db_archive *db, ws_arena *a, db_run **out, int *n, ws_err *err)
{
    sqlite3_stmt *s;
    ws_status st = db_prepare(db, &s, err,
                              "SELECT r.spec_sha256, r.spec_name, t.body FROM run r"
                              " JOIN text t ON t.sha256 = r.spec"
                              " WHERE r.spec_sha256 NOT IN (SELECT spec_sha256 FROM spec_key)"
                              " GROUP BY r.spec_sha256",
                              "");
    return db_rows(db, st, s, read_spec_of_run, sizeof **out, a, out, n, err);
}

/* ---- lessons ---- */

static ws_status insert_lesson(db_archive *db, int64_t run, const db_lesson *l, ws_err *err)
{
    return db_exec(
        db, err,
        "INSERT INTO lesson (run, gpu, spec_sha256, kind, subject, text, effect, support,"
        " timing, evidence) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        "isssssdkss", run, l->gpu, l->keys.spec_sha256, l->kind, l->subject, l->text, l->effect,
        l->support, l->timing, l->evidence_json);
}

ws_status db_lessons_replace(db_archive *db, int64_t run, const db_lesson *list, int n, ws_err *err)
{
    if (db_begin(db, err))
        return err->status;
    ws_status st = db_exec(db, err, "DELETE FROM lesson WHERE run = ?", "i", run);
    for (int i = 0; !st && i < n; i++)
        st = insert_lesson(db, run, &list[i], err);
    return db_end(db, st, err);
}

#define LESSON_COLUMNS                                                                             \
    "SELECT l.id, l.run, l.gpu, l.kind, l.subject, l.text, l.effect, l.support, l.timing, "        \
    "l.evidence, " KEY_COLUMNS " FROM lesson l JOIN spec_key k ON k.spec_sha256 = l.spec_sha256 "

static ws_status read_lesson(sqlite3_stmt *s, ws_arena *a, void *item, ws_err *err)
{
    (void)err;
    *(db_lesson *)item = (db_lesson){.id = db_int(s, 0, 0),
                                     .run = db_int(s, 1, 0),
                                     .gpu = db_text(s, 2, a),
                                     .kind = db_text(s, 3, a),
                                     .subject = db_text(s, 4, a),
                                     .text = db_text(s, 5, a),
                                     .effect = db_double(s, 6),
                                     .support = (int)db_int(s, 7, 1),
                                     .timing = db_text(s, 8, a),
                                     .evidence_json = db_text(s, 9, a),
                                     .keys = read_keys(s, 10, a)};
    return WS_OK;
}

ws_status db_lesson_list(db_archive *db, const char *gpu, const char *spec_sha256, int64_t except,
                         int most, ws_arena *a, db_lesson **out, int *n, ws_err *err)
{
    sqlite3_stmt *s;
    /* A loss is worth as much as a gain of the same size. */
    ws_status st =
        db_prepare(db, &s, err,
                   LESSON_COLUMNS "WHERE (?1 IS NULL OR l.gpu = ?1)"
                                  " AND (?2 IS NULL OR l.spec_sha256 = ?2) AND l.run <> ?3"
                                  " ORDER BY l.support * max(coalesce(l.effect, 1.3),"
                                  " 1 / coalesce(l.effect, 1.3)) DESC, l.id LIMIT ?4",
                   "ssik", gpu, spec_sha256, except, most);
    return db_rows(db, st, s, read_lesson, sizeof **out, a, out, n, err);
}

/* ---- kernels ---- */

/* The time of generation 0 of candidate c's run, of the kind that c has. */
#define FIRST_S                                                                                    \
    "(SELECT CASE WHEN c.measured_s IS NULL THEN f.modelled_s ELSE f.measured_s END FROM "         \
    "candidate f WHERE f.run = c.run AND f.round = 0 AND f.origin = 'emitted' ORDER BY f.id "      \
    "LIMIT 1)"
#define KERNEL_COLUMNS                                                                             \
    "SELECT c.id, c.run, c.call, c.parent, c.round, c.origin, t.body, c.source, c.ptx_sha256, "    \
    "c.tune, c.reason, c.level, c.modelled_s, c.measured_s, c.gpu, c.created, c.note, "            \
    "r.spec_name, "                                                                                \
    "r.name, c.traits, " FIRST_S " "

static void read_kernel(sqlite3_stmt *s, ws_arena *a, db_kernel *k)
{
    *k = (db_kernel){.candidate = {.id = db_int(s, 0, 0),
                                   .run = db_int(s, 1, 0),
                                   .call = db_int(s, 2, 0),
                                   .parent = db_int(s, 3, 0),
                                   .round = (int)db_int(s, 4, 0),
                                   .origin = db_text(s, 5, a),
                                   .source = db_text(s, 6, a),
                                   .source_sha256 = db_text(s, 7, a),
                                   .ptx_sha256 = db_text(s, 8, a),
                                   .tune_json = db_text(s, 9, a),
                                   .reason = db_text(s, 10, a),
                                   .level = (int)db_int(s, 11, VFY_NONE),
                                   .modelled_s = db_double(s, 12),
                                   .measured_s = db_double(s, 13),
                                   .gpu = db_text(s, 14, a),
                                   .created = db_text(s, 15, a),
                                   .note = db_text(s, 16, a)},
                     .spec_name = db_text(s, 17, a),
                     .run_name = db_text(s, 18, a),
                     .traits = db_text(s, 19, a),
                     .first_s = db_double(s, 20)};
}

ws_status db_kernel_best(db_archive *db, const char *spec_sha256, const char *gpu, int64_t except,
                         ws_arena *a, db_kernel *out, bool *found, ws_err *err)
{
    sqlite3_stmt *s;
    bool row = false;
    /* The best of each run comes from the index candidate_best; the rest is read of one only. */
    ws_status st = db_prepare(
        db, &s, err,
        KERNEL_COLUMNS
        "FROM (SELECT c.id FROM run r JOIN candidate c ON c.id = (SELECT b.id FROM candidate b"
        "  WHERE b.run = r.id AND b.reason = 'pass' AND b.level >= 2"
        "  AND coalesce(b.measured_s, b.modelled_s) > 0"
        "  ORDER BY b.measured_s IS NULL, coalesce(b.measured_s, b.modelled_s) LIMIT 1)"
        " WHERE r.spec_sha256 = ? AND r.gpu = ? AND r.id <> ?"
        " ORDER BY c.measured_s IS NULL, coalesce(c.measured_s, c.modelled_s) LIMIT 1) m"
        " JOIN candidate c ON c.id = m.id JOIN run r ON r.id = c.run"
        " JOIN text t ON t.sha256 = c.source",
        "ssi", spec_sha256, gpu, except);
    if (!st)
        st = db_step(db, s, &row, err);
    if (!st && row)
        read_kernel(s, a, out);
    if (!st)
        *found = row;
    sqlite3_finalize(s);
    return st;
}

/* ---- full text ---- */

/* "float4 row*" as "\"float4\" \"row\"*": words of a person, not FTS5's query language. */
static void make_query(const char *text, ws_buf *out)
{
    for (const char *p = text; *p;) {
        size_t n = strcspn(p, " \t\n");
        bool prefix = n > 1 && p[n - 1] == '*';
        if (n) {
            ws_buf_adds(out, out->n ? " \"" : "\"");
            for (size_t i = 0; i < n - prefix; i++)
                if (p[i] != '"')
                    ws_buf_addc(out, p[i]);
            ws_buf_adds(out, prefix ? "\"*" : "\"");
        }
        p += n + (p[n] != 0);
    }
}

ws_status db_kernel_search(db_archive *db, const char *text, int most, ws_arena *a, db_kernel **out,
                           int *n, ws_err *err)
{
    sqlite3_stmt *s;
    ws_buf query = {0};
    bool row = true;
    *n = 0;
    *out = WS_ARENA_NEW(a, db_kernel, most + 1);
    make_query(text, &query);
    if (!query.n)
        return WS_OK;
    /* bm25 looks at every match, which takes long in a large archive, and says less than what a
     * kernel gained. */
    ws_status st = db_prepare(db, &s, err,
                              KERNEL_COLUMNS
                              "FROM (SELECT c.id, " FIRST_S
                              " / coalesce(c.measured_s, c.modelled_s) AS gain FROM"
                              " (SELECT rowid AS id FROM candidate_fts WHERE candidate_fts MATCH ?"
                              " ORDER BY rowid DESC LIMIT ?) m JOIN candidate c ON c.id = m.id"
                              " ORDER BY gain DESC, c.id DESC LIMIT ?) g"
                              " JOIN candidate c ON c.id = g.id JOIN run r ON r.id = c.run"
                              " JOIN text t ON t.sha256 = c.source ORDER BY g.gain DESC, c.id DESC",
                              "skk", ws_buf_z(&query), (int)NEWEST, most);
    while (!st && !(st = db_step(db, s, &row, err)) && row && *n < most)
        read_kernel(s, a, &(*out)[(*n)++]);
    sqlite3_finalize(s);
    ws_buf_release(&query);
    return st;
}

/* min() takes the other columns from its row: of a source and its tuned forms the fastest. */
#define FASTEST_OF_SOURCES                                                                         \
    "FROM (SELECT c.id AS id, min(coalesce(c.measured_s, c.modelled_s)) FROM candidate c"          \
    " JOIN run r ON r.id = c.run WHERE c.reason = 'pass' AND c.level >= 2"                         \
    " AND instr(lower(r.spec_name), lower(?)) > 0"                                                 \
    " AND instr(lower(coalesce(c.gpu, '')), lower(?)) > 0"
#define BY_SPEC                                                                                    \
    " GROUP BY c.source, r.spec_name, c.gpu) m JOIN candidate c ON c.id = m.id"                    \
    " JOIN run r ON r.id = c.run JOIN text t ON t.sha256 = c.source"                               \
    " ORDER BY r.spec_name, c.gpu, coalesce(c.measured_s, c.modelled_s), c.id LIMIT ?"

ws_status db_kernel_list(db_archive *db, const char *text, const char *name, const char *gpu,
                         int most, ws_arena *a, db_kernel **out, int *n, ws_err *err)
{
    sqlite3_stmt *s;
    ws_buf query = {0};
    bool row = true;
    *n = 0;
    *out = WS_ARENA_NEW(a, db_kernel, most + 1);
    make_query(text, &query);
    ws_status st =
        query.n ? db_prepare(db, &s, err,
                             KERNEL_COLUMNS FASTEST_OF_SOURCES
                             " AND c.id IN (SELECT rowid FROM candidate_fts WHERE candidate_fts"
                             " MATCH ?)" BY_SPEC,
                             "sssk", name, gpu, ws_buf_z(&query), most)
                : db_prepare(db, &s, err, KERNEL_COLUMNS FASTEST_OF_SOURCES BY_SPEC, "ssk", name,
                             gpu, most);
    while (!st && !(st = db_step(db, s, &row, err)) && row && *n < most)
        read_kernel(s, a, &(*out)[(*n)++]);
    sqlite3_finalize(s);
    ws_buf_release(&query);
    return st;
}

ws_status db_lesson_search(db_archive *db, const char *text, int most, ws_arena *a, db_lesson **out,
                           int *n, ws_err *err)
{
    sqlite3_stmt *s;
    ws_buf query = {0};
    make_query(text, &query);
    *n = 0;
    *out = WS_ARENA_NEW(a, db_lesson, 1);
    if (!query.n)
        return WS_OK;
    ws_status st = db_prepare(db, &s, err,
                              LESSON_COLUMNS
                              "JOIN (SELECT rowid AS id, rank FROM lesson_fts"
                              " WHERE lesson_fts MATCH ? ORDER BY rank LIMIT ?) m ON m.id = l.id"
                              " ORDER BY m.rank",
                              "sk", ws_buf_z(&query), most);
    ws_buf_release(&query);
    return db_rows(db, st, s, read_lesson, sizeof **out, a, out, n, err);
}
