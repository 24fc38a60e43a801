/* What an archive says, as one hash: lines of content, sorted, so that neither the order of rows
 * nor their numbers matter. */
#include "results/merge.h"

#include "base/sha256.h"
#include "results/db.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A query a kind of row: its content as one text. ?1: of this run or sweep alone, '' for all.
 *
 * Left out: row numbers, times of the clock, durations, the tokens that a killed request may have
 * taken, loopback ports, and who was told of lessons. A candidate's parent and call are told by
 * content; a verdict by reason, level, sentence and numbers, not by how long it took. */
#define SEP " || char(31) || "
#define OF_RUN(id)                                                                                 \
    " (?1 = '' OR " id " IN (SELECT id FROM run WHERE name = ?1 UNION SELECT p.run FROM problem p" \
    " JOIN sweep w ON w.id = p.sweep WHERE w.name = ?1))"
#define OF_SWEEP(id) " (?1 = '' OR " id " IN (SELECT id FROM sweep WHERE name = ?1))"
#define T(x)         "coalesce(" x ", '')"

static const struct query {
    size_t count; /* offset of the field that counts its rows */
    const char *sql;
} queries[] = {
    {offsetof(db_digest, sweeps),
     "SELECT 'sweep'" SEP "name" SEP "suite" SEP "problems" SEP
     "json_remove(config, '$.spent_seconds', '$.record', '$.replay', '$.base_url')"
     " FROM sweep WHERE" OF_SWEEP("id")},
    {offsetof(db_digest, problems),
     "SELECT 'problem'" SEP "w.name" SEP "position" SEP "p.spec_name" SEP "p.spec_sha256" SEP
     T("flaw") SEP T("p.model") SEP T("p.strategy") SEP "p.seed" SEP "p.status" SEP T("p.error") SEP
     T("r.name") SEP
     "coalesce((SELECT group_concat(x, ';') FROM (SELECT sample || ' ' || compiled || ' ' ||"
     " correct || ' ' || coalesce(seconds, '') AS x FROM sample WHERE problem = p.id"
     " ORDER BY sample)), '')" SEP
     "coalesce((SELECT group_concat(x, ';') FROM (SELECT name || ' ' || kind || ' ' || gpu || ' '"
     " || seconds AS x FROM baseline WHERE problem = p.id ORDER BY name)), '')"
     " FROM problem p JOIN sweep w ON w.id = p.sweep LEFT JOIN run r ON r.id = p.run"
     " WHERE" OF_SWEEP("w.id")},
    {offsetof(db_digest, runs),
     "SELECT 'run'" SEP "r.name" SEP "spec_name" SEP "spec_sha256" SEP T("model") SEP
     T("strategy") SEP T("r.gpu") SEP T("arch") SEP "scripted" SEP "status" SEP T("stop_reason") SEP
     T("json_extract(config, '$.seed')") SEP T("c.source") SEP T("c.tune")
     " FROM run r LEFT JOIN candidate c ON c.id = r.best_candidate WHERE" OF_RUN("r.id")},
    {offsetof(db_digest, calls),
     "SELECT 'call'" SEP "r.name" SEP "turn" SEP T("purpose") SEP "state" SEP T("outcome") SEP
     "prompt" SEP T("content") SEP T("reasoning") SEP T("finish_reason") SEP T("c.model") SEP
     T("prompt_tokens") SEP T("completion_tokens") SEP T("cost_usd")
     " FROM call c JOIN run r ON r.id = c.run WHERE" OF_RUN("r.id")},
    {offsetof(db_digest, candidates),
     "SELECT 'candidate'" SEP "r.name" SEP "c.round" SEP "c.origin" SEP "c.source" SEP
     T("c.ptx_sha256") SEP T("c.tune") SEP "c.reason" SEP "c.level" SEP T("c.modelled_s") SEP
     T("c.measured_s") SEP T("c.note") SEP T("k.turn") SEP T("p.source") SEP T("p.tune") SEP
     T("v.reason") SEP T("v.level") SEP T("v.seed") SEP T("json_extract(v.json, '$.text')") SEP
     T("json_extract(v.json, '$.place')") SEP T("json_extract(v.json, '$.modelled')") SEP
     "(SELECT count(*) FROM timing WHERE candidate = c.id)" SEP
     "(SELECT count(*) FROM judgement WHERE candidate = c.id)"
     " FROM candidate c JOIN run r ON r.id = c.run LEFT JOIN call k ON k.id = c.call"
     " LEFT JOIN candidate p ON p.id = c.parent LEFT JOIN verdict v ON v.candidate = c.id"
     " WHERE" OF_RUN("r.id")}};

typedef struct line {
    char sha256[WS_SHA256_HEX];
} line;

static int by_hash(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(line));
}

/* Adds a hash a row. */
static ws_status hash_rows(db_archive *db, const struct query *q, const char *what, ws_buf *lines,
                           int *count, ws_err *err)
{
    sqlite3_stmt *s = NULL;
    bool row = true;
    ws_status st = db_prepare(db, &s, err, q->sql, "s", what);
    while (!st && !(st = db_step(db, s, &row, err)) && row) {
        line l;
        const char *text = (const char *)sqlite3_column_text(s, 0);
        ws_sha256_of(text ? text : "", text ? strlen(text) : 0, l.sha256);
        ws_buf_add(lines, &l, sizeof l);
        ++*count;
    }
    sqlite3_finalize(s);
    return st;
}

ws_status db_digest_of(db_archive *db, const char *what, db_digest *out, ws_err *err)
{
    ws_buf lines = {.max = SIZE_MAX};
    db_digest d = {0};
    ws_status st = db_exec(db, err, "BEGIN", ""); /* all of one state */
    for (size_t i = 0; i < WS_COUNT(queries) && !st; i++) {
        int *count = (int *)(void *)((char *)&d + queries[i].count);
        st = hash_rows(db, &queries[i], what ? what : "", &lines, count, err);
    }
    st = db_end(db, st, err);
    if (!st && what && !d.sweeps && !d.runs) {
        st = ws_fail(err, WS_EINPUT, "archive '%s' has no run or sweep '%s'", db->path, what);
        ws_hint(err,
                "whole names; 'warpsmith archive list' and 'warpsmith sweep --list' show them");
    }
    if (!st) {
        if (lines.n)
            qsort(lines.p, lines.n / sizeof(line), sizeof(line), by_hash);
        ws_sha256_of(lines.p ? lines.p : "", lines.n, d.sha256);
        *out = d;
    }
    ws_buf_release(&lines);
    return st;
}
