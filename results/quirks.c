#include "results/db.h"

#include "base/clock.h"

#include <stdlib.h>

ws_status db_quirks_save(db_archive *db, const char *base_url, const char *model,
                         const char *quirks, ws_err *err)
{
    char now[WS_UTC_SIZE];
    ws_utc_now(now);
    if (db_begin(db, err))
        return err->status;
    ws_status st = db_exec(db, err,
                           "INSERT INTO quirk (base_url, model, quirks, learned)"
                           " VALUES (?, ?, ?, ?)"
                           " ON CONFLICT (base_url, model) DO UPDATE"
                           " SET quirks = excluded.quirks, learned = excluded.learned",
                           "ssss", base_url, model, quirks, now);
    st = db_end(db, st, err);
    return st ? ws_wrap(err, "quirks of '%s'", model) : WS_OK;
}

ws_status db_quirks_load(db_archive *db, const char *base_url, const char *model, ws_arena *a,
                         const char **quirks, ws_err *err)
{
    sqlite3_stmt *s = NULL;
    bool row = false;
    *quirks = NULL;
    ws_status st =
        db_prepare(db, &s, err, "SELECT quirks FROM quirk WHERE base_url = ? AND model = ?", "ss",
                   base_url, model);
    if (!st)
        st = db_step(db, s, &row, err);
    if (!st && row)
        *quirks = db_text(s, 0, a);
    sqlite3_finalize(s);
    return st;
}
