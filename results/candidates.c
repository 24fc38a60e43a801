#include "results/db.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/sha256.h"
#include "results/traits.h"
#include "verifier/counters.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool db_plan_sha256(const char *source, char sha[WS_SHA256_HEX])
{
    const char *begin = strstr(source, "@plan");
    const char *end = begin ? strstr(begin, "*/") : NULL;
    if (end)
        ws_sha256_of(begin, (size_t)(end - begin), sha);
    return end != NULL;
}

/* ---- writing ---- */

static ws_status insert_candidate(db_archive *db, const db_candidate *c, ws_err *err)
{
    char now[WS_UTC_SIZE], plan[WS_SHA256_HEX];
    const char *source = c->source ? c->source : "";
    bool has_plan = db_plan_sha256(source, plan);
    ws_buf traits = {0};
    ws_utc_now(now);
    db_traits(source, &traits);
    ws_status st =
        db_exec(db, err,
                "INSERT INTO candidate (run, call, parent, round, origin, source, plan_sha256,"
                " ptx_sha256, tune, reason, level, modelled_s, measured_s, gpu, note, created,"
                " traits) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                "irrksxsssskddssss", c->run, c->call, c->parent, c->round, c->origin, source,
                has_plan ? plan : NULL, c->ptx_sha256, c->tune_json, c->reason, c->level,
                c->modelled_s, c->measured_s, c->gpu, c->note, c->created ? c->created : now,
                ws_buf_z(&traits));
    ws_buf_release(&traits);
    return st;
}

static ws_status insert_compile(db_archive *db, int64_t id, const vfy_verdict *v, ws_err *err)
{
    if (!v->compiler[0] && !v->log[0] && !v->compile_key[0]) /* the compiler was never asked */
        return WS_OK;
    return db_exec(
        db, err,
        "INSERT INTO compile (candidate, compile_key, compiler, arch, seconds, registers,"
        " shared_bytes, spill_bytes, resources, log) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        "isssdnnnss", id, v->compile_key, v->compiler, v->arch, v->compile_seconds,
        (int64_t)v->registers, (int64_t)v->shared_bytes, (int64_t)v->spill_bytes, v->resources,
        v->log);
}

static ws_status insert_verdict(db_archive *db, int64_t id, const vfy_verdict *v, ws_err *err)
{
    ws_buf json = {0}, resources = {0}, counters = {0};
    char seed[24];
    cJSON *root = vfy_verdict_json(v);
    const cJSON *r = cJSON_GetObjectItemCaseSensitive(root, "resources");
    snprintf(seed, sizeof seed, "%" PRIu64, v->seed);
    ws_json_print(root, false, &json);
    if (r)
        ws_json_print(r, false, &resources);
    if (v->counters.launches)
        vfy_counters_print(&v->counters, true, &counters);
    ws_status st =
        db_exec(db, err,
                "INSERT INTO verdict (candidate, reason, level, json, resources, counters, seed,"
                " run_seconds, total_seconds) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                "iskssssdd", id, hx_reason_name(v->reason), (int)v->level, ws_buf_z(&json),
                resources.n ? resources.p : NULL, counters.n ? counters.p : NULL, seed,
                v->run_seconds, v->total_seconds);
    cJSON_Delete(root);
    ws_buf_release(&json);
    ws_buf_release(&resources);
    ws_buf_release(&counters);
    return st;
}

static void samples_json(const db_timing *t, ws_buf *out)
{
    ws_buf_addc(out, '[');
    for (int i = 0; i < t->n_samples; i++)
        ws_buf_printf(out, "%s%.17g", i ? "," : "", t->sample[i]);
    ws_buf_addc(out, ']');
}

static ws_status insert_timing(db_archive *db, int64_t candidate, const db_timing *t, ws_err *err)
{
    ws_buf samples = {0};
    char now[WS_UTC_SIZE];
    ws_utc_now(now);
    samples_json(t, &samples);
    ws_status st = db_exec(
        db, err,
        "INSERT INTO timing (candidate, kind, gpu, shape, unit, samples, environment, created)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        "isssssss", candidate, t->kind, t->gpu, t->shape, t->unit, ws_buf_z(&samples),
        t->environment_json, now);
    ws_buf_release(&samples);
    return st;
}

ws_status db_timing_add(db_archive *db, const db_timing *t, ws_err *err)
{
    ws_status st = db_begin(db, err);
    if (!st)
        st = db_end(db, insert_timing(db, t->candidate, t, err), err);
    return st ? ws_wrap(err, "timing of candidate #%" PRId64, t->candidate) : WS_OK;
}

/* In a transaction that has begun, or failed to. */
static ws_status add_timed(db_archive *db, ws_status st, const db_candidate *c,
                           const vfy_verdict *v, const db_timing *t, int64_t *id, ws_err *err)
{
    int64_t made = 0;
    if (st)
        return st;
    st = insert_candidate(db, c, err);
    if (!st) {
        /* The text row, if one was added, came before: this is the candidate's. */
        made = sqlite3_last_insert_rowid(db->handle);
        st = insert_compile(db, made, v, err);
    }
    if (!st)
        st = insert_verdict(db, made, v, err);
    if (!st && t)
        st = insert_timing(db, made, t, err);
    st = db_end(db, st, err);
    if (!st)
        *id = made;
    return st ? ws_wrap(err, "candidate of round %d", c->round) : WS_OK;
}

ws_status db_candidate_add_timed(db_archive *db, const db_candidate *c, const vfy_verdict *v,
                                 const db_timing *t, int64_t *id, ws_err *err)
{
    return add_timed(db, db_begin(db, err), c, v, t, id, err);
}

ws_status db_candidate_add_judged(db_archive *db, const db_candidate *c, const vfy_verdict *v,
                                  const db_timing *t, int64_t *id, ws_err *err)
{
    return add_timed(db, db_begin_unsynced(db, err), c, v, t, id, err);
}

ws_status db_candidate_add(db_archive *db, const db_candidate *c, const vfy_verdict *v, int64_t *id,
                           ws_err *err)
{
    return db_candidate_add_timed(db, c, v, NULL, id, err);
}

/* ---- reading ---- */

#define CANDIDATE_COLUMNS                                                                          \
    "SELECT c.id, c.run, c.call, c.parent, c.round, c.origin, t.body, c.source, c.ptx_sha256, "    \
    "c.tune, c.reason, c.level, c.modelled_s, c.measured_s, c.gpu, c.created, c.note "             \
    "FROM candidate c JOIN text t ON t.sha256 = c.source "

static ws_status read_candidate(sqlite3_stmt *s, ws_arena *a, void *item, ws_err *err)
{
    db_candidate *c = item;
    (void)err;
    *c = (db_candidate){
        .id = db_int(s, 0, 0),
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
        .note = db_text(s, 16, a),
    };
    return WS_OK;
}

ws_status db_candidate_list(db_archive *db, int64_t run, ws_arena *a, db_candidate **out, int *n,
                            ws_err *err)
{
    sqlite3_stmt *s;
    ws_status st =
        db_prepare(db, &s, err, CANDIDATE_COLUMNS "WHERE c.run = ? ORDER BY c.id", "i", run);
    return db_rows(db, st, s, read_candidate, sizeof **out, a, out, n, err);
}

ws_status db_candidate_get(db_archive *db, int64_t id, ws_arena *a, db_candidate *out, ws_err *err)
{
    sqlite3_stmt *s;
    bool row = false;
    ws_status st = db_prepare(db, &s, err, CANDIDATE_COLUMNS "WHERE c.id = ?", "i", id);
    if (!st)
        st = db_step(db, s, &row, err);
    if (!st && row)
        st = read_candidate(s, a, out, err);
    else if (!st)
        st =
            ws_fail(err, WS_EINPUT, "archive '%s' has no candidate #%lld", db->path, (long long)id);
    sqlite3_finalize(s);
    return st;
}

static ws_status read_verdict(db_archive *db, int64_t candidate, const char *sql, ws_arena *a,
                              const char **out, ws_err *err)
{
    sqlite3_stmt *s;
    bool row = false;
    ws_status st = db_prepare(db, &s, err, sql, "i", candidate);
    if (!st)
        st = db_step(db, s, &row, err);
    if (!st && row)
        *out = db_text(s, 0, a);
    else if (!st)
        st = ws_fail(err, WS_EINPUT, "archive '%s' has no verdict of candidate #%lld", db->path,
                     (long long)candidate);
    sqlite3_finalize(s);
    return st;
}

ws_status db_verdict_json(db_archive *db, int64_t candidate, ws_arena *a, const char **out,
                          ws_err *err)
{
    return read_verdict(db, candidate,
                        "SELECT coalesce((SELECT CASE WHEN j.holds THEN NULL ELSE j.json END"
                        " FROM judgement j WHERE j.candidate = v.candidate"
                        " ORDER BY j.rejudge DESC LIMIT 1), v.json)"
                        " FROM verdict v WHERE v.candidate = ?",
                        a, out, err);
}

ws_status db_verdict_latest(db_archive *db, int64_t candidate, ws_arena *a, const char **out,
                            ws_err *err)
{
    return read_verdict(db, candidate,
                        "SELECT coalesce((SELECT j.json FROM judgement j"
                        " WHERE j.candidate = v.candidate ORDER BY j.rejudge DESC LIMIT 1), v.json)"
                        " FROM verdict v WHERE v.candidate = ?",
                        a, out, err);
}

ws_status db_candidate_same(db_archive *db, const db_candidate *c, int64_t *id, ws_err *err)
{
    sqlite3_stmt *s;
    bool row = false;
    char plan[WS_SHA256_HEX];
    bool has_plan = db_plan_sha256(c->source ? c->source : "", plan);
    ws_status st = db_prepare(db, &s, err,
                              "SELECT min(id) FROM candidate WHERE run = ? AND ptx_sha256 = ?"
                              " AND tune IS ? AND plan_sha256 IS ?",
                              "isss", c->run, c->ptx_sha256, c->tune_json, has_plan ? plan : NULL);
    if (!st)
        st = db_step(db, s, &row, err);
    if (!st)
        *id = row ? db_int(s, 0, 0) : 0;
    sqlite3_finalize(s);
    return st;
}

/* ---- timings ---- */

static ws_status read_samples(const char *json, ws_arena *a, db_timing *t, ws_err *err)
{
    cJSON *array = NULL;
    int i = 0;
    if (ws_json_parse(json, strlen(json), &array, err))
        return ws_wrap(err, "timing samples");
    double *sample = WS_ARENA_NEW(a, double, cJSON_GetArraySize(array) + 1);
    for (const cJSON *v = array->child; v; v = v->next)
        sample[i++] = v->valuedouble;
    t->sample = sample;
    t->n_samples = i;
    cJSON_Delete(array);
    return WS_OK;
}

static ws_status read_timing(sqlite3_stmt *s, ws_arena *a, void *item, ws_err *err)
{
    db_timing *t = item;
    *t = (db_timing){.candidate = db_int(s, 6, 0), .kind = db_text(s, 0, a),
                     .gpu = db_text(s, 1, a), .shape = db_text(s, 2, a),
                     .unit = db_text(s, 3, a), .environment_json = db_text(s, 5, a)};
    return read_samples((const char *)sqlite3_column_text(s, 4), a, t, err);
}

ws_status db_timing_list(db_archive *db, int64_t candidate, ws_arena *a, db_timing **out, int *n,
                         ws_err *err)
{
    sqlite3_stmt *s;
    ws_status st = db_prepare(db, &s, err,
                              "SELECT kind, gpu, shape, unit, samples, environment, candidate"
                              " FROM timing WHERE candidate = ? ORDER BY id",
                              "i", candidate);
    return db_rows(db, st, s, read_timing, sizeof **out, a, out, n, err);
}
