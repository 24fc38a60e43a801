#include "agent/cmd/export_file.h"

#include "agent/cmd/archive_packet.h"
#include "agent/version.h"
#include "base/file.h"
#include "base/json.h"
#include "base/sha256.h"
#include "verifier/packet.h"
#include "verifier/verify.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char gpu[] = "h100";      /* of the cost model, as 'warpsmith verify' has it */
static const double wall_seconds = 25; /* of one run, as there */
enum { MAX_SOURCE = 1 << 20 };

static ws_status verify(export_file *f, const ws_buf *source, const char *file, comp_service *comp,
                        ws_err *err)
{
    vfy_session *session = NULL;
    vfy_options o = {.arch = f->run.arch,
                     .gpu = gpu,
                     .depth = VFY_FULL,
                     .wall_seconds = wall_seconds,
                     .max_level = VFY_ALGEBRAIC,
                     .file = file};
    ws_status st = vfy_session_open(f->spec, comp, &session, err);
    if (!st)
        st = vfy_verify(session, ws_buf_z(source), source->n, &o, f->verdict, err);
    vfy_session_close(session);
    return st;
}

static ws_status verify_to_packet(export_file *f, const ws_buf *source, const char *file,
                                  const char *path, comp_service *comp, ws_err *err)
{
    vfy_packet_request q = {.spec = f->spec,
                            .source = ws_buf_z(source),
                            .n = source->n,
                            .file = file,
                            .arch = f->run.arch,
                            .gpu = gpu,
                            .tool_version = WARPSMITH_VERSION,
                            .depth = VFY_FULL,
                            .field = true,
                            .wall_seconds = wall_seconds};
    cJSON *packet = NULL;
    ws_status st = vfy_packet_make(&q, comp, f->verdict, &packet, err);
    if (!st)
        st = archive_packet_write(packet, path, err);
    const char *sha = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(packet, "sha256"));
    if (!st && sha)
        f->packet_sha256 = ws_arena_strdup(&f->arena, sha);
    cJSON_Delete(packet);
    return st;
}

/* The candidate that an archive would have of it. */
static void describe(export_file *f, const ws_buf *source)
{
    const vfy_verdict *v = f->verdict;
    char sha[WS_SHA256_HEX];
    ws_buf json = {0};
    cJSON *verdict = vfy_verdict_json(v);
    ws_json_print(verdict, false, &json);
    f->verdict_json = ws_arena_strdup(&f->arena, ws_buf_z(&json));
    ws_sha256_of(ws_buf_z(source), source->n, sha);
    f->candidate = (db_candidate){.origin = "submitted",
                                  .source = ws_arena_strdup(&f->arena, ws_buf_z(source)),
                                  .source_sha256 = ws_arena_strdup(&f->arena, sha),
                                  .ptx_sha256 = ws_arena_strdup(&f->arena, v->ptx_sha256),
                                  .reason = hx_reason_name(v->reason),
                                  .level = v->level,
                                  .modelled_s = v->has_model ? v->model.seconds : (double)NAN,
                                  .measured_s = (double)NAN,
                                  .gpu = gpu};
    f->passed = v->reason == HX_PASS;
    cJSON_Delete(verdict);
    ws_buf_release(&json);
}

ws_status export_file_verify(const char *spec_name, const char *path, const char *arch,
                             const char *packet, comp_service *comp, export_file *out, ws_err *err)
{
    const char *slash = strrchr(path, '/'), *file = slash ? slash + 1 : path;
    ws_buf source = {.max = MAX_SOURCE};
    *out = (export_file){.run = {.arch = arch ? arch : "sm_90", .gpu = gpu},
                         .verdict = ws_calloc(1, sizeof *out->verdict)};
    ws_status st = spec_find(spec_name, &out->spec, err);
    if (!st)
        st = ws_read_file(path, MAX_SOURCE, &source, err);
    if (!st)
        st = packet ? verify_to_packet(out, &source, file, packet, comp, err)
                    : verify(out, &source, file, comp, err);
    if (!st)
        describe(out, &source);
    ws_buf_release(&source);
    return st;
}

void export_file_release(export_file *f)
{
    spec_free(f->spec);
    free(f->verdict);
    ws_arena_release(&f->arena);
}
