#include "agent/cli.h"
#include "agent/cmd/archive_packet.h"
#include "results/export.h"

#include <stdlib.h>

typedef struct options {
    cli_common common;
    const char *archive, *output, *name, *packet;
} options;

static const ws_opt option_table[] = {
    {.name = "archive", .letter = 'a', .type = WS_OPT_STRING, .offset = offsetof(options, archive),
     .fallback = "warpsmith.db", .arg = "FILE", .help = "the archive", .env = "WARPSMITH_ARCHIVE"},
    {.name = "output", .letter = 'o', .type = WS_OPT_STRING, .offset = offsetof(options, output),
     .fallback = "-", .arg = "FILE", .help = "where to write; - is standard output"},
    {.name = "name", .type = WS_OPT_STRING, .offset = offsetof(options, name), .arg = "ID",
     .help = "C identifier of the launcher; from the spec's name by default"},
    {.name = "packet", .type = WS_OPT_STRING, .offset = offsetof(options, packet), .arg = "FILE",
     .help = "verify once more and write the evidence packet, whose hash the header names"},
    CLI_COMMON_OPTIONS};

/* The packet's file; a candidate that does not hold any more is not exported. */
static ws_status put_packet(const options *o, db_archive *db, const db_run *r,
                            const db_candidate *c, ws_arena *a, exp_input *in, ws_err *err)
{
    vfy_verdict *v = ws_calloc(1, sizeof *v);
    cJSON *packet = NULL;
    ws_status st = archive_packet(db, r, c, v, &packet, err);
    if (!st && v->reason != HX_PASS)
        st = ws_fail(err, WS_EINPUT, "the candidate does not hold any more: %s: %.600s",
                     hx_reason_name(v->reason), v->text);
    if (!st)
        st = archive_packet_write(packet, o->packet, err);
    if (!st)
        in->packet_sha256 = ws_arena_strdup(
            a, cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(packet, "sha256")));
    cJSON_Delete(packet);
    free(v);
    return st;
}

static ws_status run(const void *values, const char **args, int nargs, int *exit_code, ws_err *err)
{
    const options *o = values;
    db_archive *db = NULL;
    ws_arena a = {0};
    spec *s = NULL;
    db_run r = {0};
    db_candidate c = {0};
    ws_buf header = {0};
    const char *verdict = NULL;
    (void)exit_code;
    ws_status st = db_open(o->archive, true, &db, err);
    if (!st)
        st = archive_choose(db, nargs ? args[0] : "last", &a, &r, &c, err);
    if (!st)
        st = db_verdict_json(db, c.id, &a, &verdict, err);
    if (!st)
        st = spec_from_text(r.spec_json, ws_str_of(r.spec_json).n, r.spec_name, &s, err);
    if (!st) {
        exp_input in = {s, &c, &r, verdict, o->name, NULL};
        st = o->packet ? put_packet(o, db, &r, &c, &a, &in, err) : WS_OK;
        if (!st)
            st = exp_header(&in, &header, err);
    }
    if (!st)
        st = cli_write_text(o->output, o->common.json, "header", &header, err);
    ws_buf_release(&header);
    spec_free(s);
    ws_arena_release(&a);
    db_close(db);
    return st;
}

const cli_command cmd_export = {
    .doc = {.name = "export",
            .summary = "write a winner as a self-contained CUDA header",
            .usage = "[RUN | #CANDIDATE] [options]",
            .examples = "warpsmith export last -o softmax.cuh",
            .options = option_table,
            .min_args = 0,
            .max_args = 1},
    .values_size = sizeof(options),
    .run = run,
};
