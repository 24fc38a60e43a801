#include "results/db.h"

#include "base/clock.h"

ws_status db_sitting_add(db_archive *db, const db_sitting *s, int64_t *id, ws_err *err)
{
    char now[WS_UTC_SIZE];
    ws_utc_now(now);
    if (db_begin(db, err))
        return err->status;
    ws_status st = db_exec(
        db, err,
        "INSERT INTO sitting (spec_name, spec_sha256, kind, gpu, shape, regime, seed, baseline,"
        " baseline_source, environment, created) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        "ssssssssxss", s->spec_name, s->spec_sha256, s->kind, s->gpu, s->shape, s->regime, s->seed,
        s->baseline, s->baseline_source, s->environment_json, now);
    const int64_t made = sqlite3_last_insert_rowid(db->handle);
    for (int i = 0; i < s->n && !st; i++) {
        const db_comparison *c = &s->comparison[i];
        st =
            db_exec(db, err,
                    "INSERT INTO comparison (sitting, role, name, source, verdict, ratio, ratio_lo,"
                    " ratio_hi, reason, samples) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    "rssxsdddss", made, c->role, c->name, c->source, c->verdict, c->ratio,
                    c->ratio_lo, c->ratio_hi, c->reason, c->samples_json);
    }
    st = db_end(db, st, err);
    if (!st)
        *id = made;
    return st ? ws_wrap(err, "a sitting of %s", s->spec_name) : WS_OK;
}

static ws_status read_comparison(sqlite3_stmt *s, ws_arena *a, void *item, ws_err *err)
{
    (void)err;
    *(db_comparison *)item = (db_comparison){.role = db_text(s, 0, a),
                                             .name = db_text(s, 1, a),
                                             .source = db_text(s, 2, a),
                                             .verdict = db_text(s, 3, a),
                                             .ratio = db_double(s, 4),
                                             .ratio_lo = db_double(s, 5),
                                             .ratio_hi = db_double(s, 6),
                                             .reason = db_text(s, 7, a),
                                             .samples_json = db_text(s, 8, a)};
    return WS_OK;
}

ws_status db_comparison_list(db_archive *db, int64_t sitting, ws_arena *a, db_comparison **out,
                             int *n, ws_err *err)
{
    sqlite3_stmt *s = NULL;
    ws_status st =
        db_prepare(db, &s, err,
                   "SELECT c.role, c.name, t.body, c.verdict, c.ratio, c.ratio_lo,"
                   " c.ratio_hi, c.reason, c.samples FROM comparison c"
                   " JOIN text t ON t.sha256 = c.source WHERE c.sitting = ? ORDER BY c.id",
                   "i", sitting);
    return db_rows(db, st, s, read_comparison, sizeof **out, a, out, n, err);
}
