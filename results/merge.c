#include "results/merge.h"

#include "results/merge_parts.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* ---- sittings ---- */

#define SITTING                                                                                    \
    "created || spec_sha256 || seed || kind || gpu || shape || regime || baseline_source"

static ws_status merge_sittings(merge *g, ws_err *err)
{
    one *a;
    int n;
    const mapped none[] = {{NULL, NULL, 0}};
    ws_status st =
        merge_list(g->from, "SELECT id, " SITTING " FROM sitting WHERE id > ? ORDER BY id", 0,
                   &g->arena, &a, &n, err);
    for (int i = 0; i < n && !st; i++) {
        int64_t here;
        id_map made = {0};
        st = merge_ask_text(g->to, "SELECT id FROM sitting WHERE " SITTING " = ?", a[i].key, &here,
                            err);
        if (st || here)
            continue;
        st = merge_copy(g, "sitting", "id = ?", a[i].id, none, &made, &g->count.sittings, err);
        const mapped of[] = {{"sitting", &made, 0}, {NULL, NULL, 0}};
        if (!st)
            st = merge_copy(g, "comparison", "sitting = ? ORDER BY id", a[i].id, of, NULL, NULL,
                            err);
        map_release(&made);
    }
    return st;
}

/* ---- sweeps ---- */

/* The options that say what a sweep's runs do. */
#define SAME_SWEEP                                                                                 \
    "suite || problems || json_remove(config, '$.spent_seconds', '$.record', '$.replay',"          \
    " '$.total', '$.base_url')"

static ws_status check_same(merge *g, int64_t there, int64_t here, const char *name, ws_err *err)
{
    one *a, *b;
    int n, m;
    static const char sql[] = "SELECT id, " SAME_SWEEP " FROM sweep WHERE id = ?";
    if (merge_list(g->from, sql, there, &g->arena, &a, &n, err) ||
        merge_list(g->to, sql, here, &g->arena, &b, &m, err))
        return err->status;
    if (strcmp(a[0].key, b[0].key) == 0)
        return WS_OK;
    return ws_fail(err, WS_EINPUT, "two different sweeps are called '%s', in '%s' and in '%s'",
                   name, g->from->path, g->to->path);
}

/* Which of two rows of one problem is kept: the one that got further. */
#define FURTHER                                                                                    \
    "SELECT id, CASE status WHEN 'waiting' THEN 0 WHEN 'running' THEN 1 WHEN 'failed' THEN 2"      \
    " WHEN 'limit' THEN 3 ELSE 4 END || printf(' %015d %010d', coalesce(tokens, 0),"               \
    " coalesce(requests, 0)) || coalesce(ended, '') FROM problem WHERE id = ?"

static ws_status merge_problem(merge *g, int64_t there, int64_t position, int64_t sweep,
                               ws_err *err)
{
    one *a, *b;
    int n, m;
    sqlite3_stmt *s = NULL;
    bool row = false;
    const mapped maps[] = {{"sweep", NULL, sweep}, {"run", &g->run, 0}, {NULL, NULL, 0}};
    ws_status st =
        db_prepare(g->to, &s, err, "SELECT id FROM problem WHERE sweep = ? AND position = ?", "ii",
                   sweep, position);
    if (!st)
        st = db_step(g->to, s, &row, err);
    int64_t here = !st && row ? db_int(s, 0, 0) : 0;
    sqlite3_finalize(s);
    if (st)
        return st;
    if (!here)
        return merge_copy(g, "problem", "id = ?", there, maps, &g->problem, &g->count.problems,
                          err);
    map_add(&g->problem, there, here);
    if (merge_list(g->from, FURTHER, there, &g->arena, &a, &n, err) ||
        merge_list(g->to, FURTHER, here, &g->arena, &b, &m, err))
        return err->status;
    if (strcmp(a[0].key, b[0].key) <= 0)
        return WS_OK;
    db_problem p = {.id = here};
    db_problem *all;
    int64_t of;
    if (merge_ask(g->from, "SELECT sweep FROM problem WHERE id = ?", there, &of, err) ||
        db_problem_list(g->from, of, &g->arena, &all, &n, err))
        return err->status;
    for (int i = 0; i < n; i++)
        if (all[i].id == there)
            p = all[i];
    p.run = map_find(&g->run, p.run);
    p.id = here;
    return db_exec(g->to, err,
                   "UPDATE problem SET status = ?, error = ?, exit_code = ?, run = ?, seconds = ?,"
                   " tokens = ?, requests = ?, usd = ?, started = ?, ended = ? WHERE id = ?",
                   "ssnrdiidssi", p.status, p.error, (int64_t)p.exit_code, p.run, p.seconds,
                   p.tokens, p.requests, p.usd, p.started, p.ended, here);
}

/* A sweep of which all problems are here is no shard any more; one whose parts ended in different
 * ways is over when all of its problems are. */
static ws_status settle_sweep(merge *g, int64_t there, int64_t here, ws_err *err)
{
    one *a;
    int n;
    if (merge_list(g->from, "SELECT id, status FROM sweep WHERE id = ?", there, &g->arena, &a, &n,
                   err))
        return err->status;
    if (db_exec(g->to, err,
                "UPDATE sweep SET stop_reason = NULL, status = CASE WHEN EXISTS (SELECT 1 FROM"
                " problem WHERE sweep = ?1 AND status IN ('waiting', 'running')) THEN"
                " 'interrupted' ELSE 'done' END WHERE id = ?1 AND status <> ?2",
                "is", here, a[0].key) ||
        db_exec(g->to, err,
                "UPDATE sweep SET shard = 1, shards = 1 WHERE id = ?1 AND problems ="
                " (SELECT count(*) FROM problem WHERE sweep = ?1)",
                "i", here))
        return err->status;
    return db_exec(g->to, err,
                   "UPDATE sweep SET ended = (SELECT max(ended) FROM problem WHERE sweep = ?1),"
                   " started = coalesce((SELECT min(started) FROM problem WHERE sweep = ?1),"
                   " started) WHERE id = ?1 AND status <> 'running'",
                   "i", here);
}

static ws_status merge_sweep(merge *g, int64_t there, const char *name, ws_err *err)
{
    one *a;
    int n;
    id_map made = {0};
    int64_t here;
    const mapped none[] = {{NULL, NULL, 0}};
    if (merge_ask_text(g->to, "SELECT id FROM sweep WHERE name = ?", name, &here, err))
        return err->status;
    ws_status st =
        here ? check_same(g, there, here, name, err)
             : merge_copy(g, "sweep", "id = ?", there, none, &made, &g->count.sweeps, err);
    here = here ? here : made.last;
    map_release(&made);
    if (!st)
        st = merge_list(g->from, "SELECT id, position FROM problem WHERE sweep = ? ORDER BY id",
                        there, &g->arena, &a, &n, err);
    for (int i = 0; !st && i < n; i++)
        st = merge_problem(g, a[i].id, atoll(a[i].key), here, err);
    const mapped of[] = {{"problem", &g->problem, 0}, {NULL, NULL, 0}};
    static const char mine[] = "problem IN (SELECT id FROM problem WHERE sweep = ?)";
    if (!st)
        st = merge_copy(g, "baseline", mine, there, of, NULL, NULL, err);
    if (!st)
        st = merge_copy(g, "sample", mine, there, of, NULL, NULL, err);
    return st ? st : settle_sweep(g, there, here, err);
}

static ws_status merge_sweeps(merge *g, ws_err *err)
{
    one *a;
    int n;
    ws_status st = merge_list(g->from, "SELECT id, name FROM sweep WHERE id > ? ORDER BY id", 0,
                              &g->arena, &a, &n, err);
    for (int i = 0; i < n && !st; i++)
        st = merge_sweep(g, a[i].id, a[i].key, err);
    return st;
}

/* ---- */

static bool same_file(const char *a, const char *b)
{
    struct stat x, y;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

ws_status db_merge(db_archive *db, const char *from, db_merged *out, ws_err *err)
{
    merge g = {.to = db};
    if (same_file(db->path, from))
        return ws_fail(err, WS_EUSAGE, "'%s' is the archive that is merged into", from);
    if (db_open(from, true, &g.from, err))
        return err->status;
    ws_status st = db_exec(g.from, err, "BEGIN", ""); /* one state of it, if it is written to */
    if (!st && !(st = db_begin(db, err))) {
        if ((st = merge_keyed(&g, err)) || (st = merge_runs(&g, err)) ||
            (st = merge_rejudges(&g, err)) || (st = merge_sittings(&g, err)))
            ;
        else
            st = merge_sweeps(&g, err);
        st = db_end(db, st, err);
    }
    if (!st)
        *out = g.count;
    id_map *maps[] = {&g.run, &g.call, &g.candidate, &g.problem};
    for (size_t i = 0; i < WS_COUNT(maps); i++)
        map_release(maps[i]);
    db_close(g.from);
    ws_arena_release(&g.arena);
    return st ? ws_wrap(err, "merging '%s'", from) : WS_OK;
}
