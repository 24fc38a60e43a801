#include "agent/cmd/archive_packet.h"

#include "agent/version.h"
#include "base/file.h"
#include "base/json.h"
#include "verifier/packet.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const double wall_seconds = 25; /* of one run, as 'warpsmith verify' has it */

ws_status archive_choose(db_archive *db, const char *which, ws_arena *a, db_run *run,
                         db_candidate *c, ws_err *err)
{
    int64_t id = 0;
    if (which[0] == '#') {
        if (sscanf(which + 1, "%" SCNd64, &id) != 1)
            return ws_fail(err, WS_EUSAGE, "'%s' is not a candidate; write #12", which);
    } else {
        if (db_run_find(db, which, a, run, err))
            return err->status;
        if (!(id = run->best_candidate))
            return ws_fail(err, WS_EINPUT, "run '%s' has no winner", run->name);
    }
    if (db_candidate_get(db, id, a, c, err))
        return err->status;
    char text[24];
    snprintf(text, sizeof text, "%" PRId64, c->run);
    return which[0] == '#' ? db_run_find(db, text, a, run, err) : WS_OK;
}

ws_status archive_packet(db_archive *db, const db_run *run, const db_candidate *c, vfy_verdict *v,
                         cJSON **out, ws_err *err)
{
    cJSON *tune = NULL;
    spec *s = NULL;
    comp_service *comp = NULL;
    vfy_packet_request q = {.source = c->source, .n = strlen(c->source), .file = "kernel.cu",
                            .arch = run->arch ? run->arch : "sm_90",
                            .gpu = c->gpu     ? c->gpu
                                   : run->gpu ? run->gpu
                                              : "h100",
                            .tool_version = WARPSMITH_VERSION, .depth = VFY_FULL, .field = true,
                            .wall_seconds = wall_seconds};
    ws_status st = spec_from_text(run->spec_json, strlen(run->spec_json), run->spec_name, &s, err);
    q.spec = s;
    if (!st)
        st = db_verdict_seed(db, c->id, &q.seed, err);
    if (!st && c->tune_json &&
        (st = ws_json_parse(c->tune_json, strlen(c->tune_json), &tune, err)))
        st = ws_wrap(err, "the candidate's tunables");
    q.tune = tune;
    if (!st)
        st = comp_service_open(&(comp_service_options){0}, &comp, err);
    if (!st)
        st = vfy_packet_make(&q, comp, v, out, err);
    comp_service_close(comp);
    spec_free(s);
    cJSON_Delete(tune);
    return st ? ws_wrap(err, "candidate #%" PRId64, c->id) : WS_OK;
}

ws_status archive_packet_write(const cJSON *packet, const char *path, ws_err *err)
{
    ws_buf text = {.max = 256 << 20};
    ws_json_print(packet, true, &text);
    ws_buf_addc(&text, '\n');
    ws_status st = ws_write_file(path, text.p, text.n, err);
    ws_buf_release(&text);
    return st;
}
