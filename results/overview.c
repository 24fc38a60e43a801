#include "results/overview.h"

#include "results/db.h"

#include <limits.h>
#include <math.h>
#include <string.h>

/* The winner, or what would be it (by the index candidate_best); generation 0; sums over calls. */
#define OVERVIEW_SQL                                                                               \
    "WITH chosen AS (SELECT * FROM run r WHERE (?1 IS NULL OR instr(r.spec_name, ?1))"             \
    " AND (?2 IS NULL OR instr(coalesce(r.model, ''), ?2)) AND (?3 IS NULL OR r.gpu = ?3)"         \
    " AND (?4 IS NULL OR r.status = ?4) AND (?5 IS NULL OR r.started >= ?5)"                       \
    " ORDER BY id DESC LIMIT ?6) "                                                                 \
    "SELECT r.id, r.name, r.spec_name, r.model, r.strategy, r.gpu, r.status, r.stop_reason,"       \
    " r.started, r.ended, r.scripted,"                                                             \
    " (SELECT max(s.name) FROM problem p JOIN sweep s ON s.id = p.sweep WHERE p.run = r.id),"      \
    " (SELECT count(*) FROM candidate WHERE run = r.id),"                                          \
    " (SELECT count(*) FROM candidate WHERE run = r.id AND reason = 'pass' AND level >= 2),"       \
    " b.id, b.measured_s, b.modelled_s, g.measured_s, g.modelled_s, count(k.id),"                  \
    " total(k.prompt_tokens) + total(k.completion_tokens),"                                        \
    " CASE WHEN count(k.id) = count(k.cost_usd) THEN total(k.cost_usd) END "                       \
    "FROM chosen r LEFT JOIN candidate b ON b.id = coalesce(r.best_candidate, (SELECT id FROM"     \
    " candidate WHERE run = r.id AND reason = 'pass' AND level >= 2"                               \
    " ORDER BY measured_s IS NULL, coalesce(measured_s, modelled_s) LIMIT 1)) "                    \
    "LEFT JOIN candidate g ON g.id = (SELECT min(id) FROM candidate WHERE run = r.id"              \
    " AND origin = 'emitted') LEFT JOIN call k ON k.run = r.id GROUP BY r.id ORDER BY r.id"

static ws_status read_overview(sqlite3_stmt *s, ws_arena *a, void *item, ws_err *err)
{
    db_overview *o = item;
    const double measured = db_double(s, 15), modelled = db_double(s, 16);
    const bool is_measured = !isnan(measured);
    (void)err;
    *o = (db_overview){
        .id = db_int(s, 0, 0),
        .name = db_text(s, 1, a),
        .spec_name = db_text(s, 2, a),
        .model = db_text(s, 3, a),
        .strategy = db_text(s, 4, a),
        .gpu = db_text(s, 5, a),
        .status = db_text(s, 6, a),
        .stop_reason = db_text(s, 7, a),
        .started = db_text(s, 8, a),
        .ended = db_text(s, 9, a),
        .scripted = db_int(s, 10, 0) != 0,
        .sweep = db_text(s, 11, a),
        .candidates = (int)db_int(s, 12, 0),
        .right = (int)db_int(s, 13, 0),
        .best = db_int(s, 14, 0),
        .kind = is_measured ? "measured" : isnan(modelled) ? NULL : "modelled",
        .best_s = is_measured ? measured : modelled,
        .first_s = db_double(s, is_measured ? 17 : 18),
        .calls = (int)db_int(s, 19, 0),
        .tokens = db_int(s, 20, 0),
        .usd = db_double(s, 21),
    };
    return WS_OK;
}

ws_status db_overview_list(db_archive *db, const db_overview_filter *f, ws_arena *a,
                           db_overview **out, int *n, ws_err *err)
{
    sqlite3_stmt *s = NULL;
    ws_status st = db_prepare(db, &s, err, OVERVIEW_SQL, "sssssk", f->spec, f->model, f->gpu,
                              f->status, f->since, f->most > 0 ? f->most : INT_MAX);
    return db_rows(db, st, s, read_overview, sizeof **out, a, out, n, err);
}

ws_status db_candidate_before(db_archive *db, const db_candidate *c, ws_arena *a,
                              db_candidate *out, bool *found, ws_err *err)
{
    db_candidate at = *c;
    *found = false;
    while (at.parent && at.parent < at.id) {
        if (db_candidate_get(db, at.parent, a, &at, err))
            return err->status;
        if (strcmp(at.source, c->source) != 0) {
            *out = at;
            *found = true;
            return WS_OK;
        }
    }
    return WS_OK;
}
