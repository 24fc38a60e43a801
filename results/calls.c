#include "results/db.h"

#include "base/clock.h"

#include <stdlib.h>
#include <string.h>

ws_status db_call_begin(db_archive *db, const db_call *c, int64_t *id, ws_err *err)
{
    char now[WS_UTC_SIZE];
    ws_utc_now(now);
    if (db_begin(db, err))
        return err->status;
    ws_status st =
        db_exec(db, err,
                "INSERT INTO call (run, turn, purpose, state, prompt, step, model, started)"
                " VALUES (?, ?, ?, 'sent', ?, ?, ?, ?)",
                "iksxsss", c->run, c->turn, c->purpose, c->prompt_json ? c->prompt_json : "",
                c->step_json, c->model, c->started ? c->started : now);
    int64_t made = sqlite3_last_insert_rowid(db->handle);
    st = db_end(db, st, err);
    if (!st)
        *id = made;
    return st ? ws_wrap(err, "call %d", c->turn) : WS_OK;
}

ws_status db_call_again(db_archive *db, const db_call *c, ws_err *err)
{
    if (db_begin(db, err))
        return err->status;
    ws_status st = db_exec(db, err,
                           "UPDATE call SET state = 'sent', purpose = coalesce(?, purpose),"
                           " prompt = coalesce(?, prompt), step = coalesce(?, step),"
                           " model = coalesce(?, model), attempts = coalesce(?, attempts)"
                           " WHERE id = ?",
                           "sxsssi", c->purpose, c->prompt_json, c->step_json, c->model,
                           c->attempts_json, c->id);
    if (!st && sqlite3_changes(db->handle) != 1)
        st = ws_fail(err, WS_EINPUT, "archive '%s' has no call %lld", db->path, (long long)c->id);
    st = db_end(db, st, err);
    return st ? ws_wrap(err, "call %d", c->turn) : WS_OK;
}

ws_status db_call_end(db_archive *db, const db_call *c, ws_err *err)
{
    char now[WS_UTC_SIZE];
    ws_utc_now(now);
    if (db_begin(db, err))
        return err->status;
    /* The prompt too: a call that is sent again after a break may say something else. */
    ws_status st = db_exec(
        db, err,
        "UPDATE call SET state = 'done', purpose = coalesce(?, purpose), prompt = coalesce(?, "
        "prompt),"
        " outcome = ?, content = ?, reasoning = ?, raw = ?, finish_reason = ?, model = coalesce(?, "
        "model),"
        " error = ?, prompt_tokens = ?, cached_tokens = ?, completion_tokens = ?, reasoning_tokens "
        "= ?,"
        " usage_estimated = ?, cost_usd = ?, seconds = ?, attempts = ?, ended = ?,"
        " provider = coalesce(?, provider), usage = ? WHERE id = ?",
        "sxsxxxsssnnnnkddssssi", c->purpose, c->prompt_json, c->outcome, c->content, c->reasoning,
        c->raw, c->finish_reason, c->model, c->error, c->prompt_tokens, c->cached_tokens,
        c->completion_tokens, c->reasoning_tokens, (int)c->usage_estimated, c->cost_usd, c->seconds,
        c->attempts_json, c->ended ? c->ended : now, c->provider, c->usage_json, c->id);
    if (!st && sqlite3_changes(db->handle) != 1)
        st = ws_fail(err, WS_EINPUT, "archive '%s' has no call %lld", db->path, (long long)c->id);
    st = db_end(db, st, err);
    return st ? ws_wrap(err, "call %d", c->turn) : WS_OK;
}

static ws_status read_call(sqlite3_stmt *s, ws_arena *a, void *item, ws_err *err)
{
    db_call *c = item;
    (void)err;
    *c = (db_call){
        .id = db_int(s, 0, 0),
        .run = db_int(s, 1, 0),
        .turn = (int)db_int(s, 2, 0),
        .purpose = db_text(s, 3, a),
        .prompt_json = db_text(s, 4, a),
        .state = db_text(s, 5, a),
        .outcome = db_text(s, 6, a),
        .content = db_text(s, 7, a),
        .reasoning = db_text(s, 8, a),
        .raw = db_text(s, 9, a),
        .finish_reason = db_text(s, 10, a),
        .model = db_text(s, 11, a),
        .error = db_text(s, 12, a),
        .prompt_tokens = db_int(s, 13, -1),
        .cached_tokens = db_int(s, 14, -1),
        .completion_tokens = db_int(s, 15, -1),
        .reasoning_tokens = db_int(s, 16, -1),
        .usage_estimated = db_int(s, 17, 0) != 0,
        .cost_usd = db_double(s, 18),
        .seconds = sqlite3_column_double(s, 19),
        .attempts_json = db_text(s, 20, a),
        .started = db_text(s, 21, a),
        .ended = db_text(s, 22, a),
        .step_json = db_text(s, 23, a),
        .provider = db_text(s, 24, a),
        .usage_json = db_text(s, 25, a),
    };
    return WS_OK;
}

ws_status db_call_list(db_archive *db, int64_t run, ws_arena *a, db_call **out, int *n, ws_err *err)
{
    sqlite3_stmt *s;
    ws_status st = db_prepare(
        db, &s, err,
        "SELECT c.id, c.run, c.turn, c.purpose, p.body, c.state, c.outcome, t.body, r.body, w.body,"
        " c.finish_reason, c.model, c.error, c.prompt_tokens, c.cached_tokens, c.completion_tokens,"
        " c.reasoning_tokens, c.usage_estimated, c.cost_usd, c.seconds, c.attempts, c.started, "
        "c.ended, c.step, c.provider, c.usage"
        " FROM call c JOIN text p ON p.sha256 = c.prompt"
        " LEFT JOIN text t ON t.sha256 = c.content LEFT JOIN text r ON r.sha256 = c.reasoning"
        " LEFT JOIN text w ON w.sha256 = c.raw WHERE c.run = ? ORDER BY c.turn",
        "i", run);
    return db_rows(db, st, s, read_call, sizeof **out, a, out, n, err);
}
