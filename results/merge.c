#include "results/merge.h"

#include "base/json.h"
#include "results/db.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Row numbers there, and what they are here: a hash table with room for twice its entries. */
typedef struct id_map {
    struct pair {
        int64_t there, here; /* there 0: free */
    } *slot;
    int n, cap;   /* cap: a power of 2 */
    int64_t last; /* here, of what was added last */
} id_map;

typedef struct merge {
    db_archive *to, *from;
    ws_arena arena;
    id_map run, call, candidate, problem;
    db_merged count;
} merge;

static struct pair *map_slot(const id_map *m, int64_t there)
{
    size_t mask = (size_t)m->cap - 1, i = ((uint64_t)there * 0x9e3779b97f4a7c15u >> 32) & mask;
    while (m->slot[i].there && m->slot[i].there != there)
        i = (i + 1) & mask;
    return &m->slot[i];
}

static void map_add(id_map *m, int64_t there, int64_t here)
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

/* 0: it has no counterpart. */
static int64_t map_find(const id_map *m, int64_t there)
{
    return m->cap && there ? map_slot(m, there)->here : 0;
}

static void map_release(id_map *m)
{
    free(m->slot);
}

/* ---- rows as they are ---- */

/* A column whose numbers are those of rows, mapped where rows are copied. */
typedef struct mapped {
    const char *column;
    const id_map *map;
    int64_t fixed; /* without a map: this number instead */
} mapped;

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

/* Copies the rows of `table` for which `where`, with one parameter, holds there. `ids` (NULL: not
 * wanted) learns their numbers here. */
static ws_status copy_rows(merge *g, const char *table, const char *where, int64_t parameter,
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

static ws_status copy_keyed(merge *g, ws_err *err)
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

/* One number of one row, 0 when there is none. */
static ws_status ask(db_archive *db, const char *sql, int64_t a, int64_t *out, ws_err *err)
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

static ws_status ask_text(db_archive *db, const char *sql, const char *a, const char *b,
                          int64_t *out, ws_err *err)
{
    sqlite3_stmt *s = NULL;
    bool row = false;
    ws_status st = db_prepare(db, &s, err, sql, b ? "ss" : "s", a, b);
    if (!st)
        st = db_step(db, s, &row, err);
    *out = !st && row ? db_int(s, 0, 0) : 0;
    sqlite3_finalize(s);
    return st;
}

/* ---- runs ---- */

typedef struct one {
    int64_t id;
    const char *key; /* what tells rows of one run apart, or whether they are equal */
} one;

static ws_status read_one(sqlite3_stmt *s, ws_arena *a, void *item, ws_err *err)
{
    (void)err;
    *(one *)item = (one){db_int(s, 0, 0), db_text(s, 1, a)};
    return WS_OK;
}

static ws_status list(db_archive *db, const char *sql, int64_t run, ws_arena *a, one **out, int *n,
                      ws_err *err)
{
    sqlite3_stmt *s;
    ws_status st = db_prepare(db, &s, err, sql, "i", run);
    return db_rows(db, st, s, read_one, sizeof **out, a, out, n, err);
}

#define CALLS      "SELECT id, turn || ' ' || state FROM call WHERE run = ? ORDER BY turn"
#define CANDIDATES                                                                                 \
    "SELECT id, round || ' ' || origin || ' ' || source || ' ' || coalesce(tune, '') || ' ' ||"    \
    " coalesce(ptx_sha256, '') FROM candidate WHERE run = ? ORDER BY id"

/* Replaces an unanswered call by its answer. */
static ws_status update_call(merge *g, int64_t there, int64_t here, int64_t run, ws_err *err)
{
    const mapped maps[] = {{"run", NULL, run}, {NULL, NULL, 0}};
    id_map made = {0};
    /* The row that a candidate refers to keeps its number: the new one takes its place. */
    ws_status st = db_exec(g->to, err, "UPDATE call SET turn = turn + 1000000000 WHERE id = ?", "i",
                           here);
    if (!st)
        st = copy_rows(g, "call", "id = ?", there, maps, &made, NULL, err);
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
    if (list(g->from, CALLS, there, &g->arena, &a, &n, err) ||
        list(g->to, CALLS, here, &g->arena, &b, &m, err))
        return err->status;
    int *at = ws_calloc((size_t)n + 1, sizeof *at); /* where it is here, plus 1 */
    for (int i = 0; i < n; i++)
        for (int k = 0; k < m && !at[i]; k++)
            at[i] = atoll(a[i].key) == atoll(b[k].key) ? k + 1 : 0;
    ws_status st = WS_OK;
    for (int i = 0; i < n && !st; i++) {
        if (!at[i]) {
            *grown = true;
            st = copy_rows(g, "call", "id = ?", a[i].id, maps, &g->call, &g->count.calls, err);
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
    const mapped maps[] = {{"run", NULL, run}, {"call", &g->call, 0},
                           {"parent", &g->candidate, 0}, {NULL, NULL, 0}};
    const mapped of[] = {{"candidate", &g->candidate, 0}, {NULL, NULL, 0}};
    ws_status st = copy_rows(g, "candidate", "id = ?", there, maps, &g->candidate,
                             &g->count.candidates, err);
    for (size_t i = 0; i < WS_COUNT(parts) && !st; i++)
        st = copy_rows(g, parts[i], "candidate = ? ORDER BY rowid", there, of, NULL, NULL, err);
    return st;
}

/* What is here is the beginning of what is there, or the other way round. */
static ws_status merge_candidates(merge *g, const char *name, int64_t there, int64_t here,
                                  bool *grown, ws_err *err)
{
    one *a, *b;
    int n, m;
    if (list(g->from, CANDIDATES, there, &g->arena, &a, &n, err) ||
        list(g->to, CANDIDATES, here, &g->arena, &b, &m, err))
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
    ws_status st = list(g->from, "SELECT id, step FROM call WHERE run = ? ORDER BY id", there,
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
        st = copy_rows(g, "lesson", "run = ? ORDER BY id", there, maps, &made, &g->count.lessons,
                       err);
    if (!st)
        st = list(g->from, "SELECT id, evidence FROM lesson WHERE run = ? ORDER BY id", there,
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
    if (list(g->from, sql, there, &g->arena, &a, &n, err) ||
        list(g->to, sql, here, &g->arena, &b, &m, err))
        return err->status;
    *out = n && (!m || strcmp(a[0].key, b[0].key) > 0);
    return WS_OK;
}

static ws_status has_more(merge *g, int64_t there, int64_t here, bool *out, ws_err *err)
{
    static const char sql[] = "SELECT (SELECT count(*) FROM candidate WHERE run = ?1) +"
                              " (SELECT count(*) FROM call WHERE run = ?1)";
    int64_t a, b;
    if (ask(g->from, sql, there, &a, err) || ask(g->to, sql, here, &b, err))
        return err->status;
    *out = b > a;
    return WS_OK;
}

static ws_status merge_run(merge *g, int64_t there, const char *name, ws_err *err)
{
    const mapped maps[] = {{"best_candidate", NULL, 0}, {NULL, NULL, 0}};
    int64_t here;
    bool fresh, grown = false, longer_here = false, later = false;
    if (ask_text(g->to, "SELECT id FROM run WHERE name = ?", name, NULL, &here, err))
        return err->status;
    fresh = here == 0;
    if (fresh) {
        if (copy_rows(g, "run", "id = ?", there, maps, &g->run, &g->count.runs, err))
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

static ws_status merge_runs(merge *g, ws_err *err)
{
    one *a;
    int n;
    ws_status st = list(g->from, "SELECT id, name FROM run WHERE id > ? ORDER BY id", 0, &g->arena,
                        &a, &n, err);
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
    ws_status st = ask_text(g->to, "SELECT id FROM rejudge WHERE started || tool || options = ?",
                            started, NULL, &here, err);
    if (!st && !here) {
        st = copy_rows(g, "rejudge", "id = ?", there, none, &made, NULL, err);
        here = made.last;
    }
    map_release(&made);
    const mapped maps[] = {{"rejudge", NULL, here}, {"candidate", &g->candidate, 0},
                           {NULL, NULL, 0}};
    if (!st)
        st = copy_rows(g, "judgement", "rejudge = ?", there, maps, NULL, NULL, err);
    return st;
}

static ws_status merge_rejudges(merge *g, ws_err *err)
{
    one *a;
    int n;
    ws_status st = list(g->from,
                        "SELECT id, started || tool || options FROM rejudge WHERE id > ?"
                        " ORDER BY id",
                        0, &g->arena, &a, &n, err);
    for (int i = 0; i < n && !st; i++)
        st = merge_rejudge(g, a[i].id, a[i].key, err);
    return st || !n ? st : apply_judgements(g, err);
}

/* ---- sittings ---- */

#define SITTING                                                                                    \
    "created || spec_sha256 || seed || kind || gpu || shape || regime || baseline_source"

static ws_status merge_sittings(merge *g, ws_err *err)
{
    one *a;
    int n;
    const mapped none[] = {{NULL, NULL, 0}};
    ws_status st = list(g->from, "SELECT id, " SITTING " FROM sitting WHERE id > ? ORDER BY id", 0,
                        &g->arena, &a, &n, err);
    for (int i = 0; i < n && !st; i++) {
        int64_t here;
        id_map made = {0};
        st = ask_text(g->to, "SELECT id FROM sitting WHERE " SITTING " = ?", a[i].key, NULL, &here,
                      err);
        if (st || here)
            continue;
        st = copy_rows(g, "sitting", "id = ?", a[i].id, none, &made, &g->count.sittings, err);
        const mapped of[] = {{"sitting", &made, 0}, {NULL, NULL, 0}};
        if (!st)
            st = copy_rows(g, "comparison", "sitting = ? ORDER BY id", a[i].id, of, NULL, NULL,
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
    if (list(g->from, sql, there, &g->arena, &a, &n, err) ||
        list(g->to, sql, here, &g->arena, &b, &m, err))
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
    ws_status st = db_prepare(g->to, &s, err,
                              "SELECT id FROM problem WHERE sweep = ? AND position = ?", "ii",
                              sweep, position);
    if (!st)
        st = db_step(g->to, s, &row, err);
    int64_t here = !st && row ? db_int(s, 0, 0) : 0;
    sqlite3_finalize(s);
    if (st)
        return st;
    if (!here)
        return copy_rows(g, "problem", "id = ?", there, maps, &g->problem, &g->count.problems, err);
    map_add(&g->problem, there, here);
    if (list(g->from, FURTHER, there, &g->arena, &a, &n, err) ||
        list(g->to, FURTHER, here, &g->arena, &b, &m, err))
        return err->status;
    if (strcmp(a[0].key, b[0].key) <= 0)
        return WS_OK;
    db_problem p = {.id = here};
    db_problem *all;
    int64_t of;
    if (ask(g->from, "SELECT sweep FROM problem WHERE id = ?", there, &of, err) ||
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
    if (list(g->from, "SELECT id, status FROM sweep WHERE id = ?", there, &g->arena, &a, &n, err))
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
    if (ask_text(g->to, "SELECT id FROM sweep WHERE name = ?", name, NULL, &here, err))
        return err->status;
    ws_status st = here ? check_same(g, there, here, name, err)
                        : copy_rows(g, "sweep", "id = ?", there, none, &made, &g->count.sweeps,
                                    err);
    here = here ? here : made.last;
    map_release(&made);
    if (!st)
        st = list(g->from, "SELECT id, position FROM problem WHERE sweep = ? ORDER BY id", there,
                  &g->arena, &a, &n, err);
    for (int i = 0; !st && i < n; i++)
        st = merge_problem(g, a[i].id, atoll(a[i].key), here, err);
    const mapped of[] = {{"problem", &g->problem, 0}, {NULL, NULL, 0}};
    static const char mine[] = "problem IN (SELECT id FROM problem WHERE sweep = ?)";
    if (!st)
        st = copy_rows(g, "baseline", mine, there, of, NULL, NULL, err);
    if (!st)
        st = copy_rows(g, "sample", mine, there, of, NULL, NULL, err);
    return st ? st : settle_sweep(g, there, here, err);
}

static ws_status merge_sweeps(merge *g, ws_err *err)
{
    one *a;
    int n;
    ws_status st = list(g->from, "SELECT id, name FROM sweep WHERE id > ? ORDER BY id", 0,
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
        if ((st = copy_keyed(&g, err)) || (st = merge_runs(&g, err)) ||
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
