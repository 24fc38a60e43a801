/* Runs, with all that they have. */
#include "results/merge_parts.h"

#include "base/json.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- runs ---- */

#define CALLS "SELECT id, turn || ' ' || state FROM call WHERE run = ? ORDER BY turn"
#define CANDIDATES                                                                                 \
    "SELECT id, round || ' ' || origin || ' ' || source || ' ' || coalesce(tune, '') || ' ' ||"    \
    " coalesce(ptx_sha256, '') FROM candidate WHERE run = ? ORDER BY id"

/* Replaces an unanswered call by its answer. */
static ws_status update_call(merge *g, int64_t there, int64_t here, int64_t run, ws_err *err)
{
    const mapped maps[] = {{"run", NULL, run}, {NULL, NULL, 0}};
    id_map made = {0};
    /* The row that a candidate refers to keeps its number: the new one takes its place. */
    ws_status st =
        db_exec(g->to, err, "UPDATE call SET turn = turn + 1000000000 WHERE id = ?", "i", here);
    if (!st)
        st = merge_copy(g, "call", "id = ?", there, maps, &made, NULL, err);
    int64_t fresh = made.last;
    map_release(&made);
    if (!st)
        st = db_exec(g->to, err, "UPDATE candidate SET call = ? WHERE call = ?", "ii", fresh, here);
    if (!st)
        st = db_exec(g->to, err, "DELETE FROM call WHERE id = ?", "i", here);
    return st ? st : db_exec(g->to, err, "UPDATE call SET id = ? WHERE id = ?", "ii", here, fresh);
}

static bool is_done(const char *key)
{
    const char *space = strchr(key, ' ');
    return space && strcmp(space + 1, "done") == 0;
}

static ws_status merge_calls(merge *g, int64_t there, int64_t here, bool *grown, ws_err *err)
{
    one *a, *b;
    int n, m;
    const mapped maps[] = {{"run", NULL, here}, {NULL, NULL, 0}};
    if (merge_list(g->from, CALLS, there, &g->arena, &a, &n, err) ||
        merge_list(g->to, CALLS, here, &g->arena, &b, &m, err))
        return err->status;
    int *at = ws_calloc((size_t)n + 1, sizeof *at); /* where it is here, plus 1 */
    for (int i = 0; i < n; i++)
        for (int k = 0; k < m && !at[i]; k++)
            at[i] = atoll(a[i].key) == atoll(b[k].key) ? k + 1 : 0;
    ws_status st = WS_OK;
    for (int i = 0; i < n && !st; i++) {
        if (!at[i]) {
            *grown = true;
            st = merge_copy(g, "call", "id = ?", a[i].id, maps, &g->call, &g->count.calls, err);
            continue;
        }
        const one *old = &b[at[i] - 1];
        if (is_done(a[i].key) && !is_done(old->key)) {
            *grown = true;
            st = update_call(g, a[i].id, old->id, here, err);
        }
        map_add(&g->call, a[i].id, old->id);
    }
    free(at);
    return st;
}

static ws_status grew_apart(const merge *g, const char *name, ws_err *err)
{
    ws_fail(err, WS_EINPUT, "run '%s' went on in two ways: '%s' and '%s' differ", name,
            g->from->path, g->to->path);
    return ws_hint(err, "rename one of them, or merge the archives without it");
}

static ws_status copy_candidate(merge *g, int64_t there, int64_t run, ws_err *err)
{
    static const char *const parts[] = {"compile", "verdict", "timing"};
    const mapped maps[] = {
        {"run", NULL, run}, {"call", &g->call, 0}, {"parent", &g->candidate, 0}, {NULL, NULL, 0}};
    const mapped of[] = {{"candidate", &g->candidate, 0}, {NULL, NULL, 0}};
    ws_status st =
        merge_copy(g, "candidate", "id = ?", there, maps, &g->candidate, &g->count.candidates, err);
    for (size_t i = 0; i < WS_COUNT(parts) && !st; i++)
        st = merge_copy(g, parts[i], "candidate = ? ORDER BY rowid", there, of, NULL, NULL, err);
    return st;
}

/* What is here is the beginning of what is there, or the other way round. */
static ws_status merge_candidates(merge *g, const char *name, int64_t there, int64_t here,
                                  bool *grown, ws_err *err)
{
    one *a, *b;
    int n, m;
    if (merge_list(g->from, CANDIDATES, there, &g->arena, &a, &n, err) ||
        merge_list(g->to, CANDIDATES, here, &g->arena, &b, &m, err))
        return err->status;
    for (int i = 0; i < n; i++) {
        if (i >= m) {
            *grown = true;
            if (copy_candidate(g, a[i].id, here, err))
                return err->status;
        } else if (strcmp(a[i].key, b[i].key) != 0) {
            return grew_apart(g, name, err);
        } else {
            map_add(&g->candidate, a[i].id, b[i].id);
        }
    }
    return WS_OK;
}

/* Numbers of candidates in a JSON array, as those of here. */
static void map_array(const merge *g, cJSON *array)
{
    for (int i = 0; i < cJSON_GetArraySize(array); i++) {
        int64_t id;
        if (ws_json_whole(cJSON_GetArrayItem(array, i), &id))
            cJSON_ReplaceItemInArray(array, i,
                                     cJSON_CreateNumber((double)map_find(&g->candidate, id)));
    }
}

/* Steps and lessons tell candidates by number (agent/loop/restore.c, agent/evidence/learn.c). */
static char *mapped_json(const merge *g, const char *text)
{
    ws_buf out = {0};
    cJSON *j = text ? cJSON_Parse(text) : NULL;
    cJSON *subject = cJSON_GetObjectItemCaseSensitive(j, "subject");
    int64_t id;
    if (ws_json_whole(subject, &id))
        cJSON_SetNumberValue(subject, (double)map_find(&g->candidate, id));
    map_array(g, cJSON_IsArray(j) ? j : cJSON_GetObjectItemCaseSensitive(j, "inspirations"));
    if (j)
        ws_json_print(j, false, &out);
    cJSON_Delete(j);
    return j ? ws_buf_take(&out) : NULL;
}

/* Puts `column` of the rows of the run there, mapped, where the rows went. */
static ws_status map_steps(merge *g, int64_t there, ws_err *err)
{
    one *a;
    int n;
    ws_status st = merge_list(g->from, "SELECT id, step FROM call WHERE run = ? ORDER BY id", there,
                              &g->arena, &a, &n, err);
    for (int i = 0; i < n && !st; i++) {
        char *step = mapped_json(g, a[i].key);
        if (step)
            st = db_exec(g->to, err, "UPDATE call SET step = ? WHERE id = ?", "si", step,
                         map_find(&g->call, a[i].id));
        free(step);
    }
    return st;
}

static ws_status merge_lessons(merge *g, int64_t there, int64_t here, ws_err *err)
{
    one *a;
    int n;
    const mapped maps[] = {{"run", NULL, here}, {NULL, NULL, 0}};
    id_map made = {0};
    ws_status st = db_exec(g->to, err, "DELETE FROM lesson WHERE run = ?", "i", here);
    if (!st)
        st = merge_copy(g, "lesson", "run = ? ORDER BY id", there, maps, &made, &g->count.lessons,
                        err);
    if (!st)
        st = merge_list(g->from, "SELECT id, evidence FROM lesson WHERE run = ? ORDER BY id", there,
                        &g->arena, &a, &n, err);
    for (int i = 0; !st && i < n; i++) {
        char *evidence = mapped_json(g, a[i].key);
        if (evidence)
            st = db_exec(g->to, err, "UPDATE lesson SET evidence = ? WHERE id = ?", "si", evidence,
                         map_find(&made, a[i].id));
        free(evidence);
    }
    map_release(&made);
    return st;
}

/* How the run ended is what the longer of the two says; the same length: the later. */
static ws_status update_run(merge *g, int64_t there, int64_t here, ws_err *err)
{
    sqlite3_stmt *s = NULL;
    bool row = false;
    ws_status st = db_prepare(g->from, &s, err,
                              "SELECT config, model, base_url, status, stop_reason,"
                              " best_candidate, ended FROM run WHERE id = ?",
                              "i", there);
    if (!st && !(st = db_step(g->from, s, &row, err)) && row)
        st = db_exec(g->to, err,
                     "UPDATE run SET config = ?, model = ?, base_url = ?, status = ?,"
                     " stop_reason = ?, best_candidate = ?, ended = ? WHERE id = ?",
                     "sssssrsi", db_text(s, 0, &g->arena), db_text(s, 1, &g->arena),
                     db_text(s, 2, &g->arena), db_text(s, 3, &g->arena), db_text(s, 4, &g->arena),
                     map_find(&g->candidate, db_int(s, 5, 0)), db_text(s, 6, &g->arena), here);
    sqlite3_finalize(s);
    return st;
}

/* Of a run that has the same rows here and there: which knows more of its end. */
static ws_status ended_later(merge *g, int64_t there, int64_t here, bool *out, ws_err *err)
{
    one *a, *b;
    int n, m;
    static const char sql[] =
        "SELECT id, coalesce(ended, '') || status FROM run WHERE id = ? AND status <> 'running'";
    if (merge_list(g->from, sql, there, &g->arena, &a, &n, err) ||
        merge_list(g->to, sql, here, &g->arena, &b, &m, err))
        return err->status;
    *out = n && (!m || strcmp(a[0].key, b[0].key) > 0);
    return WS_OK;
}

static ws_status has_more(merge *g, int64_t there, int64_t here, bool *out, ws_err *err)
{
    static const char sql[] = "SELECT (SELECT count(*) FROM candidate WHERE run = ?1) +"
                              " (SELECT count(*) FROM call WHERE run = ?1)";
    int64_t a, b;
    if (merge_ask(g->from, sql, there, &a, err) || merge_ask(g->to, sql, here, &b, err))
        return err->status;
    *out = b > a;
    return WS_OK;
}

static ws_status merge_run(merge *g, int64_t there, const char *name, ws_err *err)
{
    const mapped maps[] = {{"best_candidate", NULL, 0}, {NULL, NULL, 0}};
    int64_t here;
    bool fresh, grown = false, longer_here = false, later = false;
    if (merge_ask_text(g->to, "SELECT id FROM run WHERE name = ?", name, &here, err))
        return err->status;
    fresh = here == 0;
    if (fresh) {
        if (merge_copy(g, "run", "id = ?", there, maps, &g->run, &g->count.runs, err))
            return err->status;
        here = g->run.last;
    } else {
        map_add(&g->run, there, here);
        if (has_more(g, there, here, &longer_here, err))
            return err->status;
    }
    if (merge_calls(g, there, here, &grown, err) ||
        merge_candidates(g, name, there, here, &grown, err))
        return err->status;
    if (!fresh && !grown && !longer_here && ended_later(g, there, here, &later, err))
        return err->status;
    if (!(fresh || grown || later) || longer_here)
        return WS_OK;
    return map_steps(g, there, err) || update_run(g, there, here, err) ||
                   merge_lessons(g, there, here, err)
               ? err->status
               : WS_OK;
}

ws_status merge_runs(merge *g, ws_err *err)
{
    one *a;
    int n;
    ws_status st = merge_list(g->from, "SELECT id, name FROM run WHERE id > ? ORDER BY id", 0,
                              &g->arena, &a, &n, err);
    for (int i = 0; i < n && !st; i++)
        st = merge_run(g, a[i].id, a[i].key, err);
    return st;
}

/* ---- judged again ---- */

/* A candidate's present reason is that of its latest judgement. */
static ws_status apply_judgements(merge *g, ws_err *err)
{
    return db_exec(
        g->to, err,
        "UPDATE candidate SET reason = j.reason, level = j.level FROM (SELECT candidate, reason,"
        " level, holds, row_number() OVER (PARTITION BY candidate ORDER BY judged DESC, rejudge"
        " DESC) AS age FROM judgement) AS j WHERE j.candidate = candidate.id AND j.age = 1"
        " AND j.holds = 0 AND (candidate.reason, candidate.level) <> (j.reason, j.level)",
        "");
}

static ws_status merge_rejudge(merge *g, int64_t there, const char *started, ws_err *err)
{
    int64_t here;
    id_map made = {0};
    const mapped none[] = {{NULL, NULL, 0}};
    ws_status st = merge_ask_text(
        g->to, "SELECT id FROM rejudge WHERE started || tool || options = ?", started, &here, err);
    if (!st && !here) {
        st = merge_copy(g, "rejudge", "id = ?", there, none, &made, NULL, err);
        here = made.last;
    }
    map_release(&made);
    const mapped maps[] = {
        {"rejudge", NULL, here}, {"candidate", &g->candidate, 0}, {NULL, NULL, 0}};
    if (!st)
        st = merge_copy(g, "judgement", "rejudge = ?", there, maps, NULL, NULL, err);
    return st;
}

ws_status merge_rejudges(merge *g, ws_err *err)
{
    one *a;
    int n;
    ws_status st = merge_list(g->from,
                              "SELECT id, started || tool || options FROM rejudge WHERE id > ?"
                              " ORDER BY id",
                              0, &g->arena, &a, &n, err);
    for (int i = 0; i < n && !st; i++)
        st = merge_rejudge(g, a[i].id, a[i].key, err);
    return st || !n ? st : apply_judgements(g, err);
}
