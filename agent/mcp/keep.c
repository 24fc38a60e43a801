#include "agent/mcp/keep.h"

#include "agent/evidence/memory.h"
#include "base/clock.h"
#include "base/json.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static ws_status begin_run(db_archive *db, const mcp_submission *s, int64_t *id, ws_err *err)
{
    ws_arena a = {0};
    db_run r = {.spec_name = s->spec->name,
                .spec_sha256 = s->spec->sha256,
                .spec_json = ws_json_text(s->spec->root, &a),
                .model = s->client ? s->client : "an agent",
                .strategy = "mcp",
                .gpu = s->gpu,
                .arch = s->arch,
                .device = "cpu",
                .config_json = "{}"};
    ws_status st = db_run_name(s->spec->name, r.name, err);
    if (!st)
        st = db_run_begin(db, &r, id, err);
    ws_arena_release(&a);
    return st;
}

static ws_status add(db_archive *db, const mcp_submission *s, int64_t run, int round,
                     const char *origin, const char *source, const char *note, const vfy_verdict *v,
                     int64_t *id, ws_err *err)
{
    char now[WS_UTC_SIZE];
    ws_buf shape = {0};
    ws_env env = spec_env(s->spec, -1);
    ws_utc_now(now);
    spec_env_print(&env, &shape);
    db_candidate c = {.run = run,
                      .round = round,
                      .origin = origin,
                      .source = source,
                      .source_sha256 = v->source_sha256,
                      .ptx_sha256 = v->ptx_sha256[0] ? v->ptx_sha256 : NULL,
                      .reason = hx_reason_name(v->reason),
                      .level = v->level,
                      .modelled_s = v->has_model ? v->model.seconds : (double)NAN,
                      .measured_s = (double)NAN,
                      .gpu = s->gpu,
                      .created = now,
                      .note = note && *note ? note : NULL};
    db_timing t = {.kind = "modelled",
                   .gpu = s->gpu,
                   .shape = ws_buf_z(&shape),
                   .unit = "s",
                   .sample = &c.modelled_s,
                   .n_samples = 1,
                   .environment_json = "{\"device\":\"CPU engine\"}"};
    ws_status st = db_candidate_add_timed(db, &c, v, v->has_model ? &t : NULL, id, err);
    ws_buf_release(&shape);
    return st;
}

/* The fastest that passes; 0: none. */
static int64_t winner(const db_candidate *list, int n)
{
    int best = -1;
    for (int i = 0; i < n; i++)
        if (strcmp(list[i].reason, "pass") == 0 && list[i].modelled_s > 0 &&
            (best < 0 || list[i].modelled_s < list[best].modelled_s))
            best = i;
    return best < 0 ? 0 : list[best].id;
}

/* The run has ended after each submission: no other is promised. */
static ws_status finish(db_archive *db, const spec *s, int64_t id, const char *which, ws_arena *a,
                        mcp_kept *out, ws_err *err)
{
    db_candidate *list;
    db_run run;
    int n;
    if (db_candidate_list(db, id, a, &list, &n, err) ||
        db_run_end(db, id, "done", "submitted by an agent", winner(list, n), err) ||
        db_run_find(db, which, a, &run, err) || memory_learn(db, s, &run, err))
        return err->status;
    snprintf(out->run_name, sizeof out->run_name, "%s", run.name);
    return WS_OK;
}

ws_status mcp_keep(const char *archive, const mcp_submission *s, int64_t run, mcp_kept *out,
                   ws_err *err)
{
    db_archive *db = NULL;
    ws_arena a = {0};
    db_candidate *list = NULL;
    int n = 0;
    int64_t first;
    char which[24];
    ws_status st = db_open(archive, false, &db, err);
    if (!st && !run) {
        st = begin_run(db, s, &run, err);
        if (!st)
            st = add(db, s, run, 0, "emitted", s->first_source, NULL, s->first, &first, err);
    }
    if (!st)
        st = db_candidate_list(db, run, &a, &list, &n, err);
    if (!st)
        st = add(db, s, run, n, "submitted", s->source, s->note, s->verdict, &out->candidate, err);
    snprintf(which, sizeof which, "%lld", (long long)run);
    if (!st)
        st = finish(db, s->spec, run, which, &a, out, err);
    out->run = run;
    db_close(db);
    ws_arena_release(&a);
    return st;
}
