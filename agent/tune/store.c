#include "agent/tune/store.h"

#include "agent/tune/table.h"
#include "base/clock.h"
#include "base/json.h"
#include "results/archive.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static ws_status begin_run(db_archive *db, ws_arena *a, const tune_winner *w, db_run *r,
                           ws_err *err)
{
    cJSON *config = cJSON_CreateObject();
    cJSON_AddNumberToObject(config, "space", w->space);
    ws_json_add_int(config, "judged", w->judged);
    r->spec_name = w->spec->name;
    r->spec_sha256 = w->spec->sha256;
    r->spec_json = ws_json_text(w->spec->root, a);
    r->model = "none";
    r->base_url = "";
    r->strategy = "tune";
    r->gpu = w->verdict->gpu;
    r->arch = w->verdict->arch;
    r->device = "cpu";
    r->status = "running";
    r->config_json = ws_json_text(config, a);
    cJSON_Delete(config);
    return db_run_begin(db, r, &r->id, err);
}

static ws_status add_winner(db_archive *db, ws_arena *a, const tune_winner *w, const db_run *r,
                            int64_t *id, ws_err *err)
{
    const vfy_verdict *v = w->verdict;
    char when[WS_UTC_SIZE];
    cJSON *tune = tune_row_json(w->plan, w->row);
    ws_buf shape = {0};
    ws_env env = spec_env(w->spec, -1);
    ws_utc_now(when);
    spec_env_print(&env, &shape);
    db_candidate c = {.run = r->id,
                      .origin = "tuned",
                      .source = w->source,
                      .source_sha256 = v->source_sha256,
                      .ptx_sha256 = v->ptx_sha256,
                      .tune_json = ws_json_text(tune, a),
                      .reason = hx_reason_name(v->reason),
                      .level = v->level,
                      .modelled_s = v->model.seconds,
                      .measured_s = (double)NAN,
                      .gpu = v->gpu,
                      .created = when};
    db_timing t = {.kind = "modelled",
                   .gpu = v->gpu,
                   .shape = ws_buf_z(&shape),
                   .unit = "s",
                   .sample = &c.modelled_s,
                   .n_samples = 1,
                   .environment_json = "{\"device\":\"CPU engine\"}"};
    ws_status st = db_candidate_add_timed(db, &c, v, &t, id, err);
    cJSON_Delete(tune);
    ws_buf_release(&shape);
    return st;
}

ws_status tune_store(const char *archive, const tune_winner *w, char name[64], ws_err *err)
{
    ws_arena a = {0};
    db_archive *db = NULL;
    db_run r = {0};
    int64_t id = 0;
    ws_status st = db_open(archive, false, &db, err);
    if (!st)
        st = db_run_name(w->spec->name, r.name, err);
    if (!st)
        st = begin_run(db, &a, w, &r, err);
    if (!st)
        st = add_winner(db, &a, w, &r, &id, err);
    if (!st)
        st = db_run_end(db, r.id, "done", "the tune space was searched", id, err);
    if (!st)
        snprintf(name, 64, "%s", r.name);
    db_close(db);
    ws_arena_release(&a);
    return st ? ws_wrap(err, "archive '%s'", archive) : WS_OK;
}
